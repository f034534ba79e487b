//! One organization against another, generated from the document: every operation that names a thing,
//! by everybody who has no business with it, with a live, a deleted, a random and a malformed id.

use serde_json::{Value, json};
use vedette_core::{Clock as _, IdentityId, SessionId, Status};
use vedette_store::{Identity, IdentityLogin, IdentitySignedIn};

use crate::{
    alerting::rule_body,
    components::{ABSENT, digest, good},
    maintenance::{silence_body, window_body},
    world::{Account, Answer, World, script_body},
};

const RANDOM: &str = "01970000-0000-7000-8000-00000000dead";

/// Things of the organization under attack, one of each kind that paths name.
struct Things {
    script: String,
    execution: String,
    project: String,
    role: String,
    member: String,
    invitation: String,
    api_key: String,
    component_key: String,
    component: String,
    variable: String,
    rule: String,
    incident: String,
    window: String,
    silence: String,
    channel: String,
    notification: String,
    session: String,
    organization: String,
    identity: String,
}

fn id(answer: &Answer) -> String {
    assert!(answer.status < 300, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Adds an identity to an account, as the end of a login by a provider does.
async fn identity(world: &World, owner: &Account, subject: &str) -> String {
    let (clock, now) = (world.clock.as_ref(), world.clock.now());
    let id = IdentityId::generate(clock);
    let login = IdentityLogin {
        identity: Identity {
            id,
            issuer: "https://login.example.com".to_owned(),
            subject: subject.to_owned(),
            created_at: now,
        },
        link_to: Some(owner.id.parse().unwrap()),
        trusted_email: None,
        new_user: None,
        session_id: SessionId::generate(clock),
        refresh_token_hash: [9; 32],
        expires_at: now,
    };
    let added = world.database.store.sign_in_by_identity(login).await;
    assert!(matches!(added, Ok(IdentitySignedIn::Done(_))), "{added:?}");
    id.to_string()
}

impl Things {
    /// Made by `owner`; `number` tells those that are deleted from those that live.
    async fn made(world: &World, owner: &Account, number: u8) -> Self {
        let post = async |path: &str, body: Value| world.post(owner, path, body).await;
        let script = world.script(owner, json!({})).await;
        let execution = world.execution(owner, &script).await;
        let name = format!("thing{number}");
        let role = json!({ "name": name, "permissions": ["script:read"] });
        let key = json!({ "name": name, "permissions": ["script:read"] });
        let public_key = data_encoding::BASE64.encode(&[number + 9; 32]);
        let component_key = json!({ "name": name, "public_key": public_key });
        let variable = json!({ "name": "THING", "kind": "plain", "value": "x" });
        let roles = world.get(owner, "/api/v1/roles").await.json();
        let viewer = roles["items"][3]["id"].clone();
        let member = world
            .invited(owner, &name, json!({ "role_id": viewer }))
            .await;
        let alert_rule = world.rule(owner, &script, json!({})).await;
        world.slot(&script, Status::Failure).await;
        let incident = world.incident(owner, &script).await;
        let silence = silence_body(&json!({}));
        let channel = world
            .channel(owner, &name, "ntfy", json!({ "topic": "mine" }))
            .await;
        let tried = post(&format!("{channel}/test"), json!({})).await.json();
        let me = world.get(owner, "/api/v1/users/me").await.json();
        let sessions = world.get(owner, "/api/v1/users/me/sessions").await.json();
        Self {
            execution,
            project: id(&post("/api/v1/projects", json!({ "name": name })).await),
            role: id(&post("/api/v1/roles", role).await),
            member: member.id,
            invitation: id(&post("/api/v1/invitations", json!({ "role_id": viewer })).await),
            api_key: id(&post("/api/v1/api-keys", key).await),
            component_key: id(&post("/api/v1/component-keys", component_key).await),
            component: digest(world, owner, good(number)).await,
            variable: id(&post(&format!("/api/v1/variables?script_id={script}"), variable).await),
            rule: alert_rule.rsplit('/').next().unwrap().to_owned(),
            incident,
            window: id(&post("/api/v1/maintenance-windows", window_body(&json!({}))).await),
            silence: id(&post("/api/v1/silences", silence).await),
            channel: channel.rsplit('/').next().unwrap().to_owned(),
            notification: tried["notification_id"].as_str().unwrap().to_owned(),
            session: sessions["items"][0]["id"].as_str().unwrap().to_owned(),
            organization: me["organization_id"].as_str().unwrap().to_owned(),
            identity: identity(world, owner, &name).await,
            script,
        }
    }

    /// Deletes all that its owner can delete one by one.
    async fn delete(&self, world: &World, owner: &Account) {
        for path in [
            format!("variables/{}", self.variable),
            format!("alert-rules/{}", self.rule),
            format!("maintenance-windows/{}", self.window),
            format!("silences/{}", self.silence),
            format!("notification-channels/{}", self.channel),
            // Its executions and its incident go with it.
            format!("scripts/{}", self.script),
            format!("projects/{}", self.project),
            format!("roles/{}", self.role),
            format!("members/{}", self.member),
            format!("invitations/{}", self.invitation),
            format!("api-keys/{}", self.api_key),
            format!("component-keys/{}", self.component_key),
            format!("components/{}", self.component),
            format!("users/me/identities/{}", self.identity),
        ] {
            let gone = world.delete(owner, &format!("/api/v1/{path}")).await;
            assert_eq!(gone.status, 204, "{path}: {}", gone.text);
        }
    }

    /// What the place in a path stands for.
    fn named(&self, path: &str) -> &str {
        let noun = path.trim_start_matches("/api/v1/").split('/').next();
        let place = path.split_once('{').unwrap().1.split_once('}').unwrap().0;
        match (place, noun) {
            ("script_id", _) => &self.script,
            ("execution_id", _) => &self.execution,
            ("project_id", _) => &self.project,
            ("role_id", _) => &self.role,
            ("user_id", _) => &self.member,
            ("invitation_id", _) => &self.invitation,
            ("key_id", Some("api-keys")) => &self.api_key,
            ("key_id", Some("component-keys")) => &self.component_key,
            ("digest", _) => &self.component,
            ("variable_id", _) => &self.variable,
            ("rule_id", _) => &self.rule,
            ("incident_id", _) => &self.incident,
            ("window_id", _) => &self.window,
            ("silence_id", _) => &self.silence,
            ("channel_id", _) => &self.channel,
            ("notification_id", _) => &self.notification,
            ("session_id", _) => &self.session,
            ("organization_id", _) => &self.organization,
            ("identity_id", _) => &self.identity,
            other => panic!("{path}: what is {other:?}? Give the test one."),
        }
    }
}

/// A body that the operation takes, so that it comes to the id.
fn body(operation: &str, own_role: &Value) -> Option<Value> {
    Some(match operation {
        "update_script" => script_body(&json!({})),
        "create_alert_rule" | "update_alert_rule" => rule_body(&json!({ "name": "stolen" })),
        "set_default_alert_rules" => json!({ "rules": [rule_body(&json!({ "name": "stolen" }))] }),
        "dry_run_alert_rule" => json!({ "rule_definition": { "type": "status_change" } }),
        "update_maintenance_window" => window_body(&json!({ "name": "stolen" })),
        "update_silence" => silence_body(&json!({ "comment": "stolen" })),
        "set_rule_channels" => json!({ "channel_ids": [] }),
        "update_channel" => json!({ "name": "stolen", "config": { "topic": "stolen" } }),
        "comment_on_incident" => json!({ "message": "stolen" }),
        "update_variable" => json!({ "value": "stolen" }),
        "update_member" => json!({ "roles": [{ "role_id": own_role }] }),
        "update_role" => json!({ "name": "stolen", "permissions": ["script:read"] }),
        "add_role_permissions" => json!({ "permissions": ["script:read"] }),
        "update_project" => json!({ "name": "stolen" }),
        "update_user" => json!({ "is_disabled": true, "is_admin": false }),
        "block_component" => json!({ "reason": "stolen" }),
        _ => return None,
    })
}

/// Method, path and id of all operations that name one thing of a tenant.
fn operations(world: &World) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (path, methods) in world.document["paths"].as_object().unwrap() {
        // Templates are everybody's.
        if !path.contains('{') || path.contains("{template_id}") {
            continue;
        }
        for (method, operation) in methods.as_object().unwrap() {
            if !operation["security"].is_null() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                found.push((method.to_uppercase(), path.clone(), id));
            }
        }
    }
    found
}

/// The answer without what differs in any two.
fn shown(answer: &Answer) -> (u16, String) {
    let mut text = answer.text.clone();
    if let Ok(Value::Object(mut problem)) = serde_json::from_str(&answer.text) {
        problem.remove("instance");
        text = Value::Object(problem).to_string();
    }
    (answer.status, text)
}

struct Attack {
    world: World,
    operations: Vec<(String, String, String)>,
    live: Things,
    deleted: Things,
    /// A role that is everybody's.
    viewer: Value,
    answers: usize,
}

impl Attack {
    async fn call(&mut self, at: usize, id: &str, token: Option<&str>) -> Answer {
        let (method, path, operation) = &self.operations[at];
        let parts = path.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { id } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let body = body(operation, &self.viewer);
        self.answers += 1;
        self.world.call(method, &path, token, body).await
    }

    /// Somebody of another organization learns nothing by any operation.
    async fn by_another(&mut self, name: &str, account: &Account) {
        for at in 0..self.operations.len() {
            let (_, path, operation) = self.operations[at].clone();
            let token = Some(account.token.as_str());
            let (live, deleted) = (
                self.live.named(&path).to_owned(),
                self.deleted.named(&path).to_owned(),
            );
            let is_digest = path.contains("{digest}");
            let random = if is_digest { ABSENT } else { RANDOM };
            let absent = shown(&self.call(at, random, token).await);
            // Who has not the right at all is told so, whatever the id.
            assert!(
                [403, 404].contains(&absent.0),
                "{operation} for {name}: {absent:?}"
            );
            for foreign in [live, deleted] {
                let foreign = shown(&self.call(at, &foreign, token).await);
                assert_eq!(foreign, absent, "{operation} for {name}");
            }
            let malformed = self.call(at, "not-an-id", token).await.status;
            let expected: &[u16] = match (absent.0, is_digest) {
                // To leave is everybody's right: there the id is read first.
                (403, _) if operation == "remove_member" => &[403, 400],
                (403, _) => &[403],
                (_, true) => &[404],
                (_, false) => &[400],
            };
            assert!(
                expected.contains(&malformed),
                "{operation} for {name}: {malformed}"
            );
        }
    }

    /// Somebody without a good token is told only that.
    async fn by_nobody(&mut self, name: &str, token: Option<&str>) {
        for at in 0..self.operations.len() {
            let (_, path, operation) = self.operations[at].clone();
            let live = self.live.named(&path).to_owned();
            let deleted = self.deleted.named(&path).to_owned();
            let mut seen = Vec::new();
            for id in [&live, &deleted, RANDOM, "not-an-id"] {
                seen.push(shown(&self.call(at, id, token).await));
            }
            assert_eq!(seen[0].0, 401, "{operation} for {name}: {seen:?}");
            assert!(
                seen.iter().all(|one| *one == seen[0]),
                "{operation} for {name}: {seen:?}"
            );
        }
    }
}

#[tokio::test]
async fn another_organizations_things_do_not_exist() {
    let world = World::new().await;
    // The first is the administrator of the installation, and no part of this.
    let administrator = world.account("administrator").await;
    let expired = world.account("owner").await;
    let suspended = {
        let roles = world.get(&expired, "/api/v1/roles").await.json();
        let admin = roles["items"][1]["id"].clone();
        world
            .invited(&expired, "suspended", json!({ "role_id": admin }))
            .await
    };
    world.clock.advance(chrono::TimeDelta::minutes(16));
    let owner = world.again("owner").await;
    let administrator = {
        drop(administrator);
        world.again("administrator").await
    };
    let suspended = {
        let again = world.again("suspended").await;
        let path = format!("/api/v1/admin/users/{}", suspended.id);
        let body = json!({ "is_disabled": true, "is_admin": false });
        let done = world.put(&administrator, &path, body).await;
        assert_eq!(done.status, 200, "{}", done.text);
        again
    };
    let deleted = Things::made(&world, &owner, 1).await;
    deleted.delete(&world, &owner).await;
    let live = Things::made(&world, &owner, 2).await;
    let stranger = world.account("stranger").await;
    let roles = world.get(&stranger, "/api/v1/roles").await.json();
    let mut strangers = Vec::new();
    for (place, name) in ["owner", "admin", "editor", "viewer"].iter().enumerate() {
        let role = json!({ "role_id": roles["items"][place]["id"] });
        let account = world
            .invited(&stranger, &format!("other-{name}"), role)
            .await;
        strangers.push((*name, account));
    }
    let store = world.database.store.clone();
    let org: vedette_core::OrgId = live.organization.parse().unwrap();
    let before = store.read_audit(org.into(), 0, 10_000).await.unwrap();
    let operations = operations(&world);
    let mut attack = Attack {
        viewer: roles["items"][3]["id"].clone(),
        operations,
        world,
        live,
        deleted,
        answers: 0,
    };
    for (name, account) in &strangers {
        attack.by_another(name, account).await;
    }
    // To administrate the installation is no right in its organizations.
    let admin_only: Vec<_> = attack
        .operations
        .extract_if(.., |(_, path, _)| path.contains("/admin/"))
        .collect();
    assert!(admin_only.len() >= 5, "{admin_only:?}");
    attack.by_another("administrator", &administrator).await;
    attack.operations.extend(admin_only);
    attack.by_nobody("nobody", None).await;
    attack.by_nobody("expired", Some(&expired.token)).await;
    attack.by_nobody("suspended", Some(&suspended.token)).await;
    assert!(attack.answers > 1_000, "{}", attack.answers);
    let after = store.read_audit(org.into(), 0, 10_000).await.unwrap();
    assert_eq!(before, after, "something of the organization was changed");
}
