//! A small HTTP server on loopback that answers by path and stops when it is dropped.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// A message when the other side of `/hang` hangs up.
    pub(crate) hung_up: mpsc::UnboundedReceiver<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, hung_up) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Self {
            address,
            hung_up,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, hung_up: mpsc::UnboundedSender<()>) {
    let mut buffer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else {
            return;
        };
        buffer.extend_from_slice(&chunk[..read]);
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if buffer.len() < end + 4 + length {
            continue;
        }
        let body = String::from_utf8_lossy(&buffer[end + 4..end + 4 + length]).into_owned();
        buffer.drain(..end + 4 + length);
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        let reply = |status: &str, headers: &str, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                body.len()
            )
        };
        let answer = match path.as_str() {
            "/500" => reply("500 Internal Server Error", "", "no"),
            "/json" => reply(
                "200 OK",
                "content-type: application/json\r\n",
                "{\"a\":{\"b\":[1,2]}}",
            ),
            "/redirect" => reply("302 Found", "location: /json\r\n", ""),
            "/metadata" => reply("302 Found", "location: http://169.254.169.254/\r\n", ""),
            "/slow" => {
                tokio::time::sleep_until(Instant::now() + Duration::from_millis(100)).await;
                reply("200 OK", "", "slow")
            }
            "/hang" => {
                while matches!(stream.read(&mut chunk).await, Ok(1..)) {}
                let _ = hung_up.send(());
                return;
            }
            "/garbage" => "hello\r\n\r\n".to_owned(),
            "/echo" => reply("200 OK", "x-echo: 1\r\n", &format!("{head}\r\n\r\n{body}")),
            _ => reply("200 OK", "", "ok"),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
