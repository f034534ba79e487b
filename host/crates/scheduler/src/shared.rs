//! What the tasks of one scheduler have in common.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{Notify, broadcast, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vedette_core::{Clock, OrgId, Quota};
use vedette_store::{SlotLease, Store, StoreError};

use crate::{
    config::SchedulerConfig,
    fair_queue::Share,
    held::Finished,
    ledger::{Ledger, NextClaim},
    limits::Limits,
    places::ByHand,
    runner::{FinishedRun, Runner},
};

/// Slots that may wait for a place where no other node could take them: as many as one claim
/// takes. With other nodes there is one for each place.
const QUEUE_ALONE: usize = 1_000;
/// Tries to hand slots back; after that their leases lapse by themselves.
const HAND_BACK_TRIES: u32 = 6;
/// Watchers that lag behind by more than this lose the oldest news.
const NEWS_CAPACITY: usize = 1_024;

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: SchedulerConfig,
    /// Places for runs that are free, as the dispatcher saw it last.
    pub(crate) free_places: AtomicUsize,
    /// Asks the dispatcher for a place; a run by hand waits as slots do.
    pub(crate) by_hand: mpsc::UnboundedSender<ByHand>,
    /// Runs, and everything else that must have ended before the last record is written.
    pub(crate) runs: TaskTracker,
    /// No more claims, no more runs.
    pub(crate) stop: CancellationToken,
    /// Runs that go on are given up.
    pub(crate) kill: CancellationToken,
    /// What lies in the channel of outcomes is all that there will be.
    pub(crate) flush: CancellationToken,
    /// A loop of the scheduler panicked.
    pub(crate) broken: CancellationToken,
    /// Makes the claim loop look into the database at once.
    pub(crate) claim_now: Notify,
    /// Outcomes wait for the database. Claims are pointless then, and a claim of a slot whose
    /// outcome waits would run it again.
    pub(crate) store_is_away: AtomicBool,
    pub(crate) news: broadcast::Sender<FinishedRun>,
    outcomes: mpsc::Sender<Finished>,
    /// Claimed slots that may wait for a place.
    queue: usize,
    held: Mutex<Ledger>,
    limits: RwLock<Limits>,
    absent_until: Mutex<DateTime<Utc>>,
}

/// The ends of channels that the scheduler's own tasks read.
pub(crate) struct Receivers {
    pub(crate) outcomes: mpsc::Receiver<Finished>,
    pub(crate) by_hand: mpsc::UnboundedReceiver<ByHand>,
}

impl Shared {
    pub(crate) fn new(
        store: Store,
        runner: Arc<dyn Runner>,
        clock: Arc<dyn Clock>,
        config: SchedulerConfig,
    ) -> (Arc<Self>, Receivers) {
        let config = config.within_bounds();
        let queue = if store.is_embedded() {
            config.concurrency.max(QUEUE_ALONE)
        } else {
            config.concurrency
        };
        // Two batches: one that is being written, one that gathers. Then runs wait with their
        // outcome in hand, and keep their place.
        let (outcomes, outcomes_receiver) = mpsc::channel(config.record_batch * 2);
        let (by_hand, by_hand_receiver) = mpsc::unbounded_channel();
        let receivers = Receivers {
            outcomes: outcomes_receiver,
            by_hand: by_hand_receiver,
        };
        let shared = Self {
            free_places: AtomicUsize::new(config.concurrency),
            by_hand,
            runs: TaskTracker::new(),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            flush: CancellationToken::new(),
            broken: CancellationToken::new(),
            claim_now: Notify::new(),
            store_is_away: AtomicBool::new(false),
            news: broadcast::channel(NEWS_CAPACITY).0,
            outcomes,
            // A quarter more than what one organization alone is to have.
            queue: queue + queue / 3,
            held: Mutex::default(),
            limits: RwLock::new(Limits::new(store.default_quotas())),
            absent_until: Mutex::new(clock.now()),
            store,
            runner,
            clock,
            config,
        };
        (Arc::new(shared), receivers)
    }

    /// Nobody could claim before this: what was due until then fell to that, and what is late for another reason
    /// waited for a place.
    pub(crate) fn absent_until(&self) -> DateTime<Utc> {
        *self
            .absent_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What scripts did not say until then tells nothing about them: we were not there, or had no network.
    pub(crate) fn blind_until(&self) -> DateTime<Utc> {
        let absent_until = self.absent_until();
        let silent_at = self.config.self_health.silent_at();
        silent_at.map_or(absent_until, |silent_at| silent_at.max(absent_until))
    }

    /// Nothing can be claimed at present.
    pub(crate) fn note_absence(&self) {
        let now = self.clock.now();
        *self
            .absent_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// What an organization may have of the places.
    pub(crate) fn share(&self, org: OrgId) -> Share {
        self.limits().share(org)
    }

    /// The quota of a day that an organization has used up.
    pub(crate) fn used_up(&self, org: OrgId, now: DateTime<Utc>) -> Option<Quota> {
        self.limits().used_up(org, now)
    }

    /// Reads the quotas anew. Those of before stay when the database does not answer.
    pub(crate) async fn read_limits(&self) {
        match in_time(Limits::read(&self.store, self.clock.now())).await {
            Ok(limits) => {
                *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
            }
            Err(error) => tracing::debug!(%error, "the quotas cannot be read"),
        }
    }

    fn limits(&self) -> RwLockReadGuard<'_, Limits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to claim next, of all or of those who hold few: enough for the free places and for the queue.
    pub(crate) fn next_claim(
        &self,
        next: impl FnOnce(&Ledger, usize) -> Option<NextClaim>,
    ) -> Option<NextClaim> {
        let room = self.free_places.load(Ordering::Acquire) + self.queue;
        next(&self.ledger(), room)
    }

    /// Counts a claimed slot.
    pub(crate) fn take_up(&self, org: OrgId) {
        self.ledger().take_up(org);
    }

    /// Tells at the end of a claim whether slots that are due were left behind.
    pub(crate) fn claimed(&self, more_is_due: bool) {
        self.ledger().claimed(self.queue, more_is_due);
    }

    /// Counts a slot that is held no longer, and has others claimed when it is time.
    pub(crate) fn let_go(&self, org: OrgId) {
        if self.ledger().let_go(org, self.queue) {
            self.claim_now.notify_one();
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Counts only: none of its methods leaves it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an outcome to be recorded; waits while too many others wait.
    pub(crate) async fn record(&self, finished: Finished) {
        if let Err(refused) = self.outcomes.send(finished).await {
            // Only when the recorder is gone, that is after a panic in it or in a torn-down
            // process. The slot's lease lapses and it runs again.
            let script = refused.0.slot.script_id;
            tracing::error!(script.id = %script, "an outcome could not be recorded");
        }
    }

    /// Gives claimed slots back that were not run. When the database does not answer, their
    /// leases lapse.
    pub(crate) async fn hand_back(&self, leases: Vec<SlotLease>) {
        if leases.is_empty() {
            return;
        }
        let mut pause = Backoff::new();
        for _ in 0..HAND_BACK_TRIES {
            match in_time(self.store.release_slots(&leases)).await {
                Ok(()) => {
                    tracing::debug!(slots = leases.len(), "slots were handed back");
                    return;
                }
                Err(error) => {
                    tracing::warn!(slots = leases.len(), %error, "slots could not be handed back");
                    pause.wait().await;
                }
            }
        }
    }
}

/// Longest time that a call of the database may take. Each is a short transaction; one that takes
/// longer waits for a server that will not answer, and says nothing by itself: a machine that lost
/// its power closes no connection. Less than the grace of a lease.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The answer of the database, or that it is away.
pub(crate) async fn in_time<T>(
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| Err(StoreError::no_answer()))
}

/// Pauses between tries: 100 ms, doubling up to 5 s.
pub(crate) struct Backoff(Duration);

impl Backoff {
    const LONGEST: Duration = Duration::from_secs(5);

    pub(crate) const fn new() -> Self {
        Self(Duration::from_millis(100))
    }

    pub(crate) async fn wait(&mut self) {
        sleep_until(Instant::now() + self.0).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}

/// Tells everyone when the task that owns it panics.
pub(crate) struct Alarm {
    pub(crate) name: &'static str,
    pub(crate) broken: CancellationToken,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "a task of the scheduler panicked");
            self.broken.cancel();
        }
    }
}
