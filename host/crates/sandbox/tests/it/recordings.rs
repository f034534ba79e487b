//! What a recording must not hold, what it leaves out, and recordings from anybody.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use vedette_core::Status;
use vedette_sandbox::{Recording, RecordingError};

use crate::{
    data, inputs,
    replay::{JS, record, replay_with},
    sandbox,
    server::Server,
};

const BYTES: usize = 256 * 1024;

/// Uses its variables in every way, and the server echoes what it gets.
const LEAKY: &str = "export default async function ({ params, env }) { \
    const { TOKEN, PASSWORD, PIN } = env; const hex = (text) => Array.from(new TextEncoder().encode(text), \
      (byte) => byte.toString(16).padStart(2, '0')).join(''); \
    console.log('the token is', TOKEN); \
    const r = await fetch(params.base + '/echo?t=' + encodeURIComponent(TOKEN) + '&h=' + hex(TOKEN), { \
      method: 'POST', headers: { authorization: 'Basic ' + btoa('anna:' + PASSWORD), 'x-trace': 'a' + TOKEN, \
        'x-api-key': 'other-secret-of-the-script', cookie: 'session=cookie-of-the-script' }, \
      body: JSON.stringify({ PASSWORD, note: params.note, both: btoa(TOKEN) + btoa('x' + PASSWORD) }) }); \
    const text = await r.text(); \
    try { await fetch(params.base + '/metadata', { headers: { 'x-h': hex(PASSWORD).toUpperCase() } }); } catch {} \
    return { success: text.includes('nothing'), message: `${TOKEN} was echoed`, \
      data: { text, pin: Number(PIN), [TOKEN]: new URLSearchParams({ p: PASSWORD }).toString() } }; }";

const TOKEN: &str = "t0k3n/with+odd \"chars\" and ümlaut";
const PASSWORD: &str = "correct horse battery";
const PIN: &str = "47114711";
const ENV: &[(&str, &str)] = &[
    ("TOKEN", TOKEN),
    ("PASSWORD", PASSWORD),
    ("PIN", PIN),
    ("SHORT", "abc"),
];

#[tokio::test]
async fn values_of_variables_are_nowhere_in_it() {
    let server = Server::start().await;
    let params = json!({ "base": server.url(""), "note": format!("<{PASSWORD}>") });
    let (outcome, recording) = record(LEAKY, inputs(params, ENV), BYTES).await;
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
    let text = recording.to_json(true);
    for value in [TOKEN, PASSWORD, PIN] {
        let json = serde_json::to_string(value).unwrap();
        let percent: Vec<_> = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let percent = percent.concat();
        let form = value.replace(' ', "+");
        // Without the ends, which depend on what stands beside it.
        let base64 = STANDARD.encode(value);
        for form in [
            value,
            &json[1..json.len() - 1],
            &percent,
            &form,
            &base64[..base64.len() - 4],
            &hex::encode(value),
            &hex::encode_upper(value),
        ] {
            assert!(!text.contains(form), "{form} in {text}");
        }
    }
    for masked in [
        "other-secret-of-the-script\"",
        "\"session=cookie-of-the-script",
    ] {
        assert!(!text.contains(masked), "{masked} in {text}");
    }
    let parsed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["redacted"], true);
    assert_eq!(parsed["env"], json!(["PASSWORD", "PIN", "SHORT", "TOKEN"]));
    assert_eq!(parsed["params"]["note"], "<[env:PASSWORD]>");
    assert_eq!(parsed["outcome"]["message"], "[env:TOKEN] was echoed");
    assert_eq!(parsed["outcome"]["result"]["data"]["pin"], "[env:PIN]");
    let url = parsed["requests"][0]["url"].as_str().unwrap();
    assert!(url.ends_with("/echo?t=[env:TOKEN]&h=[env:TOKEN]"), "{url}");
}

#[tokio::test]
async fn it_runs_again_without_the_values_and_with_them() {
    let server = Server::start().await;
    let params = json!({ "base": server.url(""), "note": "none" });
    let (outcome, recording) = record(LEAKY, inputs(params, ENV), BYTES).await;
    drop(server);
    let without = replay_with(&recording, LEAKY, &[]).await;
    assert_eq!(without.diverged, None, "{without:#?}");
    assert_eq!(without.outcome.status, Status::Failure);
    assert_eq!(
        without.outcome.message.as_deref(),
        Some("[env:TOKEN] was echoed")
    );
    assert!(
        without.doubts.iter().any(|doubt| doubt.contains("TOKEN")),
        "{:?}",
        without.doubts
    );
    let with = replay_with(&recording, LEAKY, ENV).await;
    assert_eq!(with.diverged, None, "{with:#?}");
    assert!(with.same_outcome, "{with:#?}\n{outcome:#?}");
    assert_eq!(with.outcome.message, outcome.message);
    assert!(
        !with.doubts.iter().any(|doubt| doubt.contains("no value")),
        "{:?}",
        with.doubts
    );
}

/// A script that compares what comes back with what it sent finds the same, either way.
#[tokio::test]
async fn variables_that_do_not_come_back_leave_no_doubt() {
    let server = Server::start().await;
    let source = "export default async ({ params, env }) => { const r = await fetch(params.base + '/500', \
        { headers: { authorization: `Bearer ${env.TOKEN}` } }); return { success: r.ok }; };";
    let params = json!({ "base": server.url("") });
    let env = &[("TOKEN", "a-long-token-of-somebody")];
    let (_, recording) = record(source, inputs(params, env), BYTES).await;
    drop(server);
    let replayed = replay_with(&recording, source, env).await;
    assert!(replayed.same_outcome && replayed.same_fuel, "{replayed:#?}");
    assert!(
        replayed.doubts.is_empty() && replayed.diverged.is_none(),
        "{replayed:#?}"
    );
}

#[tokio::test]
async fn a_source_that_holds_a_value_is_left_out() {
    let source = "export default ({ env }) => ({ success: env.KEY === 'hard-coded-value' });";
    let (_, recording) = record(
        source,
        inputs(json!({}), &[("KEY", "hard-coded-value")]),
        BYTES,
    )
    .await;
    assert_eq!(recording.source(), None);
    assert_eq!(
        recording.source_left_out(),
        Some("it holds the value of [env:KEY]")
    );
    assert!(recording.is_of(source));
    assert!(!recording.to_json(false).contains("hard-coded-value"));
    let replayed = replay_with(&recording, source, &[("KEY", "hard-coded-value")]).await;
    assert!(replayed.same_outcome && replayed.same_fuel, "{replayed:#?}");
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_and_named() {
    let server = Server::start().await;
    let source = "export default async ({ params }) => { for (const n of [10, 200_000, 10]) \
        await fetch(params.base + '/echo', { method: 'POST', body: 'x'.repeat(n) }); return { success: false }; };";
    let params = || inputs(json!({ "base": server.url("") }), &[]);
    let (_, recording) = record(source, params(), 100_000).await;
    let [what] = recording.truncated() else {
        panic!("{:?}", recording.truncated())
    };
    assert!(what.starts_with("the answer to request 2 (200"), "{what}");
    let (_, recording) = record(source, params(), BYTES * 4).await;
    assert_eq!(recording.truncated(), [] as [&str; 0]);

    // Many waits, many requests, and nearly no room: it is always a recording within its bound.
    let source = "export default async ({ params }) => { for (let i = 0; i < 45; i++) await fetch(params.base + '/?' + i); \
        return { success: false, data: 'y'.repeat(3_000) }; };";
    for bytes in [0, 1_000, 2_500, 5_000, 20_000] {
        let bytecode = sandbox().compile(source, JS).await.unwrap();
        let (outcome, tape) = sandbox().run_recorded(&bytecode, params(), bytes).await;
        let recording = tape.unwrap().into_recording(&outcome, source, JS);
        let text = recording.to_json(true);
        assert!(
            text.len() <= bytes.max(1_500),
            "{bytes}: {} bytes",
            text.len()
        );
        assert!(!recording.truncated().is_empty(), "{bytes}");
        Recording::parse(text.as_bytes()).unwrap();
    }
}

/// What became of a file with one thing changed.
fn parse_with(recording: &Recording, change: impl FnOnce(&mut Value)) -> Result<Recording, String> {
    let mut value: Value = serde_json::from_str(&recording.to_json(false)).unwrap();
    change(&mut value);
    Recording::parse(value.to_string().as_bytes()).map_err(|error| error.to_string())
}

type Change = fn(&mut Value);

/// What is no recording, and a word of the reason.
const NO_RECORDINGS: &[(Change, &str)] = &[
    (|v| v["format"] = json!(2), "format 2"),
    (|v| v["format"] = json!("1"), "format \"1\""),
    (|v| v["surprise"] = json!(1), "surprise"),
    (|v| v["language"] = json!("cobol"), "cobol"),
    (|v| v["source"] = json!("export default 1;"), "source"),
    (|v| v["seed"] = json!("00"), "seed"),
    (|v| v["seed"] = json!("zz".repeat(32)), "seed"),
    (
        |v| v["started_at"] = json!("-262143-01-01T00:00:00Z"),
        "started_at",
    ),
    (
        |v| v["started_at"] = json!("+262142-12-31T23:59:59Z"),
        "started_at",
    ),
    (|v| v["limits"]["fuel"] = json!(u64::MAX), "limits"),
    (|v| v["limits"]["memory_bytes"] = json!(u64::MAX), "limits"),
    (|v| v["limits"]["wall_ms"] = json!(u64::MAX), "limits"),
    (|v| v["limits"]["fuel"] = json!(1e300), "invalid type"),
    (|v| v["outcome"]["fuel_used"] = json!(u64::MAX), "limits"),
    (|v| v["outcome"]["status"] = json!("fine"), "fine"),
    (
        |v| v["waits"][0]["elapsed_ms"] = json!(u64::MAX),
        "elapsed_ms",
    ),
    (
        |v| v["waits"][0]["pending"] = json!([7]),
        "ready that is not pending",
    ),
    (
        |v| v["waits"][0]["ready"] = json!([7]),
        "ready that is not pending",
    ),
    (
        |v| v["waits"][0] = json!({"elapsed_ms": 1, "pending": [7]}),
        "pending that is not there",
    ),
    (|v| v["requests"] = json!([]), "pending that is not there"),
    (
        |v| v["requests"][0]["started_ms"] = json!(u64::MAX),
        "started_ms",
    ),
    (
        |v| v["requests"][0]["answer"]["response"]["status"] = json!(7),
        "status",
    ),
    (
        |v| v["requests"][0]["answer"]["response"]["status"] = json!(70_000),
        "70000",
    ),
    (
        |v| v["requests"][0]["answer"]["response"]["body"] = json!({"base64": "!"}),
        "base64",
    ),
    (
        |v| v["requests"][0]["answer"] = json!({"error": "weird"}),
        "weird",
    ),
    (|v| v["env"] = json!(["A=B\u{0}"]), "env"),
    (|v| v["params"] = json!([]), "invalid type"),
];

/// What is possible but not true.
const LIES: &[Change] = &[
    |v| v["requests"][0]["answer"]["response"]["body"] = json!("other"),
    |v| {
        v["requests"][0]["answer"]["response"]["timings"] = json!({"dns": u64::MAX, "connect": u64::MAX,
            "tls": u64::MAX, "first_byte": u64::MAX, "download": u64::MAX, "total": u64::MAX});
    },
    |v| v["requests"][0]["answer"] = Value::Null,
    |v| {
        v["requests"][0]["answer"] =
            json!({"error": {"denied": {"stage": "nowhere", "rule": "none"}}});
    },
    |v| v["requests"][0]["url"] = json!("http://elsewhere.example/"),
    |v| v["requests"][0]["is_refused"] = json!(true),
    |v| v["requests"][0]["measured"] = Value::Null,
    |v| v["waits"] = json!([]),
    |v| v["waits"][0] = json!({"elapsed_ms": 1, "pending": [0], "ready": [0, 0]}),
    |v| v["waits"][0] = json!({"elapsed_ms": 1, "pending": [0, 0], "ready": [0]}),
    |v| v["limits"] = json!({"fuel": 0, "memory_bytes": 0, "wall_ms": 0}),
];

const HONEST: &str = "export default async ({ params }) => { const r = await fetch(params.base + '/'); \
    return { success: r.ok, data: await r.text() }; };";

async fn honest() -> Recording {
    let server = Server::start().await;
    let inputs = inputs(json!({ "base": server.url("") }), &[]);
    record(HONEST, inputs, BYTES).await.1
}

#[tokio::test]
async fn hostile_files_are_refused_with_a_reason() {
    let recording = honest().await;
    assert!(parse_with(&recording, |_| ()).is_ok());
    for text in [
        "",
        "{",
        "[]",
        "null",
        "1",
        "{}",
        "{\"format\":1}",
        &"[".repeat(100_000),
        "\u{0}",
    ] {
        let error = Recording::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, RecordingError::Malformed(_)), "{error}");
    }
    assert!(Recording::parse(b"\xff\xfe").is_err());
    for (number, (change, expected)) in NO_RECORDINGS.iter().enumerate() {
        match parse_with(&recording, change) {
            Ok(_) => panic!("{number}: it is taken"),
            Err(error) => assert!(error.contains(expected), "{number}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_file_that_lies_comes_to_another_outcome() {
    let recording = honest().await;
    for (number, lie) in LIES.iter().enumerate() {
        let recording = parse_with(&recording, |v| {
            v["outcome"]["fuel_used"] = json!(0);
            v["outcome"]["result"]["data"] = json!("nothing like it");
            lie(v);
        });
        let recording = recording.unwrap_or_else(|error| panic!("{number}: {error}"));
        let replayed = replay_with(&recording, HONEST, &[]).await;
        assert!(!replayed.same_outcome, "{number}: {replayed:#?}");
    }
    let honest = replay_with(&recording, HONEST, &[]).await;
    assert!(honest.same_outcome && honest.same_fuel);
    assert_eq!(data(&honest.outcome), "ok");
}

#[tokio::test]
async fn another_engine_is_named() {
    let other = parse_with(&honest().await, |v| v["engine"] = json!("0".repeat(64))).unwrap();
    let bytecode = sandbox().compile(HONEST, JS).await.unwrap();
    let none = std::collections::BTreeMap::new();
    let error = sandbox()
        .replay(&Arc::new(other), HONEST, &bytecode, &none)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("recorded with the engine 000000000000…"),
        "{error}"
    );
}
