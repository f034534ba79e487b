//! Receivers on loopback that do exactly what a test wants, and stop when they are dropped.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What to do with a request.
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    /// Bytes, then the same again and again, as fast as they go.
    Flood(Vec<u8>, Vec<u8>),
    /// Bytes, then one more each 20 ms.
    Trickle(Vec<u8>),
    /// Nothing, until the other side goes.
    Hang,
}

type Answer = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
    received: Arc<Mutex<Vec<Received>>>,
    finished: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer: Answer = Arc::new(answer);
        let connections = Arc::new(AtomicUsize::new(0));
        let written = Arc::new(AtomicU64::new(0));
        let received = Arc::new(Mutex::new(Vec::new()));
        let finished = Arc::new(AtomicUsize::new(0));
        let (counted, sum, kept) = (connections.clone(), written.clone(), received.clone());
        let ended = finished.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, sum, kept) = (answer.clone(), sum.clone(), kept.clone());
                let ended = ended.clone();
                tokio::spawn(async move {
                    // A receiver does not mind how the other side ends.
                    let _ = serve(stream, answer, sum, kept).await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            connections,
            written,
            received,
            finished,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections that both sides have closed.
    pub(crate) fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }

    /// Bytes of floods and trickles that the other side has taken.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Answer,
    written: Arc<AtomicU64>,
    kept: Arc<Mutex<Vec<Received>>>,
) -> std::io::Result<()> {
    let request = read(&mut stream).await?;
    kept.lock().unwrap().push(request.clone());
    match answer(&request) {
        Reply::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            // The other side has read it all when it closes.
            while stream.read(&mut [0; 64]).await? > 0 {}
            Ok(())
        }
        Reply::Flood(head, chunk) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&chunk).await?;
                written.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            }
        }
        Reply::Trickle(head) => {
            stream.write_all(&head).await?;
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                stream.write_all(b"x").await?;
                written.fetch_add(1, Ordering::SeqCst);
            }
        }
        Reply::Hang => {
            let mut chunk = [0; 64];
            while stream.read(&mut chunk).await? > 0 {}
            Ok(())
        }
    }
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Received> {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&chunk[..count]);
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let body = String::from_utf8_lossy(&buffer[end + 4..]).into_owned();
        let request = Received { head, body };
        let length = request
            .header("content-length")
            .map_or(0, |value| value.parse().unwrap());
        if buffer.len() >= end + 4 + length {
            return Ok(request);
        }
    }
}

pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    Reply::Bytes(text.into_bytes())
}
