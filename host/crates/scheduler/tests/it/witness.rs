//! A runner that remembers what it was asked for. What it does depends on the script's name.

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use tokio::{sync::Semaphore, time::timeout};
use vedette_core::{ExecutionId, Outcome, ScriptId, Status, Verdict};
use vedette_scheduler::{RunRequest, Runner};

/// The script's name decides: `ok` succeeds at once, `gated` when the gate opens, `panics` does,
/// `never` does not end, `loops` neither before its time limit, `nul` says what PostgreSQL cannot store, `fails once`
/// fails at first.
#[derive(Debug)]
pub(crate) struct Witness {
    runs: Mutex<HashMap<ScriptId, Vec<ExecutionId>>>,
    now_running: AtomicUsize,
    most_at_once: AtomicUsize,
    gate: Semaphore,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self {
            runs: Mutex::default(),
            now_running: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }
    }

    /// Lets one `gated` run pass.
    pub(crate) fn let_one_pass(&self) {
        self.gate.add_permits(1);
    }

    /// Lets all `gated` runs pass, now and later.
    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(100_000);
    }

    /// Executions of a script that were begun, in order.
    pub(crate) fn runs_of(&self, script: ScriptId) -> Vec<ExecutionId> {
        self.runs
            .lock()
            .unwrap()
            .get(&script)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.runs.lock().unwrap().values().map(Vec::len).sum()
    }

    pub(crate) fn now_running(&self) -> usize {
        self.now_running.load(Ordering::SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

/// Counts a run until it ends or is dropped.
struct Running<'a>(&'a Witness);

impl<'a> Running<'a> {
    fn begin(witness: &'a Witness) -> Self {
        let now = witness.now_running.fetch_add(1, Ordering::SeqCst) + 1;
        witness.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(witness)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.now_running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Runner for Witness {
    async fn run(&self, request: RunRequest) -> Outcome {
        let _running = Running::begin(self);
        self.runs
            .lock()
            .unwrap()
            .entry(request.script_id)
            .or_default()
            .push(request.execution_id);
        match request.script_name.as_str() {
            "gated" => self.gate.acquire().await.unwrap().forget(),
            "panics" => panic!("as the test asked"),
            "never" => pending().await,
            "loops" => {
                let looping = timeout(request.timeout, pending::<()>()).await;
                looping.expect_err("it goes on until it is cut off");
                return Outcome {
                    status: Status::Timeout,
                    ..success(None)
                };
            }
            _ => tokio::task::yield_now().await,
        }
        if request.script_name == "fails once" && self.runs_of(request.script_id).len() == 1 {
            return Outcome {
                status: Status::Failure,
                ..success(None)
            };
        }
        let mut outcome = success(request.parameters.get("echo").cloned());
        if request.script_name == "nul" {
            outcome.message = Some("a\0b".to_owned());
        }
        outcome
    }
}

fn success(data: Option<serde_json::Value>) -> Outcome {
    Outcome {
        status: Status::Success,
        error_class: None,
        message: Some("fine".to_owned()),
        result: Some(Verdict {
            success: true,
            latency: None,
            message: None,
            data,
        }),
        latency_ms: Some(1.5),
        duration_ms: 2.5,
        fuel_used: 42,
        peak_memory_bytes: 65_536,
        requests: Vec::new(),
        steps: Vec::new(),
        logs: Vec::new(),
        flags: Vec::new(),
        recording: None,
    }
}
