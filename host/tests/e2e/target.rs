//! A small website on loopback, whose state a test changes, and which stops when it is dropped.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

type Pages = Arc<Mutex<HashMap<String, (u16, String)>>>;

pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pages: Pages,
    stop: Arc<AtomicBool>,
}

impl Target {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (pages, stop) = (Pages::default(), Arc::new(AtomicBool::new(false)));
        let (served, stopped) = (pages.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let pages = served.clone();
                let stream = stream.unwrap();
                std::thread::spawn(move || answer(stream, &pages));
            }
        });
        Self {
            address,
            pages,
            stop,
        }
    }

    /// What `path` answers from now on; other paths answer 200 and `ok`.
    pub(crate) fn set(&self, path: &str, status: u16, body: &str) {
        self.pages
            .lock()
            .unwrap()
            .insert(path.to_owned(), (status, body.to_owned()));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection; it may be gone already.
        let _ = TcpStream::connect(self.address);
    }
}

/// One request a connection. `/wait/N` answers after N milliseconds.
fn answer(mut stream: TcpStream, pages: &Pages) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => request.extend_from_slice(&chunk[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let path = head.split(' ').nth(1).unwrap_or("/");
    if let Some(ms) = path.strip_prefix("/wait/").and_then(|ms| ms.parse().ok()) {
        std::thread::park_timeout(Duration::from_millis(ms));
    }
    let found = pages.lock().unwrap().get(path).cloned();
    let (status, body) = found.unwrap_or((200, "ok".to_owned()));
    let answer = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // The other side may have gone, which is its right.
    let _ = stream.write_all(answer.as_bytes());
}
