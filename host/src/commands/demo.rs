//! `vedette demo`: the whole system on a throw-away data directory, with a target of its own.

mod target;

use std::{collections::HashMap, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use chrono::Local;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::broadcast,
    time::Instant,
};
use tower::ServiceExt as _;
use vedette_core::ScriptId;
use vedette_egress::{Guard, Policy};
use vedette_scheduler::FinishedRun;

use self::target::Target;
use super::check::headline;
use crate::{
    app::App,
    cli::say,
    config::{Config, LogFormat},
    logging,
};

const USER: &str = "demo";
const PASSWORD: &str = "demo-password";

/// Shows everything until Ctrl-C or SIGTERM, or for so many seconds.
pub(crate) fn demo(seconds: Option<u64>) -> anyhow::Result<ExitCode> {
    // Whatever is set for an installation is not for us: the demo must touch nothing of it.
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let mut config = Config::built_in("127.0.0.1:0", folder.path())?;
    config.scheduler.least_interval_seconds = 1;
    "warn".clone_into(&mut config.log.level);
    config.log.format = LogFormat::Pretty;
    logging::start(&config.log)?;
    tokio::runtime::Runtime::new()?.block_on(show(config, seconds))
}

async fn show(config: Config, seconds: Option<u64>) -> anyhow::Result<ExitCode> {
    // From here on, so that a signal during the start still ends in order.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let target = Target::start().await?;
    // The target's certificate is its own: here, and only here, it is trusted.
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse()?],
        ..Policy::default()
    };
    let guard = Guard::with_roots(policy, vec![target.certificate.clone()])?;
    let listener = TcpListener::bind(config.server.listen).await?;
    let address = listener.local_addr()?;
    let app = App::start(&config, guard).await?;
    let news = app.scheduler.subscribe();
    let api = Api::sign_in(app.router.clone()).await?;
    let names = make_scripts(&api, &target).await?;
    target.begin();
    say(&format!(
        "Vedette runs here on a throw-away data directory, with a check from each of its {count} \
         templates.\nThe target at http://{target} goes down for {down} of every {period} seconds. \
         Ctrl-C ends it.\n\nLook around:\n  API     http://{address}/docs\n  Scripts \
         curl -H 'Authorization: Bearer {token}' http://{address}/api/v1/scripts\n",
        count = names.len(),
        target = target.http,
        down = target::DOWN.as_secs(),
        period = target::PERIOD.as_secs(),
        token = api.token,
    ));
    let router = app.router.clone();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service);
    let listening = tokio::spawn(server.into_future());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    tokio::select! {
        () = print_news(news, &names) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = until(end) => {}
    }
    listening.abort();
    app.drain().await;
    app.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// One line for each execution as it is recorded.
async fn print_news(mut news: broadcast::Receiver<FinishedRun>, names: &HashMap<ScriptId, String>) {
    loop {
        match news.recv().await {
            Ok(run) => {
                let time = run.executed_at.with_timezone(&Local).format("%H:%M:%S");
                let name = names.get(&run.script_id).map_or("?", String::as_str);
                say(&format!("{time}  {name:<15} {}", headline(&run.outcome)));
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// A script from each template, every two or three seconds.
async fn make_scripts(api: &Api, target: &Target) -> anyhow::Result<HashMap<ScriptId, String>> {
    let templates = api.call("GET", "/api/v1/script-templates", None).await?;
    let mut names = HashMap::new();
    for template in templates["items"].as_array().context("a list")? {
        let slug = template["slug"].as_str().context("a slug")?;
        let http = |path: &str| format!("http://{}{path}", target.http);
        let parameters = match slug {
            "http-status" => json!({ "url": http("/status") }),
            "keyword" => json!({ "url": http("/page"), "keyword": "Welcome" }),
            "json-api" => {
                json!({ "url": http("/health.json"), "path": "checks.database", "equals": "ok" })
            }
            "latency-budget" => json!({ "url": http("/slow"), "budget_ms": 200 }),
            "tls-expiry" => json!({ "url": format!("https://{}/", target.https), "min_days": 7 }),
            "login-flow" => json!({
                "url": http("/login"), "protected_url": http("/account"),
                "expected_text": "Your account", "token_field": "csrf",
            }),
            other => bail!("the demo does not know the template `{other}`"),
        };
        let script = json!({
            "name": slug,
            "template_id": template["id"],
            "interval_seconds": if slug == "tls-expiry" { 3 } else { 2 },
            "parameters": parameters,
            "env_vars": { "LOGIN_USERNAME": "anna", "LOGIN_PASSWORD": target::PASSWORD },
        });
        let made = api.call("POST", "/api/v1/scripts", Some(script)).await?;
        let id = made["id"].as_str().context("an id")?.parse()?;
        names.insert(id, slug.to_owned());
    }
    Ok(names)
}

/// The server's own API, called as anyone would, without a socket.
struct Api {
    router: Router,
    token: String,
}

impl Api {
    async fn sign_in(router: Router) -> anyhow::Result<Self> {
        let mut api = Self {
            router,
            token: String::new(),
        };
        let account =
            json!({ "username": USER, "email": "demo@example.com", "password": PASSWORD });
        api.call("POST", "/api/v1/auth/register", Some(account))
            .await?;
        let login = json!({ "username": USER, "password": PASSWORD });
        let tokens = api.call("POST", "/api/v1/auth/login", Some(login)).await?;
        let token = tokens["access_token"].as_str().context("a token")?;
        token.clone_into(&mut api.token);
        Ok(api)
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1024 * 1024).await?;
        let text = String::from_utf8_lossy(&bytes);
        ensure!(
            matches!(status, StatusCode::OK | StatusCode::CREATED),
            "{method} {path} answered {status}: {text}"
        );
        Ok(serde_json::from_slice(&bytes)?)
    }
}
