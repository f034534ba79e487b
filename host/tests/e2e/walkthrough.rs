//! The README's walk-through: register, sign in, make a script, see it succeed and fail.

use serde_json::json;

use crate::{
    target::Target,
    vedette::{Server, wait_for},
};

#[test]
fn a_new_user_sees_a_target_go_down() {
    let target = Target::start();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&folder.path().join("data"));
    server.sign_in();
    let (status, templates) = server.call("GET", "/api/v1/script-templates", None);
    assert_eq!(status, 200);
    let template = templates["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["slug"] == "http-status");
    let script = json!({
        "name": "shop is up",
        "template_id": template.unwrap()["id"],
        "interval_seconds": 1,
        "parameters": { "url": target.url("/") },
    });
    let (status, made) = server.call("POST", "/api/v1/scripts", Some(&script));
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let newest = |server: &Server| {
        server
            .executions(id)
            .first()
            .map(|run| run["status"].clone())
    };
    wait_for("a success", || {
        (newest(&server)? == "success").then_some(())
    });

    // By hand, at once.
    let (status, run) = server.call("POST", &format!("/api/v1/scripts/{id}/run"), None);
    assert_eq!((status, &run["status"]), (200, &json!("success")), "{run}");
    assert_eq!(run["requests"][0]["status"], 200);
    let path = format!("/api/v1/executions/{}", run["id"].as_str().unwrap());
    assert_eq!(server.call("GET", &path, None).1, run);

    drop(target);
    let failed = wait_for("a failure", || {
        server
            .executions(id)
            .into_iter()
            .find(|run| run["status"] == "failure")
    });
    assert!(
        failed["message"].as_str().unwrap().contains("refused"),
        "{failed}"
    );
    assert!(
        server
            .executions(id)
            .iter()
            .all(|run| run["status"] != "error")
    );
}
