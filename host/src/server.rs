//! The listener of the API: connections that are counted, bounded in time, and encrypted if wanted.

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use axum::{Extension, Router, middleware::AddExtension};
use axum_server::{
    Handle,
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tower::Layer as _;

/// Connections at one time; more are closed at once.
const MOST_CONNECTIONS: usize = 4_096;
/// For the handshake of TLS, and for the first request's head.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// For the head of a later request, the wait for it included.
const HEAD: Duration = Duration::from_mins(1);
/// All header fields of a request together, as HTTP/1 and HTTP/2 write them.
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_BYTES_HTTP2: u32 = 64 * 1024;
/// Requests of one HTTP/2 connection at one time.
const MOST_STREAMS: u32 = 100;
/// Between two pings of an HTTP/2 connection, and for their answers.
const PING: Duration = Duration::from_secs(30);
/// Between two looks for a renewed certificate.
const LOOK: Duration = Duration::from_mins(1);

/// The files of a certificate with its chain and of its key, both PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

/// A running server.
pub(crate) struct HttpServer {
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
    renewal: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Begins to serve; with TLS if there is a certificate, which is read again when its file is
    /// another.
    pub(crate) async fn start(
        listener: TcpListener,
        router: Router,
        certificate: Option<&Certificate>,
    ) -> anyhow::Result<Self> {
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(listener.into_std()?)?
            .handle(handle.clone())
            .first_request_timeout(FIRST_BYTES);
        let builder = server.http_builder();
        builder
            .http1()
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES);
        builder
            .http2()
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(HEAD_BYTES_HTTP2)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let counted = Counted(Arc::new(Semaphore::new(MOST_CONNECTIONS)));
        let (task, renewal) = match certificate {
            None => {
                let server = server.acceptor(counted);
                (
                    tokio::spawn(async move { server.serve(service).await }),
                    None,
                )
            }
            Some(certificate) => {
                let tls = certificate.load().await?;
                let renewal = tokio::spawn(renew(tls.clone(), certificate.clone()));
                let acceptor = RustlsAcceptor::new(tls).handshake_timeout(FIRST_BYTES);
                let server = server.acceptor(acceptor.acceptor(counted));
                let task = tokio::spawn(async move { server.serve(service).await });
                (task, Some(renewal))
            }
        };
        Ok(Self {
            handle,
            task,
            renewal,
        })
    }

    /// Takes no more requests; those that are here are answered.
    pub(crate) fn stop(&self) {
        self.handle.graceful_shutdown(None);
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }

    /// Waits until the last answer is sent.
    pub(crate) async fn ended(self) -> anyhow::Result<()> {
        Ok(self.task.await??)
    }
}

impl Certificate {
    async fn load(&self) -> anyhow::Result<RustlsConfig> {
        let loaded = RustlsConfig::from_pem_file(&self.chain, &self.key).await;
        loaded.with_context(|| {
            format!(
                "{} and {} are no certificate with its key, both in PEM (server.tls)",
                self.chain.display(),
                self.key.display()
            )
        })
    }

    async fn changed_at(&self) -> Option<(SystemTime, SystemTime)> {
        Some((changed_at(&self.chain).await?, changed_at(&self.key).await?))
    }
}

async fn changed_at(path: &Path) -> Option<SystemTime> {
    tokio::fs::metadata(path).await.ok()?.modified().ok()
}

/// Takes up a renewed certificate. One that cannot be read leaves the old one in use.
async fn renew(tls: RustlsConfig, certificate: Certificate) {
    let mut seen = certificate.changed_at().await;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let now = certificate.changed_at().await;
        if now.is_none() || now == seen {
            continue;
        }
        let files = (&certificate.chain, &certificate.key);
        match tls.reload_from_pem_file(files.0, files.1).await {
            Ok(()) => tracing::info!("the certificate was renewed (server.tls)"),
            Err(error) => tracing::error!(
                %error,
                "the certificate was changed and cannot be read; the old one stays in use (server.tls)"
            ),
        }
        seen = now;
    }
}

/// Lets so many connections in.
#[derive(Clone)]
struct Counted(Arc<Semaphore>);

/// Held by a connection's service as long as it lives.
type Place = Arc<OwnedSemaphorePermit>;

impl<S> Accept<TcpStream, S> for Counted {
    type Stream = TcpStream;
    type Service = AddExtension<S, Place>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = self.0.clone().try_acquire_owned() else {
            tracing::warn!("a connection was refused: there are {MOST_CONNECTIONS} already");
            return ready(Err(io::ErrorKind::ConnectionRefused.into()));
        };
        // Answers are written at once; to wait for more to send would only delay them.
        let service = Extension(Arc::new(place)).layer(service);
        ready(stream.set_nodelay(true).map(|()| (stream, service)))
    }
}
