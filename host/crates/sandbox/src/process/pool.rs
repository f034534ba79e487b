//! Keeps runner processes alive: replaces those that have served long enough, and those that
//! ended by themselves.

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use vedette_core::Clock;

use super::{
    ProcessOptions, RunnerProcess,
    runner::{Due, Guest, Live, Process, START_PATIENCE, Starter},
};

/// Between two starts when processes do not start, or end right after: doubled from the first to
/// the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A process that served this long did not end for a reason that the next start would meet too.
const STABLE: Duration = Duration::from_secs(10);

/// The processes. Dropping it kills them.
pub(super) struct Pool {
    shared: Arc<Shared>,
    keepers: Mutex<JoinSet<()>>,
}

struct Shared {
    starter: Starter,
    state: Mutex<State>,
    /// Told when `state` changes.
    changed: Notify,
}

#[derive(Default)]
struct State {
    live: Vec<Arc<Live>>,
    /// Keepers whose last process did not start.
    failing: usize,
    /// What the first process lacks was logged.
    is_told: bool,
}

/// No process can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoProcess;

impl Pool {
    /// Begins to start processes, each for so many runs at once.
    pub(super) fn start(
        options: ProcessOptions,
        runs: usize,
        guest: Guest,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            starter: Starter::new(options, runs, guest, clock)?,
            state: Mutex::default(),
            changed: Notify::new(),
        });
        let mut keepers = JoinSet::new();
        for _ in 0..shared.places() {
            keepers.spawn(keep(shared.clone()));
        }
        Ok(Self {
            shared,
            keepers: Mutex::new(keepers),
        })
    }

    /// The process with the fewest calls.
    pub(super) async fn pick(&self) -> Result<Arc<Live>, NoProcess> {
        self.pick_where(|_| true).await
    }

    /// The same of those that can take the types out of TypeScript.
    pub(super) async fn pick_with_stripper(&self) -> Result<Arc<Live>, NoProcess> {
        self.pick_where(|live| live.has_stripper).await
    }

    /// See [`Starter::set_stripper`].
    pub(super) fn set_stripper(&self, compiled: Vec<u8>) {
        self.shared.starter.set_stripper(compiled);
    }

    /// Waits for one as long as one may come.
    async fn pick_where(&self, suits: impl Fn(&Live) -> bool) -> Result<Arc<Live>, NoProcess> {
        let limit = Instant::now() + START_PATIENCE;
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // Before the look, so that a change right after it is not missed.
            changed.as_mut().enable();
            {
                let state = self.shared.state();
                let live = state.live.iter();
                let open = live.filter(|live| live.connection.is_open() && suits(live));
                if let Some(live) = open.min_by_key(|live| live.connection.calls()) {
                    return Ok(live.clone());
                }
                if state.failing == self.shared.places() {
                    return Err(NoProcess);
                }
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(limit) => return Err(NoProcess),
            }
        }
    }

    /// Ends all processes with what runs in them; none comes after them.
    pub(super) fn end(&self) {
        self.keepers
            .lock()
            .expect("no holder of this lock panics")
            .abort_all();
        let mut state = self.shared.state();
        state.failing = self.shared.places();
        for live in state.live.drain(..) {
            live.connection.close();
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Whether there is a process, or one may come.
    pub(super) fn is_able(&self) -> bool {
        let state = self.shared.state();
        state.failing < self.shared.places() || !state.live.is_empty()
    }

    /// Those that take runs.
    pub(super) fn processes(&self) -> Vec<RunnerProcess> {
        let state = self.shared.state();
        let live = state.live.iter();
        live.map(|live| RunnerProcess {
            id: live.id,
            rights: live.rights.clone(),
        })
        .collect()
    }
}

impl Shared {
    fn places(&self) -> usize {
        self.starter.options.processes.max(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn publish(&self, live: &Arc<Live>) {
        let is_first = {
            let mut state = self.state();
            state.live.push(live.clone());
            !std::mem::replace(&mut state.is_told, true)
        };
        self.changed.notify_waiters();
        // They are all of one kernel: once is enough.
        if is_first {
            for what in &live.rights.missing {
                tracing::warn!("runner processes lack a wall: {what}");
            }
            for call in live.rights.not_refused() {
                tracing::warn!("runner processes are not kept from the system call {call}");
            }
        }
    }

    fn withdraw(&self, live: &Arc<Live>) {
        self.state().live.retain(|other| !Arc::ptr_eq(other, live));
    }

    /// Starts a process, again and again until it is ready.
    async fn start_one(&self, pause: &mut Duration) -> Process {
        let mut is_failing = false;
        loop {
            match self.starter.start().await {
                Ok(process) => {
                    if is_failing {
                        self.state().failing -= 1;
                    }
                    return process;
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "a runner process did not start");
                    if !std::mem::replace(&mut is_failing, true) {
                        self.state().failing += 1;
                        self.changed.notify_waiters();
                    }
                    wait_longer(pause).await;
                }
            }
        }
    }
}

/// One place of the pool: there is always a process, or one is being started.
async fn keep(shared: Arc<Shared>) {
    // They end with this task.
    let mut retiring = JoinSet::new();
    let mut old: Option<Process> = None;
    let mut pause = Duration::ZERO;
    loop {
        let mut process = shared.start_one(&mut pause).await;
        shared.publish(&process.live);
        if let Some(old) = old.take() {
            shared.withdraw(&old.live);
            retiring.spawn(old.retire());
        }
        while retiring.try_join_next().is_some() {}
        match process.until_due(&shared.starter).await {
            Due::Replace(reason) => {
                tracing::info!(
                    runner.id = process.live.id,
                    reason,
                    "replacing a runner process"
                );
                old = Some(process);
            }
            Due::Ended(why) => {
                shared.withdraw(&process.live);
                if process.live.since.elapsed() >= STABLE {
                    pause = Duration::ZERO;
                }
                process.bury(&why).await;
                wait_longer(&mut pause).await;
            }
        }
    }
}

async fn wait_longer(pause: &mut Duration) {
    sleep_until(Instant::now() + *pause).await;
    *pause = (*pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
}
