//! Reading a recording, which may come from anybody.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use vedette_core::{
    SourceLanguage, script,
    variable::{MAX_VARIABLES_OF_RUN, check_variable_name},
};

use super::format::{FORMAT, RecordedAnswer, RecordedRequest, Recording, digest};
use crate::{limits, world::Seed};

/// Longest time that a recording may speak of, in milliseconds: far more than a run may take.
const MOST_ELAPSED_MS: u64 = 24 * 3_600 * 1_000;

/// A recording that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The text is not a recording.
    #[error("not a recording: {0}")]
    Malformed(String),
    /// It is of another version of the format.
    #[error("a recording of format {0}; this version reads format {FORMAT}")]
    Format(String),
    /// It was made with another engine.
    #[error(
        "recorded with the engine {recorded:.12}…; this one is {here:.12}…, which may do other \
         things and spends other fuel"
    )]
    Engine {
        /// The recording's.
        recorded: String,
        /// This program's.
        here: String,
    },
}

/// What every version has.
#[derive(Deserialize)]
struct AnyFormat {
    format: Option<Value>,
}

impl Recording {
    /// Reads a recording and checks all that a replay relies on.
    ///
    /// # Errors
    /// When it is not one, or one of another version.
    pub fn parse(text: &[u8]) -> Result<Self, RecordingError> {
        let malformed = |error: serde_json::Error| RecordingError::Malformed(error.to_string());
        let any: AnyFormat = serde_json::from_slice(text).map_err(malformed)?;
        match any.format {
            None => return Err(RecordingError::Malformed("`format` is missing".to_owned())),
            Some(format) if format != FORMAT => {
                return Err(RecordingError::Format(format.to_string()));
            }
            Some(_) => {}
        }
        let recording: Self = serde_json::from_slice(text).map_err(malformed)?;
        recording.check().map_err(RecordingError::Malformed)?;
        Ok(recording)
    }

    /// Whether this engine is the one that it was made with.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn check_engine(&self, here: &str) -> Result<(), RecordingError> {
        if self.engine == here {
            return Ok(());
        }
        Err(RecordingError::Engine {
            recorded: self.engine.clone(),
            here: here.to_owned(),
        })
    }

    /// The script, if it is there.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Why the script is not there.
    pub fn source_left_out(&self) -> Option<&str> {
        self.source_left_out.as_deref()
    }

    /// What the script is written in.
    pub fn language(&self) -> SourceLanguage {
        self.language
    }

    /// Whether `source` is the script that ran.
    pub fn is_of(&self, source: &str) -> bool {
        self.source_sha256 == digest(source.as_bytes())
    }

    /// What of the run is missing, so that it cannot be repeated.
    pub fn truncated(&self) -> &[String] {
        &self.truncated
    }

    /// Names of the variables that the run had.
    pub fn variables(&self) -> &[String] {
        &self.env
    }

    pub(super) fn seed(&self) -> Option<Seed> {
        let mut seed = Seed::default();
        hex::decode_to_slice(&self.seed, &mut seed).ok()?;
        Some(seed)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(source) = &self.source {
            script::check_source(source).map_err(|error| format!("`source`: {error}"))?;
            if !self.is_of(source) {
                return Err("`source` is not the one of `source_sha256`".to_owned());
            }
        }
        script::check_parameters(&self.params).map_err(|error| format!("`params`: {error}"))?;
        if self.env.len() > MAX_VARIABLES_OF_RUN {
            return Err(format!("`env` has more than {MAX_VARIABLES_OF_RUN} names"));
        }
        for name in &self.env {
            check_variable_name(name).map_err(|error| format!("`env`: {error}"))?;
        }
        if self.seed().is_none() {
            return Err("`seed` is not 32 bytes in hex".to_owned());
        }
        let years = DateTime::UNIX_EPOCH..DateTime::<Utc>::MAX_UTC - chrono::TimeDelta::days(366);
        if !years.contains(&self.started_at) {
            return Err("`started_at` is out of range".to_owned());
        }
        let limits = &self.limits;
        if limits.fuel > limits::FUEL
            || limits.memory_bytes > limits::MEMORY_BYTES as u64
            || limits.wall_ms > MOST_ELAPSED_MS
            || self.outcome.fuel_used > limits.fuel
        {
            return Err("`limits` are wider than those of a run".to_owned());
        }
        for (number, request) in self.requests.iter().enumerate() {
            request
                .check()
                .map_err(|what| format!("`requests[{number}]`: {what}"))?;
        }
        self.check_waits()
    }

    fn check_waits(&self) -> Result<(), String> {
        let mut elapsed_ms = 0;
        for (number, wait) in self.waits.iter().enumerate() {
            let wrong = |what: &str| Err(format!("`waits[{number}]`: {what}"));
            if !(elapsed_ms..=MOST_ELAPSED_MS).contains(&wait.elapsed_ms) {
                return wrong("`elapsed_ms` is out of range");
            }
            elapsed_ms = wait.elapsed_ms;
            if wait.ready.iter().any(|ready| !wait.pending.contains(ready)) {
                return wrong("a request is ready that is not pending");
            }
            let most = self.requests.len();
            if wait.pending.len() > limits::HANDLES
                || wait.pending.iter().any(|pending| *pending as usize >= most)
            {
                return wrong("a request is pending that is not there");
            }
        }
        Ok(())
    }
}

impl RecordedRequest {
    fn check(&self) -> Result<(), String> {
        if self.started_ms > MOST_ELAPSED_MS {
            return Err("`started_ms` is out of range".to_owned());
        }
        if let Some(RecordedAnswer::Response(response)) = &self.answer
            && !(100..=999).contains(&response.status)
        {
            return Err(format!("{} is not a status", response.status));
        }
        Ok(())
    }
}
