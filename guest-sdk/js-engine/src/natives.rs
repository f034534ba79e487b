//! The functions that the JavaScript half of the realm calls.
//!
//! They take and give only strings, numbers, arrays and array buffers; everything that a script
//! can see is built in JavaScript.

use std::cell::RefCell;

use fastrand::Rng;
use javy::quickjs::{
    Array, ArrayBuffer, Ctx, IntoJs, Object, Result, Value, function::Func, prelude::Opt,
};

use crate::{
    bindings::vedette::{
        js_engine::steps,
        monitor::{
            console::{self, Level},
            fetch::{self, FetchError, Header, RedirectMode, Request, Response},
        },
    },
    crypto, event_loop, modules, text, urls,
};

/// The object that the prelude receives.
pub fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    host.set("start", Func::from(start))?;
    host.set("cancel", Func::from(event_loop::cancel_request))?;
    host.set("now", Func::from(event_loop::elapsed_ms))?;
    host.set("setTimer", Func::from(event_loop::set_timer))?;
    host.set("clearTimer", Func::from(event_loop::clear_timer))?;
    host.set("log", Func::from(log))?;
    host.set("random", Func::from(random))?;
    host.set("parseUrl", Func::from(urls::parse))?;
    host.set("changeUrl", Func::from(urls::change))?;
    host.set("parseForm", Func::from(urls::parse_form))?;
    host.set("writeForm", Func::from(urls::write_form))?;
    host.set("encodeText", Func::from(text::encode))?;
    host.set("decodeBody", Func::from(text::decode_body))?;
    host.set("decodeText", Func::from(text::decode))?;
    host.set("loadPart", Func::from(modules::load_part))?;
    host.set("crypto", Func::from(crypto::object))?;
    host.set("beginStep", Func::from(begin_step))?;
    host.set("endStep", Func::from(end_step))?;
    host.set("noteCheck", Func::from(note_check))?;
    Ok(host)
}

/// More than the host keeps of a name or a message of a step.
const MAX_STEP_TEXT_BYTES: usize = 2 * 1024;

fn begin_step(name: String) -> u32 {
    steps::begin(cut(&name))
}

fn end_step(step: u32, failed: Option<String>) {
    steps::end(step, failed.as_deref().map(cut));
}

fn note_check(name: String, passed: bool) {
    steps::check(cut(&name), passed);
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_STEP_TEXT_BYTES)]
}

/// More than this cannot pass to the host in one call; the host's own limits are narrower.
const MAX_REQUEST_BYTES: usize = 6 * 1024 * 1024;

/// The host allows fewer; lifting very many would use up what one host call may move.
const MAX_HEADERS: usize = 1_000;

/// Starts a request: its id, or `[code, message]` when the host refuses at once.
///
/// Header names and values alternate in `headers`; values are "isomorphic" strings, one
/// character a byte (Fetch, section 2.2.2).
fn start<'js>(
    ctx: Ctx<'js>,
    method: String,
    url: String,
    headers: Vec<String>,
    redirect: String,
    body: Opt<Option<ArrayBuffer<'js>>>,
) -> Result<Value<'js>> {
    let body = body.0.flatten();
    let body_bytes = body.as_ref().map_or(0, ArrayBuffer::len);
    let text_bytes: usize = headers.iter().map(String::len).sum();
    if body_bytes + text_bytes + url.len() + method.len() > MAX_REQUEST_BYTES {
        let why = format!("a request has at most {MAX_REQUEST_BYTES} bytes");
        return error_array(&ctx, &FetchError::Limit(why))?.into_js(&ctx);
    }
    if headers.len() / 2 > MAX_HEADERS {
        let why = format!("a request has at most {MAX_HEADERS} headers");
        return error_array(&ctx, &FetchError::Limit(why))?.into_js(&ctx);
    }
    let request = Request {
        method,
        url,
        headers: headers
            .chunks_exact(2)
            .map(|pair| header(&pair[0], &pair[1]))
            .collect(),
        body: body.map(|buffer| buffer.as_bytes().unwrap_or_default().to_vec()),
        redirect: match redirect.as_str() {
            "manual" => RedirectMode::Manual,
            "error" => RedirectMode::Error,
            _ => RedirectMode::Follow,
        },
        timeout_ms: None,
    };
    match fetch::start(&request) {
        Ok(pending) => event_loop::add_request(pending).into_js(&ctx),
        Err(error) => error_array(&ctx, &error)?.into_js(&ctx),
    }
}

fn header(name: &str, value: &str) -> Header {
    // A character above U+00FF cannot come from a byte; the prelude refuses it before.
    let value = value
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    Header {
        name: name.to_owned(),
        value,
    }
}

/// More than the host keeps of a line. The prelude cuts before, as long as the script left it as it
/// was.
const MAX_LINE_BYTES: usize = 64 * 1024;

fn log(level: u8, mut message: String) {
    message.truncate(message.floor_char_boundary(MAX_LINE_BYTES));
    let level = match level {
        0 => Level::Debug,
        2 => Level::Warn,
        3 => Level::Error,
        _ => Level::Info,
    };
    console::log(level, &message);
}

thread_local! {
    static RNG: RefCell<Option<Rng>> = const { RefCell::new(None) };
}

/// `Math.random`: seeded from the host at first use, hence after the snapshot and anew in each
/// run. QuickJS's own generator is seeded when the realm is built and would be the same for ever.
fn random() -> f64 {
    RNG.with_borrow_mut(|rng| {
        let rng = rng.get_or_insert_with(|| {
            let seed = getrandom::u64().expect("the host gives random bytes");
            Rng::with_seed(seed)
        });
        rng.f64()
    })
}

/// `[code, message]` as `FetchError` in `js/errors.js` takes them.
pub fn error_array<'js>(ctx: &Ctx<'js>, error: &FetchError) -> Result<Array<'js>> {
    let (code, message) = match error {
        FetchError::Denied(rule) => ("denied", format!("the request is not allowed: {rule}")),
        FetchError::InvalidRequest(why) => ("invalid-request", why.clone()),
        FetchError::Dns(why) => ("dns", format!("the name does not resolve: {why}")),
        FetchError::ConnectionRefused => (
            "connection-refused",
            "the connection was refused".to_owned(),
        ),
        FetchError::ConnectionReset => ("connection-reset", "the connection was reset".to_owned()),
        FetchError::Connect(why) => ("connect", format!("no connection: {why}")),
        FetchError::Tls(why) => ("tls", format!("TLS failed: {why}")),
        FetchError::Timeout => ("timeout", "the request took too long".to_owned()),
        FetchError::TooManyRedirects => ("too-many-redirects", "too many redirects".to_owned()),
        FetchError::BodyTooLarge(limit) => (
            "body-too-large",
            format!("the body is larger than {limit} bytes"),
        ),
        FetchError::Limit(which) => ("limit", format!("a limit of the run is reached: {which}")),
        FetchError::Protocol(why) => ("protocol", format!("not a valid HTTP response: {why}")),
    };
    let array = Array::new(ctx.clone())?;
    array.set(0, code)?;
    array.set(1, message)?;
    Ok(array)
}

/// What `Response` in `js/response.js` is made of.
pub fn response_object<'js>(ctx: &Ctx<'js>, response: Response) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    let headers = Array::new(ctx.clone())?;
    for (index, header) in response.headers.into_iter().enumerate() {
        headers.set(index * 2, header.name)?;
        let value: String = header.value.iter().map(|byte| char::from(*byte)).collect();
        headers.set(index * 2 + 1, value)?;
    }
    object.set("status", response.status)?;
    object.set("headers", headers)?;
    object.set("body", ArrayBuffer::new(ctx.clone(), response.body)?)?;
    object.set("url", response.url)?;
    object.set("redirected", response.redirected)?;
    object.set("httpVersion", response.http_version)?;
    object.set("remoteAddress", response.remote_address)?;
    let timings = Array::new(ctx.clone())?;
    let t = response.timings;
    let phases = [
        t.dns,
        t.connect,
        t.tls,
        Some(t.first_byte),
        Some(t.download),
        Some(t.total),
    ];
    for (index, micros) in phases.into_iter().enumerate() {
        #[expect(
            clippy::cast_precision_loss,
            reason = "2^53 microseconds are 285 years"
        )]
        timings.set(index, micros.map(|micros| micros as f64 / 1_000.0))?;
    }
    object.set("timings", timings)?;
    if let Some(tls) = response.tls {
        let facts = Object::new(ctx.clone())?;
        facts.set("version", tls.protocol)?;
        facts.set("subject", tls.subject)?;
        facts.set("issuer", tls.issuer)?;
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        for (name, seconds) in [
            ("not_before", tls.not_before),
            ("not_after", tls.not_after),
            ("chain_not_after", tls.chain_not_after),
        ] {
            facts.set(name, seconds as f64)?;
        }
        object.set("tls", facts)?;
    }
    Ok(object)
}
