//! The runner process: one thread that runs scripts and has nothing but a socket to its server.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    os::{fd::AsFd as _, unix},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixStream, unix::OwnedWriteHalf},
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, oneshot},
    task::AbortHandle,
};
use vedette_core::{Clock as _, RequestRecord, SourceLanguage, Status, SystemClock};
use vedette_egress::{Allowance, FetchError, Request};

use super::{
    protocol::{
        Failure, FrameError, FrameReader, FromChild, MOST_TO_CHILD, ToChild, frame, tape_tail,
    },
    rights::{self, Code},
};
use crate::{
    Bytecode, Limits, SandboxError,
    component::{Artifact, LoadedComponent},
    engine::{Machine, engine_digest},
    network::{Answer, Network, NoNetwork},
    record::Tape,
    run::{Executed, finish},
    world::{GuestClock, World, new_seed},
};

/// A runner process could not begin, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The operating system refused something.
    #[error("the runner process cannot be set up")]
    System(#[from] io::Error),
    /// What came from the server is not the protocol: this is no child of a server.
    #[error("standard input is not a server's socket")]
    Protocol(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine did not come up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The component does not load, though it did when it was compiled.
    #[error("the component does not load: {0}")]
    Component(String),
    /// The engine came up and cannot run a script.
    #[error("the first script did not run: {0}")]
    FirstScript(String),
}

impl From<FrameError> for RunnerError {
    fn from(error: FrameError) -> Self {
        Self::Protocol(error.into())
    }
}

/// Everything that a runner process does, until its server closes the socket, which is standard
/// input. Must be called before anything is opened or any thread started.
///
/// # Errors
/// When it cannot begin. A process without a part of its walls begins, and says what it lacks.
pub fn run_runner_process() -> Result<(), RunnerError> {
    let missing = rights::detach();
    let socket = unix::net::UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(io::stdout()).map_err(io::Error::from)?;
    socket.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(socket, missing))
}

async fn serve(socket: unix::net::UnixStream, missing: Vec<String>) -> Result<(), RunnerError> {
    // A service manager may signal all processes of a server that stops; the runs go on until the
    // server closes the socket. A signal once asked for never ends the process any more.
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        drop(signal(kind)?);
    }
    let (read, write) = UnixStream::from_std(socket)?.into_split();
    let mut frames = FrameReader::new(read, MOST_TO_CHILD);
    let Some((start, compiled)) = frames.next().await? else {
        return Err(RunnerError::Protocol("it is closed".into()));
    };
    let guest = prepare(&start, compiled).await?;
    let (out, frames_out) = mpsc::unbounded_channel();
    let link = Arc::new(Link {
        guest,
        out,
        calls: Mutex::default(),
        waiting: Mutex::default(),
    });
    link.send(
        &FromChild::Ready(rights::give_up(missing, Code::IsMade)),
        &[],
    );
    // It ends with the runtime.
    tokio::spawn(write_frames(write, frames_out));
    while let Some((message, tail)) = frames.next::<ToChild<'_>>().await? {
        link.take(message, tail);
    }
    Ok(())
}

/// Loads what came with the start. Whatever is made at the first use is made now, while everything
/// is still allowed.
async fn prepare(start: &ToChild<'_>, compiled: Vec<u8>) -> Result<Guest, RunnerError> {
    match *start {
        ToChild::Start { runs, engine_bytes } => {
            let machine = prepare_scripts(runs, engine_bytes, &compiled).await?;
            Ok(Guest::Scripts(Box::new(machine)))
        }
        ToChild::StartComponent { runs } => {
            let component = LoadedComponent::load(&Artifact::from_own(compiled))
                .map_err(|refusal| RunnerError::Component(refusal.message))?;
            Ok(Guest::Component(component, Semaphore::new(runs as usize)))
        }
        _ => Err(RunnerError::Protocol("no start".into())),
    }
}

async fn prepare_scripts(
    runs: u32,
    engine_bytes: u32,
    compiled: &[u8],
) -> Result<Machine, RunnerError> {
    let (engine, stripper) = compiled
        .split_at_checked(engine_bytes as usize)
        .ok_or_else(|| RunnerError::Protocol("the start is cut".into()))?;
    let machine = Machine::from_compiled(engine, runs as usize, Arc::new(SystemClock))?;
    warm_up(&machine, SourceLanguage::JavaScript).await?;
    if !stripper.is_empty() {
        let set = machine.set_stripper(stripper);
        set.map_err(SandboxError::Engine)?;
        warm_up(&machine, SourceLanguage::TypeScript).await?;
    }
    Ok(machine)
}

async fn warm_up(machine: &Machine, language: SourceLanguage) -> Result<(), RunnerError> {
    let failed = |what: String| RunnerError::FirstScript(what);
    let source =
        "export default async () => { console.log(Date.now()); return { success: true }; };";
    let bytecode = machine
        .compile(source, language)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let limits = Limits::default();
    let (params, env) = ("{}".to_owned(), BTreeMap::new());
    let world = |_: &Limits| world(Arc::new(NoNetwork), None);
    let running = machine.execute(bytecode.bytes(), params, env, &limits, world);
    let (executed, network) = running.await;
    let outcome = finish(executed, network.as_ref(), &limits, Duration::ZERO);
    if outcome.status == Status::Success {
        Ok(())
    } else {
        Err(failed(format!("{outcome:?}")))
    }
}

/// A world of a run here.
fn world(network: Arc<dyn Network>, tape: Option<(Limits, usize)>) -> wasmtime::Result<World> {
    let seed = new_seed()?;
    let clock = GuestClock::start(SystemClock.now());
    let tape = tape.map(|(limits, max_bytes)| {
        Tape::new(seed, clock, engine_digest().to_owned(), limits, max_bytes)
    });
    Ok(World {
        network,
        clock,
        seed,
        tape,
        replay: None,
    })
}

async fn write_frames(mut socket: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = frames.recv().await {
        if socket.write_all(&bytes).await.is_err() {
            // The server is gone; reading finds that out too.
            return;
        }
    }
}

/// What runs here.
enum Guest {
    /// Any script.
    Scripts(Box<Machine>),
    /// One component, so many at once.
    Component(LoadedComponent, Semaphore),
}

impl Guest {
    async fn execute(
        &self,
        bytecode: &[u8],
        params: String,
        env: BTreeMap<String, String>,
        limits: &Limits,
        world: impl FnOnce(&Limits) -> wasmtime::Result<World>,
    ) -> Executed {
        let runs = match self {
            Self::Scripts(machine) => &machine.runs,
            Self::Component(_, runs) => runs,
        };
        let _permit = runs.acquire().await.expect("never closed");
        let (executed, _) = match self {
            Self::Scripts(machine) => machine.execute(bytecode, params, env, limits, world).await,
            Self::Component(component, _) => {
                let clock = Arc::new(SystemClock);
                component.execute(params, env, limits, clock, world).await
            }
        };
        executed
    }

    async fn compile(
        &self,
        source: Vec<u8>,
        language: SourceLanguage,
    ) -> Result<Bytecode, Failure> {
        let Self::Scripts(machine) = self else {
            return Err(Failure::Platform("there is no engine here".to_owned()));
        };
        let source = String::from_utf8(source)
            .map_err(|_| Failure::Platform("the source is not UTF-8".to_owned()))?;
        machine
            .compile(&source, language)
            .await
            .map_err(Failure::from)
    }
}

/// What runs here, and the way to the server.
struct Link {
    guest: Guest,
    out: mpsc::UnboundedSender<Vec<u8>>,
    /// Runs and compilations that go on.
    calls: Mutex<HashMap<u64, AbortHandle>>,
    /// Requests without an answer, by call and number.
    waiting: Mutex<HashMap<(u64, u32), oneshot::Sender<Answer>>>,
}

impl Link {
    fn send(&self, message: &FromChild, tail: &[u8]) {
        // Without a receiver the server is gone, and this process about to end.
        let _ = self.out.send(frame(message, tail));
    }

    fn take(self: &Arc<Self>, message: ToChild<'_>, tail: Vec<u8>) {
        match message {
            ToChild::Run {
                call,
                params,
                env,
                limits,
                tape_bytes,
            } => {
                let network = Remote {
                    link: self.clone(),
                    call,
                    next: AtomicU32::new(0),
                    allowance: Mutex::new(Allowance::new(&limits.fetch)),
                };
                let link = self.clone();
                let (params, env, limits) =
                    (params.into_owned(), env.into_owned(), limits.into_owned());
                self.begin(call, async move {
                    let world = |limits: &Limits| {
                        let tape = tape_bytes.map(|bytes| (limits.clone(), bytes));
                        world(Arc::new(network), tape)
                    };
                    let run = link.guest.execute(&tail, params, env, &limits, world);
                    let executed = AssertUnwindSafe(run).catch_unwind().await;
                    // The message of a panic is on standard error.
                    let mut executed = executed.unwrap_or_else(|_| Executed::nothing());
                    let tape = tape_tail(executed.tape.take());
                    let left = executed.into();
                    link.send(&FromChild::Ended { call, left }, &tape);
                });
            }
            ToChild::Compile { call, language } => {
                let link = self.clone();
                self.begin(call, async move {
                    let compiled = link.guest.compile(tail, language);
                    let compiled = AssertUnwindSafe(compiled).catch_unwind().await;
                    let compiled =
                        compiled.unwrap_or_else(|_| Err(Failure::Platform("a panic".to_owned())));
                    match compiled {
                        Ok(bytecode) => {
                            let result = Ok(());
                            link.send(&FromChild::Compiled { call, result }, bytecode.bytes());
                        }
                        Err(failure) => {
                            let result = Err(failure);
                            link.send(&FromChild::Compiled { call, result }, &[]);
                        }
                    }
                });
            }
            ToChild::Cancel { call } => {
                if let Some(task) = lock(&self.calls).remove(&call) {
                    task.abort();
                }
            }
            ToChild::Answer {
                call,
                request,
                mut answer,
            } => {
                if let Ok(response) = &mut answer {
                    response.body = tail;
                }
                if let Some(waiting) = lock(&self.waiting).remove(&(call, request)) {
                    // Whoever asked may have given up just now.
                    let _ = waiting.send(answer);
                }
            }
            ToChild::Start { .. } | ToChild::StartComponent { .. } => {
                tracing::error!("the server started this process twice");
            }
        }
    }

    fn begin(self: &Arc<Self>, call: u64, work: impl Future<Output = ()> + Send + 'static) {
        let link = self.clone();
        // Held until the task is known: it cannot end before it is in the table.
        let mut calls = lock(&self.calls);
        let task = tokio::spawn(async move {
            work.await;
            lock(&link.calls).remove(&call);
        });
        calls.insert(call, task.abort_handle());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

/// The network of a run here: the server makes the requests.
struct Remote {
    link: Arc<Link>,
    call: u64,
    next: AtomicU32,
    /// The same that the server's session has, so that a refusal comes as soon as there.
    allowance: Mutex<Allowance>,
}

impl Network for Remote {
    fn fetch(&self, mut what: Request) -> Result<BoxFuture<'static, Answer>, FetchError> {
        lock(&self.allowance).take(&what)?;
        let call = self.call;
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.link.waiting).insert((call, request), sender);
        let body = what.body.as_mut().map(std::mem::take).unwrap_or_default();
        let message = FromChild::Fetch {
            call,
            request,
            what,
        };
        self.link.send(&message, &body);
        let waiting = Waiting {
            link: self.link.clone(),
            call,
            request,
        };
        Ok(async move {
            let _waiting = waiting;
            answer.await.unwrap_or_else(|_| {
                Err(FetchError::Platform("the request was not made".to_owned()))
            })
        }
        .boxed())
    }

    fn note_platform_fault(&self) {
        self.link.send(&FromChild::Fault { call: self.call }, &[]);
    }

    // The server's session knows these, and asks nobody.
    fn platform_failed(&self) -> bool {
        false
    }

    fn records(&self) -> Vec<RequestRecord> {
        Vec::new()
    }
}

/// Gives the request up when it is dropped before the answer has come.
struct Waiting {
    link: Arc<Link>,
    call: u64,
    request: u32,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (call, request) = (self.call, self.request);
        if lock(&self.link.waiting).remove(&(call, request)).is_some() {
            self.link.send(&FromChild::Abandon { call, request }, &[]);
        }
    }
}
