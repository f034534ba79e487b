//! Attempts to deliver, to receivers that take it and to receivers that misbehave.

use std::time::{Duration, Instant};

use serde_json::json;
use vedette_alerting::{
    Attempt, Channel, MAX_ANSWER_BYTES, Notification, Outcome, OutgoingRequest, Parts, Sender,
    sample,
};
use vedette_core::{Clock as _, SystemClock};
use vedette_egress::{Guard, Policy};

use crate::{
    channels::{SECRET, channel, request},
    server::{Reply, Server, reply},
};

/// A guard that allows what the tests start themselves.
fn sender() -> Sender {
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    Sender::new(Guard::new(policy).unwrap())
}

/// As it comes from a database: nothing is judged when it is put together.
fn stored_webhook(url: &str) -> Channel {
    let parts = Parts {
        public: json!({ "url": url }),
        secret: json!({ "secret": SECRET, "headers": { "X-Key": "Bearer hidden-key" } })
            .to_string()
            .into(),
    };
    Channel::join("webhook", &parts).unwrap()
}

fn webhook(server: &Server) -> OutgoingRequest {
    request(&stored_webhook(&server.url("/hook")), &sample::down())
}

async fn send(request: &OutgoingRequest) -> Attempt {
    sender().send(request, SystemClock.now()).await
}

async fn impatient(request: &OutgoingRequest) -> Attempt {
    let sender = sender().with_patience(Duration::from_millis(400));
    let started = Instant::now();
    let attempt = sender.send(request, SystemClock.now()).await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    attempt
}

fn reason(attempt: &Attempt) -> &str {
    match &attempt.outcome {
        Outcome::Delivered => "",
        Outcome::Retry { reason, .. } | Outcome::Gone { reason } | Outcome::Refused { reason } => {
            reason
        }
    }
}

fn is_retry(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Retry { .. })
}

#[tokio::test]
async fn what_is_sent_arrives_and_can_be_verified() {
    let server = Server::start(|_| reply("200 OK", "", "thank\u{1b}[31m you")).await;
    let channel = stored_webhook(&server.url("/hook?a=b"));
    let notification = Notification {
        message: "ü 🚒".to_owned(),
        ..sample::down()
    };
    let now = SystemClock.now();
    let vedette_alerting::Outgoing::Request(request) =
        vedette_alerting::render(&channel, &notification, now)
    else {
        panic!("a webhook is a request");
    };
    let attempt = sender().send(&request, now).await;
    assert_eq!(attempt.outcome, Outcome::Delivered, "{attempt:?}");
    assert_eq!(
        (attempt.status, attempt.excerpt.as_deref()),
        (Some(200), Some("thank[31m you"))
    );
    assert!(attempt.duration > Duration::ZERO);
    let [received] = &server.received()[..] else {
        panic!("one request")
    };
    assert!(
        received.head.starts_with("POST /hook?a=b HTTP/1.1"),
        "{}",
        received.head
    );
    assert_eq!(received.header("x-key"), Some("Bearer hidden-key"));
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert!(
        received
            .header("user-agent")
            .unwrap()
            .starts_with("Vedette/")
    );
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| {
        let value = received.header(name).unwrap().parse().unwrap();
        (http::HeaderName::from_static(name), value)
    });
    let library = standardwebhooks::Webhook::new(SECRET).unwrap();
    library
        .verify(received.body.as_bytes(), &headers.into_iter().collect())
        .unwrap();
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let silent = Server::start(|_| Reply::Hang).await;
    let head = Server::start(|_| Reply::Trickle(b"HTTP/1.1 200 OK\r\nx-".to_vec())).await;
    let body = Server::start(|_| {
        Reply::Trickle(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n".to_vec())
    })
    .await;
    for server in [&silent, &head, &body] {
        let attempt = impatient(&webhook(server)).await;
        assert!(is_retry(&attempt), "{attempt:?}");
        assert_eq!(reason(&attempt), "there was no answer in time");
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let server = Server::start(|_| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
        Reply::Flood(head, chunk)
    })
    .await;
    let attempt = send(&webhook(&server)).await;
    assert!(is_retry(&attempt), "{attempt:?}");
    assert!(
        reason(&attempt).contains(&MAX_ANSWER_BYTES.to_string()),
        "{attempt:?}"
    );
    // The rest is what lies in the buffers of both ends.
    assert!(server.written() < 16 * 1024 * 1024, "{}", server.written());

    let large_head = Server::start(|_| {
        Reply::Flood(
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"x-header: some value that is long\r\n".to_vec(),
        )
    })
    .await;
    assert!(is_retry(&send(&webhook(&large_head)).await));
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let other = Server::start(|_| reply("200 OK", "", "")).await;
    for (status, is_final) in [
        ("301", true),
        ("302", false),
        ("303", false),
        ("307", false),
        ("308", true),
    ] {
        let location = format!("location: {}\r\n", other.url("/"));
        let server = Server::start(move |_| reply(&format!("{status} Moved"), &location, "")).await;
        let attempt = send(&webhook(&server)).await;
        assert_eq!(
            matches!(attempt.outcome, Outcome::Refused { .. }),
            is_final,
            "{attempt:?}"
        );
        assert!(
            reason(&attempt).contains("redirects are not followed"),
            "{attempt:?}"
        );
        assert_eq!(server.connections(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn answers_are_understood() {
    let gone = Server::start(|_| reply("410 Gone", "", "")).await;
    assert!(matches!(
        send(&webhook(&gone)).await.outcome,
        Outcome::Gone { .. }
    ));

    let busy =
        Server::start(|_| reply("429 Too Many Requests", "retry-after: 90\r\n", "slow down")).await;
    let attempt = send(&webhook(&busy)).await;
    assert!(
        matches!(attempt.outcome, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 90)
    );
    assert_eq!(attempt.excerpt.as_deref(), Some("slow down"));

    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 8","parameters":{"retry_after":8}}"#;
    let telegram = Server::start(move |_| reply("429 Too Many Requests", "", body)).await;
    let mut message = request(&channel("telegram"), &sample::down());
    message.url = telegram.url("/sendMessage");
    let attempt = send(&message).await;
    assert!(
        matches!(attempt.outcome, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 8)
    );

    let broken = Server::start(|_| reply("503 Service Unavailable", "", "")).await;
    assert!(is_retry(&send(&webhook(&broken)).await));
    let strict = Server::start(|_| reply("401 Unauthorized", "", "")).await;
    assert!(matches!(
        send(&webhook(&strict)).await.outcome,
        Outcome::Refused { .. }
    ));
}

#[tokio::test]
async fn broken_connections_are_tried_again() {
    let garbage = Server::start(|_| Reply::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await;
    let nothing = Server::start(|_| Reply::Bytes(Vec::new())).await;
    let cut = Server::start(|_| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec())
    })
    .await;
    for server in [&garbage, &nothing, &cut] {
        let attempt = send(&webhook(server)).await;
        assert!(
            is_retry(&attempt) && attempt.status.is_none(),
            "{attempt:?}"
        );
    }
    let closed = {
        let server = Server::start(|_| Reply::Hang).await;
        webhook(&server)
    };
    let attempt = send(&closed).await;
    assert!(is_retry(&attempt), "{attempt:?}");
}

/// The guard's default is the public internet: a channel that came past the check on saving gets nowhere.
#[tokio::test]
async fn no_packet_leaves_for_an_address_that_is_not_allowed() {
    let server = Server::start(|_| reply("200 OK", "", "")).await;
    let port = server.address.port();
    let guarded = Sender::new(Guard::new(Policy::default()).unwrap());
    for host in [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "user@127.0.0.1",
    ] {
        let url = format!("http://{host}:{port}/hook");
        let request = request(&stored_webhook(&url), &sample::down());
        let attempt = guarded.send(&request, SystemClock.now()).await;
        assert!(
            matches!(attempt.outcome, Outcome::Refused { .. }),
            "{host}: {attempt:?}"
        );
        assert!(
            reason(&attempt).starts_with("the address is not allowed"),
            "{attempt:?}"
        );
        assert_eq!((attempt.status, attempt.excerpt.as_ref()), (None, None));
    }
    assert_eq!(server.connections(), 0);
    // The same with the guard that allows it.
    assert_eq!(send(&webhook(&server)).await.outcome, Outcome::Delivered);
}

/// A receiver that repeats everything that it was sent.
#[tokio::test]
async fn what_is_kept_of_an_answer_has_no_secret() {
    // Only some of it fits into an excerpt, so that each piece is repeated alone.
    let echo = |pick: fn(&crate::server::Received) -> String| {
        Server::start(move |received| reply("400 Bad Request", "", &pick(received)))
    };
    let key =
        echo(|received| format!("{0} {0}", received.header("x-key").unwrap_or_default())).await;
    let attempt = send(&webhook(&key)).await;
    assert_eq!(attempt.excerpt.as_deref(), Some("[redacted] [redacted]"));

    let path = echo(|received| received.head.lines().next().unwrap().to_owned()).await;
    for kind in ["slack", "discord", "teams", "telegram"] {
        let mut message = request(&channel(kind), &sample::down());
        let after_host = message.url.splitn(4, '/').nth(3).unwrap().to_owned();
        message.url = path.url(&format!("/{after_host}"));
        let excerpt = send(&message).await.excerpt.unwrap();
        assert!(excerpt.contains("[redacted]"), "{kind}: {excerpt}");
        for secret in ["XXXX", "abcdefghijkl", "ABC-DEF1234ghIkl", "123456"] {
            assert!(!excerpt.contains(secret), "{kind}: {excerpt}");
        }
    }
    for (kind, pick) in [
        (
            "pagerduty",
            (|received| {
                let body: serde_json::Value = serde_json::from_str(&received.body).unwrap();
                format!("bad key {}", body["routing_key"])
            }) as fn(&crate::server::Received) -> String,
        ),
        ("opsgenie", |received| {
            received.header("authorization").unwrap().to_owned()
        }),
        ("ntfy", |received| {
            let body: serde_json::Value = serde_json::from_str(&received.body).unwrap();
            format!(
                "{} {}",
                received.header("authorization").unwrap(),
                body["topic"]
            )
        }),
    ] {
        let server = echo(pick).await;
        let mut message = request(&channel(kind), &sample::down());
        message.url = server.url("/");
        let excerpt = send(&message).await.excerpt.unwrap();
        assert!(excerpt.contains("[redacted]"), "{kind}: {excerpt}");
        for secret in ["0123456789abcdef", "1111-2222", "tk_hidden", "alerts"] {
            assert!(!excerpt.contains(secret), "{kind}: {excerpt}");
        }
    }
}
