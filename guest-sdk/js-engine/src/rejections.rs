//! Promises that were rejected and that nobody handles: the usual sign of a forgotten `await`.
//!
//! They do not change the verdict, which is the script's word; they are logged, so that a check
//! that is green for want of an `await` can be found.

use std::{cell::RefCell, ffi::c_void};

use javy::quickjs::{Array, Ctx, Persistent, Value, qjs};

use crate::{
    bindings::vedette::monitor::console::{self, Level},
    realm::Realm,
};

/// More are not kept: one line tells that an `await` is missing, ten tell it well.
const MOST: usize = 10;

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

/// Writes a line for each that is left.
pub fn log(ctx: &Ctx<'_>, realm: &Realm) {
    for rejection in OPEN.take() {
        drop(rejection.promise);
        let text = rejection
            .reason
            .restore(ctx)
            .and_then(|reason| realm.explain(ctx).call::<_, Array<'_>>((reason,)))
            .and_then(|pair| pair.get::<String>(1))
            .unwrap_or_else(|_| "an error whose text could not be read".to_owned());
        console::log(
            Level::Error,
            &format!("a promise was rejected and nothing awaits it: {text}"),
        );
    }
}
