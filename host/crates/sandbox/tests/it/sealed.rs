//! A script with a sealed secret has a handle. Its requests carry the value, to the secret's hosts; nothing else does.

use std::collections::BTreeMap;

use serde_json::json;
use vedette_core::{ErrorClass, Outcome, SealedSecret, sealed::read_allowed_hosts};
use vedette_sandbox::RunInputs;

use crate::{assert_error, assert_success, data, inputs, replay::record, run_with, server::Server};

const VALUE: &str = "sëaled-\"canary\"+31/x";
const SIGNING_KEY: &str = "Jefe-signs-with-this";

/// For a script that is told where the server is; it may go there, or to `host`.
fn sealed(server: &Server, host: &str) -> RunInputs {
    let secret = |value: &str| SealedSecret {
        value: value.to_owned(),
        allowed_hosts: read_allowed_hosts(&[host.to_owned()]).unwrap(),
    };
    let sealed = BTreeMap::from([
        ("TOKEN".to_owned(), secret(VALUE)),
        ("SIGNING_KEY".to_owned(), secret(SIGNING_KEY)),
    ]);
    RunInputs {
        sealed,
        ..inputs(json!({ "base": server.url("") }), &[("REGION", "eu")])
    }
}

fn own_host(server: &Server) -> String {
    format!("http://{}", server.address)
}

#[track_caller]
fn assert_nothing_of(text: &str) {
    let json = serde_json::to_string(VALUE).unwrap();
    let url: String = url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect();
    for form in [VALUE, &json[1..json.len() - 1], &url, SIGNING_KEY, "canary"] {
        assert!(!text.contains(form), "{form}: {text}");
    }
}

fn everything(outcome: &Outcome) -> String {
    let data = data(outcome);
    format!("{outcome:?} {data}").replace('\\', "")
}

#[tokio::test]
async fn requests_carry_it_and_the_script_never_has_it() {
    let server = Server::start().await;
    let source = "export default async function ({ params, env }) {
        const handle = env.TOKEN;
        const response = await fetch(`${params.base}/echo?key=${handle}`, {
            method: 'POST',
            headers: { 'x-key': encodeURIComponent('x') + handle.slice(0), 'content-type': 'application/json' },
            body: JSON.stringify({ key: handle, length: handle.length }),
        });
        // The path is none of the echo's, so that the query is seen in the records only.
        const echo = await fetch(`${params.base}/echo`, { method: 'POST',
            headers: { authorization: `Bearer ${handle}`, 'x-signature': `v1=${env.SIGNING_KEY}[hmac-sha256-hex:7.+body]` },
            body: `token=${handle}` });
        const text = await echo.text();
        console.log(handle, text, JSON.stringify(env));
        return { success: /^sealed\\.TOKEN\\.[0-9a-f]{32}$/.test(handle), message: text,
            data: { status: response.status, echoed: text.split(handle).length - 1, env, region: env.REGION,
                signature: /v1=([0-9a-f]{64})/.exec(text)?.[1] } };
    }";
    let outcome = run_with(source, sealed(&server, &own_host(&server))).await;
    assert_success(&outcome);
    let found = data(&outcome);
    // In the header and in the body.
    assert_eq!(found["echoed"], 2, "{outcome:#?}");
    assert_eq!(found["region"], "eu");
    let key = signature_of(&format!("7.token={VALUE}"));
    assert_eq!(found["signature"], key.as_str());
    assert_nothing_of(&everything(&outcome));
    assert!(outcome.requests[0].url.contains("/echo?key=sealed.TOKEN."));
}

/// By another implementation than the one that signs.
fn signature_of(message: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SIGNING_KEY.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn another_host_gets_nothing_and_the_check_is_not_green() {
    let server = Server::start().await;
    let source = "export default async function ({ params, env }) {
        await fetch(`${params.base}/echo`, { headers: { authorization: env.TOKEN } });
        return { success: true };
    }";
    let outcome = run_with(source, sealed(&server, "api.example.com")).await;
    assert_error(&outcome, ErrorClass::FetchDenied);
    let message = outcome.message.clone().unwrap();
    assert!(
        message.contains("`TOKEN`") && message.contains(&own_host(&server)),
        "{message}"
    );
    assert_nothing_of(&everything(&outcome));
}

#[tokio::test]
async fn handles_are_others_in_each_run() {
    let server = Server::start().await;
    let source = "export default ({ env }) => ({ success: true, data: env.TOKEN });";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let outcome = run_with(source, sealed(&server, "api.example.com")).await;
        seen.push(data(&outcome));
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_recording_has_neither_value_nor_handle() {
    let server = Server::start().await;
    let source = "export default async function ({ params, env }) {
        const echo = await fetch(`${params.base}/echo?k=${env.TOKEN}`, { method: 'POST', body: env.TOKEN });
        return { success: false, message: await echo.text() };
    }";
    let (outcome, recording) =
        record(source, sealed(&server, &own_host(&server)), 256 * 1024).await;
    let text = recording.to_json(true);
    assert_nothing_of(&text);
    assert!(!text.contains("sealed.TOKEN"), "{text}");
    assert!(text.contains("[env:TOKEN]"), "{text}");
    assert_nothing_of(&everything(&outcome));
}
