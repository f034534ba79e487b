//! Whether this installation itself reaches the network, so that its own outage is not told as that of every target.
//!
//! A few reference targets, which the operator names, are looked at from time to time, and whenever a run could not
//! reach its target. While none of them answers, such runs say nothing about their targets. The `network` decides;
//! here is the looking, and what follows from it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use vedette_core::{Clock, ErrorClass, Outcome, RequestRecord, Status};

use crate::{
    measures,
    self_health::network::{LEAST_PAUSE, Look, Network},
};

mod network;
#[cfg(test)]
mod tests;

pub use network::Outage;

/// How long an outcome waits for a look: until one may begin, and for that one.
const LONGEST_WAIT: Duration = LEAST_PAUSE.saturating_add(SelfHealth::PATIENCE);
/// Until the operator is told once more what did not reach them.
const TELL_AGAIN: Duration = Duration::from_secs(30);

const NO_NETWORK: &str = "this installation had no network: none of its reference targets answered when this run \
                          could not reach its target. This says nothing about the target";

/// The reference targets.
#[async_trait]
pub trait References: Send + Sync + 'static {
    /// Whether at least one of them can be reached now, by its name. It is given [`SelfHealth::PATIENCE`].
    async fn is_any_reachable(&self) -> bool;
}

/// Tells the operator of this installation.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// Tells that an outage has begun or, when it has an end, that it is over.
    ///
    /// # Errors
    /// When it did not reach them: it is tried again after half a minute, with what is known by then.
    async fn tell(&self, outage: Outage) -> Result<(), OperatorError>;
}

/// Why the operator could not be told. It is logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OperatorError(pub String);

/// Knows whether this installation reaches the network. Cheap to clone. The default has no references, and never
/// doubts.
#[derive(Clone, Default)]
pub struct SelfHealth(Option<Arc<Inner>>);

struct Inner {
    references: Box<dyn References>,
    operator: Option<Box<dyn Operator>>,
    clock: Arc<dyn Clock>,
    network: watch::Sender<Network>,
    /// The end of the last run that waits for a look which began after it.
    asked: watch::Sender<Option<Instant>>,
}

impl fmt::Debug for SelfHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "SelfHealth { … }"
        } else {
            "SelfHealth { off }"
        })
    }
}

impl SelfHealth {
    /// For one look. References that take longer are as good as gone.
    pub const PATIENCE: Duration = Duration::from_secs(4);

    /// Goes by these references, and tells the operator, if there is a way to. Nothing is looked at before a
    /// scheduler has it.
    pub fn new(
        references: Box<dyn References>,
        operator: Option<Box<dyn Operator>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Some(Arc::new(Inner {
            references,
            operator,
            clock,
            network: watch::Sender::new(Network::default()),
            asked: watch::Sender::new(None),
        })))
    }

    /// Looks at the references from time to time and when asked, and tells the operator. Without references it ends
    /// at once, else never.
    pub(crate) async fn watch(&self) {
        if let Some(inner) = &self.0 {
            tokio::join!(inner.keep_looking(), inner.keep_operator_told());
        }
    }

    /// The outcome of a run that began then and has just ended. If it did not reach its target, and we had no
    /// network, it becomes an error of ours. That is known at once, or after some seconds at most.
    pub(crate) async fn judge(&self, outcome: Outcome, began: Instant) -> Outcome {
        match &self.0 {
            Some(inner) if is_doubtful(&outcome) && inner.was_offline_since(began).await => {
                blame_our_network(outcome)
            }
            _ => outcome,
        }
    }

    /// When a look got no answer for the last time.
    pub(crate) fn silent_at(&self) -> Option<DateTime<Utc>> {
        self.0.as_ref()?.network.borrow().silent_at()
    }
}

impl Inner {
    async fn keep_looking(&self) {
        let mut asked = self.asked.subscribe();
        loop {
            let began = Instant::now();
            self.look(began).await;
            let pause = self.network.borrow().pause();
            let is_asked = asked.wait_for(|asked| asked.is_some_and(|ended| ended > began));
            // Asked, or time to look anyway.
            drop(timeout_at(began + pause, is_asked).await);
            sleep_until(began + LEAST_PAUSE).await;
        }
    }

    async fn look(&self, began: Instant) {
        let began_at = self.clock.now();
        let answered = timeout(SelfHealth::PATIENCE, self.references.is_any_reachable()).await;
        let look = Look {
            began,
            ended: Instant::now(),
            began_at,
            any_answered: answered.unwrap_or(false),
        };
        let mut news = None;
        self.network.send_modify(|network| {
            news = network.note(look);
            measures::network(network.is_offline());
        });
        match news {
            None => {}
            Some(Outage { since, until: None }) => tracing::error!(
                %since,
                "this installation has no network: no reference target answers; runs that do not reach \
                 their targets are platform errors, and silence fires no alert rule"
            ),
            Some(Outage {
                since,
                until: Some(until),
            }) => tracing::info!(
                %since,
                seconds = (until - since).num_seconds(),
                "this installation has its network again"
            ),
        }
    }

    /// Whether we had no network at some time from the beginning of a run until now, its end. What is known must not
    /// be older than the run: an outage begins between two looks.
    async fn was_offline_since(&self, began: Instant) -> bool {
        let ended = Instant::now();
        let mut network = self.network.subscribe();
        self.asked
            .send_modify(|asked| *asked = (*asked).max(Some(ended)));
        let known = network.wait_for(|network| {
            network.was_silent_since(began) || network.was_looked_at_since(ended)
        });
        let known = timeout(LONGEST_WAIT, known).await;
        matches!(known, Ok(Ok(network)) if network.was_silent_since(began))
    }

    /// Tells what is newest until it is told. An outage that ends before that is told once.
    async fn keep_operator_told(&self) {
        let Some(operator) = &self.operator else {
            return;
        };
        let mut network = self.network.subscribe();
        let mut told = None;
        let mut has_failed = false;
        loop {
            let news = network.wait_for(|network| network.outage() != told).await;
            // An error only if the sender is gone, which is with us.
            let Some(outage) = news.ok().and_then(|network| network.outage()) else {
                return;
            };
            match operator.tell(outage).await {
                Ok(()) => {
                    told = Some(outage);
                    has_failed = false;
                }
                Err(error) => {
                    if !has_failed {
                        tracing::warn!(%error, "the operator cannot be told about the network yet");
                    }
                    has_failed = true;
                    sleep_until(Instant::now() + TELL_AGAIN).await;
                }
            }
        }
    }
}

/// Whether an outcome may be as it is because we had no network: it is no success, and after the last request that
/// was not answered no other was. A check that stumbles over a missing answer is no less to be doubted than one that
/// calls it a failure.
fn is_doubtful(outcome: &Outcome) -> bool {
    let may_be_ours = match outcome.status {
        Status::Failure | Status::Timeout => true,
        Status::Error => !matches!(
            outcome.error_class,
            Some(ErrorClass::PlatformError | ErrorClass::QuotaExceeded)
        ),
        Status::Success | Status::Missed | Status::Running => false,
    };
    let requests = outcome.requests.iter();
    let last = requests.max_by(|one, other| one.ended_at_ms().total_cmp(&other.ended_at_ms()));
    may_be_ours && last.is_some_and(RequestRecord::is_unreached)
}

/// What was measured stays, as evidence and for quotas.
fn blame_our_network(outcome: Outcome) -> Outcome {
    Outcome {
        status: Status::Error,
        error_class: Some(ErrorClass::PlatformError),
        message: Some(NO_NETWORK.to_owned()),
        result: None,
        latency_ms: None,
        recording: None,
        ..outcome
    }
}
