//! Runs, references and an operator in paused time: who waits for what, and what is made of it.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use vedette_core::{ManualClock, SystemClock};

use super::*;

/// They answer, or do not, after a while.
struct Fake {
    answers: AtomicBool,
    after: Duration,
    looks: AtomicU32,
}

struct Handle(Arc<Fake>);

#[async_trait]
impl References for Handle {
    async fn is_any_reachable(&self) -> bool {
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        sleep_until(Instant::now() + self.0.after).await;
        self.0.answers.load(Ordering::SeqCst)
    }
}

#[derive(Default)]
struct Told {
    is_deaf: AtomicBool,
    tries: AtomicU32,
    news: Mutex<Vec<Outage>>,
}

struct Ear(Arc<Told>);

#[async_trait]
impl Operator for Ear {
    async fn tell(&self, outage: Outage) -> Result<(), OperatorError> {
        self.0.tries.fetch_add(1, Ordering::SeqCst);
        if self.0.is_deaf.load(Ordering::SeqCst) {
            return Err(OperatorError("no connection".to_owned()));
        }
        self.0.news.lock().unwrap().push(outage);
        Ok(())
    }
}

/// References and an operator that are watched.
struct Watched {
    health: SelfHealth,
    references: Arc<Fake>,
    told: Arc<Told>,
    clock: Arc<ManualClock>,
    _watch: AbortOnDropHandle<()>,
}

impl Watched {
    async fn new(after: Duration) -> Self {
        let references = Arc::new(Fake {
            answers: AtomicBool::new(true),
            after,
            looks: AtomicU32::new(0),
        });
        let told = Arc::new(Told::default());
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let health = SelfHealth::new(
            Box::new(Handle(Arc::clone(&references))),
            Some(Box::new(Ear(Arc::clone(&told)))),
            clock.clone(),
        );
        let watching = health.clone();
        let watch = tokio::spawn(async move { watching.watch().await });
        let watched = Self {
            health,
            references,
            told,
            clock,
            _watch: AbortOnDropHandle::new(watch),
        };
        // The first look is over, and the next one may begin at any time.
        pass(10).await;
        assert_eq!(watched.looks(), 1);
        watched
    }

    fn looks(&self) -> u32 {
        self.references.looks.load(Ordering::SeqCst)
    }

    fn answer(&self, answers: bool) {
        self.references.answers.store(answers, Ordering::SeqCst);
    }

    fn news(&self) -> Vec<Outage> {
        self.told.news.lock().unwrap().clone()
    }

    /// A run that began so many seconds ago and ends now; answers whether we are to blame, and after what time.
    async fn run(&self, began_secs_ago: u64) -> (bool, Duration) {
        let now = Instant::now();
        let began = now - Duration::from_secs(began_secs_ago);
        let judged = self.health.judge(unreached(), began).await;
        (is_ours(&judged), now.elapsed())
    }
}

async fn pass(seconds: u64) {
    sleep_until(Instant::now() + Duration::from_secs(seconds)).await;
}

fn outcome(status: Status, requests: &[(f64, Option<&str>)]) -> Outcome {
    let requests = requests.iter().map(|(ended_at_ms, error)| RequestRecord {
        method: "GET".to_owned(),
        url: "https://example.com/".to_owned(),
        status: error.is_none().then_some(503),
        error: error.map(ToOwned::to_owned),
        started_at_ms: 0.0,
        total_ms: *ended_at_ms,
        dns_ms: None,
        connect_ms: None,
        tls_ms: None,
        first_byte_ms: None,
        download_ms: None,
        remote_address: None,
        body_bytes: 0,
        redirects: 0,
        certificate_expires_at: None,
    });
    Outcome {
        status,
        requests: requests.collect(),
        duration_ms: 12.5,
        fuel_used: 42,
        ..Outcome::missed("what the run said")
    }
}

fn unreached() -> Outcome {
    outcome(Status::Failure, &[(5.0, Some("dns: no such host"))])
}

fn is_ours(outcome: &Outcome) -> bool {
    outcome.error_class == Some(ErrorClass::PlatformError)
}

#[test]
fn only_a_last_request_without_an_answer_is_doubted() {
    use Status::{Error, Failure, Missed, Success, Timeout};
    let answered = (5.0, None);
    let dns = (3.0, Some("dns: no such host"));
    let later = (9.0, Some("timeout"));
    let in_flight = (0.0, Some(RequestRecord::IN_FLIGHT));
    for (status, requests, expected) in [
        (Failure, vec![dns], true),
        (Timeout, vec![in_flight], true),
        (Error, vec![dns], true),
        (Success, vec![dns], false),
        (Missed, vec![], false),
        (Failure, vec![], false),
        (Timeout, vec![], false),
        (Failure, vec![answered], false),
        // The network was there after the failure.
        (Failure, vec![dns, answered], false),
        (Failure, vec![answered, dns], false),
        // It may have gone in the middle of the run.
        (Failure, vec![answered, later], true),
        (Timeout, vec![in_flight, answered], true),
        (
            Failure,
            vec![(5.0, Some("denied at stage addr: no"))],
            false,
        ),
        (Failure, vec![(5.0, Some("protocol: no HTTP"))], false),
    ] {
        let outcome = outcome(status, &requests);
        assert_eq!(is_doubtful(&outcome), expected, "{status} {requests:?}");
    }
    for (class, expected) in [
        (ErrorClass::ScriptError, true),
        (ErrorClass::PlatformError, false),
        (ErrorClass::QuotaExceeded, false),
    ] {
        let mut broken = outcome(Error, &[dns]);
        broken.error_class = Some(class);
        assert_eq!(is_doubtful(&broken), expected, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_look_waits_for_none() {
    let watched = Watched::new(Duration::from_secs(1)).await;
    let now = Instant::now();
    for outcome in [
        outcome(Status::Success, &[(5.0, Some("timeout"))]),
        outcome(Status::Failure, &[(5.0, None)]),
    ] {
        let judged = watched.health.judge(outcome.clone(), now).await;
        assert_eq!(judged, outcome);
    }
    // Without references nothing is doubted.
    let judged = SelfHealth::default().judge(unreached(), now).await;
    assert_eq!(judged, unreached());
    assert_eq!((now.elapsed(), watched.looks()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn runs_that_end_together_share_one_look() {
    let took = Duration::from_millis(40);
    let watched = Watched::new(took).await;
    for (answers, is_ours) in [(true, false), (false, true)] {
        watched.answer(answers);
        let looks = watched.looks();
        let mut runs = JoinSet::new();
        for _ in 0..1_000 {
            let health = watched.health.clone();
            runs.spawn(async move {
                let now = Instant::now();
                let judged = health.judge(unreached(), now).await;
                (judged.error_class.is_some(), now.elapsed())
            });
        }
        for (blamed, waited) in runs.join_all().await {
            assert_eq!((blamed, waited), (is_ours, took));
        }
        assert_eq!(watched.looks(), looks + 1);
        pass(LEAST_PAUSE.as_secs()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_stays() {
    let watched = Watched::new(Duration::ZERO).await;
    watched.answer(false);
    let judged = watched.health.judge(unreached(), Instant::now()).await;
    let expected = Outcome {
        status: Status::Error,
        error_class: Some(ErrorClass::PlatformError),
        message: Some(NO_NETWORK.to_owned()),
        ..unreached()
    };
    assert_eq!(judged, expected);
}

#[tokio::test(start_paused = true)]
async fn looks_are_apart_however_many_ask() {
    let watched = Watched::new(Duration::from_millis(40)).await;
    let looks = watched.looks();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        let (is_ours, waited) = watched.run(1).await;
        assert!(
            !is_ours && waited < Duration::from_millis(2_050),
            "{waited:?}"
        );
    }
    assert!(watched.looks() - looks <= 11, "{}", watched.looks() - looks);
}

#[tokio::test(start_paused = true)]
async fn a_look_before_the_end_of_a_run_says_nothing_for_it() {
    let watched = Watched::new(Duration::from_millis(500)).await;
    // This one makes a look begin.
    let health = watched.health.clone();
    let first = tokio::spawn(async move { health.judge(unreached(), Instant::now()).await });
    sleep_until(Instant::now() + Duration::from_millis(499)).await;
    let second = watched.run(1);
    let (first, second) = tokio::join!(first, async {
        // The look under way gets its answer; then the network goes.
        tokio::join!(second, async {
            sleep_until(Instant::now() + Duration::from_millis(2)).await;
            watched.answer(false);
        })
    });
    assert!(!is_ours(&first.unwrap()));
    assert!(second.0.0, "the look after its end counts");
}

#[tokio::test(start_paused = true)]
async fn runs_that_were_there_during_an_outage_are_not_believed_after_it() {
    let watched = Watched::new(Duration::ZERO).await;
    watched.answer(false);
    pass(40).await;
    watched.answer(true);
    pass(6).await;
    let looks = watched.looks();
    assert_eq!(watched.run(20).await, (true, Duration::ZERO));
    assert_eq!(watched.looks(), looks, "it is known");
    pass(10).await;
    assert!(!watched.run(5).await.0, "that one began after it");
}

#[tokio::test(start_paused = true)]
async fn references_that_never_answer_hold_no_run_up_for_long() {
    let watched = Watched::new(Duration::from_millis(10)).await;
    let stuck = SelfHealth::new(
        Box::new(Handle(Arc::new(Fake {
            answers: AtomicBool::new(true),
            after: Duration::from_hours(1),
            looks: AtomicU32::new(0),
        }))),
        None,
        watched.clock.clone(),
    );
    let now = Instant::now();
    // Nobody looks: what the run said stays.
    let judged = stuck.judge(unreached(), now).await;
    assert_eq!((is_ours(&judged), now.elapsed()), (false, LONGEST_WAIT));

    let watching = stuck.clone();
    let _watch = AbortOnDropHandle::new(tokio::spawn(async move { watching.watch().await }));
    let now = Instant::now();
    let judged = stuck.judge(unreached(), now).await;
    assert_eq!(
        (is_ours(&judged), now.elapsed()),
        (true, SelfHealth::PATIENCE)
    );
}

#[tokio::test(start_paused = true)]
async fn the_operator_hears_of_an_outage_once_and_of_its_end_once() {
    let watched = Watched::new(Duration::ZERO).await;
    let since = watched.clock.now();
    watched.answer(false);
    pass(120).await;
    assert_eq!(watched.news(), [Outage { since, until: None }]);
    watched.clock.advance(TimeDelta::seconds(120));
    watched.answer(true);
    pass(120).await;
    let until = Some(since + TimeDelta::seconds(120));
    assert_eq!(watched.news()[1..], [Outage { since, until }]);
    assert_eq!(watched.told.tries.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_nobody_could_be_told_of_is_told_when_it_is_over() {
    let watched = Watched::new(Duration::ZERO).await;
    watched.told.is_deaf.store(true, Ordering::SeqCst);
    let since = watched.clock.now();
    watched.answer(false);
    pass(300).await;
    let tries = watched.told.tries.load(Ordering::SeqCst);
    assert!((8..=10).contains(&tries), "{tries} in five minutes");
    watched.clock.advance(TimeDelta::seconds(300));
    watched.answer(true);
    pass(20).await;
    watched.told.is_deaf.store(false, Ordering::SeqCst);
    pass(120).await;
    let until = Some(since + TimeDelta::seconds(300));
    assert_eq!(watched.news(), [Outage { since, until }]);
}
