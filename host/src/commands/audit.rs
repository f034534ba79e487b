//! `vedette audit verify`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use vedette_core::OrgId;
use vedette_store::{ChainId, ChainReport, Checkpoint};

use super::admin::on_store;
use crate::{
    audit,
    cli::{complain, say},
    config::Config,
    keys,
};

/// It could not be tried.
const EXIT_UNTRIED: u8 = 2;

/// What is to be verified, and how it is told.
pub(crate) struct Verification {
    /// Checkpoints that were kept elsewhere, instead of the installation's file.
    pub(crate) checkpoints: Option<PathBuf>,
    /// Only the chain of this organization.
    pub(crate) organization: Option<OrgId>,
    /// One JSON object a chain.
    pub(crate) json: bool,
}

/// Reads the chains of the audit log and says what does not fit.
pub(crate) fn verify(config: &Config, wanted: &Verification) -> ExitCode {
    match reports(config, wanted) {
        Ok(reports) => {
            for report in &reports {
                say(&if wanted.json {
                    as_json(report)
                } else {
                    as_text(report)
                });
            }
            if reports.iter().all(|report| report.findings.is_empty()) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(EXIT_UNTRIED)
        }
    }
}

fn reports(config: &Config, wanted: &Verification) -> anyhow::Result<Vec<ChainReport>> {
    let elsewhere = match &wanted.checkpoints {
        Some(path) => read(path)?,
        None => read_own(&config.checkpoint_file())?,
    };
    let keys = keys::checkpoint_keys(&config.server.data_dir.join("keys"))?;
    on_store(config, async |store| {
        let chains: BTreeSet<ChainId> = if let Some(org) = wanted.organization {
            [org.into()].into()
        } else {
            // A chain of which all rows are gone is known by its checkpoints.
            let named = elsewhere.iter().map(|checkpoint| checkpoint.chain);
            let stored = store.list_audit_chains().await?;
            stored.into_iter().chain(named).collect()
        };
        let mut reports = Vec::new();
        for chain in chains {
            reports.push(store.verify_audit(chain, &keys, &elsewhere).await?);
        }
        Ok(reports)
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let (checkpoints, others) = audit::read(path)?;
    for line in others {
        complain(&format!("{}: line {line} is no checkpoint", path.display()));
    }
    Ok(checkpoints)
}

/// The file of an installation that has not written any yet is not there.
fn read_own(path: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    if path.try_exists()? {
        return read(path);
    }
    complain(&format!(
        "there is no file of checkpoints at {}: that the end of a chain was cut off, or that all of it \
         was written anew, would not show",
        path.display()
    ));
    Ok(Vec::new())
}

fn as_text(report: &ChainReport) -> String {
    let ChainReport {
        chain,
        records,
        checkpoints,
        findings,
    } = report;
    let known = format!("{chain}: {records} records, {checkpoints} checkpoints");
    if findings.is_empty() {
        return format!("{known}, as they were written");
    }
    let findings = findings.iter().map(|finding| format!("\n  {finding}"));
    format!("{known}, TAMPERED WITH{}", findings.collect::<String>())
}

fn as_json(report: &ChainReport) -> String {
    let findings = report.findings.iter().map(ToString::to_string);
    json!({
        "chain": report.chain.to_string(),
        "records": report.records,
        "checkpoints": report.checkpoints,
        "findings": findings.collect::<Vec<_>>(),
    })
    .to_string()
}
