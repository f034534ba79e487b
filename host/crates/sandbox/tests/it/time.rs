//! Time as a guest sees it: it stands still while the guest computes.

use serde_json::json;
use vedette_core::ErrorClass;
use vedette_sandbox::{Limits, RunInputs};

use crate::{assert_error, assert_success, data, run_body, run_with, server::Server};

#[tokio::test]
async fn computing_takes_no_time() {
    let outcome = run_body(
        "const before = [Date.now(), performance.now()]; \
         let n = 0; while (n < 3_000_000) n++; \
         const after = [Date.now(), performance.now()]; \
         return { success: true, data: [before, after] };",
    )
    .await;
    assert_success(&outcome);
    let data = data(&outcome);
    assert_eq!(data[0], data[1]);
    assert!(
        outcome.duration_ms > 1.0,
        "the host's own measurement goes on"
    );
}

#[tokio::test]
async fn a_loop_that_waits_for_the_clock_uses_up_its_fuel() {
    let source = "export default () => { const until = Date.now() + 1; \
        while (Date.now() < until) {} return { success: true }; };";
    let inputs = RunInputs {
        limits: Limits {
            fuel: 500_000_000,
            ..Limits::default()
        },
        ..RunInputs::default()
    };
    assert_error(&run_with(source, inputs).await, ErrorClass::FuelExhausted);
}

#[tokio::test]
async fn waiting_takes_its_time_on_both_clocks() {
    let server = Server::start().await;
    let outcome = run_body(&format!(
        "const times = []; const now = () => times.push([Date.now(), performance.now()]); now(); \
         await new Promise((done) => setTimeout(done, 30)); now(); \
         await fetch('{}'); now(); \
         const passed = (from, to, clock) => times[to][clock] - times[from][clock]; \
         return {{ success: true, data: {{ timer: passed(0, 1, 1), request: passed(1, 2, 1), \
           same: passed(0, 2, 0) === passed(0, 2, 1), whole: times.flat().every(Number.isInteger) }} }};",
        server.url("/slow")
    ))
    .await;
    assert_success(&outcome);
    let data = data(&outcome);
    assert!(data["timer"].as_u64().unwrap() >= 30, "{data}");
    assert!(data["request"].as_u64().unwrap() >= 99, "{data}");
    assert_eq!(
        (&data["same"], &data["whole"]),
        (&json!(true), &json!(true))
    );
}

/// Each turn of the loop must come to its timer, however the milliseconds are cut.
#[tokio::test]
async fn timers_keep_their_order_and_are_never_early() {
    let outcome = run_body(
        "const seen = []; const began = performance.now(); const early = []; \
         const at = (name, ms) => setTimeout(() => { seen.push(name); \
           if (performance.now() - began < ms) early.push(name); }, ms); \
         at('d', 12); at('b', 7); at('c', 7.5); at('a', 1); at('e', 12); \
         let ticks = 0; await new Promise((done) => { const id = setInterval(() => { \
           if (++ticks === 20) { clearInterval(id); done(); } }, 1); }); \
         await new Promise((done) => setTimeout(done, 13)); \
         return { success: true, data: [seen.join(''), ticks, early, performance.now() - began >= 33] };",
    )
    .await;
    assert_success(&outcome);
    assert_eq!(data(&outcome), json!(["abcde", 20, [], true]));
}

/// One wait of the guest for each tick, and none besides: a loop that spun would use more fuel.
#[tokio::test]
async fn an_interval_costs_one_wait_a_tick() {
    let body = |ticks: u32| {
        format!(
            "let n = 0; await new Promise((done) => {{ const id = setInterval(() => {{ \
               if (++n === {ticks}) {{ clearInterval(id); done(); }} }}, 3); }}); \
             return {{ success: true }};"
        )
    };
    let (few, many) = (run_body(&body(10)).await, run_body(&body(30)).await);
    assert_success(&few);
    assert_success(&many);
    let each = (many.fuel_used - few.fuel_used) / 20;
    assert!(each < 100_000, "{each} units of fuel a tick");
}
