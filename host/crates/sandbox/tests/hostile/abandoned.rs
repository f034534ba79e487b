//! X27: the future of a run is dropped at a moment that nobody chose.

use std::time::Duration;

use tokio::time::Instant;
use vedette_sandbox::{Limits, RunInputs};

use crate::{PLACES, alone, check, compile, is_full, process, run, sandbox, server::Server};

const BODIES: &[&str] = &[
    "for (;;) {}",
    "for (;;) await null;",
    "await fetch(params.base + '/hang'); return { success: true };",
    "await Promise.all([1, 2, 3, 4].map(() => fetch(params.base + '/slow'))); for (;;) {}",
    "const a = []; for (;;) a.push(new Uint8Array(65536));",
    "for (;;) { console.log('x'.repeat(8000)); await new Promise((done) => setTimeout(done, 1)); }",
    "return { success: true };",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_can_be_dropped_at_any_moment() {
    let _alone = alone().await;
    let server = Server::start().await;
    let honest = check("return { success: (await fetch(params.base + '/json')).ok };");
    let mut bytecodes = Vec::new();
    for body in BODIES {
        bytecodes.push(compile(&check(body)).await.unwrap());
    }
    run(&honest, &Limits::default(), &server).await;
    let before = process::Held::now();
    let drops = if is_full() { 5_000 } else { 200 };
    // Moments from the first instants of a run to well into it, spread without chance.
    for drop in 0..drops {
        let inputs = RunInputs {
            params: serde_json::Map::from_iter([("base".to_owned(), server.url("").into())]),
            ..RunInputs::default()
        };
        let moment = Duration::from_micros((drop as u64 * 7_919) % 20_000);
        let running = sandbox().run(&bytecodes[drop % BODIES.len()], inputs);
        // An outcome that was faster than the drop is as good.
        let _ = tokio::time::timeout_at(Instant::now() + moment, running).await;
    }
    // Every place is free again: as many runs as there are places meet in the middle.
    let gate = "const r = await fetch(params.base + '/slow'); return { success: r.ok };";
    let source = check(gate);
    let limits = Limits::default();
    let together = (0..PLACES).map(|_| run(&source, &limits, &server));
    for outcome in futures::future::join_all(together).await {
        assert_eq!(
            outcome.status,
            vedette_core::Status::Success,
            "{outcome:#?}"
        );
    }
    assert_eq!(process::panics(), 0, "something panicked in this process");
    process::Held::back_to(before)
        .await
        .unwrap_or_else(|held| panic!("{before:?} before, {held:?} after"));
}
