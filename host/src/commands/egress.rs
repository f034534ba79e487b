//! `vedette egress explain`

use std::{io::BufRead as _, process::ExitCode};

use ipnet::IpNet;
use vedette_egress::{Guard, Policy};

use crate::cli::say;

/// Tells the guard's verdict. Nothing is sent.
pub(crate) fn explain(url: &str, allow: Vec<IpNet>, json: bool) -> anyhow::Result<ExitCode> {
    let guard = Guard::new(Policy { allow })?;
    let mut is_denied = false;
    let mut tell = |url: &str| -> anyhow::Result<()> {
        let explanation = guard.explain(url);
        is_denied |= explanation.verdict == "deny";
        if json {
            say(&serde_json::to_string(&explanation)?);
            return Ok(());
        }
        match (&explanation.stage, &explanation.rule) {
            (Some(stage), Some(rule)) => {
                say(&format!("deny   {url}\n       {rule} (stage {stage})"));
            }
            _ => say(&format!("allow  {url}")),
        }
        Ok(())
    };
    if url == "-" {
        for line in std::io::stdin().lock().lines() {
            tell(&line?)?;
        }
    } else {
        tell(url)?;
    }
    Ok(if is_denied {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
