//! What an installation decides about its scheduler.

use std::time::Duration;

use chrono::TimeDelta;
use vedette_core::script::TIMEOUT_SECONDS;

use crate::self_health::SelfHealth;

/// A larger transaction holds the locks of its slots for long and gains nothing.
const MAX_RECORD_BATCH: usize = 5_000;
/// More places than any machine has use for.
const MAX_CONCURRENCY: usize = 1_000_000;
/// How a scheduler works. The default suits one node of two cores.
#[derive(Debug, Clone)]
pub struct SchedulerConfig {
    /// Most runs at one time, scheduled and manual together; at least 1.
    ///
    /// One organization gets at most three quarters of them, and less while others have many, so that there
    /// are always some for who comes next.
    pub concurrency: usize,
    /// Time between two looks into the database.
    pub tick: Duration,
    /// Slots that fall due within this time are claimed. More than a tick, so that a slot is
    /// here before its time.
    pub look_ahead: Duration,
    /// What a run may take beyond its own time limit before it counts as stuck.
    pub run_grace: Duration,
    /// What a lease lasts beyond the longest run: the time a slot may wait for a place, and its
    /// outcome for the database. Longer means fewer slots run twice while the database is away,
    /// and later take-over from a node that died.
    pub lease_grace: Duration,
    /// Most outcomes in one transaction, 1 to 5,000.
    pub record_batch: usize,
    /// Longest time that an outcome waits for others to share its transaction.
    pub record_interval: Duration,
    /// How long executions are kept; `None` keeps them for ever.
    pub retention: Option<Duration>,
    /// How long incidents that are over, the alert history, and notifications that were delivered or given up are
    /// kept; `None` keeps them for ever.
    pub alert_retention: Option<Duration>,
    /// How this node is called in the table of leases, for people who look.
    pub owner: String,
    /// Knows whether we reach the network ourselves. The default never doubts it.
    pub self_health: SelfHealth,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            concurrency: 64,
            tick: Duration::from_secs(1),
            look_ahead: Duration::from_millis(1_500),
            run_grace: Duration::from_secs(5),
            lease_grace: Duration::from_secs(30),
            record_batch: 500,
            record_interval: Duration::from_millis(200),
            retention: Some(Duration::from_hours(30 * 24)),
            alert_retention: Some(Duration::from_hours(365 * 24)),
            owner: format!("process {}", std::process::id()),
            self_health: SelfHealth::default(),
        }
    }
}

impl SchedulerConfig {
    /// With values that a loop or a channel cannot have replaced by the nearest that it can.
    pub(crate) fn within_bounds(mut self) -> Self {
        self.concurrency = self.concurrency.clamp(1, MAX_CONCURRENCY);
        self.tick = self.tick.max(Duration::from_millis(1));
        self.record_batch = self.record_batch.clamp(1, MAX_RECORD_BATCH);
        self
    }

    /// How long a claim lasts from the time its slot is due: any run fits in.
    pub(crate) fn lease(&self) -> TimeDelta {
        let longest_run = Duration::from_secs(u64::from(*TIMEOUT_SECONDS.end()));
        to_delta(longest_run + self.run_grace + self.lease_grace)
    }
}

/// Durations of a configuration are short; an absurd one becomes the longest there is.
pub(crate) fn to_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
