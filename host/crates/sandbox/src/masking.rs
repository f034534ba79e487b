//! Takes the values of secrets out of what a run leaves, before anybody else sees it.
//!
//! What is looked for is what [`Redactor`] finds. It is a net and no wall: a script can make of a
//! value what nobody recognizes.

use std::{collections::BTreeMap, mem};

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use vedette_core::{ErrorClass, Flag, Outcome};
use vedette_egress::{Seals, redact::Redactor};

use crate::{
    Limits, RunInputs,
    limits::{MESSAGE_BYTES, STEP_MESSAGE_BYTES, STEP_NAME_BYTES},
    run::PLATFORM_MESSAGE,
    verdict::clean_text,
    world::new_seed,
};

/// Longest address of a request in an outcome that was masked, in bytes.
const URL_BYTES: usize = 8 * 1024;

/// Stands for data that became too large, because names of variables are longer than their values.
const TOO_LARGE: &str = "[masked: too large]";

/// The secrets of one run. Most runs have none.
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
    seals: Seals,
}

impl Secrets {
    /// Notes the secrets of a run, and puts handles in the place of those that it must not see.
    ///
    /// # Errors
    /// An outcome, when there is no chance to make handles of.
    pub(crate) fn take(inputs: &mut RunInputs) -> Result<Self, Box<Outcome>> {
        let mut values: BTreeMap<_, _> = inputs
            .secrets
            .iter()
            .filter_map(|name| Some((name.clone(), inputs.env.get(name)?.clone())))
            .collect();
        let sealed = mem::take(&mut inputs.sealed);
        if sealed.is_empty() {
            let seals = Seals::default();
            return Ok(Self { values, seals });
        }
        let seed = new_seed().map_err(|error| {
            tracing::error!(error = ?error, "a run could not start");
            Box::new(Outcome::error(ErrorClass::PlatformError, PLATFORM_MESSAGE))
        })?;
        let mut random = ChaCha20Rng::from_seed(seed);
        // A guest never has them, but the net costs nothing more.
        let of_sealed = sealed.iter();
        values.extend(of_sealed.map(|(name, secret)| (name.clone(), secret.value.clone())));
        let seals = Seals::new(sealed, || {
            let mut bytes = [0; 16];
            random.fill_bytes(&mut bytes);
            bytes
        });
        for (name, handle) in seals.handles() {
            inputs.env.insert(name.to_owned(), handle.to_owned());
        }
        Ok(Self { values, seals })
    }

    /// For the requests of the run.
    pub(crate) fn seals(&self) -> Seals {
        self.seals.clone()
    }

    /// The outcome without the secrets. Nothing is done if there are none; else it is done beside
    /// the runs, because with many secrets it takes some time.
    pub(crate) async fn mask(self, outcome: Outcome, limits: &Limits) -> Outcome {
        if self.values.is_empty() {
            return outcome;
        }
        let limits = limits.clone();
        let masking = tokio::task::spawn_blocking(move || mask(outcome, &self.values, &limits));
        masking.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an outcome could not be masked");
            Outcome::error(ErrorClass::PlatformError, PLATFORM_MESSAGE)
        })
    }
}

fn mask(mut outcome: Outcome, secrets: &BTreeMap<String, String>, limits: &Limits) -> Outcome {
    let mut redactor = Redactor::new(secrets);
    let message_bytes = if outcome.result.is_some() {
        limits.result_bytes
    } else {
        MESSAGE_BYTES
    };
    mask_option(&mut outcome.message, message_bytes, &mut redactor);
    if let Some(verdict) = &mut outcome.result {
        mask_option(&mut verdict.message, limits.result_bytes, &mut redactor);
        if let Some(data) = &mut verdict.data {
            let clean = redactor.json(data);
            if clean != *data {
                let fits = clean.to_string().len() <= limits.result_bytes;
                *data = if fits { clean } else { TOO_LARGE.into() };
            }
        }
    }
    for request in &mut outcome.requests {
        mask_text(&mut request.method, MESSAGE_BYTES, &mut redactor);
        mask_text(&mut request.url, URL_BYTES, &mut redactor);
        mask_option(&mut request.error, MESSAGE_BYTES, &mut redactor);
    }
    for step in &mut outcome.steps {
        mask_text(&mut step.name, STEP_NAME_BYTES, &mut redactor);
        mask_option(&mut step.message, STEP_MESSAGE_BYTES, &mut redactor);
    }
    let last = outcome.logs.len().saturating_sub(1);
    let mut room = limits.log_bytes;
    for (number, line) in outcome.logs.iter_mut().enumerate() {
        // Of the last line it is not known where it was cut, if it was.
        let most = if number == last {
            line.message.len().min(limits.log_line_bytes)
        } else {
            limits.log_line_bytes
        };
        let cut = redactor.cut_text(&line.message, most);
        if let Some(clean) = cut {
            line.message = clean_text(&clean, limits.log_line_bytes.min(room));
        }
        room = room.saturating_sub(line.message.len());
    }
    if redactor.found {
        outcome.flags.push(Flag::Redacted);
    }
    outcome
}

fn mask_option(text: &mut Option<String>, most_bytes: usize, redactor: &mut Redactor) {
    if let Some(text) = text {
        mask_text(text, most_bytes, redactor);
    }
}

/// Masks a text that had at most so many bytes, and has so afterwards.
fn mask_text(text: &mut String, most_bytes: usize, redactor: &mut Redactor) {
    if let Some(clean) = redactor.cut_text(text, most_bytes) {
        *text = clean_text(&clean, most_bytes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use vedette_core::{LogLevel, LogLine};

    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn logging(lines: &[&str]) -> Outcome {
        let mut outcome = Outcome::error(ErrorClass::ScriptError, "it failed");
        outcome.logs = lines
            .iter()
            .map(|line| LogLine {
                log_level: LogLevel::Info,
                message: (*line).to_owned(),
                timestamp: chrono::DateTime::<chrono::Utc>::MIN_UTC,
            })
            .collect();
        outcome
    }

    #[test]
    fn what_has_no_secret_stays_as_it_is() {
        let outcome = logging(&["one", "correct"]);
        let clean = mask(
            outcome.clone(),
            &secrets(&[("TOKEN", "correct-horse")]),
            &Limits::default(),
        );
        // The last line may have been cut, and ends as the value begins.
        assert_eq!(clean.logs[0], outcome.logs[0]);
        assert_eq!(clean.logs[1].message, "[env:TOKEN]");
        let clean = mask(
            outcome.clone(),
            &secrets(&[("TOKEN", "battery-staple")]),
            &Limits::default(),
        );
        assert_eq!(clean, outcome);
    }

    #[test]
    fn half_a_secret_at_a_cut_goes_too() {
        let limits = Limits {
            log_line_bytes: 20,
            ..Limits::default()
        };
        let cut = "0123456789ab-correct";
        assert_eq!(cut.len(), limits.log_line_bytes);
        let outcome = logging(&[cut, "more"]);
        let clean = mask(outcome, &secrets(&[("T", "correct-horse")]), &limits);
        assert_eq!(clean.logs[0].message, "0123456789ab-[env:T]");
        assert_eq!(clean.flags, [Flag::Redacted]);
    }

    #[test]
    fn what_grows_is_cut_again() {
        let limits = Limits::default();
        let name = "N".repeat(128);
        let line = "four".repeat(limits.log_line_bytes / 4);
        let lines = vec![line.as_str(); limits.log_bytes / line.len()];
        let mut outcome = logging(&lines);
        outcome.result = Some(vedette_core::Verdict {
            success: true,
            latency: None,
            message: Some(line.clone()),
            data: Some(Value::String("four".repeat(limits.result_bytes / 4 - 1))),
        });
        let clean = mask(outcome, &secrets(&[(&name, "four")]), &limits);
        let total: usize = clean.logs.iter().map(|line| line.message.len()).sum();
        assert!(total <= limits.log_bytes, "{total}");
        let verdict = clean.result.unwrap();
        assert_eq!(verdict.data, Some(TOO_LARGE.into()));
        assert!(verdict.message.unwrap().len() <= limits.result_bytes);
    }
}
