//! A router with its database, and what holds of every answer.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, header},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use vedette_api::{
    ApiConfig, ApiState, KeySealBox, RedisLink, Registration, TokenKeys, openapi, router,
};
use vedette_core::{ManualClock, TemplateId};
use vedette_store::{
    Actor, NewTemplate, Store,
    testing::{TestDatabase, audit_of_request, vault},
};

use crate::engine::TestEngine;

pub(crate) const PASSWORD: &str = "correct horse battery";
/// Signs the tokens, under the id `k1`.
pub(crate) const TOKEN_KEY: [u8; 32] = [7; 32];
pub(crate) const SOURCE: &str = "export default () => ({ success: true });";

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Arc<TestEngine>,
    pub(crate) state: ApiState,
    pub(crate) router: Router,
    pub(crate) document: Value,
    /// What must not be in any answer from now on.
    hidden: Mutex<Vec<String>>,
}

/// A signed-in user.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) refresh: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The pointers of a refusal, sorted.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut pointers: Vec<_> = errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect();
        pointers.sort();
        pointers
    }
}

impl World {
    /// Anyone may register.
    pub(crate) async fn new() -> Self {
        Self::with(Registration::Open).await
    }

    pub(crate) async fn with(registration: Registration) -> Self {
        Self::on(TestDatabase::sqlite().await, registration)
    }

    pub(crate) fn on(database: TestDatabase, registration: Registration) -> Self {
        let config = ApiConfig {
            registration,
            // The clock stands still, so that no request of a test would make room for another.
            requests_per_minute: 0,
            ..ApiConfig::default()
        };
        Self::configured(database, config)
    }

    pub(crate) fn configured(database: TestDatabase, config: ApiConfig) -> Self {
        Self::built(database, config, |state| state)
    }

    /// With services of the operator.
    pub(crate) fn built(
        database: TestDatabase,
        config: ApiConfig,
        finish: impl FnOnce(ApiState) -> ApiState,
    ) -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap()));
        let engine = Arc::new(TestEngine::default());
        let state = finish(state(database.store.clone(), &engine, &clock, config));
        let document = serde_json::to_value(openapi()).unwrap();
        Self {
            database,
            clock,
            engine,
            router: router(state.clone()),
            state,
            document,
            hidden: Mutex::default(),
        }
    }

    /// A text that no answer has, from now on.
    pub(crate) fn hide(&self, text: &str) {
        self.hidden.lock().unwrap().push(text.to_owned());
    }

    /// Another node on the same database, which counts together with others by Redis.
    pub(crate) async fn node(&self, config: ApiConfig, redis: &RedisLink) -> Router {
        let store = Store::connect(&self.database.url).await.unwrap();
        let store = store.with_vault(vault(&["1"]));
        router(state(store, &self.engine, &self.clock, config).with_redis(redis))
    }

    /// Sends a request and checks what holds of every answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let is_signed_in = request.headers().contains_key(header::AUTHORIZATION);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        };
        check_headers(&answer);
        for hidden in self.hidden.lock().unwrap().iter() {
            assert!(
                !answer.text.contains(hidden),
                "{path} shows what is hidden: {}",
                answer.text
            );
        }
        check_texts(&path, &answer.text);
        self.check_documented(&method, &path, &answer);
        let may_change = [Method::POST, Method::PUT, Method::DELETE].contains(&method);
        if may_change && answer.status < 300 {
            self.check_recorded(&path, is_signed_in, &answer).await;
        }
        answer
    }

    /// Every change is in the audit log, by whoever asked for it.
    async fn check_recorded(&self, path: &str, is_signed_in: bool, answer: &Answer) {
        let id = answer.header("x-request-id");
        let records = audit_of_request(&self.database.store, id).await;
        // Whether there is anything to record is found out behind the answer's back.
        if path == "/api/v1/auth/password-reset/request" {
            return;
        }
        // A login that has only begun; a recovery code is used up by it.
        if path == "/api/v1/users/me/identities" {
            let mut actions = records.iter().map(|record| &record.action);
            assert!(actions.all(|action| action == "recovery_code.use"));
            return;
        }
        let begins = ["/api/v1/auth/refresh", "/api/v1/users/me/totp"];
        if begins.contains(&path) || path.ends_with("/start") {
            // The session goes on as it was; a key that is not confirmed does nothing, nor does a login
            // that has only begun.
            assert!(records.is_empty(), "{path}: {records:?}");
            return;
        }
        // Only asked what would have been.
        if path.ends_with("/dry-run") || path.ends_with("/preview") {
            assert!(records.is_empty(), "{path}: {records:?}");
            return;
        }
        // The same component once more.
        let is_no_change = path == "/api/v1/components" && answer.status == 200;
        assert!(
            is_no_change || !records.is_empty(),
            "{path} is not recorded"
        );
        for record in records {
            assert!(!matches!(record.actor, Actor::System), "{path}: {record:?}");
            let is_named = record.actor.user().is_some();
            assert!(is_named || !is_signed_in, "{path}: {record:?}");
        }
    }

    /// Every answer of an operation is one that the document lists, of that media type.
    fn check_documented(&self, method: &Method, path: &str, answer: &Answer) {
        let matches = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template
                    .zip(path)
                    .all(|(one, other)| one.starts_with('{') || one == other)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let operation = paths
            .iter()
            .find(|(template, _)| matches(template))
            .map(|(_, path)| &path[method.as_str().to_lowercase()]);
        if let Some(operation) = operation.filter(|operation| !operation.is_null()) {
            let response = &operation["responses"][answer.status.to_string()];
            assert!(
                !response.is_null(),
                "{method} {path} gave {}",
                answer.status
            );
            let kind = answer.header(header::CONTENT_TYPE);
            let listed = response["content"]
                .as_object()
                .map_or(0, serde_json::Map::len);
            assert_eq!(listed == 0, kind.is_empty(), "{method} {path}");
            assert!(
                listed == 0 || !response["content"][kind].is_null(),
                "{method} {path}: {kind}"
            );
        }
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, account: &Account, path: &str) -> Answer {
        self.call("GET", path, Some(&account.token), None).await
    }

    pub(crate) async fn post(&self, account: &Account, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(&account.token), Some(body))
            .await
    }

    pub(crate) async fn put(&self, account: &Account, path: &str, body: Value) -> Answer {
        self.call("PUT", path, Some(&account.token), Some(body))
            .await
    }

    pub(crate) async fn delete(&self, account: &Account, path: &str) -> Answer {
        self.call("DELETE", path, Some(&account.token), None).await
    }

    pub(crate) async fn register(&self, name: &str) -> Answer {
        let body = json!({
            "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
        });
        self.call("POST", "/api/v1/auth/register", None, Some(body))
            .await
    }

    pub(crate) async fn login(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "username": name, "password": password });
        self.call("POST", "/api/v1/auth/login", None, Some(body))
            .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.call("POST", "/api/v1/auth/refresh", None, Some(body))
            .await
    }

    /// Registers a user by an invitation's token.
    pub(crate) async fn register_invited(&self, name: &str, token: &str) -> Answer {
        let body = json!({
            "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
            "invitation": token,
        });
        self.call("POST", "/api/v1/auth/register", None, Some(body))
            .await
    }

    /// Invites a new user, who registers and signs in.
    pub(crate) async fn invited(&self, by: &Account, name: &str, invitation: Value) -> Account {
        let made = self.post(by, "/api/v1/invitations", invitation).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        let registered = self
            .register_invited(name, made["token"].as_str().unwrap())
            .await;
        assert_eq!(registered.status, 201, "{}", registered.text);
        self.again(name).await
    }

    /// Signs in a user who has registered.
    pub(crate) async fn again(&self, name: &str) -> Account {
        let tokens = self.login(name, PASSWORD).await.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let token = text(&tokens["access_token"]);
        let me = self
            .call("GET", "/api/v1/users/me", Some(&token), None)
            .await;
        Account {
            id: text(&me.json()["id"]),
            token,
            refresh: text(&tokens["refresh_token"]),
        }
    }

    /// Registers a user with an organization of its own, and signs in.
    pub(crate) async fn account(&self, name: &str) -> Account {
        let registered = self.register(name).await;
        assert_eq!(registered.status, 201, "{}", registered.text);
        let tokens = self.login(name, PASSWORD).await.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Account {
            id: text(&registered.json()["id"]),
            token: text(&tokens["access_token"]),
            refresh: text(&tokens["refresh_token"]),
        }
    }

    /// Gives an account this built-in role in its organization, and no other.
    pub(crate) async fn set_role(&self, account: &Account, role: &str) {
        let user = account.id.replace('-', "");
        let sql = format!(
            "UPDATE user_roles SET role_id = (SELECT id FROM roles WHERE org_id IS NULL \
             AND name = '{role}') WHERE user_id = X'{user}'"
        );
        self.database.execute(&sql).await;
    }

    /// Makes a script; the clock goes on, because ids sort by time.
    pub(crate) async fn script(&self, account: &Account, change: Value) -> String {
        self.clock.advance(TimeDelta::seconds(1));
        let created = self
            .post(account, "/api/v1/scripts", script_body(&change))
            .await;
        assert_eq!(created.status, 201, "{}", created.text);
        created.json()["id"].as_str().unwrap().to_owned()
    }

    /// Runs it, and gives the execution's id.
    pub(crate) async fn execution(&self, account: &Account, script: &str) -> String {
        self.clock.advance(TimeDelta::seconds(1));
        let path = format!("/api/v1/scripts/{script}/run");
        let ran = self.call("POST", &path, Some(&account.token), None).await;
        assert_eq!(ran.status, 200, "{}", ran.text);
        ran.json()["id"].as_str().unwrap().to_owned()
    }

    /// A template with a schema that uses most of what schemas can say.
    pub(crate) async fn template(&self) -> String {
        let id = TemplateId::generate(self.clock.as_ref());
        let template = NewTemplate {
            id,
            slug: "http-status".to_owned(),
            name: "HTTP status".to_owned(),
            description: "Answers as expected.".to_owned(),
            parameter_schema: json!({
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": { "type": "string", "format": "uri" },
                    "expected_status": {
                        "type": "integer", "minimum": 100, "maximum": 599, "default": 200,
                    },
                },
            }),
            script_body: "export default ({ params }) => ({ success: true });".to_owned(),
        };
        let now = vedette_core::Clock::now(self.clock.as_ref());
        self.database
            .store
            .upsert_template(&template, now)
            .await
            .unwrap();
        id.to_string()
    }
}

fn state(
    store: Store,
    engine: &Arc<TestEngine>,
    clock: &Arc<ManualClock>,
    config: ApiConfig,
) -> ApiState {
    let keys = TokenKeys::new([("k1".to_owned(), TOKEN_KEY.to_vec())]).unwrap();
    let seals = Arc::new(KeySealBox::new([8; 32]));
    ApiState::new(store, engine.clone(), clock.clone(), keys, seals, config)
}

/// A good script, with members replaced, or left out where the change says null.
pub(crate) fn script_body(change: &Value) -> Value {
    let mut body = json!({
        "name": "shop", "script_body": SOURCE, "cron_expression": "*/30 * * * * *",
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

fn check_headers(answer: &Answer) {
    assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY");
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    assert!(
        answer
            .header(header::CONTENT_SECURITY_POLICY)
            .contains("default-src 'none'")
    );
    assert!(!answer.text.contains(PASSWORD), "a password came back");
    assert!(!answer.text.contains("$argon2"), "a hash came back");
    if answer.status < 400 {
        return;
    }
    let problem = answer.json();
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        "application/problem+json"
    );
    assert_eq!(problem["status"], answer.status);
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .starts_with("urn:vedette:problem:"),
        "{problem}"
    );
    assert!(!problem["title"].as_str().unwrap().is_empty());
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    let instance = format!("urn:vedette:request:{}", answer.header("x-request-id"));
    assert_eq!(problem["instance"], instance.as_str());
    assert_eq!(
        answer.status == 401,
        !answer.header(header::WWW_AUTHENTICATE).is_empty()
    );
}

/// Where the settings of channels speak of the field that is called so.
const OF_CHANNELS: &[&str] = &[
    "/config/secret",
    "/config/previous_secret",
    "a secret is `whsec_`",
    "`secret`, `previous_secret`",
];

/// Engines that a test breaks say so with "secret" in their words, which must not come back. The
/// word is also a kind of variable: as that, and in the one refusal that names the kinds, it may.
fn check_texts(path: &str, text: &str) {
    // The document is compared as a whole, in a test of its own.
    if path == "/openapi.json" {
        return;
    }
    let inner = serde_json::from_str(text).map_or_else(
        |_| text.to_owned(),
        |json| {
            check_variables(&json);
            without_kinds(&json).to_string()
        },
    );
    let inner = inner.replace("give `plain`, `secret` or `sealed`", "");
    let known = OF_CHANNELS.iter();
    let inner = known.fold(inner, |inner, known| inner.replace(known, ""));
    assert!(!inner.contains("secret"), "an inner text came back: {text}");
}

/// No variable that is encrypted has a value, wherever it stands; exactly a sealed one has hosts.
fn check_variables(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(check_variables),
        Value::Object(members) => {
            let kind = members.get("kind").and_then(Value::as_str);
            if let Some(kind @ ("plain" | "secret" | "sealed")) = kind {
                let has = |name| members.get(name).is_some_and(|member| !member.is_null());
                assert_eq!(has("value"), kind == "plain", "{value}");
                assert_eq!(has("allowed_hosts"), kind == "sealed", "{value}");
            }
            members.values().for_each(check_variables);
        }
        _ => {}
    }
}

/// JSON without any `"kind":"secret"`.
fn without_kinds(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_kinds).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, member)| *name != "kind" || **member != "secret")
            .map(|(name, member)| (name.clone(), without_kinds(member)))
            .collect(),
        other => other.clone(),
    }
}

/// Ids and tokens by their kind, so that a snapshot is the same at each run.
pub(crate) fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("urn:vedette:request:") => json!("[instance]"),
        Value::String(text) if text.len() == 36 && text.split('-').count() == 5 => json!("[id]"),
        Value::String(text) if text.len() > 60 && !text.contains(' ') => json!("[token]"),
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), redacted(member)))
            .collect(),
        other => other.clone(),
    }
}
