//! Servers that say exactly what a test wants, byte for byte, and stop when they are dropped.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What to answer to a request's head; `None` hangs until the other side goes.
pub(crate) type Answer = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) async fn start(
        answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Arc::new(answer), None).await
    }

    /// With a certificate for `name`; gives it in DER too.
    pub(crate) async fn start_tls(
        params: CertificateParams,
        answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> (Self, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der().clone();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], secret)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (
            Self::listen(Arc::new(answer), Some(acceptor)).await,
            der.to_vec(),
        )
    }

    async fn listen(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (counted, kept) = (connections.clone(), heads.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, tls, kept) = (answer.clone(), tls.clone(), kept.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answer, kept).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, kept).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            connections,
            heads,
            task,
        }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    heads: Arc<Mutex<Vec<String>>>,
) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else {
            return;
        };
        buffer.extend_from_slice(&chunk[..read]);
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.clear();
        heads.lock().unwrap().push(head.clone());
        match answer(&head) {
            Some(bytes) => {
                let is_last = bytes
                    .windows(17)
                    .any(|window| window == b"connection: close");
                if stream.write_all(&bytes).await.is_err() || is_last {
                    // Either way the connection ends here.
                    let _ = stream.shutdown().await;
                    return;
                }
            }
            None => while matches!(stream.read(&mut chunk).await, Ok(1..)) {},
        }
    }
}

pub(crate) fn ok(body: &str) -> Option<Vec<u8>> {
    reply("200 OK", "", body)
}

/// A whole answer, in the shape a handler gives it back: `None` would say nothing.
#[expect(clippy::unnecessary_wraps, reason = "handlers return it as it is")]
pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Option<Vec<u8>> {
    Some(
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}
