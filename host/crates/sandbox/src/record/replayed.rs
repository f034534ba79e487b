//! Running a recording, and telling whether it came to the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use vedette_core::{ErrorClass, Outcome, Status};
use vedette_egress::redact::{Redactor, placeholder, restore_json};

use super::{
    RecordingError,
    format::{RecordedOutcome, Recording},
    replay::Replay,
};
use crate::{
    Bytecode, Limits, RunInputs, Sandbox,
    world::{GuestClock, World},
};

/// What came of a replay, beside what was recorded.
#[derive(Debug)]
pub struct Replayed {
    /// As of any run.
    pub outcome: Outcome,
    /// Status, class, message and result are the recorded ones.
    pub same_outcome: bool,
    /// So many units of fuel as were recorded.
    pub same_fuel: bool,
    /// The first thing that the script asked for otherwise than the recorded one.
    pub diverged: Option<String>,
    /// Why the recorded run may differ from this one although the script is the same.
    pub doubts: Vec<String>,
}

impl Replayed {
    /// Of a script that could not run.
    pub fn without_run(recording: &Recording, outcome: Outcome) -> Self {
        let clean = RecordedOutcome::make(&outcome, &mut Redactor::new(&BTreeMap::new()));
        Self {
            same_outcome: is_same(&recording.outcome, &clean),
            same_fuel: recording.outcome.fuel_used == outcome.fuel_used,
            diverged: None,
            doubts: Vec::new(),
            outcome,
        }
    }
}

impl Sandbox {
    /// Runs a script on a recording: no request leaves, and no time passes but for computing.
    ///
    /// `source` is what `bytecode` was made of, the recorded script or another; `env` gives
    /// variables their values, and one that is not given has a placeholder for its value.
    ///
    /// # Errors
    /// When the recording was made with another engine.
    pub async fn replay(
        &self,
        recording: &Arc<Recording>,
        source: &str,
        bytecode: &Bytecode,
        env: &BTreeMap<String, String>,
    ) -> Result<Replayed, RecordingError> {
        recording.check_engine(self.engine_digest())?;
        let doubts = doubts(recording, env);
        let mut variables = env.clone();
        for name in &recording.env {
            variables
                .entry(name.clone())
                .or_insert_with(|| placeholder(name));
        }
        let values: Vec<_> = env.clone().into_iter().collect();
        let params = match restore_json(&Value::Object(recording.params.clone()), &values) {
            Value::Object(params) => params,
            _ => Map::new(),
        };
        let replay = Replay::new(Arc::clone(recording), values, Redactor::new(&variables));
        let inputs = RunInputs {
            params,
            limits: limits(recording, source),
            env: variables.clone(),
            ..RunInputs::default()
        };
        let (mut outcome, _) = self
            .run_in(bytecode, inputs, |_, _| {
                Ok(World {
                    network: Arc::new(replay.clone()),
                    clock: GuestClock::start(recording.started_at),
                    seed: recording.seed().unwrap_or_default(),
                    tape: None,
                    replay: Some(replay.clone()),
                })
            })
            .await;
        if was_stopped(recording, source) && outcome.error_class == Some(ErrorClass::FuelExhausted)
        {
            // It was computing when its time was over, and has come as far as it came then.
            outcome.status = Status::Timeout;
            outcome.error_class = None;
            outcome.message.clone_from(&recording.outcome.message);
            outcome.fuel_used = recording.outcome.fuel_used;
        }
        let clean = RecordedOutcome::make(&outcome, &mut Redactor::new(&variables));
        Ok(Replayed {
            same_outcome: is_same(&recording.outcome, &clean),
            same_fuel: recording.outcome.fuel_used == outcome.fuel_used,
            diverged: replay.diverged(),
            outcome,
            doubts,
        })
    }
}

/// The same script, which reached its time limit.
fn was_stopped(recording: &Recording, source: &str) -> bool {
    recording.outcome.status == Status::Timeout && recording.is_of(source)
}

fn limits(recording: &Recording, source: &str) -> Limits {
    let recorded = &recording.limits;
    let fuel = if was_stopped(recording, source) {
        recorded.fuel.min(recording.outcome.fuel_used + 1)
    } else {
        recorded.fuel
    };
    Limits {
        fuel,
        memory_bytes: usize::try_from(recorded.memory_bytes).unwrap_or(usize::MAX),
        wall: Duration::from_millis(recorded.wall_ms),
        ..Limits::default()
    }
}

fn doubts(recording: &Recording, env: &BTreeMap<String, String>) -> Vec<String> {
    let mut doubts = Vec::new();
    let missing: Vec<_> = recording
        .env
        .iter()
        .filter(|name| !env.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let names = missing.join(", ");
        doubts.push(format!(
            "no value is given for {names}: `[env:NAME]` stood in its place"
        ));
    }
    if recording.redacted_for_good {
        let what = "values of variables were taken out of parameters or answers in a form that cannot \
            be put back";
        doubts.push(what.to_owned());
    }
    doubts
}

/// By their texts, since a number that went through a text may have lost its last bit.
fn is_same(recorded: &RecordedOutcome, replayed: &RecordedOutcome) -> bool {
    let result = |outcome: &RecordedOutcome| {
        let text = serde_json::to_string(&outcome.result).unwrap_or_default();
        serde_json::from_str::<Value>(&text).ok()
    };
    recorded.status == replayed.status
        && recorded.error_class == replayed.error_class
        && recorded.message == replayed.message
        && (recorded.result.is_none() || result(recorded) == result(replayed))
}
