//! Promises, requests and timers, until the script's promise is settled.
//!
//! QuickJS runs microtasks; whatever takes time is the host's: a request in flight is a
//! `pending-response`, a timer is a time limit of `wait-any`. When neither is left and the
//! promise is still open, nothing can ever settle it, and that is said at once.

use std::{
    cell::RefCell,
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    time::Instant,
};

use javy::quickjs::{
    CatchResultExt, CaughtError, Ctx, Promise, Result, Value, function::Args, promise::PromiseState,
};

use crate::{
    bindings::vedette::monitor::fetch::{PendingResponse, wait_any},
    natives::{error_array, response_object},
    realm::Realm,
};

#[derive(Default)]
struct Pending {
    requests: Vec<(u32, PendingResponse)>,
    /// Due time in milliseconds since the start, then order of creation.
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    live_timers: BTreeSet<u32>,
    last_id: u32,
    started: Option<Instant>,
}

thread_local! {
    static PENDING: RefCell<Pending> = RefCell::default();
}

/// Why the loop ended without a value.
pub enum Unsettled<'js> {
    /// The promise was rejected, or something threw.
    Rejected(Value<'js>),
    /// Nothing is left that could settle the promise.
    Deadlock,
}

/// Forgets what the warm-up left behind.
pub fn forget_all() {
    PENDING.take();
}

/// Sets the zero of [`elapsed_ms`].
pub fn start_clock() {
    PENDING.with_borrow_mut(|pending| pending.started = Some(Instant::now()));
}

/// Milliseconds since the run began: whole ones, as the host's clock gives them. It stands still
/// while a script computes and goes on with `wait-any`.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 milliseconds are 285 millennia"
)]
pub fn elapsed_ms() -> f64 {
    // By way of seconds, a whole number would come out a little more or less.
    PENDING.with_borrow(|pending| {
        pending
            .started
            .map_or(0.0, |started| started.elapsed().as_millis() as f64)
    })
}

/// Keeps a request until the host has its response; the id is the one to settle.
pub fn add_request(request: PendingResponse) -> u32 {
    PENDING.with_borrow_mut(|pending| {
        pending.last_id += 1;
        pending.requests.push((pending.last_id, request));
        pending.last_id
    })
}

/// Drops a request, which cancels it on the host. An id that is no more is nothing to do.
pub fn cancel_request(id: u32) {
    PENDING.with_borrow_mut(|pending| pending.requests.retain(|(found, _)| *found != id));
}

/// A timer that fires once, `delay_ms` from now. The prelude bounds number and delay.
pub fn set_timer(delay_ms: f64) -> u32 {
    let now = elapsed_ms();
    PENDING.with_borrow_mut(|pending| {
        pending.last_id += 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        let due = (now + delay_ms).ceil() as u64;
        pending.timers.push(Reverse((due, pending.last_id)));
        pending.live_timers.insert(pending.last_id);
        pending.last_id
    })
}

/// Forgets a timer.
pub fn clear_timer(id: u32) {
    PENDING.with_borrow_mut(|pending| pending.live_timers.remove(&id));
}

/// Runs until `promise` is settled.
pub fn settle<'js>(
    ctx: &Ctx<'js>,
    realm: &Realm,
    promise: &Promise<'js>,
) -> std::result::Result<Value<'js>, Unsettled<'js>> {
    loop {
        run_jobs(ctx).map_err(Unsettled::Rejected)?;
        match promise.state() {
            PromiseState::Pending => {}
            PromiseState::Resolved | PromiseState::Rejected => {
                let value = promise.result::<Value<'js>>().expect("it is settled");
                return value
                    .catch(ctx)
                    .map_err(|error| Unsettled::Rejected(thrown(ctx, error)));
            }
        }
        let step = step(ctx, realm).catch(ctx);
        match step {
            Ok(true) => {}
            Ok(false) => return Err(Unsettled::Deadlock),
            Err(error) => return Err(Unsettled::Rejected(thrown(ctx, error))),
        }
    }
}

/// Runs microtasks until none is left. What one of them throws outside of any promise, as with
/// `queueMicrotask`, is the error.
fn run_jobs<'js>(ctx: &Ctx<'js>) -> std::result::Result<(), Value<'js>> {
    while ctx.execute_pending_job() {
        if ctx.has_exception() {
            return Err(ctx.catch());
        }
    }
    Ok(())
}

/// The JavaScript value that was thrown.
pub fn thrown<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Value<'js> {
    match error {
        CaughtError::Exception(exception) => exception.into_value(),
        CaughtError::Value(value) => value,
        CaughtError::Error(error) => {
            javy::quickjs::String::from_str(ctx.clone(), &error.to_string()).map_or_else(
                |_| Value::new_undefined(ctx.clone()),
                |text| text.into_value(),
            )
        }
    }
}

/// One turn: what the host has ready, or else the timer that is due. `false`: nothing is pending.
///
/// An answer that is here comes before a timer that is due: a run that was held up must not abort
/// a request that was answered in time.
fn step<'js>(ctx: &Ctx<'js>, realm: &Realm) -> Result<bool> {
    let timer = PENDING.with_borrow_mut(next_timer);
    let until_timer = timer.map(|(due, _)| due.saturating_sub(now_ms()));
    let Some(ready) = wait(until_timer) else {
        return Ok(false);
    };
    if ready.is_empty() {
        if let Some((due, id)) = timer
            && due <= now_ms()
        {
            fire_timer(ctx, realm, id)?;
        }
        return Ok(true);
    }
    for (id, request) in ready {
        let settle = realm.settle(ctx);
        match request.take() {
            Ok(response) => {
                let undefined = Value::new_undefined(ctx.clone());
                settle.call::<_, ()>((id, undefined, response_object(ctx, response)?))?;
            }
            Err(error) => settle.call::<_, ()>((id, error_array(ctx, &error)?))?,
        }
        run_jobs(ctx).map_err(|value| ctx.throw(value))?;
    }
    Ok(true)
}

/// Takes the requests that are ready, waiting for one or for the next timer. `None`: there is
/// nothing to wait for.
fn wait(until_timer_ms: Option<u64>) -> Option<Vec<(u32, PendingResponse)>> {
    PENDING.with_borrow_mut(|pending| {
        if pending.requests.is_empty() && until_timer_ms.is_none_or(|ms| ms == 0) {
            return until_timer_ms.map(|_| Vec::new());
        }
        let requests: Vec<_> = pending
            .requests
            .iter()
            .map(|(_, request)| request)
            .collect();
        let timeout = until_timer_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
        let mut positions = wait_any(&requests, timeout);
        // From the back, so that the positions stay true; then in the order of their start.
        positions.sort_unstable();
        let mut ready: Vec<_> = positions
            .into_iter()
            .rev()
            .map(|at| pending.requests.remove(at as usize))
            .collect();
        ready.reverse();
        Some(ready)
    })
}

fn fire_timer<'js>(ctx: &Ctx<'js>, realm: &Realm, id: u32) -> Result<()> {
    PENDING.with_borrow_mut(|pending| {
        pending.timers.pop();
        pending.live_timers.remove(&id)
    });
    let mut args = Args::new(ctx.clone(), 1);
    args.push_arg(id)?;
    realm.fire_timer(ctx).call_arg::<()>(args)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative"
)]
fn now_ms() -> u64 {
    elapsed_ms() as u64
}

/// The next live timer, after dropping those that were cleared.
fn next_timer(pending: &mut Pending) -> Option<(u64, u32)> {
    while let Some(Reverse((due, id))) = pending.timers.peek().copied() {
        if pending.live_timers.contains(&id) {
            return Some((due, id));
        }
        pending.timers.pop();
    }
    None
}
