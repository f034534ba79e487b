//! The edge: an engine whose answers are decided by the source, by the parameters, and by the first
//! bytes of a component.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::Semaphore;
use vedette_api::{ComponentEngine, RunNow, ScriptEngine, SourceError};
use vedette_core::{
    Capability, ComponentFacts, ComponentRefusal, Environment, ErrorClass, LogLevel, LogLine,
    Outcome, Producer, RecordingText, RequestRecord, SourceLanguage, Status, Step, StepKind,
    Verdict,
};

#[derive(Default)]
pub(crate) struct TestEngine {
    pub(crate) schedule_changes: AtomicUsize,
    pub(crate) runs: AtomicUsize,
    /// The variables of the last run.
    pub(crate) given: Mutex<Option<Environment>>,
    /// Components that were judged.
    pub(crate) inspections: AtomicUsize,
    /// Times that a component was said to wait.
    pub(crate) waiting_components: AtomicUsize,
    /// Times that something was said to be blocked or unblocked.
    pub(crate) component_changes: AtomicUsize,
    /// No script can be run.
    pub(crate) is_unable: AtomicBool,
    /// Counts up for each run that waits to be let go.
    pub(crate) waiting: Semaphores,
}

pub(crate) struct Semaphores {
    pub(crate) begun: Semaphore,
    pub(crate) may_end: Semaphore,
}

impl Default for Semaphores {
    fn default() -> Self {
        Self {
            begun: Semaphore::new(0),
            may_end: Semaphore::new(0),
        }
    }
}

#[async_trait]
impl ComponentEngine for TestEngine {
    async fn inspect(&self, bytes: Bytes) -> Result<ComponentFacts, ComponentRefusal> {
        self.inspections.fetch_add(1, Ordering::SeqCst);
        let refusal = |class, message: &str| {
            Err(ComponentRefusal {
                class,
                message: message.to_owned(),
            })
        };
        if bytes.starts_with(b"wait") {
            self.waiting.begun.add_permits(1);
            self.waiting.may_end.acquire().await.unwrap().forget();
        }
        match bytes.get(..4) {
            Some(b"\0asm" | b"wait") => Ok(facts(bytes.len())),
            Some(b"nowc") => refusal(ErrorClass::PlatformError, "the checker's secret"),
            Some(b"evil") => refusal(
                ErrorClass::ForbiddenImport,
                "the import `wasi:nn/graph` is not offered",
            ),
            _ => refusal(ErrorClass::InvalidComponent, "this is no component"),
        }
    }

    fn component_waiting(&self) {
        self.waiting_components.fetch_add(1, Ordering::SeqCst);
    }

    fn components_changed(&self) {
        self.component_changes.fetch_add(1, Ordering::SeqCst);
    }
}

fn facts(size: usize) -> ComponentFacts {
    ComponentFacts {
        size_bytes: size as u64,
        imports: vec!["wasi:http/outgoing-handler@0.2.0".to_owned()],
        exports: vec!["run".to_owned()],
        producers: vec![Producer {
            field: "language".to_owned(),
            name: "Rust".to_owned(),
            version: String::new(),
        }],
        capabilities: vec![Capability::Http],
        functions: 12,
        memory_bytes: 1_114_112,
    }
}

#[async_trait]
impl ScriptEngine for TestEngine {
    fn is_able(&self) -> bool {
        !self.is_unable.load(Ordering::SeqCst)
    }

    async fn check_source(
        &self,
        source: &str,
        language: SourceLanguage,
    ) -> Result<(), SourceError> {
        match source {
            "let a: string;" if language == SourceLanguage::JavaScript => {
                Err(SourceError::Invalid {
                    message: "no types here".to_owned(),
                    line: Some(1),
                    column: Some(6),
                })
            }
            "panic" => panic!("the compiler's secret"),
            "no compiler" => Err(SourceError::Unavailable),
            "export default (" => Err(SourceError::Invalid {
                message: "unexpected token".to_owned(),
                line: Some(1),
                column: Some(17),
            }),
            _ => Ok(()),
        }
    }

    async fn run_now(&self, run: RunNow) -> Outcome {
        self.runs.fetch_add(1, Ordering::SeqCst);
        match run.parameters.get("act").and_then(|act| act.as_str()) {
            Some("panic") => panic!("the engine's secret"),
            Some("wait") => {
                self.waiting.begun.add_permits(1);
                self.waiting.may_end.acquire().await.unwrap().forget();
            }
            Some("limit") => return Outcome::error(ErrorClass::FuelExhausted, "too much work"),
            _ => {}
        }
        // As the sandbox does: what is secret is not in the outcome.
        let mut plain = run.env_vars.values.clone();
        plain.retain(|name, _| !run.env_vars.secrets.contains(name));
        *self.given.lock().unwrap() = Some(run.env_vars);
        Outcome {
            status: Status::Success,
            error_class: None,
            message: Some(format!("ran {}", run.script_name)),
            result: Some(Verdict {
                success: true,
                latency: Some(12.5),
                message: None,
                data: Some(json!({ "env": plain })),
            }),
            latency_ms: Some(12.5),
            duration_ms: 20.25,
            fuel_used: 1_000_000,
            peak_memory_bytes: 2_000_000,
            requests: vec![request()],
            steps: vec![step()],
            logs: vec![LogLine {
                log_level: LogLevel::Warn,
                message: "slow".to_owned(),
                timestamp: "2026-11-24T12:00:01Z".parse().unwrap(),
            }],
            flags: Vec::new(),
            recording: Some(RecordingText::new(r#"{"format":1}"#.to_owned())),
        }
    }

    fn schedule_changed(&self) {
        self.schedule_changes.fetch_add(1, Ordering::SeqCst);
    }
}

fn step() -> Step {
    Step {
        name: "log in".to_owned(),
        kind: StepKind::Step,
        passed: true,
        started_at_ms: 0.5,
        duration_ms: Some(13.0),
        message: None,
    }
}

fn request() -> RequestRecord {
    RequestRecord {
        method: "GET".to_owned(),
        url: "https://example.com/".to_owned(),
        status: Some(200),
        error: None,
        started_at_ms: 1.0,
        total_ms: 12.5,
        dns_ms: Some(1.0),
        connect_ms: Some(2.0),
        tls_ms: Some(3.0),
        first_byte_ms: Some(4.0),
        download_ms: Some(2.5),
        remote_address: Some("192.0.2.1:443".to_owned()),
        body_bytes: 1256,
        redirects: 0,
        certificate_expires_at: None,
    }
}
