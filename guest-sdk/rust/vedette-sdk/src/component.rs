//! The edge of the component: what the contract offers, and the one function that it asks for.
//! `testing/host.rs` has the same functions for other targets.

use std::{marker::PhantomData, panic, sync::Once, time::Duration};

use self::bindings::vedette::monitor::{console, env, fetch, params};
use crate::{
    FetchReason, Monitor, Redirect, Request, Response, Timings, Tls, log::Level,
    request::whole_millis,
};

/// Generated from `wit/`.
#[expect(missing_docs, clippy::pedantic, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "vedette:monitor/monitor",
        generate_all,
        pub_export_macro: true,
    });
}

/// A request in flight.
pub(crate) type Handle = fetch::PendingResponse;

/// Exports a monitor.
pub struct Exported<M>(PhantomData<M>);

impl<M: Monitor> bindings::Guest for Exported<M> {
    fn run() -> Result<bindings::Verdict, String> {
        log_panics();
        let verdict = crate::monitor::run::<M>(&params::get())?;
        Ok(bindings::Verdict {
            success: verdict.success,
            latency: verdict.latency.map(|latency| latency.as_secs_f64() * 1e3),
            message: verdict.message,
            data: verdict.data.map(|data| data.to_string()),
        })
    }
}

/// A panic ends the instance, so that the log is where its message can go.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            // On one line: the place is in the first, the message in the second.
            let text = panic.to_string().replacen('\n', " ", 1);
            console::log(console::Level::Error, &text);
        }));
    });
}

pub(crate) fn variable(name: &str) -> Option<String> {
    env::get(name)
}

pub(crate) fn variable_names() -> Vec<String> {
    env::names()
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => console::Level::Debug,
        Level::Info => console::Level::Info,
        Level::Warn => console::Level::Warn,
        Level::Error => console::Level::Error,
    };
    console::log(level, message);
}

pub(crate) fn start(request: Request) -> Result<Handle, FetchReason> {
    let headers = request.headers.into_iter();
    let request = fetch::Request {
        method: request.method,
        url: request.url,
        headers: headers
            .map(|(name, value)| fetch::Header {
                name,
                value: value.into_bytes(),
            })
            .collect(),
        body: request.body,
        redirect: match request.redirect {
            Redirect::Follow => fetch::RedirectMode::Follow,
            Redirect::Manual => fetch::RedirectMode::Manual,
            Redirect::Error => fetch::RedirectMode::Error,
        },
        timeout_ms: request.timeout.map(whole_millis),
    };
    fetch::start(&request).map_err(FetchReason::from)
}

pub(crate) fn take(handle: &Handle) -> Result<Response, FetchReason> {
    handle.take().map(Response::from).map_err(FetchReason::from)
}

pub(crate) fn wait_any(handles: &[&Handle], timeout_ms: Option<u32>) -> Vec<u32> {
    fetch::wait_any(handles, timeout_ms)
}

impl From<fetch::Response> for Response {
    fn from(response: fetch::Response) -> Self {
        let headers = response.headers.into_iter();
        let timings = response.timings;
        Self {
            headers: headers
                .map(|header| (header.name, header_text(header.value)))
                .collect(),
            url: response.url,
            redirected: response.redirected,
            http_version: response.http_version,
            remote_address: response.remote_address,
            timings: Timings {
                dns: timings.dns.map(Duration::from_micros),
                connect: timings.connect.map(Duration::from_micros),
                tls: timings.tls.map(Duration::from_micros),
                first_byte: Duration::from_micros(timings.first_byte),
                download: Duration::from_micros(timings.download),
                total: Duration::from_micros(timings.total),
            },
            tls: response.tls.map(|tls| Tls {
                protocol: tls.protocol,
                subject: tls.subject,
                issuer: tls.issuer,
                not_before: tls.not_before,
                not_after: tls.not_after,
                chain_not_after: tls.chain_not_after,
            }),
            ..Self::new(response.status, response.body)
        }
    }
}

fn header_text(value: Vec<u8>) -> String {
    String::from_utf8(value)
        .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect())
}

impl From<fetch::FetchError> for FetchReason {
    fn from(error: fetch::FetchError) -> Self {
        use fetch::FetchError as E;
        match error {
            E::Denied(rule) => Self::Denied(rule),
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
            E::Protocol(why) => Self::Protocol(why),
        }
    }
}
