//! An identity provider for one test, on loopback, with keys that it has made: it checks what a real
//! one checks, and does wrong what a test tells it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use axum::{
    Form, Json, Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use url::Url;
use vedette_api::OidcProvider;
use vedette_services::HttpProviderClient;

pub(crate) const CLIENT: &str = "vedette & co";
pub(crate) const CLIENT_PASSWORD: &str = "pass:word/ü+1";
/// What the clock of `World` shows at first.
const NOW: i64 = 1_795_521_600;

/// Who signs an ID token, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    /// The key of this algorithm, under its id.
    As(Algorithm),
    /// The same, without an id.
    Nameless(Algorithm),
    /// A key of somebody else under an id that nobody knows.
    Stranger,
    /// A key of somebody else under the id of ours.
    Impostor,
    /// `alg: none`, and no signature.
    Unsigned,
    /// HS256, by the public RSA key as the password that both know.
    ByPublicKey,
    /// The key's own algorithm, but the header says another.
    Renamed,
    /// A good signature, and a header that asks for what nobody knows.
    Critical,
}

/// What the token endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Answers,
    Html,
    Giant,
    Fails,
    Empty,
    /// Takes the request and never answers.
    Stalls,
    Redirects,
}

struct Grant {
    redirect_uri: String,
    nonce: String,
    challenge: String,
}

pub(crate) struct Inner {
    pub(crate) issuer: String,
    /// What the ID token says of the person.
    pub(crate) person: Value,
    /// Goes over what it says else; null takes it out.
    pub(crate) change: Value,
    /// Goes over the discovery document; null takes it out.
    pub(crate) discovery: Value,
    pub(crate) signing: Signing,
    pub(crate) manner: Manner,
    /// Says in each answer who answers.
    pub(crate) named: Option<String>,
    /// Keys that are published.
    pub(crate) published: Vec<Value>,
    /// How often keys were asked for.
    pub(crate) asked: usize,
    keys: HashMap<&'static str, (EncodingKey, Value)>,
    grants: HashMap<String, Grant>,
    next: usize,
}

/// A provider. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Idp {
    inner: Arc<Mutex<Inner>>,
    router: Router,
}

/// What a browser brings back.
pub(crate) struct Returned {
    pub(crate) query: HashMap<String, String>,
}

fn key(algorithm: Algorithm) -> (EncodingKey, Value) {
    let random = SystemRandom::new();
    let key = match algorithm {
        Algorithm::RS256 => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
            let der: Pkcs8V1Der = pair.as_der().unwrap();
            // The key itself, behind what PKCS #8 puts before one of 2048 bits.
            EncodingKey::from_rsa_der(&der.as_ref()[26..])
        }
        Algorithm::ES256 => {
            let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
            EncodingKey::from_ec_der(document.as_ref())
        }
        _ => {
            let document = Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
            EncodingKey::from_ed_der(document.as_ref())
        }
    };
    let mut public = Jwk::from_encoding_key(&key, algorithm).unwrap();
    public.common.key_id = Some(name(algorithm).to_owned());
    (key, serde_json::to_value(public).unwrap())
}

fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        _ => "EdDSA",
    }
}

/// Puts members over others; null takes one out.
fn merge(base: &mut Value, change: &Value) {
    for (name, value) in change.as_object().into_iter().flatten() {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
}

impl Idp {
    /// Listens until the test's runtime ends. It vouches for Anna.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realm", listener.local_addr().unwrap());
        let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
        let keys: HashMap<_, _> = algorithms
            .map(|algorithm| (name(algorithm), key(algorithm)))
            .into();
        let published = keys.values().map(|(_, public)| public.clone()).collect();
        let inner = Arc::new(Mutex::new(Inner {
            issuer,
            person: json!({
                "sub": "anna-1", "email": "anna@corp.example.com", "email_verified": true,
                "preferred_username": "anna",
            }),
            change: json!({}),
            discovery: json!({}),
            signing: Signing::As(Algorithm::RS256),
            manner: Manner::Answers,
            named: None,
            published,
            asked: 0,
            keys,
            grants: HashMap::new(),
            next: 0,
        }));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(discovery))
            .route("/realm/authorize", get(authorize))
            .route("/realm/token", post(token))
            .route("/realm/keys", get(keys_of))
            .with_state(inner.clone());
        let served = router.clone();
        tokio::spawn(async move { axum::serve(listener, served).await });
        Self { inner, router }
    }

    pub(crate) fn set(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What the settings say of it.
    pub(crate) fn settings(&self, name: &str) -> OidcProvider {
        OidcProvider {
            name: name.to_owned(),
            title: "Corp".to_owned(),
            issuer: self.set().issuer.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Some(CLIENT_PASSWORD.into()),
            trusts_email: false,
        }
    }

    /// The real client.
    pub(crate) fn client() -> HttpProviderClient {
        let client = HttpProviderClient::new().unwrap();
        client.with_patience(Duration::from_secs(1))
    }

    /// A browser that goes where it is sent; Anna signs in there.
    pub(crate) async fn visit(&self, authorization_url: &str) -> Returned {
        let url = Url::parse(authorization_url).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap());
        let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 302, "{authorization_url}");
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        let location = Url::parse(location).unwrap();
        let query = location.query_pairs().into_owned().collect();
        Returned { query }
    }
}

type Shared = State<Arc<Mutex<Inner>>>;

async fn discovery(State(inner): Shared) -> Json<Value> {
    let inner = inner.lock().unwrap();
    let issuer = &inner.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    });
    merge(&mut document, &inner.discovery);
    Json(document)
}

async fn keys_of(State(inner): Shared) -> Json<Value> {
    let mut inner = inner.lock().unwrap();
    inner.asked += 1;
    // One of a kind that nobody knows is no reason to fail.
    let odd = json!({ "kty": "PQ", "kid": "odd", "x": [1] });
    let keys: Vec<_> = inner.published.iter().cloned().chain([odd]).collect();
    Json(json!({ "keys": keys }))
}

async fn authorize(
    State(inner): Shared,
    Query(query): Query<HashMap<String, String>>,
) -> impl IntoResponse {
    let mut inner = inner.lock().unwrap();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], CLIENT);
    assert_eq!(query["code_challenge_method"], "S256");
    assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
    inner.next += 1;
    let code = format!("code-{}", inner.next);
    let grant = Grant {
        redirect_uri: query["redirect_uri"].clone(),
        nonce: query["nonce"].clone(),
        challenge: query["code_challenge"].clone(),
    };
    let mut back = Url::parse(&grant.redirect_uri).unwrap();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &query["state"]);
    if let Some(named) = &inner.named {
        back.query_pairs_mut().append_pair("iss", named);
    }
    inner.grants.insert(code, grant);
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())])
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}

/// Who the client says it is, by header or by form.
fn client(headers: &HeaderMap, form: &HashMap<String, String>) -> Option<(String, String)> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Some((
            form.get("client_id")?.clone(),
            form.get("client_secret")?.clone(),
        ));
    };
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, password) = pair.split_once(':')?;
    let decode = |text: &str| {
        let text = format!("x={text}");
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.next().unwrap().1.into_owned()
    };
    Some((decode(id), decode(password)))
}

async fn token(
    State(inner): Shared,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let manner = inner.lock().unwrap().manner;
    match manner {
        Manner::Answers => {}
        Manner::Html => return Html("<h1>Sign in</h1>").into_response(),
        Manner::Giant => return "x".repeat(8 * 1024 * 1024).into_response(),
        Manner::Fails => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Empty => return Json(json!({ "access_token": "x" })).into_response(),
        Manner::Stalls => return std::future::pending().await,
        Manner::Redirects => {
            let to = format!("{}/token", inner.lock().unwrap().issuer);
            let status = StatusCode::TEMPORARY_REDIRECT;
            return (status, [(header::LOCATION, to)]).into_response();
        }
    }
    let mut inner = inner.lock().unwrap();
    if client(&headers, &form) != Some((CLIENT.to_owned(), CLIENT_PASSWORD.to_owned())) {
        return refuse("invalid_client");
    }
    // A code is good once, whatever comes of it.
    let Some(grant) = form.get("code").and_then(|code| inner.grants.remove(code)) else {
        return refuse("invalid_grant");
    };
    let verifier = form.get("code_verifier").map_or("", String::as_str);
    let is_good = form.get("grant_type").map(String::as_str) == Some("authorization_code")
        && form.get("redirect_uri") == Some(&grant.redirect_uri)
        && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == grant.challenge
        && verifier.len() >= 43;
    if !is_good {
        return refuse("invalid_grant");
    }
    let mut claims = json!({
        "iss": inner.issuer, "aud": CLIENT, "nonce": grant.nonce, "iat": NOW, "exp": NOW + 300,
    });
    merge(&mut claims, &inner.person);
    merge(&mut claims, &inner.change);
    let id_token = sign(&inner, &claims);
    Json(json!({ "access_token": "x", "token_type": "Bearer", "id_token": id_token }))
        .into_response()
}

fn sign(inner: &Inner, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let by = |algorithm, kid: Option<&str>, key: &EncodingKey| {
        let header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(algorithm)
        };
        jsonwebtoken::encode(&header, claims, key).unwrap()
    };
    let ours = |algorithm| &inner.keys[name(algorithm)].0;
    let kid = |algorithm| inner.keys[name(algorithm)].1["kid"].as_str();
    // The header is signed, too: what stands there is what the signer wrote.
    let with_header = |header: &Value| {
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = ours(Algorithm::RS256);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    };
    match inner.signing {
        Signing::As(algorithm) => by(algorithm, kid(algorithm), ours(algorithm)),
        Signing::Nameless(algorithm) => by(algorithm, None, ours(algorithm)),
        Signing::Stranger => by(Algorithm::ES256, Some("new"), &key(Algorithm::ES256).0),
        Signing::Impostor => by(Algorithm::ES256, Some("ES256"), &key(Algorithm::ES256).0),
        Signing::Unsigned => {
            let header = encode(&json!({ "alg": "none", "typ": "JWT" }));
            format!("{header}.{}.", encode(claims))
        }
        Signing::ByPublicKey => {
            let public = &inner.keys["RS256"].1;
            let modulus = URL_SAFE_NO_PAD
                .decode(public["n"].as_str().unwrap())
                .unwrap();
            by(
                Algorithm::HS256,
                Some("RS256"),
                &EncodingKey::from_secret(&modulus),
            )
        }
        Signing::Renamed => with_header(&json!({ "alg": "ES256", "kid": "RS256" })),
        Signing::Critical => {
            with_header(&json!({ "alg": "RS256", "kid": "RS256", "crit": ["x"], "x": 1 }))
        }
    }
}

impl Inner {
    /// A new key for ES256 takes the place of the one before, under an id of its own.
    pub(crate) fn rotate(&mut self, kid: &str) {
        let (key, mut public) = key(Algorithm::ES256);
        public["kid"] = json!(kid);
        self.published.push(public.clone());
        self.keys.insert("ES256", (key, public));
    }

    /// Codes that were given and not exchanged.
    pub(crate) fn open_codes(&self) -> usize {
        self.grants.len()
    }
}
