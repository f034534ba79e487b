//! What is accepted as a host, and what it covers.

use super::*;

fn host(text: &str) -> AllowedHost {
    text.parse().expect("it is a host")
}

#[test]
fn hosts_are_read_and_written_in_one_way() {
    for (text, written) in [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("https://api.example.com:443", "api.example.com"),
        ("api.example.com:8443", "api.example.com:8443"),
        ("http://api.example.com", "http://api.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("*.example.com", "*.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("[::ffff:102:304]", "[::ffff:102:304]"),
        ("localhost", "localhost"),
    ] {
        assert_eq!(host(text).to_string(), written);
        assert_eq!(host(written), host(text), "it is read as it is written");
    }
}

#[test]
fn what_is_no_host_is_refused_with_the_reason() {
    use UnknownHost::{NotAscii, Port, Scheme, Shape, Wildcard};
    let long = format!("{}.example", "a".repeat(64));
    for (text, reason) in [
        ("", Shape),
        ("*", Shape),
        ("*.", Shape),
        ("*.com", Wildcard),
        ("*.1.2.3.4", Wildcard),
        ("*.[::1]", Wildcard),
        ("a.*.example.com", Shape),
        ("ftp://example.com", Scheme),
        ("https://example.com/path", Shape),
        ("https://user@example.com", Shape),
        ("example.com.", Shape),
        (".example.com", Shape),
        ("-a.example", Shape),
        ("bücher.example", NotAscii),
        ("example.com:", Port),
        ("example.com:0", Port),
        ("example.com:+1", Port),
        ("example.com:65536", Port),
        ("1.2.3", Shape),
        ("0x7f.1", Shape),
        ("0x7f000001", Shape),
        ("[::1", Shape),
        ("[::1]x", Shape),
        ("[0:0::1]", Shape),
        ("[::ffff:1.2.3.4]", Shape),
        ("a b.example", Shape),
        (long.as_str(), Shape),
    ] {
        assert_eq!(text.parse::<AllowedHost>(), Err(reason), "{text}");
    }
}

#[test]
fn a_host_covers_itself_and_nothing_that_looks_like_it() {
    let covers = |allowed: &str, scheme, name, port| host(allowed).covers(scheme, name, port);
    assert!(covers("api.example.com", "https", "api.example.com", 443));
    assert!(!covers("api.example.com", "http", "api.example.com", 443));
    assert!(!covers("api.example.com", "http", "api.example.com", 80));
    assert!(!covers("api.example.com", "https", "api.example.com", 8443));
    assert!(!covers("api.example.com", "https", "api.example.com.", 443));
    assert!(!covers(
        "api.example.com",
        "https",
        "x.api.example.com",
        443
    ));
    assert!(covers("*.example.com", "https", "a.b.example.com", 443));
    for other in [
        "example.com",
        ".example.com",
        "evilexample.com",
        "example.com.evil.org",
    ] {
        assert!(!covers("*.example.com", "https", other, 443), "{other}");
    }
    assert!(covers("http://127.0.0.1:8080", "http", "127.0.0.1", 8080));
}

#[test]
fn a_list_has_hosts_each_once() {
    let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(ToString::to_string).collect() };
    let hosts = read_allowed_hosts(&texts(&["a.example", "A.example:443"])).unwrap();
    assert_eq!(hosts, [host("a.example")]);
    let refused = |list: &[String]| read_allowed_hosts(list).unwrap_err().pointer;
    assert_eq!(refused(&[]), "/allowed_hosts");
    assert_eq!(refused(&texts(&["a.example"; 21])), "/allowed_hosts");
    assert_eq!(
        refused(&texts(&["a.example", "no host"])),
        "/allowed_hosts/1"
    );
}

#[test]
fn no_value_is_shown() {
    let secret = SealedSecret {
        value: "correct-horse".to_owned(),
        allowed_hosts: vec![host("a.example")],
    };
    assert_eq!(format!("{secret:?}"), r#"["a.example"]"#);
    assert!(secret.may_go_to("https", "a.example", 443));
    assert!(!secret.may_go_to("https", "b.example", 443));
}
