//! Where values are put in, how they are written there, and what comes back.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use vedette_core::sealed::read_allowed_hosts;

use super::*;
use crate::Timings;

const VALUE: &str = "p\u{e4}ss \"&1+/";

fn seals(secrets: &[(&str, &str, &[&str])]) -> Seals {
    let secret = |(name, value, hosts): &(&str, &str, &[&str])| {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let secret = SealedSecret {
            value: (*value).to_owned(),
            allowed_hosts: read_allowed_hosts(&hosts).expect("they are hosts"),
        };
        ((*name).to_owned(), secret)
    };
    let mut count = 0;
    let random = || {
        count += 1;
        [count; 16]
    };
    Seals::new(secrets.iter().map(secret).collect(), random)
}

fn one(value: &str) -> (Seals, String) {
    let seals = seals(&[("KEY", value, &["api.example.com"])]);
    let handle = seals.handles().next().unwrap().1.to_owned();
    assert_eq!(handle, format!("sealed.KEY.{}", "01".repeat(16)));
    (seals, handle)
}

fn request(url: &str, headers: &[(&'static str, &str)], body: Option<&str>) -> HopRequest {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
    HopRequest {
        method: Method::POST,
        url: Url::parse(url).unwrap(),
        headers: headers.collect(),
        body: body.map(|body| Bytes::from(body.to_owned())),
    }
}

fn put_in(seals: &Seals, request: &HopRequest) -> Result<HopRequest, FetchError> {
    let written = seals.put_in(request, &SessionLimits::default())?;
    Ok(written.unwrap_or_else(|| request.clone()))
}

#[test]
fn a_value_is_written_as_its_place_asks() {
    let (seals, handle) = one(VALUE);
    let url = format!("https://api.example.com/a?key={handle}&x=1");
    let json = format!(r#"{{"key":"{handle}"}}"#);
    for (content_type, body, sent) in [
        (
            "application/json; charset=utf-8",
            json.as_str(),
            format!(r#"{{"key":{}}}"#, serde_json::Value::from(VALUE)),
        ),
        (
            "application/problem+json",
            &json,
            format!(r#"{{"key":{}}}"#, serde_json::Value::from(VALUE)),
        ),
        (
            "Application/X-WWW-Form-Urlencoded",
            &format!("a=1&key={handle}"),
            "a=1&key=p%C3%A4ss%20%22%261%2B%2F".to_owned(),
        ),
        ("text/plain", &format!("{handle}{handle}"), VALUE.repeat(2)),
    ] {
        let request = request(&url, &[("content-type", content_type)], Some(body));
        let written = put_in(&seals, &request).unwrap();
        assert_eq!(written.body.unwrap(), sent.as_bytes(), "{content_type}");
        assert_eq!(
            written.url.query(),
            Some("key=p%C3%A4ss%20%22%261%2B%2F&x=1")
        );
    }
}

#[test]
fn a_value_in_a_header_is_marked_and_must_fit_there() {
    let (seals, handle) = one("correct-horse");
    let bearer = format!("Bearer {handle}");
    let asked = request(
        "https://api.example.com/",
        &[("authorization", &bearer), ("accept", "*/*")],
        None,
    );
    let written = put_in(&seals, &asked).unwrap();
    assert_eq!(written.headers["authorization"], "Bearer correct-horse");
    assert!(written.headers["authorization"].is_sensitive());
    assert!(!written.headers["accept"].is_sensitive());
    assert!(!format!("{written:?}").contains("horse"));

    let (seals, handle) = one("two\r\nlines-of-it");
    let asked = request("https://api.example.com/", &[("x-key", &handle)], None);
    let refused = put_in(&seals, &asked).unwrap_err();
    assert!(
        matches!(refused, FetchError::InvalidRequest(_)),
        "{refused}"
    );
    assert!(!refused.to_string().contains("lines"));
}

#[test]
fn only_the_hosts_of_a_secret_are_sent_it() {
    let seals = seals(&[
        ("A", "value-of-a", &["api.example.com"]),
        ("B", "value-of-b", &["*.example.com:8443"]),
    ]);
    let handles: Vec<_> = seals
        .handles()
        .map(|(_, handle)| handle.to_owned())
        .collect();
    let [a, b] = handles.try_into().unwrap();
    let to = |url: &str, handle: &str| {
        let header = put_in(&seals, &request(url, &[("x-key", handle)], None));
        let query = put_in(&seals, &request(&format!("{url}?k={handle}"), &[], None));
        let body = put_in(&seals, &request(url, &[], Some(handle)));
        assert_eq!(header.is_ok(), query.is_ok());
        assert_eq!(header.is_ok(), body.is_ok());
        header
    };
    assert!(to("https://api.example.com/", &a).is_ok());
    assert!(to("https://API.example.com:443/", &a).is_ok());
    assert!(to("https://x.example.com:8443/", &b).is_ok());
    for (url, handle) in [
        ("http://api.example.com/", &a),
        ("https://api.example.com:8443/", &a),
        ("https://evil.example/", &a),
        ("https://api.example.com.evil.example/", &a),
        ("https://example.com:8443/", &b),
        ("https://api.example.com/", &b),
    ] {
        let refused = to(url, handle).unwrap_err();
        let FetchError::Denied { stage, rule } = refused else {
            panic!("{url}: {refused}")
        };
        assert_eq!(stage, Stage::Seal);
        assert!(!rule.contains("value-of"), "{rule}");
    }
    // One of them is enough.
    let both = request(
        "https://api.example.com/",
        &[("x-a", &a), ("x-b", &b)],
        None,
    );
    assert!(put_in(&seals, &both).is_err());
}

#[test]
fn what_is_no_handle_of_this_run_stays() {
    let (seals, handle) = one("correct-horse");
    let other = "sealed.KEY.02020202020202020202020202020202";
    let text = format!("sealed. {other} {}", handle.to_uppercase());
    let asked = request("https://evil.example/", &[("x-key", &text)], Some(&text));
    let written = seals.put_in(&asked, &SessionLimits::default()).unwrap();
    assert!(written.is_none());
    let nothing = Seals::new(BTreeMap::new(), || [0; 16]);
    assert!(
        nothing
            .put_in(&asked, &SessionLimits::default())
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_path_has_no_secret() {
    let (seals, handle) = one("correct-horse");
    for url in [
        format!("https://api.example.com/bot{handle}/send"),
        format!("https://evil.example/{handle}"),
    ] {
        let refused = put_in(&seals, &request(&url, &[], None)).unwrap_err();
        assert!(
            matches!(refused, FetchError::InvalidRequest(_)),
            "{refused}"
        );
    }
}

#[test]
fn a_request_does_not_grow_without_bound() {
    let value = "v".repeat(16 * 1024);
    let (seals, handle) = one(&value);
    let limits = SessionLimits::default();
    for asked in [
        request("https://api.example.com/", &[], Some(&handle.repeat(400))),
        request(
            "https://api.example.com/",
            &[("x-a", &handle.repeat(3))],
            None,
        ),
        request(
            "https://api.example.com/",
            &[("x-a", &handle), ("x-b", &handle)],
            None,
        ),
        request(&format!("https://api.example.com/?k={handle}"), &[], None),
    ] {
        let refused = seals.put_in(&asked, &limits).unwrap_err();
        assert!(matches!(refused, FetchError::Limit(_)), "{refused}");
    }
}

/// RFC 4231, section 4.3 (test case 2), whose key is shorter than a sealed secret that a user may keep.
#[test]
fn a_signature_is_that_of_the_standard() {
    let (seals, handle) = one("Jefe");
    let message = "what%20do%20ya%20want%20for%20nothing%3F";
    let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                  caeab1a34d4a6b4b636e070a38bce737";
    let base64 = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM";
    for (function, body, sent) in [
        (format!("hmac-sha256-hex:{message}"), "", hex.to_owned()),
        (format!("hmac-sha512-hex:{message}"), "", sha512.to_owned()),
        (
            format!("hmac-sha256-base64:{message}"),
            "",
            format!("{base64}="),
        ),
        (
            format!("hmac-sha256-base64url:{message}"),
            "",
            base64.to_owned(),
        ),
        (
            "hmac-sha256-hex:+body".to_owned(),
            "what do ya want for nothing?",
            hex.to_owned(),
        ),
        (
            "hmac-sha256-hex:what+body".to_owned(),
            " do ya want for nothing?",
            hex.to_owned(),
        ),
    ] {
        let header = format!("t=1,v1={handle}[{function}],v0=x");
        let url = format!("https://api.example.com/?sig={handle}[{function}]");
        let written = put_in(&seals, &request(&url, &[("x-sig", &header)], Some(body))).unwrap();
        assert_eq!(
            written.headers["x-sig"],
            format!("t=1,v1={sent},v0=x"),
            "{function}"
        );
        let query = format!("sig={}", sent.replace('=', "%3D"));
        assert_eq!(written.url.query(), Some(query.as_str()));
    }
}

#[test]
fn a_signature_is_of_the_body_as_it_goes_out() {
    let seals = seals(&[
        ("KEY", "signing-key", &["api.example.com"]),
        ("TOKEN", "correct-horse", &["api.example.com"]),
    ]);
    let handles: Vec<_> = seals
        .handles()
        .map(|(_, handle)| handle.to_owned())
        .collect();
    let signature = format!("{}[hmac-sha256-hex:+body]", handles[0]);
    let sign = |body: &str| {
        let asked = request(
            "https://api.example.com/",
            &[("x-sig", &signature)],
            Some(body),
        );
        put_in(&seals, &asked).unwrap().headers["x-sig"].clone()
    };
    assert_eq!(
        sign(&format!("token={}", handles[1])),
        sign("token=correct-horse")
    );
}

#[test]
fn what_is_no_signature_is_refused() {
    let (seals, handle) = one("correct-horse");
    for function in [
        "[hmac-sha256-hex:no end",
        "[hmac-sha1-hex:x]",
        "[hmac-sha256:x]",
        "[hmac-sha256-hex]",
        "[hmac-]",
    ] {
        let header = format!("{handle}{function}");
        let asked = request("https://api.example.com/", &[("x-sig", &header)], None);
        let refused = put_in(&seals, &asked).unwrap_err();
        assert!(
            matches!(refused, FetchError::InvalidRequest(_)),
            "{function}"
        );
    }
    let body = format!("{handle}[hmac-sha256-hex:+body]");
    let asked = request("https://api.example.com/", &[], Some(&body));
    assert!(matches!(
        put_in(&seals, &asked),
        Err(FetchError::InvalidRequest(_))
    ));
    // Another host gets no signature either.
    let header = format!("{handle}[hmac-sha256-hex:x]");
    let asked = request("https://evil.example/", &[("x-sig", &header)], None);
    assert!(matches!(
        put_in(&seals, &asked),
        Err(FetchError::Denied { .. })
    ));
    // Any other bracket is text; a handle in a message is signed as it is.
    let header = format!("[{handle}[0] {handle}[hmac-sha256-hex:{handle}]");
    let asked = request("https://api.example.com/", &[("x-sig", &header)], None);
    let written = put_in(&seals, &asked).unwrap();
    let written = written.headers["x-sig"].to_str().unwrap();
    assert!(
        written.starts_with("[correct-horse[0] ") && written.len() == 18 + 64,
        "{written}"
    );
}

fn response(headers: &[(&str, &str)], body: &[u8]) -> Response {
    let headers = headers.iter();
    Response {
        status: 200,
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        body: body.to_vec(),
        url: "https://api.example.com/?k=correct-horse".to_owned(),
        redirected: true,
        http_version: "HTTP/1.1".to_owned(),
        remote_address: None,
        timings: Timings::default(),
        tls: None,
    }
}

#[tokio::test]
async fn an_answer_has_handles_in_the_place_of_values() {
    let (seals, handle) = one("correct-horse");
    let base64 = STANDARD.encode("user:correct-horse");
    let hex = hex::encode("correct-horse");
    let body = format!("\u{0}correct-horse correct%2Dhorse {base64} {hex}");
    let answer = response(&[("x-correct-horse", "correct-horse")], body.as_bytes());
    let clean = seals
        .clean(answer, &SessionLimits::default())
        .await
        .unwrap();
    assert_eq!(clean.url, format!("https://api.example.com/?k={handle}"));
    assert_eq!(
        clean.headers,
        [(format!("x-{handle}"), handle.clone().into_bytes())]
    );
    let body = String::from_utf8(clean.body).unwrap();
    assert_eq!(body.matches(&handle).count(), 4, "{body}");
    for form in ["correct", &base64[7..], &hex] {
        assert!(!body.contains(form), "{form}: {body}");
    }
    let error = FetchError::Protocol("it said correct-horse".to_owned());
    let clean = FetchError::Protocol(format!("it said {handle}"));
    assert_eq!(seals.clean_error(error), clean);
}

#[tokio::test]
async fn an_answer_does_not_grow_beyond_its_limit() {
    let (seals, _) = one("12345678");
    let limits = SessionLimits {
        max_body_bytes: 1_000,
        ..SessionLimits::default()
    };
    let answer = response(&[], "12345678".repeat(100).as_bytes());
    let refused = seals.clean(answer, &limits).await.unwrap_err();
    assert_eq!(refused, FetchError::BodyTooLarge(1_000));
}

#[test]
fn a_location_is_followed_without_the_value() {
    let (seals, handle) = one("correct-horse");
    let location = HeaderValue::from_static("https://evil.example/?k=correct-horse");
    let headers = HeaderMap::from_iter([(header::LOCATION, location)]);
    let clean = seals.clean_headers(&headers);
    assert_eq!(
        clean[header::LOCATION],
        format!("https://evil.example/?k={handle}")
    );
}
