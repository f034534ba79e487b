//! One runner process from its start to its end.

use std::{
    io,
    os::{fd::OwnedFd, unix},
    process::Stdio,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    runtime::Handle,
    sync::{oneshot, watch},
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep_until, timeout},
};
use vedette_core::Clock;

use super::{
    ProcessOptions, Rights,
    connection::{Connection, Violation, write},
    protocol::{FrameError, FrameReader, FromChild, MOST_FROM_CHILD, ToChild, frame},
};
use crate::component::Artifact;

/// From the start of a process to its word that it is ready. It takes some 20 ms.
pub(super) const START_PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the age and the memory of a process.
const LOOK: Duration = Duration::from_secs(5);

/// Time for a process to end once its socket is closed, or once it is killed.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Memory that a place for a run may keep for the next one; it is 1 MiB for ordinary scripts.
const BYTES_KEPT: u64 = 2 * 1024 * 1024;

/// Bytes of standard error of one process that are logged. Only panics and faults of the host are
/// written there; whoever has taken a process over may write anything.
const STDERR_BYTES: usize = 64 * 1024;

/// What takes runs.
pub(super) struct Live {
    pub(super) connection: Arc<Connection>,
    pub(super) id: u32,
    pub(super) rights: Rights,
    pub(super) since: Instant,
    /// Whether it can take the types out of TypeScript.
    pub(super) has_stripper: bool,
}

/// A process, with all that ends with it. Dropping it kills it.
pub(super) struct Process {
    pub(super) live: Arc<Live>,
    child: Child,
    reading: oneshot::Receiver<Result<(), Violation>>,
    tasks: JoinSet<()>,
}

/// Why a process takes no more runs.
pub(super) enum Due {
    /// It has served long enough.
    Replace(&'static str),
    /// It cannot go on.
    Ended(String),
}

/// A process did not come up.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("the operating system does not start it")]
    Spawn(#[from] io::Error),
    #[error("it was not ready within {} s", START_PATIENCE.as_secs())]
    Late,
    #[error("it ended before it was ready: {0}")]
    Ended(String),
    #[error("it does not speak the protocol")]
    Frame(#[from] FrameError),
}

/// What processes are started for.
pub(super) enum Guest {
    /// Scripts, by the compiled engine.
    Scripts(Vec<u8>),
    /// One component, whose native code is asked for at each start: nobody holds it meanwhile.
    Component(LoadArtifact),
}

/// Where native code of a component comes from. It may read a file.
pub(super) type LoadArtifact = Arc<dyn Fn() -> io::Result<Artifact> + Send + Sync>;

/// Starts processes.
pub(super) struct Starter {
    pub(super) options: ProcessOptions,
    runs: u32,
    guest: Guest,
    /// Compiled when it is first needed; processes that began without it are replaced then.
    stripper: watch::Sender<Option<Arc<[u8]>>>,
    clock: Arc<dyn Clock>,
    /// A thread that lives as long as this: processes die with the thread that started them.
    thread: mpsc::Sender<Order>,
}

type Order = (Command, oneshot::Sender<io::Result<Child>>);

impl Starter {
    /// Must be called inside of a runtime.
    pub(super) fn new(
        options: ProcessOptions,
        runs: usize,
        guest: Guest,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (thread, orders) = mpsc::channel::<Order>();
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("runner-starter".to_owned())
            .spawn(move || {
                let _runtime = runtime.enter();
                for (mut command, done) in orders {
                    // Nobody waits when the pool was dropped; then the process dies here.
                    let _ = done.send(command.spawn());
                }
            })?;
        Ok(Self {
            options,
            runs: u32::try_from(runs).unwrap_or(u32::MAX),
            guest,
            stripper: watch::Sender::new(None),
            clock,
            thread,
        })
    }

    /// The first frame to a process.
    async fn first_frame(&self, stripper: Option<&[u8]>) -> io::Result<Vec<u8>> {
        let runs = self.runs;
        match &self.guest {
            Guest::Scripts(engine) => {
                let engine_bytes = u32::try_from(engine.len()).unwrap_or(u32::MAX);
                let compiled = [&engine[..], stripper.unwrap_or_default()].concat();
                Ok(frame(&ToChild::Start { runs, engine_bytes }, &compiled))
            }
            Guest::Component(load) => {
                let load = load.clone();
                let artifact = spawn_blocking(move || load())
                    .await
                    .map_err(io::Error::other)??;
                Ok(frame(&ToChild::StartComponent { runs }, artifact.bytes()))
            }
        }
    }

    /// Starts a process and waits until it is ready.
    pub(super) async fn start(&self) -> Result<Process, StartError> {
        let stripper = self.stripper.borrow().clone();
        let has_stripper = stripper.is_some();
        let start = self.first_frame(stripper.as_deref()).await?;
        let (ours, theirs) = unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (read, mut sink) = UnixStream::from_std(ours)?.into_split();
        let mut command = Command::new(&self.options.program);
        command
            .args(&self.options.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = self.spawn(command).await?;
        let id = child.id().unwrap_or_default();
        let mut tasks = JoinSet::new();
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn(log_stderr(id, stderr));
        }
        let mut frames = FrameReader::new(read, MOST_FROM_CHILD);
        let begun = async {
            // When this fails, the process has ended, as reading tells too.
            let _ = sink.write_all(&start).await;
            frames.next().await
        };
        let first = timeout(START_PATIENCE, begun).await;
        let rights = match first.map_err(|_| StartError::Late)?? {
            Some((FromChild::Ready(rights), _)) => rights,
            Some(_) => return Err(StartError::Ended("it did not say what it is".to_owned())),
            None => {
                let ended = timeout(END_PATIENCE, child.wait()).await;
                let how = match ended {
                    Ok(Ok(status)) => status.to_string(),
                    _ => "it closed its socket".to_owned(),
                };
                return Err(StartError::Ended(how));
            }
        };
        let (connection, outgoing) = Connection::new(self.clock.clone());
        tasks.spawn(write(sink, outgoing));
        let (ended, reading) = oneshot::channel();
        let reader = connection.clone();
        tasks.spawn(async move {
            let how = reader.read(frames).await;
            // The process may be buried already.
            let _ = ended.send(how);
        });
        let live = Live {
            connection,
            id,
            rights,
            since: Instant::now(),
            has_stripper,
        };
        Ok(Process {
            live: Arc::new(live),
            child,
            reading,
            tasks,
        })
    }

    /// From now on, processes are started with this.
    pub(super) fn set_stripper(&self, compiled: Vec<u8>) {
        self.stripper.send_replace(Some(compiled.into()));
    }

    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts processes has ended");
        let (done, child) = oneshot::channel();
        self.thread.send((command, done)).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

impl Process {
    /// Waits until the process should take no more runs.
    pub(super) async fn until_due(&mut self, starter: &Starter) -> Due {
        let live = self.live.clone();
        let options = &starter.options;
        let mut stripper = starter.stripper.subscribe();
        let most_bytes = options.recycle_bytes + u64::from(starter.runs) * BYTES_KEPT;
        loop {
            tokio::select! {
                how = &mut self.reading => return Due::Ended(describe(how)),
                () = live.connection.stuck() => return Due::Ended(STUCK.to_owned()),
                _ = stripper.wait_for(Option::is_some), if !live.has_stripper => {
                    return Due::Replace("TypeScript");
                }
                () = sleep_until(Instant::now() + LOOK) => {}
            }
            if live.connection.served() >= options.recycle_runs {
                return Due::Replace("runs");
            }
            if live.since.elapsed() >= options.recycle_age {
                return Due::Replace("age");
            }
            if resident_bytes(live.id).is_some_and(|bytes| bytes > most_bytes) {
                return Due::Replace("memory");
            }
        }
    }

    /// Lets its calls end, and then the process.
    pub(super) async fn retire(mut self) {
        let connection = self.live.connection.clone();
        let why = tokio::select! {
            () = connection.idle() => None,
            how = &mut self.reading => Some(describe(how)),
            () = connection.stuck() => Some(STUCK.to_owned()),
        };
        if let Some(why) = why {
            return self.bury(&why).await;
        }
        connection.close();
        if timeout(END_PATIENCE, self.child.wait()).await.is_err() {
            tracing::warn!(
                runner.id = self.live.id,
                "a runner process is killed: it does not end"
            );
        }
    }

    /// Ends what cannot go on, and says so.
    pub(super) async fn bury(mut self, why: &str) {
        let calls = self.live.connection.close();
        // It may have ended, which is as good.
        let _ = self.child.start_kill();
        let status = match timeout(END_PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "unknown".to_owned(),
        };
        let id = self.live.id;
        tracing::error!(runner.id = id, %status, calls, why, "a runner process ended");
        // What it wrote last is of interest now.
        let _ = timeout(END_PATIENCE, self.tasks.join_all()).await;
    }
}

const STUCK: &str = "a run did not end in its time";

fn describe(how: Result<Result<(), Violation>, oneshot::error::RecvError>) -> String {
    match how {
        Ok(Ok(())) => "its socket is closed".to_owned(),
        Ok(Err(violation)) => format!("it broke the protocol: {violation}"),
        Err(_) => "its socket is not read any more".to_owned(),
    }
}

/// Logs what a process writes to standard error, up to a bound, and reads the rest away.
async fn log_stderr(id: u32, mut stderr: ChildStderr) {
    let mut kept = Vec::new();
    let mut room = STDERR_BYTES;
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        let taken = read.min(room);
        room -= taken;
        kept.extend_from_slice(&chunk[..taken]);
        while let Some(end) = kept.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = kept.drain(..=end).collect();
            log_line(id, &line);
        }
    }
    log_line(id, &kept);
}

fn log_line(id: u32, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end();
    if !line.is_empty() {
        tracing::error!(
            runner.id = id,
            "a runner process says: {}",
            line.escape_debug()
        );
    }
}

/// Memory that a process holds; `None` when the kernel does not tell.
fn resident_bytes(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
