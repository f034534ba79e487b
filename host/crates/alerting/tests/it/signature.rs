//! Signatures, verified by the library that receivers use.

use http::HeaderMap;
use serde_json::json;
use vedette_alerting::{Channel, Notification, Outgoing, OutgoingRequest, render, sample};
use vedette_core::{Clock as _, SystemClock};

use crate::channels::{SECRET, channel, read};

/// Made now: receivers do not take what is five minutes old.
fn request(channel: &Channel, notification: &Notification) -> OutgoingRequest {
    match render(channel, notification, SystemClock.now()) {
        Outgoing::Request(request) => request,
        Outgoing::Mail(mail) => panic!("{mail:?}"),
    }
}

fn headers(request: &OutgoingRequest) -> HeaderMap {
    let headers = request.headers.iter();
    headers
        .map(|(name, value)| {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, value.parse().unwrap())
        })
        .collect()
}

#[test]
fn another_implementation_accepts_them() {
    let mut notification = sample::down();
    notification.message = "ü \u{1F692} \"quoted\" \\ and\nlines".to_owned();
    let request = request(&channel("webhook"), &notification);
    let receiver = standardwebhooks::Webhook::new(SECRET).unwrap();
    let headers = headers(&request);
    receiver.verify(request.body.as_bytes(), &headers).unwrap();

    let other = standardwebhooks::Webhook::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
    assert!(other.verify(request.body.as_bytes(), &headers).is_err());
    let changed = request.body.replace("down", "up");
    assert!(receiver.verify(changed.as_bytes(), &headers).is_err());
}

#[test]
fn while_a_key_is_changed_both_are_accepted() {
    let old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let channel = read(
        "webhook",
        &json!({
            "url": "https://example.com/", "secret": SECRET, "previous_secret": old,
            "body_format": "text", "body_template": "{{headline}}",
        }),
    );
    let request = request(&channel, &sample::down());
    for secret in [SECRET, old] {
        let receiver = standardwebhooks::Webhook::new(secret).unwrap();
        receiver
            .verify(request.body.as_bytes(), &headers(&request))
            .unwrap();
    }
}
