//! The listener: TLS, and clients that do not get on.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::vedette::{Server, binary};

/// A certificate with its key in a folder, for 127.0.0.1.
fn certificate(folder: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    (text(&chain), text(&key))
}

/// The answer to a request for the health of a server whose certificate is in a file.
fn health(address: SocketAddr, chain: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(chain).unwrap();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_server_with_a_certificate_speaks_tls_only() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = certificate(folder.path());
    let settings = [
        ("VEDETTE_SERVER__TLS__CERTIFICATE", chain.as_str()),
        ("VEDETTE_SERVER__TLS__KEY", key.as_str()),
    ];
    let server = Server::start_with(&folder.path().join("data"), &settings);
    let answer = health(server.address, &chain).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain
        .write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A closed or a reset connection: both are no answer.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    // Another certificate is not believed by this client.
    let other = tempfile::tempdir().unwrap();
    let (other, _) = certificate(other.path());
    health(server.address, &other).unwrap_err();
    server.signal("TERM");
    assert!(server.ended().success());
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _) = certificate(folder.path());
    let start = |settings: &[(&str, &str)]| {
        let ended = binary()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        (
            ended.status.code(),
            String::from_utf8(ended.stderr).unwrap(),
        )
    };
    let (code, text) = start(&[("VEDETTE_SERVER__TLS__CERTIFICATE", &chain)]);
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("server.tls.key"), "{text}");
    let (code, text) = start(&[
        ("VEDETTE_SERVER__TLS__CERTIFICATE", &chain),
        ("VEDETTE_SERVER__TLS__KEY", &chain),
    ]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("(server.tls)"), "{text}");
}

#[test]
fn clients_that_say_nothing_are_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.sign_in();
    let began = Instant::now();
    let mut idle: Vec<TcpStream> = (0..1_000)
        .map(|n| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            // Some begin, and never end.
            if n % 2 == 0 {
                stream
                    .write_all(b"GET /health/live HTTP/1.1\r\nx: ")
                    .unwrap();
            }
            stream
        })
        .collect();
    for _ in 0..20 {
        let (status, _) = server.call("GET", "/api/v1/users/me", None);
        assert_eq!(status, 200);
    }
    // They are let go, and not at once only because they were refused.
    for stream in &mut idle {
        stream
            .set_read_timeout(Some(Duration::from_mins(2)))
            .unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
    assert!(
        began.elapsed() >= Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut stream = TcpStream::connect(server.address).unwrap();
    let long = "x".repeat(200_000);
    let request = format!("GET /health/live HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n");
    // It may be refused before all of it is sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let (status, _) = server.call("GET", "/health/live", None);
    assert_eq!(status, 200);
}
