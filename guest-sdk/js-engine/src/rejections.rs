//! Promises that were rejected and that nobody handles: the usual sign of a forgotten `await`.
//!
//! They do not change the verdict, which is the script's word; they are logged, so that a check
//! that is green for want of an `await` can be found. Only an expectation that was not met counts,
//! awaited or not: nobody caught it.

use std::{cell::RefCell, ffi::c_void};

use javy::quickjs::{Array, Ctx, Persistent, Value, qjs};

use crate::{
    bindings::vedette::monitor::console::{self, Level},
    realm::Realm,
};

/// More are not kept.
const MOST: usize = 1_000;

/// More are not logged: one line tells that an `await` is missing, ten tell it well.
const MOST_LINES: usize = 10;

struct Rejection {
    /// Kept alive, so that its address is nobody else's.
    promise: Persistent<Value<'static>>,
    address: usize,
    reason: Persistent<Value<'static>>,
}

thread_local! {
    static OPEN: RefCell<Vec<Rejection>> = const { RefCell::new(Vec::new()) };
}

/// From now on rejections are kept.
pub fn watch(ctx: &Ctx<'_>) {
    // SAFETY: the runtime is alive, and `track` needs nothing of its own.
    unsafe {
        let runtime = qjs::JS_GetRuntime(ctx.as_raw().as_ptr());
        qjs::JS_SetHostPromiseRejectionTracker(runtime, Some(track), std::ptr::null_mut());
    }
}

/// `HostPromiseRejectionTracker` (ECMA-262, section 27.2.1.9): once when a promise without a
/// handler is rejected, and once more if it gets one later.
unsafe extern "C" fn track(
    ctx: *mut qjs::JSContext,
    promise: qjs::JSValue,
    reason: qjs::JSValue,
    is_handled: bool,
    _: *mut c_void,
) {
    // SAFETY: QuickJS gives a live context and live values; both values are borrowed, hence
    // duplicated before they are owned.
    unsafe {
        let address = qjs::JS_VALUE_GET_PTR(promise) as usize;
        let mut removed = None;
        OPEN.with_borrow_mut(|open| {
            if is_handled {
                let at = open
                    .iter()
                    .position(|rejection| rejection.address == address);
                removed = at.map(|at| open.swap_remove(at));
            } else if open.len() < MOST {
                let ctx = Ctx::from_raw(std::ptr::NonNull::new_unchecked(ctx));
                let keep = |value| {
                    let value = Value::from_raw(
                        ctx.clone(),
                        qjs::JS_DupValue(ctx.as_raw().as_ptr(), value),
                    );
                    Persistent::save(&ctx, value)
                };
                open.push(Rejection {
                    promise: keep(promise),
                    address,
                    reason: keep(reason),
                });
            }
        });
        // Freed after the list is: what is freed may reject again.
        drop(removed);
    }
}

/// Writes a line for each that is left. Gives the first expectation that was not met.
pub fn log(ctx: &Ctx<'_>, realm: &Realm) -> Option<String> {
    let mut failed = None;
    for (index, rejection) in OPEN.take().into_iter().enumerate() {
        drop(rejection.promise);
        let (kind, text) = rejection
            .reason
            .restore(ctx)
            .and_then(|reason| realm.explain(ctx).call::<_, Array<'_>>((reason,)))
            .and_then(|pair| Ok((pair.get::<String>(0)?, pair.get::<String>(1)?)))
            .unwrap_or_else(|_| {
                let text = "an error whose text could not be read";
                ("thrown".to_owned(), text.to_owned())
            });
        if index < MOST_LINES {
            console::log(
                Level::Error,
                &format!("a promise was rejected and nothing awaits it: {text}"),
            );
        }
        if kind == "assertion-failed" && failed.is_none() {
            failed = Some(text);
        }
    }
    failed
}
