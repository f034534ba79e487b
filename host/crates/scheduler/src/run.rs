//! One run under supervision: whatever the runner does, there is an outcome in bounded time.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use vedette_core::{ErrorClass, ExecutionId, Outcome};

use crate::{held::HeldSlot, places::Place, runner::RunRequest, shared::Shared};

const UNREADABLE: &str = "a variable of this script cannot be decrypted, so that it did not run; the \
                          server's log says more. This says nothing about the target";

/// Runs a slot and sends its outcome to be recorded. The place stays taken until then, so that
/// a slow database slows down the runs.
pub(crate) async fn run_slot(
    shared: Arc<Shared>,
    slot: HeldSlot,
    executed_at: DateTime<Utc>,
    place: Place,
) {
    let can_run = slot.can_run();
    let (request, running) = slot.into_run(ExecutionId::generate(&*shared.clock));
    let place = Arc::new(place);
    let outcome = if can_run {
        supervise(&shared, request, Arc::clone(&place)).await
    } else {
        Some(our_fault(UNREADABLE, Duration::ZERO))
    };
    match outcome {
        Some(outcome) => {
            let ended_at = shared.clock.now();
            shared
                .record(running.into_finished(executed_at, ended_at, outcome))
                .await;
        }
        // No verdict, so no row: the slot runs again, or is missed, when a server is there.
        None => shared.hand_back(vec![running.lease()]).await,
    }
    drop(place);
}

/// Runs to the outcome; `None` when the run was given up because the scheduler ends.
///
/// The run is a task of its own: its panic ends there, and one that blocks its thread cannot
/// hold up the supervisor. It keeps the place until it is really over.
pub(crate) async fn supervise(
    shared: &Shared,
    request: RunRequest,
    place: Arc<Place>,
) -> Option<Outcome> {
    let limit = request.timeout.saturating_add(shared.config.run_grace);
    let (script, execution) = (request.script_id, request.execution_id);
    let span = tracing::info_span!(
        "scheduler.execution.run",
        org.id = %request.org_id,
        script.id = %script,
        execution.id = %execution,
    );
    let runner = Arc::clone(&shared.runner);
    let started = Instant::now();
    let run = async move {
        let outcome = runner.run(request).await;
        drop(place);
        outcome
    };
    let run = AbortOnDropHandle::new(tokio::spawn(run.instrument(span)));
    let ended = async {
        match timeout(limit, run).await {
            Ok(Ok(outcome)) => Some(shared.config.self_health.judge(outcome, started).await),
            // The runtime is being torn down.
            Ok(Err(error)) if error.is_cancelled() => None,
            Ok(Err(_)) => {
                tracing::error!(script.id = %script, execution.id = %execution, "the runner panicked");
                Some(our_fault(
                    "the platform failed during the run",
                    started.elapsed(),
                ))
            }
            Err(_) => {
                tracing::error!(script.id = %script, execution.id = %execution, "the runner did not end");
                Some(our_fault(
                    "the run did not end within its time limit",
                    started.elapsed(),
                ))
            }
        }
    };
    tokio::select! {
        outcome = ended => outcome,
        () = shared.kill.cancelled() => None,
    }
}

fn our_fault(message: &str, elapsed: Duration) -> Outcome {
    let mut outcome = Outcome::error(ErrorClass::PlatformError, message);
    outcome.duration_ms = elapsed.as_secs_f64() * 1_000.0;
    outcome
}
