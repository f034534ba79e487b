//! The website that the demo watches: well for a while, down for a while, and again.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Form, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::sleep_until,
};
use tokio_rustls::TlsAcceptor;

/// One round of well and down.
pub(super) const PERIOD: Duration = Duration::from_secs(20);
/// The part of a round that it is down.
pub(super) const DOWN: Duration = Duration::from_secs(8);
pub(super) const PASSWORD: &str = "correct horse";

const TOKEN: &str = "0d1e2f";
const SESSION: &str = "session=anna";

/// The running target; it ends with the process.
pub(super) struct Target {
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    /// DER.
    pub(super) certificate: Vec<u8>,
    site: Site,
}

/// Up until its rounds begin.
#[derive(Clone)]
struct Site {
    began: Arc<OnceLock<Instant>>,
}

impl Site {
    fn is_up(&self) -> bool {
        let Some(began) = self.began.get() else {
            return true;
        };
        let into_round = began.elapsed().as_millis() % PERIOD.as_millis();
        into_round < PERIOD.saturating_sub(DOWN).as_millis()
    }
}

impl Target {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let site = Site {
            began: Arc::default(),
        };
        let router = Router::new()
            .route("/status", get(status))
            .route("/page", get(page))
            .route("/health.json", get(health))
            .route("/slow", get(slow))
            .route("/login", get(form).post(login))
            .route("/account", get(account))
            .with_state(site.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let http = listener.local_addr()?;
        tokio::spawn(axum::serve(listener, router).into_future());
        let (https, certificate) = serve_tls().await?;
        Ok(Self {
            http,
            https,
            certificate,
            site,
        })
    }

    /// Begins the first round: when everything else is ready, which may take a while.
    pub(super) fn begin(&self) {
        self.site.began.get_or_init(Instant::now);
    }
}

async fn status(State(site): State<Site>) -> StatusCode {
    if site.is_up() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn page(State(site): State<Site>) -> Html<&'static str> {
    Html(if site.is_up() {
        "<h1>Welcome</h1>"
    } else {
        "<h1>Down for maintenance</h1>"
    })
}

async fn health(State(site): State<Site>) -> impl IntoResponse {
    let database = if site.is_up() { "ok" } else { "unreachable" };
    axum::Json(serde_json::json!({ "checks": { "database": database, "queue": "ok" } }))
}

async fn slow(State(site): State<Site>) -> &'static str {
    let wait = if site.is_up() { 20 } else { 400 };
    sleep_until(tokio::time::Instant::now() + Duration::from_millis(wait)).await;
    "done"
}

async fn form() -> Html<String> {
    Html(format!(
        "<form method=post><input type=hidden name=\"csrf\" value=\"{TOKEN}\"></form>"
    ))
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    csrf: String,
}

async fn login(State(site): State<Site>, Form(login): Form<Login>) -> Response {
    if !site.is_up() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if login.username != "anna" || login.password != PASSWORD || login.csrf != TOKEN {
        return StatusCode::FORBIDDEN.into_response();
    }
    let headers = [
        (header::SET_COOKIE, SESSION),
        (header::LOCATION, "/account"),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

async fn account(headers: HeaderMap) -> Response {
    if headers
        .get(header::COOKIE)
        .is_some_and(|cookie| cookie == SESSION)
    {
        Html("<h1>Your account</h1>").into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// A page over TLS with a certificate made just now: its address, and the certificate.
async fn serve_tls() -> anyhow::Result<(SocketAddr, Vec<u8>)> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let certificate = params.self_signed(&key)?;
    let der = certificate.der().clone();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], secret)
        .context("the demo's certificate")?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut request = [0; 4096];
                // A request of the demo's own checks comes in one piece.
                let _ = stream.read(&mut request).await?;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                stream.write_all(answer).await?;
                stream.shutdown().await
            });
        }
    });
    Ok((address, der.to_vec()))
}
