//! The server's side of the socket to one runner process. Whatever comes from there is checked
//! against what this side knows; what cannot come from an honest process ends the connection.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::FutureExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::{Notify, mpsc, oneshot},
    task::AbortHandle,
};
use vedette_core::{Clock, SourceLanguage};
use vedette_egress::{FetchError, Response, Session};

use super::protocol::{
    Failure, FrameError, FrameReader, FromChild, Left, ToChild, frame, read_tape,
};
use crate::{Limits, run::Executed};

/// The process ended, or was ended, before the call did.
#[derive(Debug)]
pub(super) struct Lost;

/// Why a connection ended that the other side did not close.
#[derive(Debug, thiserror::Error)]
pub(super) enum Violation {
    #[error("it sent no frame")]
    Frame(#[from] FrameError),
    #[error("it spoke of call {0}, which it was never given")]
    UnknownCall(u64),
    #[error("it spoke of request {0}, which is out of turn")]
    UnknownRequest(u32),
    #[error("it made a request beyond the limits of a run")]
    RequestOverLimit,
    #[error("it answered what was not asked")]
    WrongAnswer,
}

/// Calls to one process.
pub(super) struct Connection {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told when a call ends.
    call_ended: Notify,
    /// Told when the process has to be killed.
    stuck: Notify,
}

struct State {
    /// `None` once the connection is closed.
    out: Option<mpsc::UnboundedSender<Vec<u8>>>,
    calls: HashMap<u64, Call>,
    /// Number of the next call: all below were given to the process.
    next: u64,
}

enum Call {
    Run(Running),
    Compile(oneshot::Sender<Result<Vec<u8>, Failure>>),
}

struct Running {
    session: Session,
    in_flight: HashMap<u32, AbortHandle>,
    next_request: u32,
    /// `None` once it is used.
    done: Option<oneshot::Sender<(Left, Vec<u8>)>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for request in self.in_flight.values() {
            request.abort();
        }
    }
}

/// The inputs of a run, with what it is charged to.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) bytecode: &'a [u8],
    pub(super) params: &'a str,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) limits: &'a Limits,
    pub(super) session: &'a Session,
    /// Size of the tape that is wanted.
    pub(super) tape_bytes: Option<usize>,
}

impl Connection {
    /// A connection, and the frames that it has to send.
    pub(super) fn new(clock: Arc<dyn Clock>) -> (Arc<Self>, mpsc::UnboundedReceiver<Vec<u8>>) {
        let (out, frames) = mpsc::unbounded_channel();
        let connection = Self {
            clock,
            state: Mutex::new(State {
                out: Some(out),
                calls: HashMap::new(),
                next: 0,
            }),
            call_ended: Notify::new(),
            stuck: Notify::new(),
        };
        (Arc::new(connection), frames)
    }

    /// Runs in the process. Requests in flight end with the future.
    pub(super) async fn run(&self, run: Run<'_>, patience: Duration) -> Result<Executed, Lost> {
        let (done, left) = oneshot::channel();
        let running = Call::Run(Running {
            session: run.session.clone(),
            in_flight: HashMap::new(),
            next_request: 0,
            done: Some(done),
        });
        let started = self.clock.now();
        let _call = self.begin(running, |call| {
            let message = ToChild::Run {
                call,
                params: Cow::Borrowed(run.params),
                env: Cow::Borrowed(run.env),
                limits: Cow::Borrowed(run.limits),
                tape_bytes: run.tape_bytes,
            };
            frame(&message, run.bytecode)
        })?;
        let (left, tape) = self.wait(left, patience).await?;
        let mut executed = left.within(run.limits, started, self.clock.now());
        executed.tape = run.tape_bytes.and_then(|max_bytes| {
            let mut tape = read_tape(&tape, run.limits, max_bytes)?;
            let (params, env) = (run.params.to_owned(), run.env.clone());
            tape.end(params, env, run.session.platform_failed());
            Some(tape)
        });
        Ok(executed)
    }

    /// Compiles in the process.
    pub(super) async fn compile(
        &self,
        source: &str,
        language: SourceLanguage,
        patience: Duration,
    ) -> Result<Result<Vec<u8>, Failure>, Lost> {
        let (done, result) = oneshot::channel();
        let _call = self.begin(Call::Compile(done), |call| {
            frame(&ToChild::Compile { call, language }, source.as_bytes())
        })?;
        self.wait(result, patience).await
    }

    /// Calls that have not ended.
    pub(super) fn calls(&self) -> usize {
        self.state().calls.len()
    }

    /// Calls so far.
    pub(super) fn served(&self) -> u64 {
        self.state().next
    }

    /// Whether calls can be made.
    pub(super) fn is_open(&self) -> bool {
        self.state().out.is_some()
    }

    /// Waits until no call is left.
    pub(super) async fn idle(&self) {
        loop {
            let mut ended = pin!(self.call_ended.notified());
            // Before the look, so that an end right after it is not missed.
            ended.as_mut().enable();
            if self.calls() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Waits until a call has not ended in its time, which shows that the process is stuck.
    pub(super) async fn stuck(&self) {
        self.stuck.notified().await;
    }

    /// Ends it: the process sees the end of its socket, and calls that go on are lost. How many.
    pub(super) fn close(&self) -> usize {
        let calls = {
            let mut state = self.state();
            state.out = None;
            std::mem::take(&mut state.calls)
        };
        self.call_ended.notify_waiters();
        calls.len()
    }

    /// Reads to the end of the connection.
    pub(super) async fn read(
        self: &Arc<Self>,
        mut frames: FrameReader<impl AsyncRead + Unpin>,
    ) -> Result<(), Violation> {
        while let Some((message, tail)) = frames.next().await? {
            self.take(message, tail)?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn begin(&self, call: Call, frame: impl FnOnce(u64) -> Vec<u8>) -> Result<Ticket<'_>, Lost> {
        let number = {
            let mut state = self.state();
            if state.out.is_none() {
                return Err(Lost);
            }
            let number = state.next;
            state.next += 1;
            state.calls.insert(number, call);
            number
        };
        let ticket = Ticket {
            connection: self,
            call: number,
        };
        self.send(frame(number));
        Ok(ticket)
    }

    fn send(&self, bytes: Vec<u8>) {
        if let Some(out) = &self.state().out {
            // Without a receiver the connection is about to be closed.
            let _ = out.send(bytes);
        }
    }

    async fn wait<T>(&self, done: oneshot::Receiver<T>, patience: Duration) -> Result<T, Lost> {
        match tokio::time::timeout(patience, done).await {
            Ok(Ok(left)) => Ok(left),
            Ok(Err(_)) => Err(Lost),
            Err(_) => {
                self.stuck.notify_one();
                Err(Lost)
            }
        }
    }

    fn take(self: &Arc<Self>, message: FromChild, tail: Vec<u8>) -> Result<(), Violation> {
        let mut state = self.state();
        match message {
            FromChild::Ready(_) => Err(Violation::WrongAnswer),
            FromChild::Fetch {
                call,
                request,
                mut what,
            } => {
                let Some(running) = state.running(call)? else {
                    return Ok(());
                };
                if request != running.next_request {
                    return Err(Violation::UnknownRequest(request));
                }
                running.next_request += 1;
                if let Some(body) = &mut what.body {
                    *body = tail;
                }
                // An honest process counts by the same rule and does not ask.
                let fetching = running
                    .session
                    .fetch(what)
                    .map_err(|_| Violation::RequestOverLimit)?;
                let task = tokio::spawn(self.clone().answer(
                    call,
                    request,
                    running.session.clone(),
                    fetching,
                ));
                running.in_flight.insert(request, task.abort_handle());
                Ok(())
            }
            FromChild::Abandon { call, request } => {
                let Some(running) = state.running(call)? else {
                    return Ok(());
                };
                if request >= running.next_request {
                    return Err(Violation::UnknownRequest(request));
                }
                if let Some(task) = running.in_flight.remove(&request) {
                    task.abort();
                }
                Ok(())
            }
            FromChild::Fault { call } => {
                if let Some(running) = state.running(call)? {
                    running.session.note_platform_fault();
                }
                Ok(())
            }
            FromChild::Ended { call, left } => match state.end(call)? {
                Some(Call::Run(mut running)) => {
                    if let Some(done) = running.done.take() {
                        // An error only says that nobody waits any more.
                        let _ = done.send((left, tail));
                    }
                    Ok(())
                }
                Some(Call::Compile(_)) => Err(Violation::WrongAnswer),
                None => Ok(()),
            },
            FromChild::Compiled { call, result } => match state.end(call)? {
                Some(Call::Compile(done)) => {
                    let _ = done.send(result.map(|()| tail));
                    Ok(())
                }
                Some(Call::Run(_)) => Err(Violation::WrongAnswer),
                None => Ok(()),
            },
        }
    }

    /// Makes a request and sends what came of it.
    async fn answer(
        self: Arc<Self>,
        call: u64,
        request: u32,
        session: Session,
        fetching: impl Future<Output = Result<Response, FetchError>>,
    ) {
        let answer = AssertUnwindSafe(fetching).catch_unwind().await;
        // A panic in the client is ours; the guest sees a failed request.
        let mut answer = answer.unwrap_or_else(|_| {
            session.note_platform_fault();
            let what = "the request could not be made";
            Err(FetchError::Platform(what.to_owned()))
        });
        let body = match &mut answer {
            Ok(response) => std::mem::take(&mut response.body),
            Err(_) => Vec::new(),
        };
        let message = ToChild::Answer {
            call,
            request,
            answer,
        };
        self.send(frame(&message, &body));
        if let Ok(Some(running)) = self.state().running(call) {
            running.in_flight.remove(&request);
        }
    }
}

impl State {
    /// The run of this number; `None` when it has ended, so that what is said of it comes late.
    fn running(&mut self, call: u64) -> Result<Option<&mut Running>, Violation> {
        if call >= self.next {
            return Err(Violation::UnknownCall(call));
        }
        match self.calls.get_mut(&call) {
            Some(Call::Run(running)) => Ok(Some(running)),
            Some(Call::Compile(_)) => Err(Violation::WrongAnswer),
            None => Ok(None),
        }
    }

    fn end(&mut self, call: u64) -> Result<Option<Call>, Violation> {
        if call >= self.next {
            return Err(Violation::UnknownCall(call));
        }
        Ok(self.calls.remove(&call))
    }
}

/// A call as long as somebody waits for it.
struct Ticket<'a> {
    connection: &'a Connection,
    call: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let call = self.call;
        let left = self.connection.state().calls.remove(&call);
        if left.is_some() {
            self.connection.send(frame(&ToChild::Cancel { call }, &[]));
        }
        self.connection.call_ended.notify_waiters();
    }
}

/// Sends frames until the connection is closed; then closes the socket for writing.
pub(super) async fn write(
    mut socket: impl AsyncWrite + Unpin,
    mut frames: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    while let Some(bytes) = frames.recv().await {
        if socket.write_all(&bytes).await.is_err() {
            // The process is gone; reading finds that out too.
            return;
        }
    }
    let _ = socket.shutdown().await;
}

#[cfg(test)]
mod tests;
