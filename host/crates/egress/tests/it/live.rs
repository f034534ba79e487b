//! The client against servers on loopback, most of which misbehave.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::CertificateParams;
use vedette_egress::{
    FetchError, Guard, Policy, RedirectMode, Request, Response, Session, SessionLimits,
};

use crate::server::{Server, ok, reply};

fn policy() -> Policy {
    Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    }
}

fn session_with(limits: SessionLimits) -> Session {
    Guard::new(policy()).unwrap().session(limits)
}

fn session() -> Session {
    session_with(SessionLimits::default())
}

fn get(url: String) -> Request {
    Request {
        method: "GET".to_owned(),
        url,
        ..Request::default()
    }
}

async fn fetch(session: &Session, request: Request) -> Result<Response, FetchError> {
    session.fetch(request)?.await
}

#[tokio::test]
async fn a_connection_is_reused_within_a_run_only() {
    let server = Server::start(|_| ok("hello")).await;
    let session = session();
    let first = fetch(&session, get(server.url("/"))).await.unwrap();
    assert_eq!((first.status, first.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(first.remote_address, Some(server.address.to_string()));
    assert!(
        first.timings.connect.is_some()
            && first.timings.tls.is_none()
            && first.timings.dns.is_none()
    );
    assert!(first.timings.total >= first.timings.first_byte);
    let second = fetch(&session, get(server.url("/"))).await.unwrap();
    assert!(
        second.timings.connect.is_none(),
        "reused: {:?}",
        second.timings
    );
    assert_eq!(server.connections(), 1);
    fetch(&self::session(), get(server.url("/"))).await.unwrap();
    assert_eq!(
        server.connections(),
        2,
        "another run has a connection of its own"
    );
}

#[tokio::test]
async fn localhost_is_answered_here() {
    let server = Server::start(|_| ok("hello")).await;
    let url = format!("http://localhost:{}/", server.address.port());
    assert_eq!(
        fetch(&session(), get(url.clone())).await.unwrap().status,
        200
    );
    let closed = Guard::new(Policy {
        allow: vec!["10.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    })
    .unwrap();
    let denied = fetch(&closed.session(SessionLimits::default()), get(url)).await;
    assert!(
        matches!(denied, Err(FetchError::Denied { .. })),
        "{denied:?}"
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn tls_is_timed_described_and_judged() {
    let params = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let (server, root) = Server::start_tls(params("127.0.0.1"), |_| ok("safe")).await;
    let url = format!("https://{}/", server.address);
    let trusting = Guard::with_roots(policy(), vec![root]).unwrap();
    let session = trusting.session(SessionLimits::default());
    let response = fetch(&session, get(url.clone())).await.unwrap();
    let tls = response.tls.unwrap();
    assert_eq!(tls.protocol, "TLSv1.3");
    assert!(
        tls.not_before < tls.not_after && tls.chain_not_after == tls.not_after,
        "{tls:?}"
    );
    assert!(
        response.timings.tls.is_some_and(|tls| tls > Duration::ZERO),
        "{:?}",
        response.timings
    );
    assert!(response.timings.connect.is_some());
    let again = fetch(&session, get(url.clone())).await.unwrap();
    assert!(
        again.timings.tls.is_none() && again.tls == Some(tls),
        "known from the connection"
    );

    let untrusted = fetch(&self::session(), get(url)).await;
    assert!(
        matches!(&untrusted, Err(FetchError::Tls(why)) if why.contains("not trusted")),
        "{untrusted:?}"
    );

    let (other, root) = Server::start_tls(params("other.example"), |_| ok("safe")).await;
    let trusting = Guard::with_roots(policy(), vec![root]).unwrap();
    let wrong = fetch(
        &trusting.session(SessionLimits::default()),
        get(format!("https://{}/", other.address)),
    )
    .await;
    assert!(
        matches!(&wrong, Err(FetchError::Tls(why)) if why.contains("another name")),
        "{wrong:?}"
    );

    let mut expired = params("127.0.0.1");
    expired.not_before = rcgen::date_time_ymd(2000, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let (old, root) = Server::start_tls(expired, |_| ok("safe")).await;
    let trusting = Guard::with_roots(policy(), vec![root]).unwrap();
    let expired = fetch(
        &trusting.session(SessionLimits::default()),
        get(format!("https://{}/", old.address)),
    )
    .await;
    assert!(
        matches!(&expired, Err(FetchError::Tls(why)) if why.contains("expired")),
        "{expired:?}"
    );

    // Speaks no TLS: it waits for a request that never ends, and the connect limit strikes.
    let silent = Server::start(|_| ok("not TLS")).await;
    let limits = SessionLimits {
        connect_timeout: Duration::from_millis(200),
        ..SessionLimits::default()
    };
    let no_tls = fetch(
        &session_with(limits),
        get(format!("https://{}/", silent.address)),
    )
    .await;
    assert_eq!(no_tls.unwrap_err(), FetchError::Timeout);
}

#[tokio::test]
async fn a_redirect_is_followed_only_where_it_may_go() {
    let canary = Server::start(|_| ok("secret")).await;
    let canary_port = canary.address.port();
    let server = Server::start(move |head| {
        let path = head.split(' ').nth(1).unwrap_or("/");
        let to = |location: String| reply("302 Found", &format!("location: {location}\r\n"), "");
        match path {
            "/end" => ok("end"),
            "/relative" => to("end".to_owned()),
            "/loop" => to("/loop".to_owned()),
            "/private" => to("http://10.0.0.1/".to_owned()),
            "/six" => to(format!("http://[::1]:{canary_port}/")),
            "/mapped" => to(format!("http://[::ffff:127.0.0.1]:{canary_port}/")),
            "/scheme" => to("file:///etc/passwd".to_owned()),
            "/user" => to("http://a:b@127.0.0.1/".to_owned()),
            "/long" => to("x".repeat(60_000)),
            "/two" => reply(
                "302 Found",
                "location: /end\r\nlocation: http://10.0.0.1/\r\n",
                "",
            ),
            _ => ok("?"),
        }
    })
    .await;
    let go = |path: &str, redirect: RedirectMode| {
        let request = Request {
            redirect,
            ..get(server.url(path))
        };
        async move { fetch(&session(), request).await }
    };
    let followed = go("/relative", RedirectMode::Follow).await.unwrap();
    assert_eq!(
        (followed.status, followed.redirected, followed.url),
        (200, true, server.url("/end"))
    );
    assert_eq!(
        go("/relative", RedirectMode::Manual).await.unwrap().status,
        302
    );
    assert!(matches!(
        go("/relative", RedirectMode::Error).await,
        Err(FetchError::Protocol(_))
    ));
    assert_eq!(
        go("/loop", RedirectMode::Follow).await.unwrap_err(),
        FetchError::TooManyRedirects
    );
    for path in [
        "/private", "/six", "/mapped", "/scheme", "/user", "/long", "/two",
    ] {
        let refused = go(path, RedirectMode::Follow).await;
        assert!(
            matches!(refused, Err(FetchError::Denied { .. })),
            "{path}: {refused:?}"
        );
    }
    assert_eq!(canary.connections(), 0, "no packet left");
}

#[tokio::test]
async fn secrets_stay_with_their_origin() {
    let other = Server::start(|_| ok("other")).await;
    let elsewhere = other.url("/");
    let server = Server::start(move |head| {
        if head.contains("/same ") {
            return reply("307 Temporary Redirect", "location: /end\r\n", "");
        }
        if head.contains("/end ") {
            return ok("end");
        }
        reply("302 Found", &format!("location: {elsewhere}\r\n"), "")
    })
    .await;
    let request = |path: &str| Request {
        method: "POST".to_owned(),
        headers: vec![
            ("authorization".to_owned(), b"Bearer s3cret".to_vec()),
            ("cookie".to_owned(), b"a=s3cret".to_vec()),
            ("x-api-key".to_owned(), b"s3cret".to_vec()),
            ("accept".to_owned(), b"text/html".to_vec()),
        ],
        body: Some(b"body".to_vec()),
        ..get(server.url(path))
    };
    fetch(&session(), request("/away")).await.unwrap();
    let heads = other.heads.lock().unwrap().join("\n");
    assert!(
        heads.starts_with("GET / ") && heads.contains("accept: text/html"),
        "{heads}"
    );
    assert!(!heads.contains("s3cret"), "{heads}");
    fetch(&session(), request("/same")).await.unwrap();
    let head = server.heads.lock().unwrap().last().unwrap().clone();
    assert!(
        head.starts_with("POST /end ") && head.matches("s3cret").count() == 3,
        "{head}"
    );
}

#[tokio::test]
async fn a_body_has_an_end() {
    let server = Server::start(|head| {
        if head.contains("/endless") {
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for _ in 0..64 {
                answer.extend_from_slice(b"10000\r\n");
                answer.resize(answer.len() + 0x10000, b'x');
                answer.extend_from_slice(b"\r\n");
            }
            return Some(answer);
        }
        if head.contains("/claims") {
            return Some(
                b"HTTP/1.1 200 OK\r\ncontent-length: 4611686018427387904\r\n\r\nx".to_vec(),
            );
        }
        ok(&"x".repeat(60_000))
    })
    .await;
    let limits = SessionLimits {
        max_body_bytes: 100_000,
        max_total_bytes: 150_000,
        ..SessionLimits::default()
    };
    let session = session_with(limits.clone());
    let endless = fetch(&session, get(server.url("/endless"))).await;
    assert_eq!(endless.unwrap_err(), FetchError::BodyTooLarge(100_000));
    let impatient = SessionLimits {
        request_timeout: Duration::from_millis(500),
        ..limits.clone()
    };
    let claims = fetch(&session_with(impatient), get(server.url("/claims"))).await;
    assert_eq!(
        claims.unwrap_err(),
        FetchError::Timeout,
        "and nothing was allocated for the claim"
    );
    let session = session_with(limits);
    for _ in 0..2 {
        fetch(&session, get(server.url("/"))).await.unwrap();
    }
    let total = fetch(&session, get(server.url("/"))).await;
    assert!(matches!(total, Err(FetchError::Limit(_))), "{total:?}");
}

#[tokio::test]
async fn what_is_no_http_is_told_as_such() {
    let server = Server::start(|head| {
        let close = "connection: close\r\n";
        match head.split(' ').nth(1).unwrap_or("/") {
            "/garbage" => Some(b"\x00\x01\x02 connection: close".to_vec()),
            "/no-status" => Some(format!("<html>{close}").into_bytes()),
            "/short" => Some(
                format!("HTTP/1.1 200 OK\r\n{close}content-length: 50\r\n\r\nshort").into_bytes(),
            ),
            "/lengths" => Some(
                format!(
                    "HTTP/1.1 200 OK\r\n{close}content-length: 5\r\ncontent-length: 50\r\n\r\nshort"
                )
                .into_bytes(),
            ),
            _ => Some(close.as_bytes().to_vec()),
        }
    })
    .await;
    for path in ["/garbage", "/no-status", "/short", "/lengths", "/"] {
        let found = fetch(&session(), get(server.url(path))).await;
        let is_told = matches!(
            found,
            Err(FetchError::Protocol(_) | FetchError::ConnectionReset)
        );
        assert!(is_told, "{path}: {found:?}");
    }
    // Bound once, so that nobody else has it, and closed at once.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closed = fetch(&session(), get(format!("http://{address}/"))).await;
    assert!(
        matches!(closed, Err(FetchError::ConnectionRefused)),
        "{closed:?}"
    );
}

#[tokio::test]
async fn at_most_six_are_in_flight_and_a_dropped_one_hangs_up() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counting, peak) = (now.clone(), most.clone());
    let server = Server::start(move |_| {
        peak.fetch_max(
            counting.fetch_add(1, Ordering::SeqCst) + 1,
            Ordering::SeqCst,
        );
        None
    })
    .await;
    let session = session();
    let running: Vec<_> = (0..20)
        .map(|_| tokio::spawn(session.fetch(get(server.url("/"))).unwrap()))
        .collect();
    let reached = async {
        while server.connections() < 6 || now.load(Ordering::SeqCst) < 6 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reached)
        .await
        .unwrap();
    for task in &running {
        task.abort();
    }
    for task in running {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    assert_eq!(most.load(Ordering::SeqCst), 6);
    let records = session.records();
    assert_eq!(records.len(), 20);
    assert!(
        records
            .iter()
            .all(|record| record.error.as_deref() == Some("cancelled"))
    );
}

#[tokio::test]
async fn a_slow_answer_meets_its_limits() {
    let server = Server::start(|_| None).await;
    let limits = SessionLimits {
        first_byte_timeout: Duration::from_millis(100),
        ..SessionLimits::default()
    };
    let slow = fetch(&session_with(limits), get(server.url("/"))).await;
    assert_eq!(slow.unwrap_err(), FetchError::Timeout);
    let asked = Request {
        timeout: Some(Duration::from_millis(100)),
        ..get(server.url("/"))
    };
    assert_eq!(
        fetch(&session(), asked).await.unwrap_err(),
        FetchError::Timeout
    );
}

#[tokio::test]
async fn one_request_line_whatever_the_url_holds() {
    let server = Server::start(|_| ok("ok")).await;
    for path in ["/a b\u{0}c", "//evil.test/x", "/\r\nHost: 127.0.0.1"] {
        fetch(&session(), get(server.url(path))).await.unwrap();
    }
    for head in server.heads.lock().unwrap().iter() {
        let lines: Vec<_> = head.lines().collect();
        assert!(
            lines[0].starts_with("GET /") && lines[0].ends_with(" HTTP/1.1"),
            "{head}"
        );
        let hosts = lines
            .iter()
            .filter(|line| line.to_ascii_lowercase().starts_with("host:"))
            .count();
        assert_eq!(hosts, 1, "{head}");
        assert!(
            head.contains(&format!("host: {}", server.address)),
            "{head}"
        );
    }
}

#[tokio::test]
async fn what_a_run_sends_has_an_end() {
    let server = Server::start(|_| ok("taken")).await;
    let session = session_with(SessionLimits {
        max_total_request_bytes: 10_000,
        ..SessionLimits::default()
    });
    let post = || Request {
        method: "POST".to_owned(),
        body: Some(vec![b'x'; 4_000]),
        ..get(server.url("/"))
    };
    fetch(&session, post()).await.unwrap();
    fetch(&session, post()).await.unwrap();
    let refused = session.fetch(post()).map(drop);
    assert!(
        matches!(&refused, Err(FetchError::Limit(why)) if why.contains("bytes of requests")),
        "{refused:?}"
    );
    assert!(!session.platform_failed());
}

#[tokio::test]
async fn a_bomb_meets_the_limit_of_decoded_bytes() {
    let zeros = vec![0; 6 * 1024 * 1024];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 10_000, "{} bytes on the wire", bomb.len());
    let server = Server::start(move |_| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            bomb.len()
        );
        Some([head.as_bytes(), &bomb].concat())
    })
    .await;
    let found = fetch(&session(), get(server.url("/"))).await;
    assert!(
        matches!(found, Err(FetchError::BodyTooLarge(_))),
        "{:?}",
        found.map(|response| response.body.len())
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_is_our_limit_and_not_the_targets_fault() {
    let server = Server::start(|head| {
        let fields = match head.split(' ').nth(1).unwrap_or("/") {
            "/long" => format!("x: {}\r\n", "x".repeat(1024 * 1024)),
            _ => "x-many: 1\r\n".repeat(101),
        };
        Some(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{fields}\r\n").into_bytes())
    })
    .await;
    for path in ["/many", "/long"] {
        let found = fetch(&session(), get(server.url(path))).await;
        assert!(
            matches!(found, Err(FetchError::Limit(_))),
            "{path}: {found:?}"
        );
    }
}
