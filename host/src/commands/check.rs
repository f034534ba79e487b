//! `vedette check`

use std::{
    collections::BTreeMap, ffi::OsStr, path::Path, process::ExitCode, sync::Arc, time::Duration,
};

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use owo_colors::{OwoColorize as _, Stream};
use serde_json::{Map, Value, json};
use vedette_core::{ErrorClass, Outcome, SourceLanguage, Status, Step, SystemClock, script};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{ArtifactCache, Limits, RunInputs, Sandbox, SandboxOptions};

use crate::{
    cli::{CheckArguments, EXIT_USAGE, complain, say},
    config::{self, Log, LogFormat},
    keys, logging,
    wire::compile_outcome,
};

/// Runs one check and tells what came of it.
pub(crate) fn check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let (source, language, inputs) = match read(arguments) {
        Ok(read) => read,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    logging::start(&Log {
        format: LogFormat::Auto,
        level: "warn".to_owned(),
    })?;
    // What fails here is the platform's fault and says nothing about the target: no exit code 1.
    let outcome = run(&arguments.allow, &source, language, inputs).unwrap_or_else(|error| {
        let message = format!("the check could not be run here: {error:#}");
        Outcome::error(ErrorClass::PlatformError, message)
    });
    if arguments.json {
        say(&as_json(&outcome).to_string());
    } else {
        tell(&outcome);
    }
    Ok(ExitCode::from(match outcome.status {
        Status::Success => 0,
        Status::Failure => 1,
        _ => 2,
    }))
}

fn run(
    allow: &[IpNet],
    source: &str,
    language: SourceLanguage,
    inputs: RunInputs,
) -> anyhow::Result<Outcome> {
    let guard = Guard::new(Policy {
        allow: allow.to_vec(),
        ..Policy::default()
    })?;
    let options = SandboxOptions {
        max_concurrent_runs: 1,
        cache: cache(),
        guard,
        clock: Arc::new(SystemClock),
    };
    let sandbox = Sandbox::new(options)?;
    Ok(tokio::runtime::Runtime::new()?.block_on(async {
        match sandbox.compile(source, language).await {
            Ok(bytecode) => sandbox.run(&bytecode, inputs).await,
            Err(error) => compile_outcome(error),
        }
    }))
}

fn read(arguments: &CheckArguments) -> anyhow::Result<(String, SourceLanguage, RunInputs)> {
    let file = &arguments.file;
    let language = language(file)?;
    let source = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    script::check_source(&source).with_context(|| file.display().to_string())?;
    let params = parameters(arguments)?;
    script::check_parameters(&params).context("--param")?;
    let env: BTreeMap<_, _> = arguments
        .env
        .iter()
        .map(|pair| split("--env", pair).map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Result<_, _>>()?;
    script::check_env_vars(&env).context("--env")?;
    let wall = timeout(&arguments.timeout)?;
    Ok((
        source,
        language,
        RunInputs {
            params,
            env,
            limits: Limits {
                wall,
                ..Limits::default()
            },
        },
    ))
}

/// A name says what a file is written in; without an extension it is JavaScript.
fn language(file: &Path) -> anyhow::Result<SourceLanguage> {
    match file.extension().and_then(OsStr::to_str) {
        None | Some("js" | "mjs") => Ok(SourceLanguage::JavaScript),
        Some("ts" | "mts") => Ok(SourceLanguage::TypeScript),
        Some("wasm") => bail!(
            "{}: this version runs JavaScript and TypeScript checks only",
            file.display()
        ),
        Some(_) => bail!(
            "{}: a check is a .js, .mjs, .ts or .mts file",
            file.display()
        ),
    }
}

fn parameters(arguments: &CheckArguments) -> anyhow::Result<Map<String, Value>> {
    let mut params = match &arguments.parameters_json {
        None => Map::new(),
        Some(text) => serde_json::from_str(text).context("--params is not a JSON object")?,
    };
    for pair in &arguments.parameters {
        let (name, text) = split("--param", pair)?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        params.insert(name.to_owned(), value);
    }
    Ok(params)
}

fn split<'a>(option: &str, pair: &'a str) -> anyhow::Result<(&'a str, &'a str)> {
    pair.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .with_context(|| format!("{option} takes NAME=VALUE, not `{pair}`"))
}

fn timeout(text: &str) -> anyhow::Result<Duration> {
    let seconds: u32 = text
        .strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .ok()
        .with_context(|| format!("--timeout takes seconds, such as 10s, not `{text}`"))?;
    script::check_timeout_seconds(seconds).context("--timeout")?;
    Ok(Duration::from_secs(seconds.into()))
}

/// The compiled engine of this user; without one the check still runs, a second later.
fn cache() -> Option<ArtifactCache> {
    let folder = config::user_cache()?;
    let key = keys::cache_key(&folder).ok()?;
    Some(ArtifactCache::new(folder, key))
}

fn as_json(outcome: &Outcome) -> Value {
    json!({
        "status": outcome.status,
        "error_class": outcome.error_class,
        "message": outcome.message,
        "result": outcome.result,
        "latency_ms": outcome.latency_ms,
        "duration_ms": outcome.duration_ms,
        "fuel_used": outcome.fuel_used,
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "requests": outcome.requests,
        "steps": outcome.steps,
        "logs": outcome.logs,
        "flags": outcome.flags,
    })
}

/// For people: the verdict first, then what it rests on.
fn tell(outcome: &Outcome) {
    say(&headline(outcome));
    for request in &outcome.requests {
        let what = match (&request.status, &request.error) {
            (Some(status), _) => status.to_string(),
            (None, error) => error.clone().unwrap_or_default(),
        };
        say(&format!(
            "  {} {} -> {what} in {:.1} ms{}",
            request.method,
            printable(&request.url),
            request.total_ms,
            request
                .remote_address
                .as_ref()
                .map_or(String::new(), |address| format!(" ({address})")),
        ));
    }
    for step in &outcome.steps {
        say(&step_line(step));
    }
    for line in &outcome.logs {
        say(&format!(
            "  [{}] {}",
            line.log_level,
            printable(&line.message)
        ));
    }
    if let Some(data) = outcome
        .result
        .as_ref()
        .and_then(|verdict| verdict.data.as_ref())
    {
        say(&format!("  data {data}"));
    }
    for flag in &outcome.flags {
        say(&format!("  flag {flag}"));
    }
    say(&format!(
        "  {:.1} ms, {} units of fuel, {} KiB",
        outcome.duration_ms,
        outcome.fuel_used,
        outcome.peak_memory_bytes / 1024
    ));
}

/// `ok check "has a title"`, `not ok step "log in", 12.5 ms: why`
fn step_line(step: &Step) -> String {
    let passed = if step.passed { "ok" } else { "not ok" };
    let name = printable(&step.name);
    let duration = step
        .duration_ms
        .map_or(String::new(), |ms| format!(", {ms:.1} ms"));
    let why = step
        .message
        .as_ref()
        .map_or(String::new(), |why| format!(": {}", printable(why)));
    format!("  {passed} {} \"{name}\"{duration}{why}", step.kind)
}

/// Status, class and message in one coloured line.
pub(crate) fn headline(outcome: &Outcome) -> String {
    let class = outcome
        .error_class
        .map_or(String::new(), |class| format!(" {class}"));
    let status = format!("{}{class}", outcome.status);
    let message = outcome
        .message
        .as_deref()
        .map(printable)
        .unwrap_or_default();
    match outcome.status {
        Status::Success => {
            format!(
                "{}  {message}",
                status.if_supports_color(Stream::Stdout, |text| text.green())
            )
        }
        Status::Failure | Status::Timeout => {
            format!(
                "{}  {message}",
                status.if_supports_color(Stream::Stdout, |text| text.red())
            )
        }
        _ => format!(
            "{}  {message}",
            status.if_supports_color(Stream::Stdout, |text| text.yellow())
        ),
    }
}

/// What a script wrote must not move the cursor or change colours.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
