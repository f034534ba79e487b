//! Starting a scheduler, talking to it, and ending it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, broadcast, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use vedette_core::{Clock, ErrorClass, Outcome};
use vedette_store::{Store, Trigger};

use crate::{
    claim::claim_slots,
    config::SchedulerConfig,
    dispatch::Dispatcher,
    household::keep_house,
    measures,
    places::ByHand,
    record::Recorder,
    run::supervise,
    runner::{FinishedRun, RunRequest, Runner},
    shared::{Alarm, Shared},
};

/// What is given, beyond the grace of a drain, to handing back and to the last outcomes.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Finds due slots and runs them, until drained.
#[derive(Debug)]
pub struct Scheduler;

impl Scheduler {
    /// Starts claiming and running, in the background of the current tokio runtime.
    ///
    /// `runner` runs the scripts, `clock` tells what is due. Leases that a former process of this
    /// installation left behind are its caller's to end ([`Store::release_all_leases`]), where
    /// that process was the only one.
    pub fn start(
        store: Store,
        runner: Arc<dyn Runner>,
        clock: Arc<dyn Clock>,
        config: SchedulerConfig,
    ) -> SchedulerHandle {
        let (shared, receivers) = Shared::new(store, runner, clock, config);
        let (claimed_sender, claimed) = mpsc::unbounded_channel();
        let tasks = Tasks {
            claim: tokio::spawn(claim_slots(Arc::clone(&shared), claimed_sender)),
            dispatch: tokio::spawn(
                Dispatcher::new(Arc::clone(&shared), claimed, receivers.by_hand).run(),
            ),
            record: tokio::spawn(Recorder::new(Arc::clone(&shared), receivers.outcomes).run()),
            household: tokio::spawn(keep_house(Arc::clone(&shared))),
        };
        watch_network(&shared);
        SchedulerHandle {
            inner: Arc::new(Inner {
                shared,
                tasks: Mutex::new(Some(tasks)),
            }),
        }
    }
}

/// Watches our own network until the last run has ended.
fn watch_network(shared: &Shared) {
    let self_health = shared.config.self_health.clone();
    let (flush, kill) = (shared.flush.clone(), shared.kill.clone());
    let alarm = Alarm {
        name: "self-health",
        broken: shared.broken.clone(),
    };
    tokio::spawn(async move {
        let _alarm = alarm;
        tokio::select! {
            () = self_health.watch() => {}
            () = flush.cancelled() => {}
            () = kill.cancelled() => {}
        }
    });
}

/// A running scheduler. Cheap to clone.
///
/// When the last handle is dropped without a drain, everything ends at once, as if the process
/// had been killed: outcomes that were not recorded are lost, and their slots run again when
/// their leases are over.
#[derive(Clone)]
pub struct SchedulerHandle {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Taken by the first drain.
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    claim: JoinHandle<()>,
    dispatch: JoinHandle<()>,
    record: JoinHandle<()>,
    household: JoinHandle<()>,
}

impl SchedulerHandle {
    /// Runs a script now, as soon as there is a place: it waits as the slots of its organization do,
    /// behind those that are due already. Answers the outcome; recording it is the caller's part.
    ///
    /// Dropping the future gives up the run. While the scheduler ends, and when the runner
    /// panics, the outcome is `error/platform_error`.
    pub async fn run_now(&self, request: RunRequest) -> Outcome {
        let shared = &self.inner.shared;
        let run = async {
            let (sender, place) = oneshot::channel();
            let org = request.org_id;
            let asked = ByHand { org, place: sender };
            // Both fail only when nothing begins any more.
            shared.by_hand.send(asked).ok()?;
            let place = place.await.ok()?;
            let mut news = FinishedRun {
                execution_id: request.execution_id,
                org_id: request.org_id,
                script_id: request.script_id,
                script_name: request.script_name.clone(),
                version_id: request.version_id,
                scheduled_at: None,
                executed_at: shared.clock.now(),
                outcome: Outcome::missed(""),
            };
            let outcome = supervise(shared, request, Arc::new(place)).await?;
            measures::execution(Trigger::Manual, None, news.executed_at, &outcome);
            if shared.news.receiver_count() > 0 {
                news.outcome = outcome.clone();
                // The last watcher may have left just now.
                drop(shared.news.send(news));
            }
            Some(outcome)
        };
        // Tracked, so that a drain waits for it.
        shared.runs.track_future(run).await.unwrap_or_else(|| {
            Outcome::error(ErrorClass::PlatformError, "the server was shutting down")
        })
    }

    /// Tells about each execution when it has been recorded; about a run started by hand, when
    /// it ended. A watcher that lags behind loses the oldest news and never holds up a run.
    pub fn subscribe(&self) -> broadcast::Receiver<FinishedRun> {
        self.inner.shared.news.subscribe()
    }

    /// Looks into the database now: a script was created, enabled or edited.
    pub fn wake(&self) {
        self.inner.shared.claim_now.notify_one();
    }

    /// Completes when the scheduler can do its work no longer, because one of its loops
    /// panicked. The process should end then and be started again.
    pub async fn broken(&self) {
        self.inner.shared.broken.cancelled().await;
    }

    /// Ends the scheduler: claims nothing more, hands back slots that have not begun, waits up
    /// to `grace` for runs that have, and records all outcomes.
    ///
    /// Runs that go on after `grace` are given up and handed back. Takes up to some 15 s beyond
    /// `grace` when the database does not answer. A second call waits for the first. A kill in
    /// the middle loses no slot: leases lapse, and what was not recorded runs again.
    pub async fn drain(self, grace: Duration) {
        // Held to the end, so that a second call waits.
        let mut tasks = self.inner.tasks.lock().await;
        let Some(tasks) = tasks.take() else { return };
        let shared = &self.inner.shared;
        let deadline = Instant::now() + grace;
        shared.stop.cancel();
        shared.runs.close();
        let Tasks {
            claim,
            dispatch,
            mut record,
            household,
        } = tasks;
        let ending = async {
            // Nothing begins after these two ended. A panic in them was told by `broken`.
            drop(claim.await);
            drop(dispatch.await);
            shared.runs.wait().await;
        };
        if timeout_at(deadline, ending).await.is_err() {
            tracing::warn!(
                runs = shared.runs.len(),
                "runs that did not end in time are given up"
            );
            shared.kill.cancel();
            if timeout(LAST_WORDS, shared.runs.wait()).await.is_err() {
                tracing::error!(runs = shared.runs.len(), "some runs could not be ended");
            }
        }
        shared.flush.cancel();
        if timeout(LAST_WORDS, &mut record).await.is_err() {
            record.abort();
            tracing::error!("the last outcomes could not be recorded: their slots will run again");
        }
        if timeout(LAST_WORDS, household).await.is_err() {
            tracing::warn!("the household did not end in time");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.kill.cancel();
        if let Some(tasks) = self.tasks.get_mut().take() {
            tasks.claim.abort();
            tasks.dispatch.abort();
            tasks.record.abort();
        }
    }
}
