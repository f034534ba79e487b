//! X27: a run whose caller goes away at any moment is over then, with all that it had.

use std::{future::Future as _, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use vedette_core::SystemClock;

use crate::{
    assert_success, guard,
    guest::Guest,
    inputs,
    interfaces::{CLOCKS, FETCH, SENDS},
    limits, load, run_with,
    server::Server,
};

/// Computes, sleeps, and asks a target that never answers.
fn busy(url: &str) -> Guest {
    let url_bytes = url.len();
    Guest::new(format!(
        "(local $n i32) (local.set $n (i32.const 40000000))
         (loop $compute (br_if $compute (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
         (call $block (call $for (i64.const 5000000)))
         (call $send
           (i32.const 2000) (i32.const 3) (i32.const 2100) (i32.const {url_bytes}) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
           (i32.const 256))
         (call $success)"
    ))
    .import(CLOCKS)
    .import(FETCH)
    .call("for", "$monotonic \"subscribe-duration\"", "(param i64) (result i32)")
    .call("block", "$poll \"[method]pollable.block\"", "(param i32)")
    .call("send", "$fetch \"send\"", SENDS)
    .text(2000, "GET")
    .text(2100, url)
}

#[tokio::test]
async fn x27_a_run_may_be_dropped_between_any_two_steps() {
    let server = Server::start().await;
    let component = load(&busy(&server.url("/hang")).bytes());
    for polls in 0..40 {
        let (guard, clock) = (guard(), Arc::new(SystemClock));
        let mut run = pin!(component.run(&guard, clock, inputs(limits())));
        let mut left = polls;
        // Between two steps time goes on, so that sleeps end and connections open.
        let dropped = std::future::poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            assert!(run.as_mut().poll(cx).is_pending(), "nothing answers it");
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let end = Instant::now() + Duration::from_millis(100);
        // It may wait for good before so many steps: then it is dropped as it waits.
        let _ = timeout_at(end, dropped).await;
    }
    assert_success(
        &run_with(
            &load(&Guest::new("(call $success)").bytes()),
            inputs(limits()),
        )
        .await,
    );
}

#[tokio::test]
async fn x27_a_request_in_flight_ends_with_its_run() {
    let mut server = Server::start().await;
    let component = load(&busy(&server.url("/hang")).bytes());
    let (guard, clock) = (guard(), Arc::new(SystemClock));
    let run = tokio::spawn(async move { component.run(&guard, clock, inputs(limits())).await });
    // The connection is open when the other side of it is seen to close.
    let opened = Instant::now() + Duration::from_millis(500);
    let _ = timeout_at(opened, std::future::pending::<()>()).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    let closed = timeout(Duration::from_secs(10), server.hung_up.recv()).await;
    closed
        .expect("the connection is closed")
        .expect("the server lives");
}
