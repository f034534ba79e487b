//! `vedette serve`

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    app::{self, App},
    cli::{complain, say},
    config::Config,
    server::HttpServer,
};

/// What a shell calls the end by a second Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Runs everything until told to stop.
pub(crate) fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    tokio::runtime::Runtime::new()?.block_on(async {
        let address = config.server.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (server.listen)"))?;
        let address = listener.local_addr()?;
        let app = App::start(config, app::guard(config)?).await?;
        let certificate = config.server.tls.certificate();
        let http = HttpServer::start(listener, app.router.clone(), certificate.as_ref()).await?;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        tracing::info!(ready_ms = began.elapsed().as_millis(), %address, scheme, "ready");
        say(&format!("Vedette listens on {scheme}://{address}  (API: {scheme}://{address}/docs)"));
        if !app.store.has_users().await? {
            say(&format!(
                "Nobody has registered yet. The first user becomes the administrator:\n\n  \
                 curl -X POST {scheme}://{address}/api/v1/auth/register \\\n    \
                 -H 'Content-Type: application/json' \\\n    \
                 -d '{{\"username\":\"admin\",\"email\":\"admin@example.com\",\"password\":\"…\"}}'\n"
            ));
        }
        run_until_stopped(app, http).await
    })
}

/// For answers that are not sent when everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves until a signal, or until the scheduler cannot go on.
pub(crate) async fn run_until_stopped(app: App, http: HttpServer) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let is_broken = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = app.scheduler.broken() => true,
    };
    if is_broken {
        tracing::error!("the scheduler cannot go on; the server ends, to be started again");
    } else {
        tracing::info!("stopping: runs in flight may end; a second signal stops at once");
    }
    http.stop();
    let ending = async {
        app.drain().await;
        // Answers that are on their way had all the time of the drain; a client that never ends
        // its request must not hold up the end. The database is there until the last answer.
        let answered = tokio::time::timeout(LAST_ANSWERS, http.ended()).await;
        app.close().await;
        answered
    };
    tokio::select! {
        ended = ending => {
            if let Ok(answered) = ended {
                answered?;
            }
        }
        _ = terminate.recv() => exit_now(),
        _ = interrupt.recv() => exit_now(),
    }
    tracing::info!("stopped");
    Ok(if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Nothing is lost by it: what was not recorded runs again.
fn exit_now() {
    complain("stopped at once");
    std::process::exit(EXIT_INTERRUPTED);
}
