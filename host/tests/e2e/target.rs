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
type Requests = Arc<Mutex<Vec<String>>>;

pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pages: Pages,
    requests: Requests,
    stop: Arc<AtomicBool>,
}

impl Target {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (pages, stop) = (Pages::default(), Arc::new(AtomicBool::new(false)));
        let requests = Requests::default();
        let (served, seen, stopped) = (pages.clone(), requests.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (pages, requests) = (served.clone(), seen.clone());
                let stream = stream.unwrap();
                std::thread::spawn(move || answer(stream, &pages, &requests));
            }
        });
        Self {
            address,
            pages,
            requests,
            stop,
        }
    }

    /// What `path` answers from now on, or only one method of it (`DELETE /orders/7`); other paths
    /// answer 200 and `ok`. Of a redirect the body is the place.
    pub(crate) fn set(&self, path: &str, status: u16, body: &str) {
        self.pages
            .lock()
            .unwrap()
            .insert(path.to_owned(), (status, body.to_owned()));
    }

    /// How often `path` was asked for; a request counts before it is answered.
    pub(crate) fn requests(&self, path: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|one| *one == path).count()
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

/// A request as it came.
struct Request {
    method: String,
    path: String,
    /// Names in lower case.
    headers: HashMap<String, String>,
    body: String,
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut chunk) {
        Ok(read @ 1..) => {
            bytes.extend_from_slice(&chunk[..read]);
            Some(())
        }
        _ => None,
    };
    let end = loop {
        match bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => more(&mut bytes)?,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut first = head.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<_, _> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or(0);
    while bytes.len() < end + length {
        more(&mut bytes)?;
    }
    let body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

/// One request a connection. `/wait/N` answers after N milliseconds; `/session/login` and
/// `/session/account` are a site to sign in to.
fn answer(mut stream: TcpStream, pages: &Pages, requests: &Requests) {
    let Some(request) = read(&mut stream) else {
        return;
    };
    let path = request.path.as_str();
    requests.lock().unwrap().push(path.to_owned());
    if let Some(ms) = path.strip_prefix("/wait/").and_then(|ms| ms.parse().ok()) {
        std::thread::park_timeout(Duration::from_millis(ms));
    }
    let found = {
        let pages = pages.lock().unwrap();
        let of_method = pages.get(&format!("{} {path}", request.method));
        of_method.or_else(|| pages.get(path)).cloned()
    };
    let (status, headers, body) = match (path, found) {
        ("/session/login", _) => login(&request),
        ("/session/account", _) => account(&request),
        (_, Some((status @ 300..=399, place))) => {
            (status, format!("location: {place}\r\n"), String::new())
        }
        (_, Some((status, body))) => (status, String::new(), body),
        (_, None) => (200, String::new(), "ok".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // The other side may have gone, which is its right.
    let _ = stream.write_all(answer.as_bytes());
}

type Answer = (u16, String, String);

fn has_cookie(request: &Request, cookie: &str) -> bool {
    request
        .headers
        .get("cookie")
        .is_some_and(|all| all.split("; ").any(|one| one == cookie))
}

/// A form with a token and a cookie, both of which must come back with name and password.
fn login(request: &Request) -> Answer {
    if request.method != "POST" {
        let form = "<input data-name=\"csrf\" name=\"other\" value=\"wrong\">\
                    <input type=\"hidden\" data-value=\"wrong\" value=\"t0ken\" name=\"csrf\">";
        return (200, "set-cookie: form=1\r\n".to_owned(), form.to_owned());
    }
    let has = |pair: &str| request.body.split('&').any(|one| one == pair);
    if has_cookie(request, "form=1")
        && has("username=anna")
        && has("password=s3cret")
        && has("csrf=t0ken")
    {
        let headers =
            "set-cookie: session=anna; Path=/; HttpOnly\r\nlocation: /session/account\r\n";
        (303, headers.to_owned(), String::new())
    } else {
        (200, String::new(), "try again".to_owned())
    }
}

/// What only the session sees.
fn account(request: &Request) -> Answer {
    if has_cookie(request, "session=anna") {
        (200, String::new(), "Your account".to_owned())
    } else {
        let headers = "location: /session/login\r\n".to_owned();
        (302, headers, String::new())
    }
}
