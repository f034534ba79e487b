//! `vedette check`

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::Write as _,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use owo_colors::{OwoColorize as _, Stream};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;
use vedette_core::{
    ComponentRefusal, ErrorClass, Outcome, SourceLanguage, Status, Step, SystemClock, script,
};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{
    ArtifactCache, Limits, Recording, RunInputs, Sandbox, SandboxOptions,
    component::{self, Artifact, LoadedComponent},
    limits::RECORDING_FILE_BYTES,
};

use crate::{
    cli::{CheckArguments, EXIT_USAGE, complain, say},
    components,
    config::{self, Log, LogFormat},
    keys, logging,
    wire::compile_outcome,
};

/// Runs one check and tells what came of it.
pub(crate) fn check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let (program, inputs) = match read(arguments) {
        Ok(read) => read,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    // Before the run: one that cannot be kept need not begin.
    let file = match arguments.record.as_deref().map(RecordingFile::create) {
        None => None,
        Some(Ok(file)) => Some(file),
        Some(Err(error)) => {
            complain(&format!("--record: {error:#}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    logging::start(&Log {
        format: LogFormat::Auto,
        level: "warn".to_owned(),
    })?;
    // What fails here is the platform's fault and says nothing about the target: no exit code 1.
    let is_recorded = file.is_some();
    let ran = match program {
        Program::Source(source, language) => {
            run(&arguments.allow, &source, language, inputs, is_recorded)
        }
        Program::Component(bytes) => {
            run_component(&arguments.allow, &bytes, inputs).map(|outcome| (outcome, None))
        }
    };
    let (outcome, recording) = ran.unwrap_or_else(|error| (cannot_run(&error), None));
    if arguments.json {
        say(&as_json(&outcome).to_string());
    } else {
        tell(&outcome);
    }
    if let Some(file) = file {
        let Some(recording) = recording else {
            complain("nothing is recorded: the script did not run");
            return Ok(exit_code(&outcome));
        };
        if let Err(error) = file.keep(&recording) {
            complain(&format!("--record: {error:#}"));
            // Whoever asks for a recording must not take its want for a verdict.
            return Ok(ExitCode::from(2));
        }
    }
    Ok(exit_code(&outcome))
}

/// What a run means to the caller.
pub(crate) fn exit_code(outcome: &Outcome) -> ExitCode {
    ExitCode::from(match outcome.status {
        Status::Success => 0,
        Status::Failure => 1,
        _ => 2,
    })
}

/// An outcome that says nothing about the target.
pub(crate) fn cannot_run(error: &anyhow::Error) -> Outcome {
    let message = format!("the check could not be run here: {error:#}");
    Outcome::error(ErrorClass::PlatformError, message)
}

fn run(
    allow: &[IpNet],
    source: &str,
    language: SourceLanguage,
    inputs: RunInputs,
    is_recorded: bool,
) -> anyhow::Result<(Outcome, Option<Recording>)> {
    let sandbox = sandbox(allow)?;
    Ok(tokio::runtime::Runtime::new()?.block_on(async {
        let bytecode = match sandbox.compile(source, language).await {
            Ok(bytecode) => bytecode,
            Err(error) => return (compile_outcome(error), None),
        };
        if !is_recorded {
            return (sandbox.run(&bytecode, inputs).await, None);
        }
        let running = sandbox.run_recorded(&bytecode, inputs, RECORDING_FILE_BYTES);
        let (outcome, tape) = running.await;
        let recording = tape.map(|tape| tape.into_recording(&outcome, source, language));
        (outcome, recording)
    }))
}

/// As a server does it, from the bytes to the outcome.
fn run_component(allow: &[IpNet], bytes: &[u8], inputs: RunInputs) -> anyhow::Result<Outcome> {
    let guard = guard(allow)?;
    let clock = Arc::new(SystemClock);
    Ok(tokio::runtime::Runtime::new()?.block_on(async {
        match prepared(bytes).await {
            Ok(component) => component.run(&guard, clock, inputs).await,
            Err(refusal) => Outcome::error(refusal.class, refusal.message),
        }
    }))
}

async fn prepared(bytes: &[u8]) -> Result<LoadedComponent, ComponentRefusal> {
    component::inspect(bytes)?;
    let (artifact, _) = compiled(bytes).await?;
    LoadedComponent::load(&artifact)
}

/// Native code of a component that was admitted, and how long compiling it took. `None`: this user has
/// it already.
pub(crate) async fn compiled(
    bytes: &[u8],
) -> Result<(Artifact, Option<Duration>), ComponentRefusal> {
    let digest = component::digest(bytes);
    let cache = cache();
    let known = cache.as_ref().and_then(|cache| cache.component(&digest));
    if let Some(artifact) = known {
        return Ok((artifact, None));
    }
    let started = Instant::now();
    let artifact = components::compile(bytes).await?;
    let took = started.elapsed();
    if let Some(Err(error)) = cache.map(|cache| cache.store_component(&digest, &artifact)) {
        tracing::warn!(%error, "the compiled component could not be cached");
    }
    Ok((artifact, Some(took)))
}

fn guard(allow: &[IpNet]) -> anyhow::Result<Guard> {
    Ok(Guard::new(Policy {
        allow: allow.to_vec(),
        ..Policy::default()
    })?)
}

/// A sandbox for one run at a time.
pub(crate) fn sandbox(allow: &[IpNet]) -> anyhow::Result<Sandbox> {
    let guard = guard(allow)?;
    Ok(Sandbox::new(SandboxOptions {
        max_concurrent_runs: 1,
        cache: cache(),
        guard,
        clock: Arc::new(SystemClock),
    })?)
}

/// A file that appears when it is whole, for its owner's eyes only: it has what the target
/// answered.
struct RecordingFile<'a> {
    path: &'a Path,
    file: NamedTempFile,
}

impl<'a> RecordingFile<'a> {
    fn create(path: &'a Path) -> anyhow::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { path, file })
    }

    fn keep(mut self, recording: &Recording) -> anyhow::Result<()> {
        let path = self.path.display();
        self.file
            .write_all(recording.to_json(true).as_bytes())
            .and_then(|()| self.file.write_all(b"\n"))
            .with_context(|| format!("{path} cannot be written"))?;
        for what in recording.truncated() {
            complain(&format!("{path}: left out: {what}"));
        }
        self.file
            .persist(self.path)
            .with_context(|| format!("{path} cannot be written"))?;
        Ok(())
    }
}

/// What is to be run.
enum Program {
    Source(String, SourceLanguage),
    Component(Vec<u8>),
}

fn read_program(file: &Path) -> anyhow::Result<Program> {
    let unreadable = || format!("{} cannot be read", file.display());
    if file
        .extension()
        .is_some_and(|extension| extension == "wasm")
    {
        let bytes = std::fs::read(file).with_context(unreadable)?;
        return Ok(Program::Component(bytes));
    }
    let language = language(file)?;
    let source = std::fs::read_to_string(file).with_context(unreadable)?;
    script::check_source(&source).with_context(|| file.display().to_string())?;
    Ok(Program::Source(source, language))
}

fn read(arguments: &CheckArguments) -> anyhow::Result<(Program, RunInputs)> {
    let program = read_program(&arguments.file)?;
    if arguments.record.is_some() && matches!(program, Program::Component(_)) {
        bail!("--record: a component cannot be recorded, only JavaScript and TypeScript");
    }
    let params = parameters(arguments)?;
    script::check_parameters(&params).context("--param")?;
    let env = variables(&arguments.env)?;
    let wall = timeout(&arguments.timeout)?;
    Ok((
        program,
        RunInputs {
            params,
            env,
            limits: Limits {
                wall,
                ..Limits::default()
            },
            ..RunInputs::default()
        },
    ))
}

/// A name says what a file is written in; without an extension it is JavaScript.
pub(crate) fn language(file: &Path) -> anyhow::Result<SourceLanguage> {
    match file.extension().and_then(OsStr::to_str) {
        None | Some("js" | "mjs") => Ok(SourceLanguage::JavaScript),
        Some("ts" | "mts") => Ok(SourceLanguage::TypeScript),
        Some("wasm") => bail!("{}: a component is no script", file.display()),
        Some(_) => bail!(
            "{}: a check is a .js, .mjs, .ts, .mts or .wasm file",
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

/// What `--env` gives.
pub(crate) fn variables(pairs: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let env: BTreeMap<_, _> = pairs
        .iter()
        .map(|pair| split("--env", pair).map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Result<_, _>>()?;
    script::check_env_vars(&env).context("--env")?;
    Ok(env)
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

pub(crate) fn as_json(outcome: &Outcome) -> Value {
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
pub(crate) fn tell(outcome: &Outcome) {
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
pub(crate) fn printable(text: &str) -> String {
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
