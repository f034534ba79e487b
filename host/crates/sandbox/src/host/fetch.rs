//! `vedette:monitor/fetch`: requests through the egress guard.
//!
//! A request runs as a task of its own, so that it goes on while the guest computes; the guest
//! holds a handle. Dropping the handle, or the store with all handles, cancels the request.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use futures::FutureExt as _;
use tokio::task::JoinHandle;
use vedette_egress as egress;
use wasmtime::component::Resource;

use crate::{
    bindings::vedette::monitor::fetch::{
        FetchError, Header, Host, HostPendingResponse, RedirectMode, Request, Response, Timings,
        TlsInfo,
    },
    network::{Answer, Network},
    state::RunState,
};

/// A request in flight.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Pending {
    /// Which of the guest's requests it is, from 0.
    number: u32,
    state: State,
    /// Its answer is on the tape.
    is_kept: bool,
}

enum State {
    Running(Task),
    Ready(Box<Answer>),
    Taken,
}

/// Aborts when dropped, which a `JoinHandle` does not.
struct Task(JoinHandle<Answer>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pending {
    /// Polls the request; true once its answer is here.
    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>, network: &dyn Network) -> bool {
        if let State::Running(task) = &mut self.state {
            let Poll::Ready(joined) = Pin::new(&mut task.0).poll(cx) else {
                return false;
            };
            // A panic in the client is ours; the guest sees a failed request, the log the cause.
            let answer = joined.unwrap_or_else(|error| {
                tracing::error!(error = %error, "a request task ended without an answer");
                network.note_platform_fault();
                Err(egress::FetchError::Platform(
                    "the request could not be made".to_owned(),
                ))
            });
            self.state = State::Ready(Box::new(answer));
        }
        true
    }

    async fn ready(&mut self, network: &dyn Network) {
        poll_fn(|cx| {
            if self.poll_ready(cx, network) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl HostPendingResponse for RunState {
    async fn take(
        &mut self,
        pending: Resource<Pending>,
    ) -> wasmtime::Result<Result<Response, FetchError>> {
        if let State::Running(_) = self.table.get(&pending)?.state {
            self.wait(std::slice::from_ref(&pending), None).await?;
        }
        let pending = self.table.get_mut(&pending)?;
        Ok(match std::mem::replace(&mut pending.state, State::Taken) {
            State::Ready(answer) => (*answer).map(Response::from).map_err(FetchError::from),
            State::Running(_) | State::Taken => Err(FetchError::InvalidRequest(
                "the response was taken before".to_owned(),
            )),
        })
    }

    fn drop(&mut self, pending: Resource<Pending>) -> wasmtime::Result<()> {
        self.table.delete(pending)?;
        Ok(())
    }
}

impl Host for RunState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, FetchError>> {
        let pending = match self.start(request)? {
            Ok(pending) => pending,
            Err(refused) => return Ok(Err(refused)),
        };
        let position = pending.rep();
        let answer = self.take(pending).await?;
        self.table.delete(Resource::<Pending>::new_own(position))?;
        Ok(answer)
    }

    fn start(
        &mut self,
        request: Request,
    ) -> wasmtime::Result<Result<Resource<Pending>, FetchError>> {
        let request = egress::Request::from(request);
        let number = self.requests_started;
        self.requests_started += 1;
        if let Some(tape) = &mut self.tape {
            tape.keep_request(&request, self.guest_clock.elapsed_ms());
        }
        let fetching = match self.network.fetch(request) {
            Ok(fetching) => fetching,
            Err(refused) => {
                if let Some(tape) = &mut self.tape {
                    tape.keep_refusal(number, &refused);
                }
                return Ok(Err(refused.into()));
            }
        };
        let pending = Pending {
            number,
            state: State::Running(Task(tokio::spawn(fetching))),
            is_kept: false,
        };
        Ok(self
            .table
            .push(pending)
            .map_err(|_| FetchError::Limit("too many requests in flight".to_owned())))
    }

    async fn wait_any(
        &mut self,
        pending: Vec<Resource<Pending>>,
        timeout_ms: Option<u32>,
    ) -> wasmtime::Result<Vec<u32>> {
        if pending.is_empty() && timeout_ms.is_none() {
            return Ok(Vec::new());
        }
        self.wait(&pending, timeout_ms).await
    }
}

impl RunState {
    /// Waits until a request is ready or the time is over: whatever a guest waits for, it waits
    /// here, and only here its clock goes on. Answers positions in `pending`.
    async fn wait(
        &mut self,
        pending: &[Resource<Pending>],
        timeout_ms: Option<u32>,
    ) -> wasmtime::Result<Vec<u32>> {
        let mut numbers = Vec::with_capacity(pending.len());
        for handle in pending {
            numbers.push(self.table.get(handle)?.number);
        }
        let ready = if let Some(replay) = &self.replay {
            let ready = replay.wait(&numbers, timeout_ms)?;
            self.guest_clock.go_to(replay.elapsed_ms());
            for position in &ready {
                let pending = self.table.get_mut(&pending[*position as usize])?;
                pending.ready(self.network.as_ref()).await;
            }
            ready
        } else {
            let ready = self.wait_for_real(pending, timeout_ms).await;
            let waited_ms = if ready.is_empty() { timeout_ms } else { None };
            self.guest_clock.catch_up(waited_ms.unwrap_or(0).into());
            ready
        };
        self.keep_wait(pending, numbers, timeout_ms, &ready)?;
        Ok(ready)
    }

    async fn wait_for_real(
        &mut self,
        pending: &[Resource<Pending>],
        timeout_ms: Option<u32>,
    ) -> Vec<u32> {
        let (table, network) = (&mut self.table, self.network.as_ref());
        let any = poll_fn(|cx| {
            let mut ready = Vec::new();
            for (position, handle) in (0u32..).zip(pending) {
                let is_ready = table
                    .get_mut(handle)
                    .is_ok_and(|pending| pending.poll_ready(cx, network));
                if is_ready {
                    ready.push(position);
                }
            }
            if ready.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(ready)
            }
        });
        let Some(ms) = timeout_ms else {
            return any.await;
        };
        let limit = Duration::from_millis(ms.into());
        tokio::time::timeout(limit, any)
            .map(Result::unwrap_or_default)
            .await
    }

    /// Puts a wait and the answers that came with it on the tape.
    fn keep_wait(
        &mut self,
        pending: &[Resource<Pending>],
        numbers: Vec<u32>,
        timeout_ms: Option<u32>,
        ready: &[u32],
    ) -> wasmtime::Result<()> {
        let Some(tape) = &mut self.tape else {
            return Ok(());
        };
        for position in ready {
            let pending = self.table.get_mut(&pending[*position as usize])?;
            if let State::Ready(answer) = &pending.state
                && !std::mem::replace(&mut pending.is_kept, true)
            {
                tape.keep_answer(pending.number, answer);
            }
        }
        tape.keep_wait(self.guest_clock.elapsed_ms(), timeout_ms, numbers, ready);
        Ok(())
    }
}

impl From<Request> for egress::Request {
    fn from(request: Request) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request
                .headers
                .into_iter()
                .map(|h| (h.name, h.value))
                .collect(),
            body: request.body,
            redirect: match request.redirect {
                RedirectMode::Follow => egress::RedirectMode::Follow,
                RedirectMode::Manual => egress::RedirectMode::Manual,
                RedirectMode::Error => egress::RedirectMode::Error,
            },
            timeout: request
                .timeout_ms
                .map(|ms| Duration::from_millis(ms.into())),
        }
    }
}

impl From<egress::Response> for Response {
    fn from(response: egress::Response) -> Self {
        let headers = response.headers.into_iter();
        Self {
            status: response.status,
            headers: headers
                .map(|(name, value)| Header { name, value })
                .collect(),
            body: response.body,
            url: response.url,
            redirected: response.redirected,
            http_version: response.http_version,
            remote_address: response.remote_address,
            timings: Timings {
                dns: response.timings.dns.map(micros),
                connect: response.timings.connect.map(micros),
                tls: response.timings.tls.map(micros),
                first_byte: micros(response.timings.first_byte),
                download: micros(response.timings.download),
                total: micros(response.timings.total),
            },
            tls: response.tls.map(|tls| TlsInfo {
                protocol: tls.protocol,
                subject: tls.subject,
                issuer: tls.issuer,
                not_before: tls.not_before,
                not_after: tls.not_after,
                chain_not_after: tls.chain_not_after,
            }),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl From<egress::FetchError> for FetchError {
    fn from(error: egress::FetchError) -> Self {
        use egress::FetchError as E;
        match error {
            E::Denied { stage, rule } => Self::Denied(format!("{rule} (stage {stage})")),
            E::InvalidRequest(why) => Self::InvalidRequest(why),
            E::Dns(why) => Self::Dns(why),
            E::ConnectionRefused => Self::ConnectionRefused,
            E::ConnectionReset => Self::ConnectionReset,
            E::Connect(why) => Self::Connect(why),
            E::Tls(why) => Self::Tls(why),
            E::Timeout => Self::Timeout,
            E::TooManyRedirects => Self::TooManyRedirects,
            E::BodyTooLarge(limit) => Self::BodyTooLarge(limit),
            E::Limit(which) => Self::Limit(which),
            E::Platform(why) => Self::Limit(format!("the platform failed: {why}")),
            E::Protocol(why) => Self::Protocol(why),
        }
    }
}
