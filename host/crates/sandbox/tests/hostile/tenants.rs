//! Tenants beside each other: what one leaves, holds or measures of another.

use vedette_core::Status;
use vedette_sandbox::{Limits, RunInputs};

use crate::{alone, check, compile, is_full, run, sandbox, server::Server};

/// Leaves a pattern wherever a script can: globals, builtins, buffers, texts, the parser's tables,
/// the stack, the log.
const WRITER: &str = "
  const pattern = 'CANARY-' + params.tenant;
  globalThis.canary = pattern; Object.prototype.canary = pattern; Array.prototype[0] = pattern; Math.canary = pattern;
  Symbol.for(pattern); RegExp.prototype.canary = pattern; /(CANARY-\\w+)/.exec(pattern);
  const bytes = new Uint8Array(1 << 20).fill(0xC5); const texts = [];
  for (let i = 0; i < 200; i++) texts.push(pattern.repeat(20) + i);
  const deep = (n) => n === 0 ? pattern : deep(n - 1) + '';
  deep(100); console.log(pattern); setTimeout(() => pattern, 1e6);
  return { success: bytes[99] === 0xC5 && texts.length === 200, message: pattern };";

/// Looks wherever a script can.
const READER: &str = "
  const found = [];
  for (const home of [globalThis, Object.prototype, Array.prototype, Math, RegExp.prototype, Promise, console, fetch, URL])
    for (const key of Reflect.ownKeys(home)) {
      let value; try { value = home[key]; } catch { continue; }
      if (String(key).includes('anary') || (typeof value === 'string' && value.includes('CANARY'))) found.push(String(key));
    }
  if ([][0] !== undefined || RegExp.$1?.includes('CANARY') || RegExp.input?.includes?.('CANARY')) found.push('builtin');
  for (const bytes of [1 << 20, 1 << 16, 4096, 100, 24].flatMap((n) => [new Uint8Array(n), new Uint8Array(new ArrayBuffer(n, { maxByteLength: n * 2 }))])) {
    if (bytes.indexOf(0xC5) !== -1 || bytes.subarray(0, 4096).some((byte) => byte !== 0)) found.push('buffer of ' + bytes.length);
  }
  const growing = new ArrayBuffer(8, { maxByteLength: 1 << 18 }); growing.resize(1 << 18);
  if (new Uint8Array(growing).indexOf(0xC5) !== -1) found.push('grown buffer');
  return { success: found.length === 0, data: [found, params.tenant, env.NAME] };";

/// X26, as far as a script sees it: JavaScript cannot read memory that it was not given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_tenant_is_seen_by_the_next() {
    let _alone = alone().await;
    let runs = if is_full() { 100_000 } else { 1_000 };
    let writer = compile(&check(WRITER)).await.unwrap();
    let reader = compile(&check(READER)).await.unwrap();
    let inputs = |tenant: usize| RunInputs {
        sealed: std::collections::BTreeMap::new(),
        secrets: std::collections::BTreeSet::new(),
        params: serde_json::Map::from_iter([("tenant".to_owned(), tenant.into())]),
        env: std::iter::once(("NAME".to_owned(), format!("value {tenant}"))).collect(),
        limits: Limits::default(),
    };
    for tenant in 0..runs / 2 {
        let written = sandbox().run(&writer, inputs(tenant)).await;
        assert_eq!(written.status, Status::Success, "{written:#?}");
        let read = sandbox().run(&reader, inputs(tenant + 1_000_000)).await;
        assert_eq!(read.status, Status::Success, "{read:#?}");
        assert!(read.logs.is_empty(), "{read:#?}");
        let data = read.result.and_then(|verdict| verdict.data);
        let expected = serde_json::json!([
            [],
            tenant + 1_000_000,
            format!("value {}", tenant + 1_000_000)
        ]);
        assert_eq!(data, Some(expected));
    }
}

/// M03. Requests at once are counted for each run; there is no pool that all runs share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tarpits_of_one_tenant_hold_up_no_other() {
    let _alone = alone().await;
    let mut server = Server::start().await;
    let tarpit = check(
        "await Promise.all(Array.from({ length: 40 }, () => fetch(params.base + '/hang'))); return { success: true };",
    );
    let bytecode = compile(&tarpit).await.unwrap();
    let inputs = RunInputs {
        params: serde_json::Map::from_iter([("base".to_owned(), server.url("").into())]),
        ..RunInputs::default()
    };
    let stuck: Vec<_> = (1..crate::PLACES)
        .map(|_| {
            let (bytecode, inputs) = (bytecode.clone(), inputs.clone());
            tokio::spawn(async move { sandbox().run(&bytecode, inputs).await })
        })
        .collect();
    let honest = check("return { success: (await fetch(params.base + '/json')).ok };");
    for _ in 0..50 {
        let outcome = run(&honest, &Limits::default(), &server).await;
        assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
    }
    assert!(
        stuck.iter().all(|run| !run.is_finished()),
        "the tarpit let one go"
    );
    for run in stuck {
        run.abort();
        let ended = run.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
    // The sockets go with their runs.
    let waited = tokio::time::timeout(std::time::Duration::from_secs(10), server.hung_up.recv());
    assert!(waited.await.is_ok(), "a socket stays open");
}

/// M10. A script learns of others' load only in whole milliseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_are_coarse_under_load() {
    let _alone = alone().await;
    let server = Server::start().await;
    let limits = Limits {
        fuel: 2_000_000_000,
        ..Limits::default()
    };
    let measure = check(
        "for (let i = 0; i < 50000; i++) { if (performance.now() % 1 !== 0 || Date.now() % 1 !== 0) return { success: false }; } \
         const r = await fetch(params.base + '/json'); await r.text(); \
         return { success: performance.now() % 1 === 0 && performance.timeOrigin % 1 === 0 };",
    );
    let load = check("const end = Date.now() + 1e6; while (Date.now() < end);");
    let (load, outcome) = tokio::join!(
        run(&load, &limits, &server),
        run(&measure, &limits, &server)
    );
    assert_eq!(load.status, Status::Error, "{load:#?}");
    assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
}
