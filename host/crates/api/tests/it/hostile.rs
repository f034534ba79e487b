//! Rows of the corpus of hostile guests (`sandbox/tests/hostile`) that the API answers, so that they
//! never reach a guest.

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};

use crate::world::{World, script_body};

const SCRIPTS: &str = "/api/v1/scripts";

/// J65.
#[tokio::test]
async fn parameters_beyond_their_limits_never_reach_a_script() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    // `{"a":"…"}` of so many bytes.
    let of_bytes = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
    let of_depth = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
    let of_keys = |keys: usize| -> Value {
        let members = (0..keys).map(|key| (format!("{key:x}"), Value::Null));
        Value::Object(members.collect())
    };
    for (parameters, pointer) in [
        (of_bytes(64 * 1024 + 1), "/parameters"),
        (of_depth(33), "/parameters/a"),
        (of_keys(100_000), "/parameters"),
        (json!({ "a": vec![0; 10_000] }), "/parameters"),
    ] {
        let body = script_body(&json!({ "parameters": parameters }));
        let refused = world.post(&anna, SCRIPTS, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()])
        );
    }
    assert_eq!(world.get(&anna, SCRIPTS).await.json()["items"], json!([]));
    assert_eq!(world.engine.runs.load(Ordering::SeqCst), 0);
    for parameters in [of_bytes(64 * 1024), of_depth(32)] {
        let body = script_body(&json!({ "parameters": parameters }));
        assert_eq!(world.post(&anna, SCRIPTS, body).await.status, 201);
    }
}

/// J73. What begins like bytecode of QuickJS, in every way in which it could be sent. That the
/// compiler takes text only is shown where the compiler is.
#[tokio::test]
async fn bytecode_is_no_source() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let bytecode = b"\x18\x02\x14monitor.js\x0edefault\x0c\x00\x06\x00\xa2\x01\x00\x01";
    let text: String = bytecode.iter().map(|byte| char::from(*byte)).collect();
    let body = script_body(&json!({ "script_body": text }));
    let refused = world.post(&anna, SCRIPTS, body).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/script_body".to_owned()])
    );
    for field in ["bytecode", "script_bytecode", "compiled"] {
        let body = script_body(&json!({ field: text }));
        let refused = world.post(&anna, SCRIPTS, body).await;
        assert_eq!(refused.status, 422, "{field}");
    }
    for kind in ["application/octet-stream", "application/wasm"] {
        let request = Request::post(SCRIPTS)
            .header(header::AUTHORIZATION, format!("Bearer {}", anna.token))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(bytecode.to_vec()))
            .unwrap();
        assert_eq!(world.send(request).await.status, 415, "{kind}");
    }
    assert_eq!(world.get(&anna, SCRIPTS).await.json()["items"], json!([]));
}
