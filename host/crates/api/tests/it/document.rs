//! The document against the routes, and the page that shows it.

use axum::http::header;
use serde_json::{Value, json};

use crate::world::{World, script_body};

/// The operations that need no token. A new one is a decision, made here.
const PUBLIC: &[(&str, &str)] = &[
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("post", "/api/v1/auth/register"),
    ("post", "/api/v1/auth/login"),
    ("post", "/api/v1/auth/refresh"),
    ("post", "/api/v1/auth/password-reset"),
    ("post", "/api/v1/auth/password-reset/request"),
    ("get", "/api/v1/auth/oidc"),
    ("post", "/api/v1/auth/oidc/{provider}/start"),
    ("post", "/api/v1/auth/oidc/{provider}/callback"),
];

/// What users were promised, by name.
const PROMISED: &[(&str, &str)] = &[
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("post", "/api/v1/auth/register"),
    ("post", "/api/v1/auth/login"),
    ("post", "/api/v1/auth/logout"),
    ("post", "/api/v1/auth/refresh"),
    ("get", "/api/v1/users/me"),
    ("get", "/api/v1/permissions"),
    ("post", "/api/v1/roles"),
    ("post", "/api/v1/roles/{role_id}/permissions"),
    ("put", "/api/v1/users/me"),
    ("put", "/api/v1/users/me/password"),
    ("get", "/api/v1/users/me/sessions"),
    ("delete", "/api/v1/users/me/sessions/{session_id}"),
    ("get", "/api/v1/users/me/totp"),
    ("post", "/api/v1/users/me/totp"),
    ("post", "/api/v1/users/me/totp/confirm"),
    ("post", "/api/v1/users/me/totp/remove"),
    ("delete", "/api/v1/admin/users/{user_id}/totp"),
    ("get", "/api/v1/users"),
    ("put", "/api/v1/admin/users/{user_id}"),
    ("post", "/api/v1/admin/users/{user_id}/password-reset"),
    ("post", "/api/v1/auth/password-reset"),
    ("post", "/api/v1/auth/password-reset/request"),
    ("get", "/api/v1/auth/oidc"),
    ("post", "/api/v1/auth/oidc/{provider}/start"),
    ("post", "/api/v1/auth/oidc/{provider}/callback"),
    ("get", "/api/v1/users/me/identities"),
    ("post", "/api/v1/users/me/identities"),
    ("delete", "/api/v1/users/me/identities/{identity_id}"),
    ("get", "/api/v1/script-templates"),
    ("post", "/api/v1/scripts"),
    ("get", "/api/v1/scripts"),
    ("get", "/api/v1/scripts/{script_id}"),
    ("put", "/api/v1/scripts/{script_id}"),
    ("delete", "/api/v1/scripts/{script_id}"),
    ("post", "/api/v1/scripts/{script_id}/run"),
    ("get", "/api/v1/scripts/{script_id}/executions"),
    ("get", "/api/v1/executions/{execution_id}"),
    ("get", "/api/v1/executions/{execution_id}/recording"),
    ("get", "/api/v1/scripts/{script_id}/versions"),
    ("post", "/api/v1/scripts/{script_id}/rollback"),
    ("post", "/api/v1/components"),
    ("get", "/api/v1/components"),
    ("get", "/api/v1/components/{digest}"),
    ("delete", "/api/v1/components/{digest}"),
    ("get", "/api/v1/component-keys"),
    ("post", "/api/v1/component-keys"),
    ("delete", "/api/v1/component-keys/{key_id}"),
    ("get", "/api/v1/component-policy"),
    ("put", "/api/v1/component-policy"),
    ("get", "/api/v1/admin/blocked-components"),
    ("put", "/api/v1/admin/blocked-components/{digest}"),
    ("delete", "/api/v1/admin/blocked-components/{digest}"),
    ("get", "/api/v1/variables"),
    ("post", "/api/v1/variables"),
    ("get", "/api/v1/variables/{variable_id}"),
    ("put", "/api/v1/variables/{variable_id}"),
    ("delete", "/api/v1/variables/{variable_id}"),
    ("post", "/api/v1/scripts/{script_id}/alert-rules"),
    ("get", "/api/v1/scripts/{script_id}/alert-rules"),
    ("post", "/api/v1/scripts/{script_id}/alert-rules/dry-run"),
    ("get", "/api/v1/alert-rules/schema"),
    ("get", "/api/v1/alert-rules/{rule_id}"),
    ("put", "/api/v1/alert-rules/{rule_id}"),
    ("delete", "/api/v1/alert-rules/{rule_id}"),
    ("get", "/api/v1/alert-rules/{rule_id}/channels"),
    ("put", "/api/v1/alert-rules/{rule_id}/channels"),
    ("post", "/api/v1/notification-channels"),
    ("get", "/api/v1/notification-channels"),
    ("post", "/api/v1/notification-channels/preview"),
    ("get", "/api/v1/notification-channels/{channel_id}"),
    ("put", "/api/v1/notification-channels/{channel_id}"),
    ("delete", "/api/v1/notification-channels/{channel_id}"),
    ("post", "/api/v1/notification-channels/{channel_id}/test"),
    ("get", "/api/v1/notifications"),
    ("get", "/api/v1/notifications/{notification_id}"),
    ("post", "/api/v1/notifications/{notification_id}/resend"),
    ("get", "/api/v1/incidents"),
    ("get", "/api/v1/incidents/{incident_id}"),
    ("post", "/api/v1/incidents/{incident_id}/acknowledge"),
    ("post", "/api/v1/incidents/{incident_id}/resolve"),
    ("post", "/api/v1/incidents/{incident_id}/comments"),
    ("get", "/api/v1/alerts/history"),
    ("post", "/api/v1/maintenance-windows"),
    ("get", "/api/v1/maintenance-windows"),
    ("post", "/api/v1/maintenance-windows/preview"),
    ("get", "/api/v1/maintenance-windows/{window_id}"),
    ("put", "/api/v1/maintenance-windows/{window_id}"),
    ("delete", "/api/v1/maintenance-windows/{window_id}"),
    ("post", "/api/v1/silences"),
    ("get", "/api/v1/silences"),
    ("get", "/api/v1/silences/{silence_id}"),
    ("put", "/api/v1/silences/{silence_id}"),
    ("delete", "/api/v1/silences/{silence_id}"),
];

const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    found
}

fn filled_in(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { SOME_ID } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn the_document_changes_only_on_purpose() {
    insta::assert_json_snapshot!("openapi", vedette_api::openapi());
}

#[tokio::test]
async fn the_document_that_is_served_is_the_same() {
    let world = World::new().await;
    let served = world.call("GET", "/openapi.json", None, None).await;
    assert_eq!(served.header(header::CONTENT_TYPE), "application/json");
    assert_eq!(
        served.json(),
        serde_json::to_value(vedette_api::openapi()).unwrap()
    );
}

#[tokio::test]
async fn without_a_token_nothing_but_the_public_answers() {
    let world = World::new().await;
    let document = serde_json::to_value(vedette_api::openapi()).unwrap();
    let operations = operations(&document);
    assert!(operations.len() > 15, "{}", operations.len());
    let mut public = Vec::new();
    for (method, path, operation) in &operations {
        let key = (method.as_str(), path.as_str());
        let is_public = PUBLIC.contains(&key);
        assert_eq!(
            operation["security"].is_null(),
            is_public,
            "{method} {path}"
        );
        if is_public {
            public.push(key);
            continue;
        }
        // Who is not signed in learns nothing, neither of a body nor of a query.
        let path = format!("{}?limit=x", filled_in(path));
        let method = method.to_uppercase();
        let has_body = !operation["requestBody"].is_null();
        let bodies = [
            None,
            has_body.then(|| script_body(&json!({}))),
            has_body.then(|| json!([])),
        ];
        for token in [
            None,
            Some(""),
            Some("x.y.z"),
            Some("eyJhbGciOiJub25lIn0.e30."),
        ] {
            for body in bodies.clone() {
                let answer = world.call(&method, &path, token, body).await;
                assert_eq!(answer.status, 401, "{method} {path} {token:?}");
            }
        }
    }
    assert_eq!(public.len(), PUBLIC.len(), "{public:?}");
}

#[test]
fn every_operation_says_what_can_go_wrong() {
    let document = serde_json::to_value(vedette_api::openapi()).unwrap();
    for (method, path) in PROMISED {
        assert!(
            document["paths"][path][method].is_object(),
            "{method} {path}"
        );
    }
    let mut names = std::collections::HashSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(
            names.insert(name),
            "{method} {path}: the operation id is not unique"
        );
        assert!(operation["summary"].is_string(), "{method} {path}");
        let listed = |status: &str| !operation["responses"][status].is_null();
        // What asks for no token, and judges none that could be an access token.
        let asks_nobody = [
            "/health/live",
            "/health/ready",
            "/api/v1/auth/register",
            "/api/v1/auth/password-reset",
            "/api/v1/auth/password-reset/request",
            "/api/v1/auth/oidc",
            "/api/v1/auth/oidc/{provider}/start",
        ];
        assert_eq!(
            listed("401"),
            !asks_nobody.contains(&path.as_str()),
            "{method} {path}"
        );
        assert_eq!(listed("500"), path.starts_with("/api/"), "{method} {path}");
        let has_body = !operation["requestBody"].is_null();
        // They take no body, and say so to whoever sends one.
        let refuses_body = [
            "/api/v1/scripts/{script_id}/run",
            "/api/v1/organizations/{organization_id}/restore",
            "/api/v1/admin/users/{user_id}/password-reset",
            "/api/v1/incidents/{incident_id}/acknowledge",
            "/api/v1/incidents/{incident_id}/resolve",
            "/api/v1/notification-channels/{channel_id}/test",
            "/api/v1/notifications/{notification_id}/resend",
        ]
        .contains(&path.as_str());
        for status in ["413", "422"] {
            let is_judged = has_body || refuses_body;
            assert_eq!(listed(status), is_judged, "{method} {path} {status}");
        }
        assert_eq!(listed("415"), has_body, "{method} {path} 415");
        for (status, response) in operation["responses"].as_object().unwrap() {
            if status.starts_with(['4', '5']) {
                let schema = &response["content"]["application/problem+json"]["schema"];
                assert_eq!(
                    schema["$ref"], "#/components/schemas/Problem",
                    "{method} {path} {status}"
                );
            }
        }
        assert!(operation["tags"].is_array(), "{method} {path}");
        let ids = path.matches('{').count();
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names_owner = parameters.iter().any(|one| one["name"] == "project_id");
        assert_eq!(listed("404"), ids > 0 || names_owner, "{method} {path}");
        assert_eq!(
            parameters.iter().filter(|one| one["in"] == "path").count(),
            ids,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let world = World::new().await;
    let page = world.call("GET", "/docs", None, None).await;
    assert_eq!(
        page.header(header::CONTENT_TYPE),
        "text/html; charset=utf-8"
    );
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        !page.text.contains("style="),
        "an inline style would be blocked"
    );
    for handler in ["onclick=", "onload=", "javascript:"] {
        assert!(!page.text.contains(handler), "{handler}");
    }
    // Each script has a source of ours and nothing inside.
    for script in page.text.split("<script").skip(1) {
        let (attributes, rest) = script.split_once('>').unwrap();
        assert!(attributes.contains("src=\"/docs/"), "{attributes}");
        assert!(rest.starts_with("</script>"), "{rest}");
    }
    for (path, kind) in [
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
    ] {
        let asset = world.call("GET", path, None, None).await;
        assert_eq!(
            (asset.status, asset.header(header::CONTENT_TYPE)),
            (200, kind)
        );
        assert!(page.text.contains(path));
        for text in ["http://", "https://", "innerHTML", "eval("] {
            assert!(!asset.text.contains(text), "{path}: {text}");
        }
    }
}
