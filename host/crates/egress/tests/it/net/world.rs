//! The internet of a test: listeners on the usual ports of every address there is, and a name
//! server. It keeps what arrives, and the kernel's counters tell what was tried.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use vedette_egress::{FetchError, Guard, Policy, Request, Response, Session, SessionLimits};

use super::dns::NameServer;

/// Where the server that a test means is.
pub(crate) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34));
pub(crate) const PUBLIC_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(
    0x2606, 0x2800, 0x220, 1, 0x248, 0x1893, 0x25c8, 0x1946,
));

/// Those of web servers, of proxies, and of what an attacker looks for behind them.
const PORTS: &[u16] = &[22, 80, 443, 3128, 6379, 8080, 8443];

/// A connection that arrived.
pub(crate) struct Visit {
    pub(crate) stream: TcpStream,
    /// The address that was dialled.
    pub(crate) to: SocketAddr,
    pub(crate) log: Arc<Log>,
    pub(crate) tls: TlsAcceptor,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) to: SocketAddr,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header that stands there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().skip(1).filter_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice: {}", self.head);
        value
    }
}

#[derive(Default)]
pub(crate) struct Log {
    connections: Mutex<Vec<SocketAddr>>,
    requests: Mutex<Vec<Seen>>,
}

type Answer = Arc<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Arc<dyn Fn(Visit) -> Work + Send + Sync>;

pub(crate) struct World {
    pub(crate) names: NameServer,
    /// What web servers answer at present.
    current: Option<Arc<Mutex<Answer>>>,
    log: Arc<Log>,
    root: Vec<u8>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl World {
    /// A world of web servers that all answer alike, with TLS on port 443.
    pub(crate) async fn answering(
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let current = Arc::new(Mutex::new(Arc::new(answer) as Answer));
        let served = current.clone();
        let mut world = Self::start(move |visit| {
            let served = served.clone();
            async move {
                let answer = move |seen: &Seen| {
                    let answer = served.lock().unwrap().clone();
                    answer(seen)
                };
                visit.serve(answer).await;
            }
        })
        .await;
        world.current = Some(current);
        world
    }

    /// From now on the servers answer thus; what was seen and said before is forgotten.
    pub(crate) fn begin(&self, answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) {
        let current = self.current.as_ref().expect("this world answers");
        *current.lock().unwrap() = Arc::new(answer);
        self.names.forget();
        self.take_connections();
        self.take_requests();
    }

    /// A world in which `handler` has every connection.
    pub(crate) async fn start<W>(handler: impl Fn(Visit) -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |visit| Box::pin(handler(visit)));
        let certificate = Certificate::new(&certificate_params());
        let log = Arc::new(Log::default());
        let mut tasks = Vec::new();
        for port in PORTS {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port))
                .await
                .unwrap();
            let (handler, log, tls) = (handler.clone(), log.clone(), certificate.acceptor());
            tasks.push(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let to = stream.local_addr().unwrap();
                    let to = SocketAddr::new(to.ip().to_canonical(), to.port());
                    log.connections.lock().unwrap().push(to);
                    tokio::spawn(handler(Visit {
                        stream,
                        to,
                        log: log.clone(),
                        tls: tls.clone(),
                    }));
                }
            }));
        }
        Self {
            names: NameServer::start().await,
            current: None,
            log,
            root: certificate.der,
            tasks,
        }
    }

    /// The guard as an installation has it, except that it trusts this world's certificate.
    pub(crate) fn guard(&self) -> Guard {
        self.guard_with(Policy::default())
    }

    pub(crate) fn guard_with(&self, policy: Policy) -> Guard {
        Guard::with_roots(policy, vec![self.root.clone()]).unwrap()
    }

    pub(crate) fn session(&self) -> Session {
        self.guard().session(SessionLimits::default())
    }

    /// Where connections arrived since the last call.
    pub(crate) fn take_connections(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.log.connections.lock().unwrap())
    }

    /// The requests that arrived since the last call.
    pub(crate) fn take_requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.log.requests.lock().unwrap())
    }
}

impl Visit {
    /// Answers requests until the other side goes, or an answer says that it is the last.
    pub(crate) async fn serve(self, answer: impl Fn(&Seen) -> Vec<u8> + Send) {
        let Self {
            stream,
            to,
            log,
            tls,
        } = self;
        if to.port() != 443 {
            return serve(stream, to, &log, answer).await;
        }
        // One that breaks the handshake off has seen what it wanted to.
        if let Ok(stream) = tls.accept(stream).await {
            serve(stream, to, &log, answer).await;
        }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    log: &Log,
    answer: impl Fn(&Seen) -> Vec<u8>,
) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer, to).await {
        log.requests.lock().unwrap().push(seen.clone());
        let bytes = answer(&seen);
        let is_last = bytes
            .windows(17)
            .any(|window| window == b"connection: close");
        if stream.write_all(&bytes).await.is_err() || is_last {
            // The other side may be gone already, which ends the connection as well.
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The next request; `None` at the end of the connection.
pub(crate) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    to: SocketAddr,
) -> Option<Seen> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut seen = Seen {
                to,
                head,
                body: Vec::new(),
            };
            let length = seen
                .header("content-length")
                .map_or(0, |n| n.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                seen.body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(seen);
            }
        }
        if !matches!(stream.read_buf(buffer).await, Ok(1..)) {
            return None;
        }
    }
}

/// A certificate and its key.
pub(crate) struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn new(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
        }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone().into()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// For all names that the corpus reaches by TLS.
pub(crate) fn certificate_params() -> CertificateParams {
    let names = ["example.com", "*.example.com"].map(str::to_owned);
    CertificateParams::new(names).unwrap()
}

/// What left this namespace so far by the kernel's count, whether or not it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Connections that were begun, over IPv4 and IPv6.
    pub(crate) connects: u64,
    /// Datagrams, those of the name server included.
    pub(crate) datagrams: u64,
}

impl Sent {
    pub(crate) fn now() -> Self {
        let v4 = std::fs::read_to_string("/proc/self/net/snmp").unwrap();
        let v6 = std::fs::read_to_string("/proc/self/net/snmp6").unwrap();
        // Two lines for each protocol: names, then values.
        let counter = |protocol: &str, name: &str| -> u64 {
            let mut lines = v4.lines().filter(|line| line.starts_with(protocol));
            let names = lines.next().unwrap().split(' ');
            let mut pairs = names.zip(lines.next().unwrap().split(' '));
            pairs
                .find(|(found, _)| *found == name)
                .unwrap()
                .1
                .parse()
                .unwrap()
        };
        let v6_datagrams = v6
            .lines()
            .find_map(|line| line.strip_prefix("Udp6OutDatagrams"));
        Self {
            connects: counter("Tcp: ", "ActiveOpens"),
            datagrams: counter("Udp: ", "OutDatagrams")
                + v6_datagrams.unwrap().trim().parse::<u64>().unwrap(),
        }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            connects: self.connects - earlier.connects,
            datagrams: self.datagrams - earlier.datagrams,
        }
    }
}

pub(crate) const NOTHING: Sent = Sent {
    connects: 0,
    datagrams: 0,
};

pub(crate) fn get(url: impl Into<String>) -> Request {
    Request {
        method: "GET".to_owned(),
        url: url.into(),
        ..Request::default()
    }
}

/// Makes a request, and tells what left meanwhile. Right when nothing else goes on.
pub(crate) async fn fetch(
    session: &Session,
    request: Request,
) -> (Result<Response, FetchError>, Sent) {
    let before = Sent::now();
    let answer = match session.fetch(request) {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    (answer, Sent::now().since(before))
}

pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Vec<u8> {
    crate::server::reply(status, headers, body).unwrap()
}

pub(crate) fn ok() -> Vec<u8> {
    reply("200 OK", "", "ok")
}

/// Whether the other side still takes it.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok()
}
