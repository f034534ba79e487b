//! A small web site on loopback whose answers are a function of the request; it stops when dropped.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request, as far as a test looks at it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The first header of that name, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Status with its reason, header lines, body.
pub(crate) struct Reply {
    pub(crate) status: &'static str,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn html(body: impl Into<String>) -> Self {
        Self::of("200 OK", "text/html; charset=utf-8", body)
    }

    pub(crate) fn json(status: &'static str, body: &impl ToString) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    pub(crate) fn empty(status: &'static str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    fn of(status: &'static str, content_type: &str, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![format!("content-type: {content_type}")],
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }
}

pub(crate) struct Site {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move { serve(stream, answer.as_ref()).await });
            }
        });
        Self { address, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: &(impl Fn(&Request) -> Reply + Sync)) {
    let mut buffer = Vec::new();
    loop {
        let (request, used) = loop {
            if let Some(read) = read_request(&buffer) {
                break read;
            }
            let mut chunk = [0; 4096];
            let Ok(read @ 1..) = stream.read(&mut chunk).await else {
                return;
            };
            buffer.extend_from_slice(&chunk[..read]);
        };
        buffer.drain(..used);
        let reply = answer(&request);
        let mut head = format!(
            "HTTP/1.1 {}\r\ncontent-length: {}\r\n",
            reply.status,
            reply.body.len()
        );
        for header in reply.headers {
            head = head + &header + "\r\n";
        }
        let whole = head + "\r\n" + &reply.body;
        if stream.write_all(whole.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The first request of the buffer, and how many bytes it has.
fn read_request(buffer: &[u8]) -> Option<(Request, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let body = buffer.get(end + 4..end + 4 + length)?;
    let request = Request {
        method,
        path,
        headers,
        body: String::from_utf8_lossy(body).into_owned(),
    };
    Some((request, end + 4 + length))
}
