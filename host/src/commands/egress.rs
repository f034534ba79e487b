//! `vedette egress explain`

use std::{io::BufRead as _, process::ExitCode};

use ipnet::IpNet;
use vedette_egress::{Explanation, Guard, Policy, Stage};

use crate::cli::say;

/// Tells the guard's verdict. Nothing is sent.
pub(crate) fn explain(url: &str, allow: Vec<IpNet>, json: bool) -> anyhow::Result<ExitCode> {
    let guard = Guard::new(Policy {
        allow,
        ..Policy::default()
    })?;
    let mut is_denied = false;
    let mut tell = |explanation: Explanation| -> anyhow::Result<()> {
        let url = &explanation.input;
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
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            let url = line
                .strip_suffix(b"\r\n")
                .or_else(|| line.strip_suffix(b"\n"))
                .unwrap_or(&line);
            match str::from_utf8(url) {
                Ok(url) => tell(guard.explain(url))?,
                // No request can have it; the lines after it are not its fault.
                Err(_) => tell(Explanation {
                    input: String::from_utf8_lossy(url).into_owned(),
                    verdict: "deny",
                    stage: Some(Stage::Parse),
                    rule: Some("not UTF-8".to_owned()),
                })?,
            }
            line.clear();
        }
    } else {
        tell(guard.explain(url))?;
    }
    Ok(if is_denied {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
