//! Sealed variables: their hosts, who may choose them, and that no answer has a value.

use serde_json::{Value, json};

use crate::world::{Account, Answer, World, redacted};

const VARIABLES: &str = "/api/v1/variables";
/// The word in it is in no answer, which every answer of a test is searched for.
const CANARY: &str = "canary-secret-4be1";
const API: &str = "api.example.com";
const BELOW: &str = "*.example.com";

fn sealed(name: &str, hosts: &[&str]) -> Value {
    json!({ "name": name, "kind": "sealed", "value": CANARY, "allowed_hosts": hosts })
}

async fn made(world: &World, account: &Account, body: Value) -> String {
    let created = world.post(account, VARIABLES, body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    format!("{VARIABLES}/{}", created.json()["id"].as_str().unwrap())
}

fn refused(answer: &Answer) -> (u16, Vec<String>) {
    (answer.status, answer.pointers())
}

fn named(pointers: &[&str]) -> (u16, Vec<String>) {
    let pointers = pointers.iter().map(|pointer| (*pointer).to_owned());
    (422, pointers.collect())
}

#[tokio::test]
async fn a_sealed_variable_is_made_and_shown_without_its_value() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let body = sealed(
        "TOKEN",
        &["API.Example.com:443", "http://127.0.0.1:8080", API, BELOW],
    );
    let created = world.post(&anna, VARIABLES, body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    insta::assert_json_snapshot!("variable_sealed", redacted(&created.json()));
    let path = format!("{VARIABLES}/{}", created.json()["id"].as_str().unwrap());
    let read = world.get(&anna, &path).await;
    assert_eq!((read.status, &read.text), (200, &created.text));
    let listed = world.get(&anna, VARIABLES).await.json();
    assert_eq!(listed["items"], json!([created.json()]));
    // Others have no such member at all.
    let body = json!({ "name": "REGION", "kind": "plain", "value": "eu", "allowed_hosts": null });
    let plain = world.post(&anna, VARIABLES, body).await;
    assert_eq!(plain.status, 201, "{}", plain.text);
    assert_eq!(plain.json().get("allowed_hosts"), None);
    // Who may read them sees where the value may go, and changes nothing.
    world.set_role(&anna, "viewer").await;
    let read = world.get(&anna, &path).await;
    assert_eq!(read.text, created.text);
    let answer = world
        .put(&anna, &path, json!({ "allowed_hosts": [API] }))
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(world.get(&anna, &path).await.text, created.text);
}

#[tokio::test]
async fn other_hosts_need_the_value() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = made(&world, &anna, sealed("TOKEN", &[API, BELOW])).await;
    let put = async |body: Value| world.put(&anna, &path, body).await;
    let is = |answer: &Answer, hosts: &[&str], revision: i64| {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let shown = answer.json();
        assert_eq!(shown["allowed_hosts"], json!(hosts));
        assert_eq!(shown["revision"], revision);
        assert_eq!(shown["is_set"], true);
    };
    for wider in [
        json!([API, BELOW, "evil.example"]),
        json!(["evil.example"]),
        json!(["http://api.example.com"]),
        json!(["api.example.com:8443"]),
        json!(["shop.example.com"]),
    ] {
        let answer = put(json!({ "allowed_hosts": wider })).await;
        assert_eq!(refused(&answer), named(&["/value"]), "{wider}");
        assert!(answer.text.contains("give it anew"), "{}", answer.text);
        // A value that is none does not make up for it.
        let answer = put(json!({ "allowed_hosts": wider, "value": null })).await;
        assert_eq!(refused(&answer), named(&["/value"]), "{wider}");
        let answer = put(json!({ "allowed_hosts": wider, "value": "" })).await;
        assert_eq!(refused(&answer), named(&["/value"]), "{wider}");
    }
    let words = json!({ "description": "For orders.", "allowed_hosts": ["evil.example"] });
    assert_eq!(refused(&put(words).await), named(&["/value"]));
    is(&world.get(&anna, &path).await, &[API, BELOW], 1);
    let words = put(json!({ "description": "For orders." })).await;
    is(&words, &[API, BELOW], 2);
    is(&put(json!({ "allowed_hosts": [BELOW] })).await, &[BELOW], 3);
    let back = put(json!({ "allowed_hosts": [API, BELOW] })).await;
    assert_eq!(refused(&back), named(&["/value"]));
    is(&put(json!({ "value": CANARY })).await, &[BELOW], 4);
    let wider = json!({ "value": CANARY, "allowed_hosts": [API, "evil.example"] });
    is(&put(wider).await, &[API, "evil.example"], 5);
    // What became of it is recorded by hosts.
    let log = world.get(&anna, "/api/v1/audit-log?action=variable.").await;
    let items = log.json()["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 5);
    assert_eq!(items[0]["after"]["allowed_hosts"][1], "evil.example");
    assert_eq!(items[4]["after"]["kind"], "sealed");
}

#[tokio::test]
async fn each_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let many: Vec<String> = (0..21).map(|n| format!("h{n}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut short = sealed("A", &[API]);
    short["value"] = json!("1234567");
    let mut without = sealed("A", &[API]);
    without.as_object_mut().unwrap().remove("allowed_hosts");
    let mut none = sealed("A", &[API]);
    none["allowed_hosts"] = json!(null);
    let mut of_plain = sealed("A", &[API]);
    of_plain["kind"] = json!("plain");
    let mut empty_of_plain = sealed("A", &[]);
    empty_of_plain["kind"] = json!("plain");
    let mut of_secret = sealed("2A", &["no host"]);
    of_secret["kind"] = json!("secret");
    let mut unknown = sealed("A", &[API]);
    unknown["kind"] = json!("Sealed");
    let mut all = sealed("2A", &["*.com"]);
    all["value"] = json!("short");
    let mut text = sealed("A", &[]);
    text["allowed_hosts"] = json!(API);
    for (body, pointers) in [
        (short, &["/value"][..]),
        (without, &["/allowed_hosts"]),
        (none, &["/allowed_hosts"]),
        (sealed("A", &[]), &["/allowed_hosts"]),
        (sealed("A", &many), &["/allowed_hosts"]),
        (sealed("A", &[API, "*"]), &["/allowed_hosts/1"]),
        (sealed("A", &["https://a.example/x"]), &["/allowed_hosts/0"]),
        (of_plain, &["/allowed_hosts"]),
        (empty_of_plain, &["/allowed_hosts"]),
        (of_secret, &["/allowed_hosts", "/name"]),
        (unknown, &["/kind"]),
        (all, &["/allowed_hosts/0", "/name", "/value"]),
        (text, &["/allowed_hosts"]),
    ] {
        let answer = world.post(&anna, VARIABLES, body.clone()).await;
        assert_eq!(refused(&answer), named(pointers), "{body}");
    }
    let path = made(&world, &anna, sealed("TOKEN", &[API])).await;
    for (body, pointers) in [
        (json!({ "value": "1234567" }), &["/value"][..]),
        (json!({ "allowed_hosts": [] }), &["/allowed_hosts"]),
        (
            json!({ "value": CANARY, "allowed_hosts": [] }),
            &["/allowed_hosts"],
        ),
        (
            json!({ "value": "x", "allowed_hosts": [API, "*"], "description": "\u{7}" }),
            &["/allowed_hosts/1", "/description", "/value"],
        ),
        (json!({ "kind": "plain" }), &["/kind"]),
    ] {
        let answer = world.put(&anna, &path, body.clone()).await;
        assert_eq!(refused(&answer), named(pointers), "{body}");
    }
    assert_eq!(world.get(&anna, &path).await.json()["revision"], 1);
    for kind in ["plain", "secret"] {
        let name = format!("A_{}", kind.len());
        let body = json!({ "name": name, "kind": kind, "value": "some value" });
        let path = made(&world, &anna, body).await;
        for body in [
            json!({ "allowed_hosts": [API] }),
            json!({ "allowed_hosts": [], "value": "another value" }),
        ] {
            let answer = world.put(&anna, &path, body.clone()).await;
            assert_eq!(refused(&answer), named(&["/allowed_hosts"]), "{body}");
        }
        assert_eq!(world.get(&anna, &path).await.json()["revision"], 1);
    }
}

#[tokio::test]
async fn a_run_by_hand_is_given_it_apart() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let own = json!({ "env_vars": { "OVER": "own" } });
    let script = world.script(&anna, own).await;
    made(&world, &anna, sealed("OVER", &[API])).await;
    let path = made(&world, &anna, sealed("TOKEN", &[API, BELOW])).await;
    let ran = world.execution(&anna, &script).await;
    let given = world.engine.given.lock().unwrap().take().unwrap();
    assert_eq!(given.values, [("OVER".to_owned(), "own".to_owned())].into());
    assert_eq!(given.sealed.keys().collect::<Vec<_>>(), ["TOKEN"]);
    assert_eq!(given.sealed["TOKEN"].value, CANARY);
    let hosts = given.sealed["TOKEN"].allowed_hosts.iter();
    assert_eq!(
        hosts.map(ToString::to_string).collect::<Vec<_>>(),
        [API, BELOW]
    );
    let execution = format!("/api/v1/executions/{ran}");
    assert_eq!(world.get(&anna, &execution).await.status, 200);

    // Hosts that were changed by other hands: no run begins, and nobody can make them right without
    // the value.
    let widen = "UPDATE variables SET allowed_hosts = '[\"evil.example\"]' WHERE name = 'TOKEN'";
    world.database.execute(widen).await;
    let run = format!("/api/v1/scripts/{script}/run");
    let answer = world.call("POST", &run, Some(&anna.token), None).await;
    assert_eq!(answer.status, 500);
    assert!(world.engine.given.lock().unwrap().is_none());
    let hosts = json!({ "allowed_hosts": ["evil.example"] });
    assert_eq!(world.put(&anna, &path, hosts).await.status, 500);
    let value = json!({ "value": CANARY });
    assert_eq!(world.put(&anna, &path, value).await.status, 500);
    let whole = json!({ "value": CANARY, "allowed_hosts": [API] });
    assert_eq!(world.put(&anna, &path, whole).await.status, 200);
    world.execution(&anna, &script).await;
    let given = world.engine.given.lock().unwrap().take().unwrap();
    assert_eq!(given.sealed["TOKEN"].allowed_hosts.len(), 1);
}

#[tokio::test]
async fn the_database_does_not_hold_the_value() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let path = made(&world, &anna, sealed("TOKEN", &[API, "shown.example"])).await;
    let fewer = json!({ "allowed_hosts": [API] });
    assert_eq!(world.put(&anna, &path, fewer).await.status, 200);
    let file = world.database.url.strip_prefix("sqlite://").unwrap();
    let mut bytes = Vec::new();
    for side in ["", "-wal"] {
        bytes.extend(std::fs::read(format!("{file}{side}")).unwrap());
    }
    let has = |text: &str| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    assert!(has("shown.example"), "the search finds what is there");
    assert!(!has(CANARY));
}
