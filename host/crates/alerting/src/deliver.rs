//! The worker that empties the outbox: it takes up what is due, makes an attempt, and keeps what came of it.
//!
//! Nobody waits for a receiver that does not answer. Of one channel only a few notifications are under way at one
//! time, which the store sees to; and an attempt that is not over soon leaves its place to the next one and goes on
//! among the slow ones, of which there may be many more.

mod owners;

use std::{
    collections::HashMap,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore},
    task::{Id, JoinError, JoinSet},
    time::{MissedTickBehavior, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use vedette_core::{ChannelId, Clock};
use vedette_store::{
    AfterAttempt, AttemptOutcome, ClaimedNotification, DeliveryAttempt, OpenedChannel, Store,
    StoreError,
};

use crate::{
    Attempt, Channel, ChannelKind, MAIL_PATIENCE, MailTransport, Notification, Outcome, Outgoing,
    Parts, Sender,
    backoff::{self, Next},
    render, send_mail,
};

/// The outbox is looked at so often, also when nobody says that there is something.
const EACH: Duration = Duration::from_secs(1);
/// Owners who are to be told that a channel is disabled are looked for so often, also when nobody says that there is
/// one.
const EACH_ROUND_OF_OWNERS: Duration = Duration::from_mins(1);
/// Attempts to keep what came of a delivery. When all fail it is sent again, once its lease is over.
const RECORD_TRIES: u32 = 5;
/// Between two of them.
const RECORD_PAUSE: Duration = Duration::from_secs(1);

/// How much the worker does at one time, and under which name.
#[derive(Debug, Clone)]
pub struct DeliveryOptions {
    /// The node, for people who look at leases.
    pub owner: String,
    /// Attempts at one time, those that are slow excepted.
    pub concurrency: usize,
    /// Attempts that are slow, at one time. Each is a socket and little else.
    pub slow_concurrency: usize,
    /// An attempt that takes longer is slow.
    pub slow_after: Duration,
    /// Longer than an attempt may take, and what follows it.
    pub lease: Duration,
    /// At the end, attempts that are under way have this long to come to an end of their own.
    pub grace: Duration,
    /// What comes before an incident's id in its address, for the link in messages. `None`: there is no link.
    pub incident_link: Option<String>,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            owner: String::new(),
            concurrency: 64,
            slow_concurrency: 1_024,
            slow_after: Duration::from_millis(150),
            lease: Duration::from_secs(90),
            grace: Duration::from_secs(2),
            incident_link: None,
        }
    }
}

/// Delivers what is due.
pub struct Deliverer {
    store: Store,
    sender: Sender,
    mail: Option<Arc<dyn MailTransport>>,
    clock: Arc<dyn Clock>,
    random: Box<dyn Fn() -> f64 + Send + Sync>,
    options: DeliveryOptions,
    /// Kinds of channels that get no digests.
    one_by_one: Vec<&'static str>,
    places: Arc<Semaphore>,
    slow_places: Arc<Semaphore>,
    /// A place became free while its attempt goes on.
    freed: Notify,
    /// A channel was disabled, whose owner does not know.
    untold: Notify,
    /// Held by who tells owners.
    telling: Mutex<()>,
}

/// A channel as it was opened for a delivery.
type Opened = Result<OpenedChannel, StoreError>;

/// What is under way: tasks, and what each of them holds.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    held: HashMap<Id, ClaimedNotification>,
}

impl Deliverer {
    /// `mail` is `None` where the operator has named no mail server. `random` gives numbers from 0 to 1, evenly.
    pub fn new(
        store: Store,
        sender: Sender,
        mail: Option<Arc<dyn MailTransport>>,
        clock: Arc<dyn Clock>,
        random: impl Fn() -> f64 + Send + Sync + 'static,
        options: DeliveryOptions,
    ) -> Self {
        Self {
            store,
            sender,
            mail,
            clock,
            random: Box::new(random),
            one_by_one: one_by_one(),
            places: Arc::new(Semaphore::new(options.concurrency)),
            slow_places: Arc::new(Semaphore::new(options.slow_concurrency)),
            freed: Notify::new(),
            untold: Notify::new(),
            telling: Mutex::new(()),
            options,
        }
    }

    /// Delivers until `stop`. It looks whenever `wake` says that there is something, and each second. What is under
    /// way at the end has a little time, and is then given back. Dropping the future ends it at once: what it held is
    /// sent again by whoever comes next, once the leases are over.
    pub async fn run(self, wake: Arc<Notify>, stop: CancellationToken) {
        let deliverer = Arc::new(self);
        let mut under_way = UnderWay::default();
        let mut ticks = tokio::time::interval(EACH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rounds = tokio::time::interval(EACH_ROUND_OF_OWNERS);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut tell_owners = false;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = under_way.tasks.join_next_with_id() => {
                    deliverer.ended(ended, &mut under_way).await;
                }
                () = deliverer.freed.notified() => {}
                () = deliverer.untold.notified() => tell_owners = true,
                _ = rounds.tick() => tell_owners = true,
                () = wake.notified() => {}
                _ = ticks.tick() => {}
            }
            if tell_owners {
                let deliverer = deliverer.clone();
                under_way
                    .tasks
                    .spawn(async move { deliverer.tell_owners().await });
            }
            if let Err(error) = deliverer.take_up(&mut under_way).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "notifications that are due cannot be taken up for the moment"
                );
            }
        }
        deliverer.give_back(under_way).await;
    }

    /// Gathers what is many, and takes up what is due, as long as there are places.
    async fn take_up(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let lease = TimeDelta::from_std(self.options.lease).unwrap_or(TimeDelta::MAX);
        loop {
            let now = self.clock.now();
            if let Err(error) = self.store.gather_digests(now, &self.one_by_one).await {
                // Each by itself is better than none.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "notifications cannot be gathered for the moment"
                );
            }
            let free = self.places.available_permits();
            let free = u32::try_from(free).unwrap_or(u32::MAX);
            let claims = self
                .store
                .claim_notifications(self.clock.now(), lease, free, &self.options.owner)
                .await?;
            if claims.is_empty() {
                return Ok(());
            }
            let mut ids: Vec<ChannelId> = claims.iter().map(|claim| claim.channel_id).collect();
            ids.sort_unstable();
            ids.dedup();
            let mut channels: HashMap<_, Arc<Opened>> = match self.store.open_channels(&ids).await {
                Ok(channels) => channels
                    .into_iter()
                    .map(|(id, opened)| (id, Arc::new(opened)))
                    .collect(),
                Err(error) => {
                    self.release(&claims).await;
                    return Err(error);
                }
            };
            for claim in claims {
                let place = self.places.clone().try_acquire_owned();
                // A channel that is gone since is found so by the next claim.
                let channel = channels
                    .get_mut(&claim.channel_id)
                    .map(|opened| opened.clone());
                let (Ok(place), Some(channel)) = (place, channel) else {
                    self.release(&[claim]).await;
                    continue;
                };
                let delivery = self.clone().deliver(claim.clone(), channel, place);
                let task = under_way.tasks.spawn(delivery);
                under_way.held.insert(task.id(), claim);
            }
        }
    }

    /// One attempt and what comes of it.
    async fn deliver(
        self: Arc<Self>,
        claim: ClaimedNotification,
        channel: Arc<Opened>,
        place: OwnedSemaphorePermit,
    ) {
        let at = self.clock.now();
        let (attempt, _place) = match self.prepare(&claim, &channel, at) {
            Ok(outgoing) => self.send(&outgoing, at, place).await,
            Err(outcome) => (failed(outcome), place),
        };
        let kind = channel
            .as_ref()
            .as_ref()
            .map_or("", |opened| &opened.channel.kind);
        self.record(&claim, at, attempt, kind).await;
    }

    /// The message, or why there is none.
    fn prepare(
        &self,
        claim: &ClaimedNotification,
        channel: &Opened,
        at: DateTime<Utc>,
    ) -> Result<Outgoing, Outcome> {
        let opened = channel.as_ref().map_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::error!(channel.id = %claim.channel_id, error, "a channel cannot be opened");
            // The operator may bring the key back.
            Outcome::Retry {
                after: None,
                reason: "what the channel keeps secret cannot be read".to_owned(),
            }
        })?;
        let parts = Parts {
            public: opened.channel.config.clone(),
            secret: opened.secret.clone(),
        };
        let channel =
            Channel::join(&opened.channel.kind, &parts).map_err(|error| Outcome::Refused {
                reason: format!("the settings of the channel are not valid: {error}"),
            })?;
        let mut notification: Notification = serde_json::from_value(claim.payload.clone())
            .map_err(|error| {
                let error: &dyn std::error::Error = &error;
                tracing::error!(notification.id = %claim.id, error, "a notification does not read");
                Outcome::Refused {
                    reason: "what is stored of the notification does not read".to_owned(),
                }
            })?;
        if let (None, Some(before), Some(incident)) = (
            &notification.link,
            &self.options.incident_link,
            claim.incident_id,
        ) {
            notification.link = Some(format!("{before}{incident}"));
        }
        Ok(render(&channel, &notification, at))
    }

    /// Makes the attempt. It gives its place away when it is slow, and gets one among the slow ones for it.
    async fn send(
        &self,
        outgoing: &Outgoing,
        at: DateTime<Utc>,
        place: OwnedSemaphorePermit,
    ) -> (Attempt, OwnedSemaphorePermit) {
        let mut attempt = pin!(self.attempt(outgoing, at));
        if let Ok(attempt) = timeout(self.options.slow_after, &mut attempt).await {
            return (attempt, place);
        }
        tokio::select! {
            attempt = &mut attempt => (attempt, place),
            slow = self.slow_places.clone().acquire_owned() => {
                drop(place);
                self.freed.notify_one();
                let slow = slow.expect("it is never closed");
                (attempt.await, slow)
            }
        }
    }

    async fn attempt(&self, outgoing: &Outgoing, at: DateTime<Utc>) -> Attempt {
        match (outgoing, &self.mail) {
            (Outgoing::Request(request), _) => self.sender.send(request, at).await,
            (Outgoing::Mail(mail), Some(transport)) => {
                send_mail(transport.as_ref(), mail, MAIL_PATIENCE).await
            }
            (Outgoing::Mail(_), None) => failed(Outcome::Retry {
                after: None,
                reason: "this installation has no mail server".to_owned(),
            }),
        }
    }

    /// Keeps what came of an attempt, and decides what comes next.
    async fn record(
        &self,
        claim: &ClaimedNotification,
        at: DateTime<Utc>,
        attempt: Attempt,
        kind: &str,
    ) {
        let (outcome, error, next) = self.judge(claim, attempt.outcome);
        metrics::counter!(
            "notification_attempts_total",
            "type" => kind.to_owned(),
            "outcome" => outcome.as_str(),
        )
        .increment(1);
        if matches!(next, AfterAttempt::Dead | AfterAttempt::DisableChannel(_)) {
            tracing::warn!(
                notification.id = %claim.id,
                channel.id = %claim.channel_id,
                org.id = %claim.org_id,
                reason = error,
                "a notification was not delivered"
            );
        }
        let attempt = DeliveryAttempt {
            attempted_at: at,
            outcome,
            status: attempt.status,
            duration: attempt.duration,
            error,
            excerpt: attempt.excerpt,
        };
        for number in 1..=RECORD_TRIES {
            let recorded = self
                .store
                .record_attempt(claim.id, claim.lease_token, &attempt, &next)
                .await;
            match recorded {
                Ok(true) => {
                    if matches!(next, AfterAttempt::DisableChannel(_)) {
                        self.untold.notify_one();
                    }
                    return;
                }
                Ok(false) => {
                    tracing::warn!(notification.id = %claim.id, "an attempt ended after its lease");
                    return;
                }
                Err(error) if number == RECORD_TRIES || !error.is_retryable() => {
                    tracing::error!(
                        notification.id = %claim.id,
                        error = &error as &dyn std::error::Error,
                        "what came of an attempt cannot be kept; the notification is sent again"
                    );
                    return;
                }
                Err(_) => sleep_until((Instant::now() + RECORD_PAUSE).into()).await,
            }
        }
    }

    fn judge(
        &self,
        claim: &ClaimedNotification,
        outcome: Outcome,
    ) -> (AttemptOutcome, Option<String>, AfterAttempt) {
        match outcome {
            Outcome::Delivered => (AttemptOutcome::Delivered, None, AfterAttempt::Delivered),
            Outcome::Gone { reason } => {
                let next = AfterAttempt::DisableChannel(reason.clone());
                (AttemptOutcome::Gone, Some(reason), next)
            }
            Outcome::Refused { reason } => {
                (AttemptOutcome::Refused, Some(reason), AfterAttempt::Dead)
            }
            Outcome::Retry { after, reason } => {
                let now = self.clock.now();
                let elapsed = (now - claim.first_attempt_at).to_std().unwrap_or_default();
                let next = match backoff::next(claim.attempts, elapsed, after, (self.random)()) {
                    Next::After(delay) => {
                        let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
                        AfterAttempt::Again(vedette_core::clock::whole_micros(now + delay))
                    }
                    Next::DeadLetter => AfterAttempt::Dead,
                };
                (AttemptOutcome::Retry, Some(reason), next)
            }
        }
    }

    /// A delivery came to its end, or to a bad one.
    async fn ended(&self, ended: Result<(Id, ()), JoinError>, under_way: &mut UnderWay) {
        let error = match ended {
            Ok((id, ())) => {
                under_way.held.remove(&id);
                return;
            }
            Err(error) => error,
        };
        // Of one that was stopped, the claim is given back.
        if !error.is_panic() {
            return;
        }
        let Some(claim) = under_way.held.remove(&error.id()) else {
            return;
        };
        tracing::error!(notification.id = %claim.id, "the delivery of a notification panicked");
        let outcome = Outcome::Retry {
            after: None,
            reason: "a fault of this installation".to_owned(),
        };
        self.record(&claim, self.clock.now(), failed(outcome), "")
            .await;
    }

    /// Waits a little for what is under way, and gives back what is not done then.
    async fn give_back(&self, mut under_way: UnderWay) {
        let deadline = (Instant::now() + self.options.grace).into();
        while let Ok(Some(ended)) = timeout_at(deadline, under_way.tasks.join_next_with_id()).await
        {
            self.ended(ended, &mut under_way).await;
        }
        under_way.tasks.abort_all();
        while let Some(ended) = under_way.tasks.join_next_with_id().await {
            self.ended(ended, &mut under_way).await;
        }
        let left: Vec<_> = under_way.held.into_values().collect();
        self.release(&left).await;
    }

    /// Gives claims back. One that cannot be comes free when its lease is over.
    async fn release(&self, claims: &[ClaimedNotification]) {
        for claim in claims {
            let released = self
                .store
                .release_notification(claim.id, claim.lease_token)
                .await;
            if let Err(error) = released {
                tracing::warn!(
                    notification.id = %claim.id,
                    error = &error as &dyn std::error::Error,
                    "a notification cannot be given back; it waits for the end of its lease"
                );
            }
        }
    }
}

/// A digest closes nothing where incidents are kept.
fn one_by_one() -> Vec<&'static str> {
    let kinds = ChannelKind::ALL.iter().copied();
    let kinds = kinds.filter(|kind| kind.tracks_incidents());
    kinds.map(ChannelKind::as_str).collect()
}

/// An attempt that did not come to a request.
fn failed(outcome: Outcome) -> Attempt {
    Attempt {
        outcome,
        status: None,
        duration: Duration::ZERO,
        excerpt: None,
    }
}
