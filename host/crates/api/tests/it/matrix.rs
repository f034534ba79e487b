//! Every operation against every role, as `matrix.txt` says.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vedette_core::{BuiltInRole, Permission};

use crate::world::{Account, World};

const MATRIX: &str = include_str!("matrix.txt");
const SOME_ID: &str = "018f3b3e-0000-7000-8000-000000000000";
/// In the order of the columns.
const CALLERS: [&str; 7] = [
    "owner",
    "admin",
    "editor",
    "viewer",
    "project",
    "none",
    "administrator",
];

/// The permission of each operation, and who may call it.
fn matrix() -> BTreeMap<&'static str, (&'static str, Vec<bool>)> {
    let rows = MATRIX.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let mut cells = row.split_whitespace();
        let (name, permission) = (cells.next().unwrap(), cells.next().unwrap());
        let may = cells.map(|cell| match cell {
            "yes" => true,
            "no" => false,
            other => panic!("{name}: {other}"),
        });
        (name, (permission, may.collect()))
    })
    .collect()
}

/// Method, path and operation id of all that need a token.
fn operations() -> Vec<(String, String, String)> {
    let document = serde_json::to_value(vedette_api::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if !operation["security"].is_null() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                found.push((method.to_uppercase(), path.clone(), id));
            }
        }
    }
    found
}

/// An account of each column. The first to register is the administrator of the installation, and
/// leaves with an organization that is deleted, so that nothing but that counts.
async fn callers(world: &World) -> Vec<Account> {
    let administrator = world.account("administrator").await;
    let owner = world.account("owner").await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let project = world.get(&owner, "/api/v1/projects").await.json()["items"][0]["id"].clone();
    let role_id = |name: &str| {
        let roles = roles["items"].as_array().unwrap().iter();
        let mut named = roles.filter(|role| role["name"] == name);
        named.next().unwrap()["id"].clone()
    };
    let mut callers = Vec::new();
    for name in ["admin", "editor", "viewer", "project"] {
        let body = match name {
            "project" => json!({ "role_id": role_id("editor"), "project_id": project }),
            _ => json!({ "role_id": role_id(name) }),
        };
        callers.push(world.invited(&owner, name, body).await);
    }
    let none = world.account("none").await;
    callers.insert(0, owner);
    callers.push(none);
    callers.push(administrator);
    for account in &callers[5..] {
        let gone = world.delete(account, "/api/v1/organization").await;
        assert_eq!(gone.status, 200, "{}", gone.text);
    }
    callers
}

#[tokio::test]
async fn every_operation_is_for_whom_the_matrix_says() {
    let world = World::new().await;
    let callers = callers(&world).await;
    let matrix = matrix();
    let mut seen = 0;
    for (method, path, id) in operations() {
        let (_, may) = matrix
            .get(id.as_str())
            .unwrap_or_else(|| panic!("{id} has no row in matrix.txt"));
        assert_eq!(may.len(), CALLERS.len(), "{id}");
        let parts = path.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { SOME_ID } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        for ((name, account), may) in CALLERS.iter().zip(&callers).zip(may) {
            // These end the session or the organization; that they are allowed is seen elsewhere.
            if *may && ["logout", "delete_organization"].contains(&id.as_str()) {
                continue;
            }
            // A body that no operation takes: who may go on learns that, who may not does not.
            let body = (method != "GET").then(|| json!({ "no such field": 1 }));
            let answer = world.call(&method, &path, Some(&account.token), body).await;
            let goes_on = answer.status != 403 && answer.status != 401;
            assert_eq!(goes_on, *may, "{id} for {name}: {}", answer.text);
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen}");
    let names: Vec<_> = operations().into_iter().map(|(.., id)| id).collect();
    for id in matrix.keys() {
        assert!(names.iter().any(|name| name == id), "{id} is no operation");
    }
}

/// The columns of the built-in roles are what their permissions say, so that a row cannot be wrong
/// in the same way as the code.
#[test]
fn the_columns_agree_with_the_permissions_of_the_roles() {
    for (id, (permission, may)) in matrix() {
        let Ok(permission) = permission.parse::<Permission>() else {
            assert!(
                ["-", "administrator"].contains(&permission),
                "{id}: {permission}"
            );
            continue;
        };
        // Everybody may take themselves out, which the matrix does not show.
        for (role, may) in BuiltInRole::ALL.iter().zip(&may) {
            assert_eq!(
                role.permissions().contains(permission),
                *may,
                "{id} {role:?}"
            );
        }
        let of_editor = BuiltInRole::Editor.permissions().of_project();
        assert_eq!(of_editor.contains(permission), may[4], "{id} project");
    }
}

#[test]
fn every_permission_is_needed_for_something_and_described() {
    let matrix = matrix();
    let documented = include_str!("../../../../../docs/permissions.md");
    for permission in Permission::ALL {
        let name = permission.as_str();
        let mut rows = matrix.values();
        assert!(
            rows.any(|(needed, _)| *needed == name),
            "{name} guards nothing"
        );
        let role = |role: BuiltInRole| {
            if role.permissions().contains(*permission) {
                "yes"
            } else {
                ""
            }
        };
        let [owner, admin, editor, viewer] = BuiltInRole::ALL.map(role);
        let project = if permission.is_of_project() {
            "yes"
        } else {
            ""
        };
        let row = format!(
            "| `{name}` | {} | {owner} | {admin} | {editor} | {viewer} | {project} |",
            permission.description()
        );
        assert!(
            documented.contains(&row),
            "docs/permissions.md lacks: {row}"
        );
    }
}

#[tokio::test]
async fn a_project_ends_at_its_edge() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    // Later than the first project, which is the default.
    world.clock.advance(chrono::TimeDelta::seconds(1));
    let made = world
        .post(&owner, "/api/v1/projects", json!({ "name": "shop" }))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shop = made.json()["id"].clone();
    let inside = world.script(&owner, json!({ "project_id": shop })).await;
    let outside = world.script(&owner, json!({})).await;
    let execution = world.execution(&owner, &outside).await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let editor = roles["items"][2]["id"].clone();
    let body = json!({ "role_id": editor, "project_id": shop });
    let guest = world.invited(&owner, "guest", body).await;

    let listed = world.get(&guest, "/api/v1/scripts").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], inside.as_str());
    let projects = world.get(&guest, "/api/v1/projects").await.json();
    assert_eq!(projects["items"].as_array().unwrap().len(), 1);

    let body = |change: Value| Some(crate::world::script_body(&change));
    let foreign = |id: &str, execution: &str| {
        vec![
            ("GET", format!("/api/v1/scripts/{id}"), None),
            ("PUT", format!("/api/v1/scripts/{id}"), body(json!({}))),
            ("DELETE", format!("/api/v1/scripts/{id}"), None),
            ("POST", format!("/api/v1/scripts/{id}/run"), None),
            ("POST", format!("/api/v1/scripts/{id}/rollback"), None),
            ("GET", format!("/api/v1/scripts/{id}/executions"), None),
            ("GET", format!("/api/v1/scripts/{id}/versions"), None),
            ("GET", format!("/api/v1/executions/{execution}"), None),
            (
                "GET",
                format!("/api/v1/executions/{execution}/recording"),
                None,
            ),
        ]
    };
    let absent = foreign(SOME_ID, SOME_ID);
    for ((method, path, body), (_, nothing, _)) in
        foreign(&outside, &execution).into_iter().zip(absent)
    {
        let there = world
            .call(method, &path, Some(&guest.token), body.clone())
            .await;
        assert_eq!(there.status, 404, "{method} {path}: {}", there.text);
        let none = world.call(method, &nothing, Some(&guest.token), body).await;
        assert_eq!(there.text.len(), none.text.len(), "{method} {path}");
    }
    let path = format!("/api/v1/scripts/{inside}");
    let changed = world
        .call("PUT", &path, Some(&guest.token), body(json!({})))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.json()["project_id"], shop, "it stays where it is");
    // Neither made nor moved to where the guest has no business.
    let default = world.get(&owner, "/api/v1/projects").await.json()["items"][0]["id"].clone();
    let moved = body(json!({ "project_id": default }));
    let moved = world.call("PUT", &path, Some(&guest.token), moved).await;
    assert_eq!(
        (moved.status, moved.pointers()),
        (422, vec!["/project_id".to_owned()])
    );
    let made = world
        .post(&guest, "/api/v1/scripts", body(json!({})).unwrap())
        .await;
    assert_eq!(
        (made.status, made.pointers()),
        (422, vec!["/project_id".to_owned()])
    );
    // Who sees both moves it.
    let moved = body(json!({ "project_id": default }));
    let moved = world.call("PUT", &path, Some(&owner.token), moved).await;
    assert_eq!((moved.status, &moved.json()["project_id"]), (200, &default));
    assert_eq!(world.get(&guest, &path).await.status, 404);
}

#[tokio::test]
async fn variables_are_of_their_project_too() {
    let world = World::new().await;
    let owner = world.account("owner").await;
    world.clock.advance(chrono::TimeDelta::seconds(1));
    let made = world
        .post(&owner, "/api/v1/projects", json!({ "name": "shop" }))
        .await;
    let shop = made.json()["id"].as_str().unwrap().to_owned();
    let inside = world.script(&owner, json!({ "project_id": shop })).await;
    let outside = world.script(&owner, json!({})).await;
    let roles = world.get(&owner, "/api/v1/roles").await.json();
    let body = json!({ "role_id": roles["items"][2]["id"], "project_id": shop });
    let guest = world.invited(&owner, "guest", body).await;
    let variable = json!({ "name": "REGION", "kind": "plain", "value": "north" });
    for (query, is_there) in [
        (String::new(), false),
        (format!("?project_id={shop}"), true),
        (format!("?script_id={inside}"), true),
        (format!("?script_id={outside}"), false),
        (format!("?project_id={SOME_ID}"), false),
    ] {
        let path = format!("/api/v1/variables{query}");
        let status = if is_there { 200 } else { 404 };
        assert_eq!(world.get(&guest, &path).await.status, status, "{query}");
        let made = world.post(&guest, &path, variable.clone()).await;
        assert_eq!(made.status, if is_there { 201 } else { 404 }, "{query}");
        // What the owner made there is the guest's to change, or not to see.
        let name = json!({ "name": "OWN", "kind": "plain", "value": "north" });
        let made = world.post(&owner, &path, name).await;
        if made.status != 201 {
            assert!(query.contains(SOME_ID));
            continue;
        }
        let path = format!("/api/v1/variables/{}", made.json()["id"].as_str().unwrap());
        assert_eq!(world.get(&guest, &path).await.status, status, "{query}");
        let body = Some(json!({ "value": "south" }));
        let changed = world.call("PUT", &path, Some(&guest.token), body).await;
        assert_eq!(changed.status, status, "{query}");
        let gone = world.delete(&guest, &path).await;
        assert_eq!(gone.status, if is_there { 204 } else { 404 }, "{query}");
    }
}
