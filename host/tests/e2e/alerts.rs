//! From a check that fails to an incident, and back, through the real binary.

use serde_json::json;

use crate::{
    target::Target,
    vedette::{Server, wait_for},
};

const CHECK: &str = "export default async ({ params }) => {
    const response = await fetch(params.url);
    return { success: response.ok, message: `status ${response.status}` };
};";

#[test]
fn a_target_that_goes_down_is_an_incident_until_it_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start();
    target.set("/shop", 503, "no");
    let mut server = Server::start(folder.path());
    server.sign_in();
    let script = json!({
        "name": "shop", "script_body": CHECK, "cron_expression": "* * * * * *",
        "parameters": { "url": target.url("/shop") },
    });
    let (status, script) = server.call("POST", "/api/v1/scripts", Some(&script));
    assert_eq!(status, 201, "{script}");
    let id = script["id"].as_str().unwrap();
    let rule = json!({
        "name": "down", "severity": "critical",
        "rule_definition": { "type": "status_change", "consecutive_failures": 2, "consecutive_successes": 2 },
    });
    let rules = format!("/api/v1/scripts/{id}/alert-rules");
    let (status, rule) = server.call("POST", &rules, Some(&rule));
    assert_eq!(status, 201, "{rule}");

    let incidents = |stage: &str| {
        let path = format!("/api/v1/incidents?status={stage}");
        let (status, page) = server.call("GET", &path, None);
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().first().cloned()
    };
    let open = wait_for("an incident", || incidents("open"));
    assert_eq!(open["severity"], "critical");
    assert_eq!(open["script_id"], id);
    let path = format!("/api/v1/incidents/{}", open["id"].as_str().unwrap());
    let (status, answer) = server.call("POST", &format!("{path}/acknowledge"), None);
    assert_eq!(status, 200, "{answer}");

    target.set("/shop", 200, "yes");
    let over = wait_for("its end", || incidents("resolved"));
    assert_eq!(
        (&over["id"], &over["resolution"]),
        (&open["id"], &json!("recovered"))
    );
    let (_, detail) = server.call("GET", &path, None);
    assert_eq!(detail["evidence"]["message"], "status 503");
    assert_eq!(detail["evidence"]["requests"][0]["status"], 503);
    let events = detail["timeline"].as_array().unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["opened", "rule_fired", "acknowledged", "resolved"]);
    let (_, history) = server.call("GET", "/api/v1/alerts/history", None);
    let transitions: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["transition"].as_str().unwrap())
        .collect();
    assert_eq!(transitions, ["recovered", "fired"], "newest first");
}
