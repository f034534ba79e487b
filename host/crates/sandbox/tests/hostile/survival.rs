//! Section 3 of the corpus: every row many times, several at once, beside an honest check.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use vedette_core::Outcome;
use vedette_sandbox::Limits;

use crate::{
    alone, assert_bounded, attempt, check, compile, is_full, process,
    rows::{self, Ending, Row},
    sandbox,
    server::Server,
};

/// Attempts at a time.
const AT_ONCE: usize = 4;

/// What 20 rounds may add to this process, in KiB. The allocator keeps some of what it had.
const GROWTH_KIB: i64 = 64 * 1024;

/// A row's time beyond its wall that only a machine that is very busy takes.
const OVER_WALL: Duration = Duration::from_mins(1);

struct Size {
    attempts: usize,
    rounds: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_table_is_survived() {
    let _alone = alone().await;
    let size = if is_full() {
        Size {
            attempts: 20,
            rounds: 3,
        }
    } else {
        Size {
            attempts: 1,
            rounds: 1,
        }
    };
    let server = Arc::new(Server::start().await);
    let rows = Arc::new(rows::all());
    let honest = Honest::start(server.clone());
    // Everything that is made once is made before anything is counted.
    let mut total = storm(&rows, 1, &server, 0).await;
    let (before, before_kib) = (process::Held::now(), process::resident_kib().0);
    let process_id = std::process::id();
    for round in 1..=size.rounds {
        let started = Instant::now();
        let tally = storm(&rows, size.attempts, &server, round as u64).await;
        let rss_kib = process::resident_kib().0;
        println!(
            "round {round}: {} attempts in {:.1} s, {} endings that are none, {} MiB held, longest {:.1} s over its wall",
            tally.attempts,
            started.elapsed().as_secs_f64(),
            tally.wrong.len(),
            rss_kib / 1024,
            tally.over_wall.as_secs_f64(),
        );
        total.add(tally);
    }
    let honest = honest.stop().await;
    let growth_kib = process::resident_kib().0 - before_kib;
    println!(
        "{} attempts; memory {growth_kib:+} KiB, peak {} MiB; honest check: {} runs, latest {:?}, p99 {:?}; \
         a task that waits 10 ms: p99 {:?} late",
        total.attempts,
        process::resident_kib().1 / 1024,
        honest.runs,
        honest.lateness(1.0),
        honest.lateness(0.99),
        honest.tick_lateness(0.99),
    );
    for (row, endings) in &total.endings {
        println!("{row}: {endings:?}");
    }
    assert!(total.wrong.is_empty(), "{:#?}", total.wrong);
    assert_eq!(process::panics(), 0, "something panicked in this process");
    assert_eq!(std::process::id(), process_id);
    assert_eq!(honest.wrong, Vec::<String>::new(), "the honest check");
    assert!(honest.runs > 0, "the honest check never ran");
    process::Held::back_to(before)
        .await
        .unwrap_or_else(|held| panic!("{before:?} before, {held:?} after"));
    assert!(
        growth_kib <= GROWTH_KIB,
        "{growth_kib} KiB more than before"
    );
    assert!(
        total.over_wall <= OVER_WALL,
        "{:?} over its wall",
        total.over_wall
    );
}

#[derive(Default)]
struct Tally {
    attempts: usize,
    /// What went wrong, once for each script.
    wrong: BTreeMap<String, String>,
    endings: BTreeMap<&'static str, BTreeMap<String, usize>>,
    over_wall: Duration,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.wrong.extend(other.wrong);
        self.over_wall = self.over_wall.max(other.over_wall);
        for (row, endings) in other.endings {
            let mine = self.endings.entry(row).or_default();
            for (ending, count) in endings {
                *mine.entry(ending).or_default() += count;
            }
        }
    }

    fn note(&mut self, row: &Row, source: &str, ending: Ending, outcome: Option<&Outcome>) {
        self.attempts += 1;
        let count = self.endings.entry(row.id).or_default();
        *count.entry(format!("{ending:?}")).or_default() += 1;
        let head: String = source.chars().take(300).collect();
        if !row.ends.contains(&ending) {
            let message = outcome.and_then(|outcome| outcome.message.as_deref());
            let message: String = message.unwrap_or_default().chars().take(300).collect();
            self.wrong.insert(
                format!("{} {head}", row.id),
                format!("{ending:?}: {message}"),
            );
            return;
        }
        let Some(outcome) = outcome else { return };
        assert_bounded(row.id, outcome, &row.limits);
        if !(row.proof)(outcome) {
            let shown: String = format!("{outcome:#?}").chars().take(2_000).collect();
            self.wrong
                .insert(format!("{} {head}", row.id), format!("its bound: {shown}"));
        }
        let took = Duration::from_secs_f64(outcome.duration_ms / 1_000.0);
        self.over_wall = self.over_wall.max(took.saturating_sub(row.limits.wall));
    }
}

/// Every script of the table so many times, shuffled.
async fn storm(rows: &Arc<Vec<Row>>, attempts: usize, server: &Arc<Server>, seed: u64) -> Tally {
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        order.extend((0..row.sources.len() * attempts).map(|n| (index, n % row.sources.len())));
    }
    shuffle(&mut order, seed);
    let asked = order.len();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (index, source) in order {
        let turn = turns.clone().acquire_owned().await.unwrap();
        let (rows, server, tally) = (rows.clone(), server.clone(), tally.clone());
        running.spawn(async move {
            let row = &rows[index];
            let source = &row.sources[source];
            let (ending, outcome) = attempt(source, &row.limits, &server).await;
            tally
                .lock()
                .unwrap()
                .note(row, source, ending, outcome.as_ref());
            drop(turn);
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("an attempt ends in an ending");
    }
    let tally = Arc::into_inner(tally).unwrap().into_inner().unwrap();
    assert_eq!(tally.attempts, asked, "an attempt has no ending");
    tally
}

/// Fisher-Yates by a generator of our own: the order is the same in each process.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
}

/// A check of another tenant that is due each second.
struct Honest {
    stop: Arc<AtomicBool>,
    check: tokio::task::JoinHandle<Honestly>,
    ticks: tokio::task::JoinHandle<Vec<Duration>>,
}

#[derive(Default)]
struct Honestly {
    runs: usize,
    wrong: Vec<String>,
    late: Vec<Duration>,
    ticks_late: Vec<Duration>,
}

impl Honest {
    fn start(server: Arc<Server>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let check = tokio::spawn(Self::check(server, stop.clone()));
        let ticks = tokio::spawn(Self::tick(stop.clone()));
        Self { stop, check, ticks }
    }

    async fn check(server: Arc<Server>, stop: Arc<AtomicBool>) -> Honestly {
        let source = check(
            "const r = await fetch(params.base + '/json'); const body = await r.json(); \
             return { success: r.ok && body.a.b[1] === 2, data: [env.NAME, typeof left] };",
        );
        let bytecode = compile(&source).await.unwrap();
        let mut found = Honestly::default();
        let mut due = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            sleep_until(due).await;
            found.late.push(due.elapsed());
            let inputs = vedette_sandbox::RunInputs {
                sealed: std::collections::BTreeMap::new(),
                secrets: std::collections::BTreeSet::new(),
                params: serde_json::Map::from_iter([("base".to_owned(), server.url("").into())]),
                env: std::iter::once(("NAME".to_owned(), "honest".to_owned())).collect(),
                limits: Limits::default(),
            };
            let outcome = sandbox().run(&bytecode, inputs).await;
            let data = outcome
                .result
                .as_ref()
                .and_then(|verdict| verdict.data.clone());
            let expected = serde_json::json!(["honest", "undefined"]);
            if Ending::of(&outcome) != Ending::Success || data != Some(expected) {
                found.wrong.push(format!("{outcome:#?}"));
            }
            found.runs += 1;
            due += Duration::from_secs(1);
        }
        found
    }

    /// How late the runtime wakes a task that does nothing else: what an API beside it would feel.
    async fn tick(stop: Arc<AtomicBool>) -> Vec<Duration> {
        let mut late = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let due = Instant::now() + Duration::from_millis(10);
            sleep_until(due).await;
            late.push(due.elapsed());
        }
        late
    }

    async fn stop(self) -> Honestly {
        self.stop.store(true, Ordering::SeqCst);
        let ticks_late = self.ticks.await.unwrap();
        Honestly {
            ticks_late,
            ..self.check.await.unwrap()
        }
    }
}

impl Honestly {
    fn lateness(&self, quantile: f64) -> Duration {
        at_quantile(&self.late, quantile)
    }

    fn tick_lateness(&self, quantile: f64) -> Duration {
        at_quantile(&self.ticks_late, quantile)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
fn at_quantile(values: &[Duration], quantile: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = ((sorted.len() - 1) as f64 * quantile) as usize;
    sorted[place]
}
