//! Scripts and templates: what is accepted, what is refused, and what a change does.

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    http::{Request, header},
};
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::world::{Account, Answer, SOURCE, World, redacted, script_body};

const SCRIPTS: &str = "/api/v1/scripts";

async fn put(
    world: &World,
    account: &Account,
    id: &str,
    if_match: Option<&str>,
    change: Value,
) -> Answer {
    let mut request = Request::put(format!("{SCRIPTS}/{id}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", account.token))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    if let Some(tag) = if_match {
        request = request.header(header::IF_MATCH, tag);
    }
    world
        .send(
            request
                .body(Body::from(script_body(&change).to_string()))
                .unwrap(),
        )
        .await
}

#[tokio::test]
async fn a_script_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let body = script_body(&json!({
        "timezone": "Europe/Paris", "cron_expression": "0 8 * * MON-FRI",
        "parameters": { "url": "https://example.com/" }, "env_vars": { "REGION": "eu" },
    }));
    let created = world.post(&anna, SCRIPTS, body).await;
    assert_eq!(created.status, 201);
    assert_json_snapshot!("script", redacted(&created.json()));
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{SCRIPTS}/{id}");
    assert_eq!(created.header(header::LOCATION), path);
    assert_eq!(created.header(header::ETAG), "\"1\"");
    let read = world.get(&anna, &path).await;
    assert_eq!((read.status, read.json()), (200, created.json()));
    assert_eq!(read.header(header::ETAG), "\"1\"");

    let renamed = put(
        &world,
        &anna,
        &id,
        Some("\"1\""),
        json!({ "name": "kiosk" }),
    )
    .await;
    assert_eq!(
        (renamed.status, renamed.header(header::ETAG)),
        (200, "\"2\"")
    );
    assert_eq!(renamed.json()["version"], 1, "the source is the same");
    for stale in ["\"1\"", "\"3\"", "W/\"2\"", "2", "\"x\""] {
        let refused = put(&world, &anna, &id, Some(stale), json!({})).await;
        assert_eq!(refused.status, 412, "{stale}");
    }
    let source = json!({ "script_body": "export default () => ({ success: false });" });
    let rewritten = put(&world, &anna, &id, Some("*"), source).await.json();
    assert_eq!(
        (&rewritten["version"], &rewritten["revision"]),
        (&json!(2), &json!(3))
    );
    let off = put(&world, &anna, &id, None, json!({ "is_enabled": false }))
        .await
        .json();
    assert_eq!(off["next_run_at"], Value::Null);
    assert_eq!(world.engine.schedule_changes.load(Ordering::SeqCst), 4);

    let deleted = world.call("DELETE", &path, Some(&anna.token), None).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(world.get(&anna, &path).await.status, 404);
    assert_eq!(
        world
            .call("DELETE", &path, Some(&anna.token), None)
            .await
            .status,
        404
    );
    assert_eq!(put(&world, &anna, &id, None, json!({})).await.status, 404);
}

#[tokio::test]
async fn a_deletion_may_be_meant_for_one_revision() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let id = world.script(&anna, json!({})).await;
    let read = world.get(&anna, &format!("{SCRIPTS}/{id}")).await;
    let tag = read.header(header::ETAG).to_owned();
    let changed = put(&world, &anna, &id, None, json!({ "name": "other" })).await;
    let delete = async |id: &str, tag: &str| {
        let request = Request::delete(format!("{SCRIPTS}/{id}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", anna.token))
            .header(header::IF_MATCH, tag);
        world
            .send(request.body(Body::empty()).unwrap())
            .await
            .status
    };
    for stale in [tag.as_str(), "W/\"1\"", "nonsense"] {
        assert_eq!(delete(&id, stale).await, 412, "{stale}");
    }
    assert_eq!(delete(&id, changed.header(header::ETAG)).await, 204);
    assert_eq!(delete(&id, &tag).await, 404);
    let other = world.script(&anna, json!({})).await;
    assert_eq!(delete(&other, "*").await, 204);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_and_nothing_is_written() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let body = script_body(&json!({
        "name": " ", "script_body": "export default (", "cron_expression": "every minute",
        "timezone": "Mars/Olympus", "env_vars": { "a-b": "x" }, "timeout_seconds": 61,
        "parameters": { "a": "\0" },
    }));
    let refused = world.post(&anna, SCRIPTS, body).await;
    assert_eq!(refused.status, 422);
    assert_json_snapshot!("script_invalid", redacted(&refused.json()));
    assert_eq!(world.get(&anna, SCRIPTS).await.json()["items"], json!([]));
    assert_eq!(world.engine.schedule_changes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn each_field_has_its_rules() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let template = world.template().await;
    let absent = "018f3b3e-0000-7000-8000-000000000000";
    let interval = |seconds: i64| json!({ "cron_expression": null, "interval_seconds": seconds });
    let cases = [
        (json!({ "script_body": null }), "/script_body"),
        (json!({ "template_id": template }), "/script_body"),
        (
            json!({ "script_body": "x".repeat(256 * 1024 + 1) }),
            "/script_body",
        ),
        (
            json!({ "script_body": null, "template_id": absent }),
            "/template_id",
        ),
        (
            json!({ "script_body": null, "template_id": "http-status" }),
            "/template_id",
        ),
        (
            json!({ "script_body": null, "template_id": template }),
            "/parameters/url",
        ),
        (
            json!({ "script_body": null, "template_id": template,
                "parameters": { "url": "http://a/", "expected_status": 99 } }),
            "/parameters/expected_status",
        ),
        (json!({ "cron_expression": null }), "/cron_expression"),
        (json!({ "interval_seconds": 60 }), "/cron_expression"),
        (
            json!({ "cron_expression": "* * * * * *" }),
            "/cron_expression",
        ),
        (
            json!({ "cron_expression": "0 0 30 2 *" }),
            "/cron_expression",
        ),
        (
            json!({ "cron_expression": "* ".repeat(200) }),
            "/cron_expression",
        ),
        (interval(9), "/interval_seconds"),
        (interval(0), "/interval_seconds"),
        (interval(-1), "/interval_seconds"),
        (interval(604_801), "/interval_seconds"),
        (json!({ "timezone": "PST8" }), "/timezone"),
        (json!({ "timezone": "../etc/passwd" }), "/timezone"),
        (json!({ "name": "a\u{1b}[31m" }), "/name"),
        (json!({ "timeout_seconds": 0 }), "/timeout_seconds"),
        (json!({ "env_vars": { "A": 1 } }), "/env_vars/A"),
        (json!({ "is_enabled": "yes" }), "/is_enabled"),
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "x".repeat(201) }), "/name"),
        (json!({ "name": 5 }), "/name"),
        (json!({ "script_body": "" }), "/script_body"),
        (json!({ "language": "coffee" }), "/language"),
        (json!({ "language": 1 }), "/language"),
        (json!({ "script_body": "let a: string;" }), "/script_body"),
        (
            json!({ "script_body": null, "template_id": template, "language": "typescript",
                "parameters": { "url": "http://a/" } }),
            "/language",
        ),
        (json!({ "cron_expression": "* * *" }), "/cron_expression"),
        (
            json!({ "cron_expression": "61 * * * *" }),
            "/cron_expression",
        ),
        (
            json!({ "cron_expression": "0,5 * * * * *" }),
            "/cron_expression",
        ),
        (json!({ "env_vars": { "a-b": "x" } }), "/env_vars/a-b"),
        (json!({ "timeout_seconds": 61 }), "/timeout_seconds"),
        (json!({ "parameters": [] }), "/parameters"),
        (
            json!({ "parameters": { "a": "x".repeat(70_000) } }),
            "/parameters",
        ),
    ];
    for (change, pointer) in cases {
        let refused = world.post(&anna, SCRIPTS, script_body(&change)).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{change}"
        );
    }
    assert_eq!(world.get(&anna, SCRIPTS).await.json()["items"], json!([]));
    assert_eq!(
        world
            .post(&anna, SCRIPTS, script_body(&interval(10)))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_script_keeps_its_language_until_another_is_sent() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let typed = |change: Value| {
        let mut body = json!({ "script_body": "let a: string;" });
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        body
    };
    let body = script_body(&typed(json!({ "language": "typescript" })));
    let made = world.post(&anna, SCRIPTS, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let stands = async |language: &str, version: i64| {
        let read = world.get(&anna, &format!("{SCRIPTS}/{id}")).await.json();
        assert_eq!(
            (&read["language"], &read["version"]),
            (&json!(language), &json!(version))
        );
    };
    stands("typescript", 1).await;
    let kept = put(&world, &anna, &id, None, typed(json!({}))).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    stands("typescript", 1).await;
    let change = typed(json!({ "language": "javascript" }));
    let refused = put(&world, &anna, &id, None, change).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/script_body".to_owned()])
    );
    stands("typescript", 1).await;
    let change = json!({ "language": "javascript" });
    assert_eq!(put(&world, &anna, &id, None, change).await.status, 200);
    stands("javascript", 2).await;
    let change = json!({ "language": "typescript" });
    assert_eq!(put(&world, &anna, &id, None, change).await.status, 200);
    stands("typescript", 3).await;
    // Templates are JavaScript, whatever there was before.
    let template = world.template().await;
    let change = json!({ "script_body": null, "template_id": template,
        "parameters": { "url": "http://a/" } });
    let templated = put(&world, &anna, &id, None, change).await;
    assert_eq!(templated.status, 200, "{}", templated.text);
    stands("javascript", 4).await;
}

#[tokio::test]
async fn what_the_server_decides_cannot_be_sent() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let id = world.script(&anna, json!({})).await;
    let before = world.get(&anna, &format!("{SCRIPTS}/{id}")).await;
    let mut names: Vec<String> = [
        "org_id",
        "organization_id",
        "tenant_id",
        "is_admin",
        "role",
        "status",
        "location",
    ]
    .map(str::to_owned)
    .to_vec();
    let accepted = [
        "name",
        "project_id",
        "kind",
        "component",
        "script_body",
        "language",
        "template_id",
        "cron_expression",
        "interval_seconds",
        "timezone",
        "parameters",
        "env_vars",
        "timeout_seconds",
        "is_enabled",
        "parent_script_id",
        "tags",
    ];
    let read = before.json();
    names.extend(
        read.as_object()
            .unwrap()
            .keys()
            .filter(|name| !accepted.contains(&name.as_str()))
            .cloned(),
    );
    for name in names {
        let sent = json!({ name.as_str(): read.get(&name).cloned().filter(|v| !v.is_null()).unwrap_or(json!("x")) });
        let refused = put(&world, &anna, &id, None, sent).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![format!("/{name}")])
        );
    }
    assert_eq!(
        world.get(&anna, &format!("{SCRIPTS}/{id}")).await.text,
        before.text
    );
}

#[tokio::test]
async fn a_template_gives_the_source_and_the_defaults() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let template = world.template().await;
    let listed = world.get(&anna, "/api/v1/script-templates").await;
    assert_json_snapshot!("templates", redacted(&listed.json()));
    let one = world
        .get(&anna, &format!("/api/v1/script-templates/{template}"))
        .await;
    assert_eq!(one.json(), listed.json()["items"][0]);
    let body = script_body(&json!({
        "script_body": null, "template_id": template, "parameters": { "url": "http://a/" },
    }));
    let made = world.post(&anna, SCRIPTS, body).await.json();
    assert_eq!(
        made["parameters"],
        json!({ "url": "http://a/", "expected_status": 200 })
    );
    assert_eq!(made["script_body"], one.json()["script_body"]);
    assert_eq!(made["template_id"], template.as_str());
    // A source of its own is not the template's any more.
    let path = format!("{SCRIPTS}/{}", made["id"].as_str().unwrap());
    let own = script_body(&json!({}));
    let changed = world
        .call("PUT", &path, Some(&anna.token), Some(own))
        .await
        .json();
    assert_eq!(changed["template_id"], json!(null));
}

#[tokio::test]
async fn a_source_that_cannot_be_checked_now_may_be_fine() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let body = script_body(&json!({ "script_body": "no compiler" }));
    let refused = world.post(&anna, SCRIPTS, body).await;
    assert_eq!(refused.status, 503);
    assert!(!refused.header(header::RETRY_AFTER).is_empty());
}

#[tokio::test]
async fn the_largest_source_fits_into_a_body_however_it_is_escaped() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    // Each of these bytes is six in JSON.
    let source = format!(
        "//{}\n{SOURCE}",
        "\u{1}".repeat(256 * 1024 - SOURCE.len() - 3)
    );
    assert_eq!(source.len(), 256 * 1024);
    let body = script_body(&json!({ "script_body": source }));
    assert!(body.to_string().len() > 1_500_000);
    assert_eq!(world.post(&anna, SCRIPTS, body).await.status, 201);
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(
            world
                .script(&anna, json!({ "name": format!("script {number}") }))
                .await,
        );
    }
    ids.reverse();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for page in 0..3 {
        let answer = world
            .get(&anna, &format!("{SCRIPTS}?limit=2{cursor}"))
            .await;
        assert_eq!(answer.status, 200);
        let answer = answer.json();
        let items = answer["items"].as_array().unwrap();
        found.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(answer["next_cursor"].is_null(), page == 2);
        cursor = format!(
            "&cursor={}",
            answer["next_cursor"].as_str().unwrap_or_default()
        );
    }
    assert_eq!(found, ids);
    for query in [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=abc",
        "limit=",
        "limit=1e9",
        "limit=1&limit=2",
        "cursor=",
        "cursor=x",
        "cursor=018f3b3e-0000-7000-8000-000000000000",
        "offset=1",
        "organization_id=x",
    ] {
        let refused = world.get(&anna, &format!("{SCRIPTS}?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_script_has_tags_and_depends_on_another() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let parent = world.script(&anna, json!({ "tags": ["shop"] })).await;
    let child = json!({ "parent_script_id": parent, "tags": ["shop", "über uns"] });
    let child = world.script(&anna, child).await;
    let path = format!("{SCRIPTS}/{child}");
    let read = world.get(&anna, &path).await.json();
    assert_eq!(read["parent_script_id"], parent);
    assert_eq!(read["tags"], json!(["shop", "über uns"]));
    let found = world
        .get(&anna, &format!("{SCRIPTS}?tag=%C3%BCber%20uns&limit=5"))
        .await
        .json();
    assert_eq!(found["items"], json!([read]));
    for wrong in ["tag=", "tag=%2A", "tag=%00", "tag=a&tag=b", "tags=a"] {
        let refused = world.get(&anna, &format!("{SCRIPTS}?{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }

    let circle = json!({ "parent_script_id": child });
    let refused = put(&world, &anna, &parent, None, circle).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/parent_script_id".to_owned()])
    );
    // Another organization's script is not there, whoever asks.
    let bert = world.account("bert").await;
    let foreign = json!({ "parent_script_id": parent });
    let refused = world.post(&bert, SCRIPTS, script_body(&foreign)).await;
    let absent = json!({ "parent_script_id": "018f3b3e-0000-7000-8000-000000000000" });
    let absent = world.post(&bert, SCRIPTS, script_body(&absent)).await;
    assert_eq!(refused.status, 422);
    assert_eq!(redacted(&refused.json()), redacted(&absent.json()));

    // A change of the program keeps both; what a replacement leaves out is gone.
    let source = json!({ "script_body": "export default () => ({ success: false });",
        "parent_script_id": parent, "tags": ["shop"] });
    assert_eq!(put(&world, &anna, &child, None, source).await.status, 200);
    let back = world
        .post(&anna, &format!("{path}/rollback"), json!({}))
        .await;
    assert_eq!(back.status, 200, "{}", back.text);
    let back = back.json();
    assert_eq!(
        (&back["parent_script_id"], &back["tags"]),
        (&json!(parent), &json!(["shop"]))
    );
    let plain = put(&world, &anna, &child, None, json!({})).await.json();
    assert_eq!(
        (&plain["parent_script_id"], &plain["tags"]),
        (&json!(null), &json!([]))
    );
}

#[tokio::test]
async fn tags_have_their_rules() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    for (tags, pointer) in [
        (json!(vec!["x"; 21]), "/tags"),
        (json!(["x", "y", "x"]), "/tags/2"),
        (json!(["x", "team *"]), "/tags/1"),
        (json!(["x".repeat(51)]), "/tags/0"),
    ] {
        let body = script_body(&json!({ "tags": tags }));
        let refused = world.post(&anna, SCRIPTS, body).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{tags}"
        );
    }
}

#[tokio::test]
async fn a_parent_is_one_that_the_caller_may_see() {
    let world = World::new().await;
    let anna = world.account("anna").await;
    let hidden = world.script(&anna, json!({})).await;
    let made = world
        .post(&anna, "/api/v1/projects", json!({ "name": "other" }))
        .await
        .json();
    let roles = world.get(&anna, "/api/v1/roles").await.json();
    let roles = roles["items"].as_array().unwrap();
    let editor = roles.iter().find(|role| role["name"] == "editor").unwrap();
    let invitation = json!({ "role_id": editor["id"], "project_id": made["id"] });
    let bert = world.invited(&anna, "bert", invitation).await;
    let body = json!({ "project_id": made["id"], "parent_script_id": hidden });
    let refused = world.post(&bert, SCRIPTS, script_body(&body)).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/parent_script_id".to_owned()])
    );
    // One that is there already may stay.
    let body = json!({ "project_id": made["id"], "parent_script_id": hidden });
    let child = world.script(&anna, body.clone()).await;
    assert_eq!(put(&world, &bert, &child, None, body).await.status, 200);
}
