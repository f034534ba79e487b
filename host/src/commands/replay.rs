//! `vedette replay`

use std::{
    collections::BTreeMap, fs::File, io::Read as _, path::Path, process::ExitCode, sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use vedette_core::{ErrorClass, SourceLanguage, script};
use vedette_sandbox::{Recording, RecordingError, Replayed, limits::MOST_RECORDING_FILE_BYTES};

use crate::{
    cli::{EXIT_DIFFERENT, EXIT_USAGE, ReplayArguments, complain, say},
    commands::check::{
        as_json, cannot_run, exit_code, language, printable, sandbox, tell, variables,
    },
    config::{Log, LogFormat},
    logging,
    wire::compile_outcome,
};

/// Runs a recording again, and tells whether it came to the same.
pub(crate) fn replay(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let read = read(arguments).and_then(|(recording, script)| {
        let env = variables(&arguments.env)?;
        Ok((recording, script, env))
    });
    let (recording, (source, language), env) = match read {
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
    let is_edited = !recording.is_of(&source);
    if !is_edited && !recording.truncated().is_empty() {
        let file = arguments.file.display();
        for what in recording.truncated() {
            complain(&format!("{file}: left out: {what}"));
        }
        complain("the run cannot be repeated without what was left out of its recording");
        return Ok(ExitCode::from(EXIT_DIFFERENT));
    }
    let recording = Arc::new(recording);
    let replayed = match run(&recording, &source, language, &env) {
        Ok(Ok(replayed)) => replayed,
        // The platform's fault, as in a check.
        Err(error) => Replayed::without_run(&recording, cannot_run(&error)),
        Ok(Err(error)) => {
            complain(&format!("{}: {error}", arguments.file.display()));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    if arguments.json {
        say(&to_json(&recording, &replayed, is_edited).to_string());
    } else {
        compare(&recording, &replayed, is_edited);
    }
    let is_ours = replayed.outcome.error_class == Some(ErrorClass::PlatformError);
    Ok(if is_edited || replayed.same_outcome || is_ours {
        exit_code(&replayed.outcome)
    } else {
        ExitCode::from(EXIT_DIFFERENT)
    })
}

/// A source, and what it is written in.
type Script = (String, SourceLanguage);

/// The recording, and the script to run on it.
fn read(arguments: &ReplayArguments) -> anyhow::Result<(Recording, Script)> {
    let file = arguments.file.display();
    let mut text = Vec::new();
    File::open(&arguments.file)
        .and_then(|file| {
            let mut file = file.take(MOST_RECORDING_FILE_BYTES + 1);
            file.read_to_end(&mut text)
        })
        .with_context(|| format!("{file} cannot be read"))?;
    ensure!(
        text.len() as u64 <= MOST_RECORDING_FILE_BYTES,
        "{file}: a recording has at most {MOST_RECORDING_FILE_BYTES} bytes"
    );
    let recording = Recording::parse(&text).with_context(|| file.to_string())?;
    let script = match (&arguments.script, recording.source()) {
        (Some(path), _) => script_of(path)?,
        (None, Some(source)) => (source.to_owned(), recording.language()),
        (None, None) => {
            let why = recording.source_left_out().unwrap_or("it is not there");
            bail!("{file}: the script was left out ({why}): give it by --script");
        }
    };
    Ok((recording, script))
}

fn script_of(path: &Path) -> anyhow::Result<Script> {
    let language = language(path)?;
    let source = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    script::check_source(&source).with_context(|| path.display().to_string())?;
    Ok((source, language))
}

/// No network is allowed, and none is used.
fn run(
    recording: &Arc<Recording>,
    source: &str,
    language: SourceLanguage,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Result<Replayed, RecordingError>> {
    let sandbox = sandbox(&[])?;
    Ok(tokio::runtime::Runtime::new()?.block_on(async {
        match sandbox.compile(source, language).await {
            Ok(bytecode) => sandbox.replay(recording, source, &bytecode, env).await,
            Err(error) => Ok(Replayed::without_run(recording, compile_outcome(error))),
        }
    }))
}

fn to_json(recording: &Recording, replayed: &Replayed, is_edited: bool) -> Value {
    let mut object = as_json(&replayed.outcome);
    object["recorded"] = recording.outcome_json();
    object["is_edited"] = json!(is_edited);
    object["same_outcome"] = json!(replayed.same_outcome);
    object["same_fuel"] = json!(replayed.same_fuel);
    object["diverged"] = json!(replayed.diverged);
    object["doubts"] = json!(replayed.doubts);
    object
}

/// For people: the run as `check` tells it, and then how it stands to the recorded one.
fn compare(recording: &Recording, replayed: &Replayed, is_edited: bool) {
    tell(&replayed.outcome);
    say(&format!("recorded: {}", printable(&recording.headline())));
    let same = |is_same: bool| if is_same { "the same" } else { "another" };
    say(&format!(
        "{} outcome, {} fuel figure{}",
        same(replayed.same_outcome),
        same(replayed.same_fuel),
        if is_edited {
            " (the script is another, too)"
        } else {
            ""
        }
    ));
    if let Some(diverged) = &replayed.diverged {
        say(&format!(
            "the script asked for something else than the recorded one: {}",
            printable(diverged)
        ));
    }
    for doubt in &replayed.doubts {
        say(&format!(
            "fuel and outcome may differ: {}",
            printable(doubt)
        ));
    }
}
