//! The household: what has to be done from time to time, beside the runs.
//!
//! A few works at fixed UTC times, each idempotent and in small transactions, so that every node
//! may do them; with several nodes a leader lease, asked for in `Household::work`, would save the
//! repetition. tokio-cron-scheduler fires them. It is made for few entries, and they must be added
//! one after the other: many added at once can hang for ever.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use vedette_store::StoreError;

use crate::{config::to_delta, shared::Shared};

#[cfg(test)]
mod tests;

/// Rows of one transaction of the retention, such as executions: each may have a thousand lines of log, and
/// nobody else writes to SQLite while they are deleted.
const RETENTION_BATCH: u32 = 100;

/// How long this node has claimed slots, and had a network, before silence says something about a script: longer
/// than a run, and than the wait for a place.
const TICKS_AFTER: TimeDelta = TimeDelta::minutes(3);

/// The works and their times, with seconds first.
const WORKS: [(&str, Work); 8] = [
    ("*/5 * * * * *", Work::TickAlerts),
    ("30 * * * * *", Work::FailInterrupted),
    ("50 * * * * *", Work::PurgeScripts),
    ("15 7 * * * *", Work::DeleteExecutions),
    ("25 11 * * * *", Work::DeleteAlerts),
    ("45 17 * * * *", Work::DeleteSessions),
    ("20 27 * * * *", Work::DeleteComponents),
    ("35 37 * * * *", Work::DeleteOrganizations),
];

/// A work of the household.
#[derive(Debug, Clone, Copy)]
enum Work {
    TickAlerts,
    FailInterrupted,
    PurgeScripts,
    DeleteExecutions,
    DeleteAlerts,
    DeleteSessions,
    DeleteComponents,
    DeleteOrganizations,
}

/// Does the household until told to stop.
pub(crate) async fn keep_house(shared: Arc<Shared>) {
    let mut entries = match start(&shared).await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the household could not be started: nothing old will be deleted"
            );
            return;
        }
    };
    shared.stop.cancelled().await;
    if let Err(error) = entries.shutdown().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the household did not end"
        );
    }
}

async fn start(shared: &Arc<Shared>) -> Result<JobScheduler, JobSchedulerError> {
    let entries = JobScheduler::new().await?;
    for (times, work) in WORKS {
        let household = Arc::new(Household::new(shared, work));
        let entry = Job::new_async(times, move |_, _| {
            let household = Arc::clone(&household);
            let work: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move { household.work().await });
            work
        })?;
        entries.add(entry).await?;
    }
    entries.start().await?;
    Ok(entries)
}

/// One work, as often as its time comes.
struct Household {
    /// The entries live on for a while after the scheduler; they must not keep the store open.
    shared: Weak<Shared>,
    work: Work,
    /// The library starts a work although the one before it has not ended.
    is_busy: Mutex<()>,
}

impl Household {
    fn new(shared: &Arc<Shared>, work: Work) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            work,
            is_busy: Mutex::new(()),
        }
    }

    async fn work(&self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let Ok(_busy) = self.is_busy.try_lock() else {
            return;
        };
        match self.work.run(&shared, shared.clock.now()).await {
            Ok(0) => {}
            Ok(rows) if matches!(self.work, Work::TickAlerts) => {
                tracing::debug!(rows, "alert rules looked at without an execution");
            }
            Ok(rows) => tracing::info!(work = ?self.work, rows, "household done"),
            Err(error) => tracing::warn!(
                work = ?self.work,
                error = &error as &dyn std::error::Error,
                "household failed; it will be done at its next time"
            ),
        }
    }
}

impl Work {
    /// Answers how many rows it concerned.
    async fn run(self, shared: &Shared, now: DateTime<Utc>) -> Result<u64, StoreError> {
        match self {
            Self::TickAlerts => tick_alerts(shared, now).await,
            Self::FailInterrupted => shared.store.fail_interrupted_executions(now).await,
            Self::PurgeScripts => purge_scripts(shared).await,
            Self::DeleteExecutions => delete_executions(shared, now).await,
            Self::DeleteAlerts => delete_alerts(shared, now).await,
            Self::DeleteSessions => shared.store.delete_expired_sessions(now).await,
            Self::DeleteComponents => delete_components(shared, now).await,
            Self::DeleteOrganizations => shared.store.sweep_organizations(now).await,
        }
    }
}

/// Does what time does to alert rules. Answers of how many scripts.
///
/// Not while our own absence, or an outage of our network, is what they would see: every script was silent then, and
/// each that is due is run at once.
async fn tick_alerts(shared: &Shared, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut ticked = 0;
    while now - shared.blind_until() >= TICKS_AFTER && !shared.stop.is_cancelled() {
        let scripts = shared.store.tick_alerts(&*shared.clock).await?;
        ticked += scripts;
        if scripts == 0 {
            break;
        }
    }
    Ok(ticked)
}

/// Ends what a deletion of a script with many executions has begun. Answers how many scripts.
async fn purge_scripts(shared: &Shared) -> Result<u64, StoreError> {
    let mut purged = 0;
    for (org, script) in shared.store.list_deleted_scripts().await? {
        while !shared.stop.is_cancelled() {
            if shared.store.purge_script(org, script).await? {
                purged += 1;
                break;
            }
        }
    }
    Ok(purged)
}

/// What is left of deleted components, and of uploads that were broken off.
async fn delete_components(shared: &Shared, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut deleted = shared.store.sweep_components(now).await?;
    while !shared.stop.is_cancelled() {
        let chunks = shared.store.sweep_component_chunks(now).await?;
        deleted += chunks;
        if chunks == 0 {
            break;
        }
    }
    Ok(deleted)
}

async fn delete_executions(shared: &Shared, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let Some(before) = kept_since(shared.config.retention, now) else {
        return Ok(0);
    };
    let store = &shared.store;
    in_batches(shared, || {
        store.delete_executions_before(before, RETENTION_BATCH)
    })
    .await
}

/// Incidents last: a notification of one that goes on stays.
async fn delete_alerts(shared: &Shared, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let Some(before) = kept_since(shared.config.alert_retention, now) else {
        return Ok(0);
    };
    let store = &shared.store;
    let notifications = in_batches(shared, || {
        store.delete_notifications_before(before, RETENTION_BATCH)
    });
    let notifications = notifications.await?;
    let history = in_batches(shared, || {
        store.delete_alert_history_before(before, RETENTION_BATCH)
    });
    let history = history.await?;
    let incidents = in_batches(shared, || {
        store.delete_incidents_before(before, RETENTION_BATCH)
    });
    Ok(notifications + history + incidents.await?)
}

fn kept_since(kept: Option<Duration>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    kept.and_then(|kept| now.checked_sub_signed(to_delta(kept)))
}

/// Each batch is a transaction of its own, so that outcomes are recorded in between.
async fn in_batches<F>(shared: &Shared, delete: impl Fn() -> F) -> Result<u64, StoreError>
where
    F: Future<Output = Result<u64, StoreError>>,
{
    let mut deleted = 0;
    while !shared.stop.is_cancelled() {
        let rows = delete().await?;
        deleted += rows;
        if rows < u64::from(RETENTION_BATCH) {
            break;
        }
    }
    Ok(deleted)
}
