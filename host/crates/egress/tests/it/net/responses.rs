//! Rows of kind `response`: servers that say too much, too little, too slowly, or no HTTP.

use std::{
    future::pending,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use rcgen::{CertificateParams, DistinguishedName, DnType, date_time_ymd};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use vedette_egress::{FetchError, Response, Session, SessionLimits};

use super::{
    Outcome, must,
    world::{Certificate, Visit, World, certificate_params, get, read_request, reply, write},
};
use crate::rows::{self, Row};

/// The limit that a row is about, in tests; the others stay at 15 s and more.
const SHORT: Duration = Duration::from_millis(500);
/// By when a row has to be over. No limit but `SHORT` strikes before that.
const BOUND: Duration = Duration::from_secs(12);
/// Of decoded bodies.
const BODY_BYTES: u64 = 3 * 1024 * 1024;
/// A port on which connections are never completed.
const BLACK_HOLE: u16 = 8099;

/// Each row has a server at an address of its own.
pub(crate) async fn all() -> Vec<Outcome> {
    let rows = rows::of_kind("response");
    let served = rows.clone();
    let world = World::start(move |visit| {
        let IpAddr::V4(address) = visit.to.ip() else {
            panic!("{}", visit.to);
        };
        let id = served[usize::from(address.octets()[3])].id;
        misbehave(id, visit)
    })
    .await;
    let mut running = JoinSet::new();
    for (number, row) in rows.into_iter().enumerate() {
        let address = Ipv4Addr::new(93, 184, 217, u8::try_from(number).unwrap());
        let host = format!("{}.example.com", row.id.to_lowercase());
        world.names.say(&host, &[address.into()]);
        let guard = world.guard();
        running.spawn(async move {
            let began = Instant::now();
            let session = guard.session(limits(row.id));
            let found =
                match tokio::time::timeout(BOUND, judge(&row, &session, &host, address)).await {
                    Ok(found) => found,
                    Err(_) => Err(format!("still going after {:?}", began.elapsed())),
                };
            let records = session.records();
            let kept = !records.is_empty();
            Outcome::new(row.id, found.and_then(|()| must(kept, "no record of it")))
        });
    }
    running.join_all().await
}

fn limits(id: &str) -> SessionLimits {
    let mut limits = SessionLimits {
        max_body_bytes: BODY_BYTES,
        connect_timeout: Duration::from_secs(15),
        ..SessionLimits::default()
    };
    match id {
        "B-008" | "B-009" => limits.request_timeout = SHORT,
        "B-010" | "B-011" => limits.first_byte_timeout = SHORT,
        "B-012" | "B-013" => limits.connect_timeout = SHORT,
        _ => {}
    }
    limits
}

async fn fetch(session: &Session, url: &str) -> Result<Response, FetchError> {
    session.fetch(get(url))?.await
}

async fn judge(row: &Row, session: &Session, host: &str, at: Ipv4Addr) -> Result<(), String> {
    use FetchError as E;
    let url = match row.id {
        "B-012" => format!("http://{host}:{BLACK_HOLE}/"),
        "B-013" | "B-033" | "B-035" => format!("https://{host}/"),
        _ => format!("http://{host}/"),
    };
    let hole = match row.id {
        "B-012" => Some(black_hole(SocketAddr::new(at.into(), BLACK_HOLE)).await),
        _ => None,
    };
    let answer = fetch(session, &url).await;
    drop(hole);
    let is_told = match (row.id, &answer) {
        ("B-007", Err(E::BodyTooLarge(BODY_BYTES)))
        | ("B-008" | "B-009" | "B-010" | "B-011" | "B-012" | "B-013", Err(E::Timeout))
        | ("B-015", Err(E::Limit(_)))
        | ("B-018" | "B-019" | "B-020" | "B-024" | "B-027", Err(E::Protocol(_)))
        | ("B-026", Err(E::ConnectionReset)) => true,
        ("B-033", Err(E::Tls(why))) => why.contains("expired"),
        ("B-035", Err(E::Tls(why))) => why.contains("not trusted"),
        ("B-002", Err(E::BodyTooLarge(BODY_BYTES))) => {
            let by_deflate = fetch(session, &format!("{url}deflate")).await;
            // Brotli is not offered. Sent all the same, it is not decoded: a few bytes stay few.
            let by_brotli = fetch(session, &format!("{url}brotli")).await;
            matches!(by_deflate, Err(E::BodyTooLarge(BODY_BYTES)))
                && by_brotli.is_ok_and(|response| response.body == BROTLI)
        }
        ("B-025", Ok(response)) => {
            let next = fetch(session, &format!("{url}next")).await;
            response.body == b"first" && next.is_ok_and(|response| response.body == b"its own")
        }
        ("B-031", Err(E::Protocol(_))) => {
            let secure = fetch(session, &format!("https://{host}/")).await;
            matches!(secure, Err(E::Protocol(_)))
        }
        ("B-037", Ok(response)) => response.body == nested(),
        ("B-038", Ok(response)) => response.body == NOT_UTF8,
        _ => false,
    };
    must(is_told, format!("{answer:?}"))
}

const BROTLI: &[u8] = b"as if it were a bomb";
const NOT_UTF8: &[u8] = b"\xff\xfe\x80text\xc3";

fn nested() -> Vec<u8> {
    let depth = 100_000;
    ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()
}

/// What the server of a row does with a connection.
async fn misbehave(id: &'static str, visit: Visit) {
    match id {
        // Nothing is said, and nothing is hung up.
        "B-011" | "B-013" => {
            pending::<()>().await;
            drop(visit);
        }
        "B-033" => {
            let mut params = certificate_params();
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
            refuse(&params, visit.stream).await;
        }
        "B-035" => {
            let mut params = certificate_params();
            // Its issuer is itself, of whom nobody has heard.
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "nobody");
            refuse(&params, visit.stream).await;
        }
        "B-031" if visit.to.port() == 443 => {
            if let Ok(mut stream) = visit.tls.accept(visit.stream).await {
                read_request(&mut stream, &mut Vec::new(), visit.to).await;
                continuations(&mut stream).await;
            }
        }
        _ => answer_badly(id, visit).await,
    }
}

/// What the server of a row says to requests.
async fn answer_badly(id: &str, mut visit: Visit) {
    let mut buffer = Vec::new();
    let stream = &mut visit.stream;
    while let Some(seen) = read_request(stream, &mut buffer, visit.to).await {
        let goes_on = match id {
            "B-002" => bomb(stream, seen.path(), seen.header("accept-encoding")).await,
            "B-007" => {
                let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                write(stream, head).await && forever(stream, &chunk).await
            }
            "B-008" => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\nx",
                    1_u64 << 62
                );
                write(stream, head.as_bytes()).await
            }
            "B-009" => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
                write(stream, head).await && drip(stream, b"x").await
            }
            "B-010" => write(stream, b"HTTP/1.1 200 OK\r\nx: ").await && drip(stream, b"x").await,
            "B-015" => {
                let line = format!("x: {}\r\n", "x".repeat(1024 * 1024));
                write(stream, &reply("200 OK", &line, "")).await
            }
            "B-018" => write(stream, b"<html>no status line</html>\r\n\r\n").await,
            "B-019" => {
                let noise: Vec<u8> = (0..4096_u32)
                    .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                    .collect();
                write(stream, &noise).await
            }
            "B-020" => {
                let two =
                    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\nshort";
                write(stream, two).await
            }
            "B-024" => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n";
                let trailers = "x-trailer: 1\r\n".repeat(10_000);
                write(stream, format!("{head}{trailers}\r\n").as_bytes()).await
            }
            "B-025" => {
                let first = [
                    reply("200 OK", "", "first"),
                    reply("200 OK", "", "unsolicited"),
                ];
                let bytes = if seen.path() == "/next" {
                    reply("200 OK", "", "its own")
                } else {
                    first.concat()
                };
                write(stream, &bytes).await
            }
            "B-026" => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart";
                write(stream, head).await;
                // What is not read when a socket closes makes the kernel reset the connection.
                stream.set_zero_linger().unwrap();
                false
            }
            "B-027" => {
                write(
                    stream,
                    b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort",
                )
                .await;
                false
            }
            "B-031" => continuations(stream).await,
            "B-037" => {
                let body = String::from_utf8(nested()).unwrap();
                write(
                    stream,
                    &reply("200 OK", "content-type: application/json\r\n", &body),
                )
                .await
            }
            "B-038" => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                    NOT_UTF8.len()
                );
                write(stream, &[head.as_bytes(), NOT_UTF8].concat()).await
            }
            _ => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// A handshake that the client breaks off.
async fn refuse(params: &CertificateParams, stream: TcpStream) {
    let accepted = Certificate::new(params).acceptor().accept(stream).await;
    assert!(accepted.is_err(), "the client took the certificate");
}

/// Until the other side goes.
async fn forever(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    while write(stream, bytes).await {}
    false
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while write(stream, bytes).await {
        tick.tick().await;
    }
    false
}

/// A gigabyte of zeros, or as much of it as the other side takes.
async fn bomb(stream: &mut TcpStream, path: &str, accepted: Option<&str>) -> bool {
    let offers = |coding| accepted.is_some_and(|list: &str| list.contains(coding));
    assert!(
        offers("gzip") && offers("deflate") && !offers("br"),
        "{accepted:?}"
    );
    let zeros = vec![0; 1024 * 1024];
    // After a flush, the same input gives the same output again and again.
    let (coding, first, next) = match path {
        "/brotli" => {
            return write(
                stream,
                &reply("200 OK", "content-encoding: br\r\n", "as if it were a bomb"),
            )
            .await;
        }
        "/deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            let mut part = || {
                encoder.write_all(&zeros).unwrap();
                encoder.flush().unwrap();
                std::mem::take(encoder.get_mut())
            };
            ("deflate", part(), part())
        }
        _ => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let mut part = || {
                encoder.write_all(&zeros).unwrap();
                encoder.flush().unwrap();
                std::mem::take(encoder.get_mut())
            };
            ("gzip", part(), part())
        }
    };
    assert!(next.len() < 2048, "{} bytes for a megabyte", next.len());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n\r\n");
    let mut goes_on = write(stream, &[head.as_bytes(), &first].concat()).await;
    for _ in 0..1024 {
        goes_on = goes_on && write(stream, &next).await;
    }
    false
}

/// HTTP/2, which was not asked for: settings, a header block, and continuations without end.
async fn continuations(stream: &mut (impl tokio::io::AsyncWrite + Unpin)) -> bool {
    let frame = |kind: u8, id: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, id], payload].concat()
    };
    let start = [frame(4, 0, &[]), frame(1, 1, &[0x88])].concat();
    let more = frame(9, 1, &[0; 16_000]);
    let mut goes_on = write(stream, &start).await;
    while goes_on {
        goes_on = write(stream, &more).await;
    }
    let _ = stream.shutdown().await;
    false
}

/// A socket whose queue of connections is full, so that the kernel answers no further one.
struct BlackHole {
    _socket: tokio::net::TcpListener,
    _queued: Vec<TcpStream>,
}

async fn black_hole(at: SocketAddr) -> BlackHole {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(at).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(at)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue has no end");
    }
    BlackHole {
        _socket: listener,
        _queued: queued,
    }
}
