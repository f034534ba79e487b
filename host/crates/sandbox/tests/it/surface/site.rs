//! A server on loopback that answers as a test says, and keeps what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a test answers; `None` leaves the request open.
type Answer = fn(&Asked) -> Option<Vec<u8>>;

pub(super) struct Site {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Site {
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let kept = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), answer));
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    /// One that answers with what it was asked: first line, headers, an empty line, the body.
    pub(super) async fn echo() -> Self {
        Self::start(|asked| {
            let headers = asked.headers.iter();
            let headers: Vec<_> = headers
                .map(|(name, value)| format!("{name}: {value}\n"))
                .collect();
            let head = format!("{} {}\n{}\n", asked.method, asked.path, headers.concat());
            let mut body = head.into_bytes();
            body.extend_from_slice(&asked.body);
            Some(reply("200 OK", "", &body))
        })
        .await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response with `headers`, each of which ends with CR LF.
pub(super) fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut whole =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n").into_bytes();
    whole.extend_from_slice(body);
    whole
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Asked>>>, answer: Answer) {
    let mut buffer = Vec::new();
    loop {
        while let Some((asked, length)) = read_request(&buffer) {
            buffer.drain(..length);
            kept.lock().unwrap().push(asked.clone());
            let Some(bytes) = answer(&asked) else {
                continue;
            };
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else {
            return;
        };
        buffer.extend_from_slice(&chunk[..read]);
    }
}

/// A whole request and how long it is, when all of it is there.
fn read_request(buffer: &[u8]) -> Option<(Asked, usize)> {
    let head_end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let asked = Asked {
        method: words.next()?,
        path: words.next()?,
        headers,
        body: Vec::new(),
    };
    let length = asked
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    let body = buffer.get(head_end + 4..head_end + 4 + length)?.to_vec();
    Some((Asked { body, ..asked }, head_end + 4 + length))
}
