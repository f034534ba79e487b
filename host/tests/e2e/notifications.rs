//! From a check that fails to the people who have to know, through the real binary: by a signed webhook, by mail and
//! by Slack.

use serde_json::{Value, json};
use vedette_api::testing::TestRedis;

use crate::{
    mail::MailServer,
    receiver::{Received, Receiver},
    target::Target,
    vedette::{Server, wait_for},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Down, acknowledged, up.
const EVENTS: usize = 3;

#[test]
fn people_are_told_when_it_is_down_and_when_it_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let (target, mails, webhooks) = (Target::start(), MailServer::start(), Receiver::start());
    let (slack, certificate) = Receiver::start_tls();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, certificate).unwrap();
    let mail_url = format!("smtp://{}", mails.address);
    let settings = [
        ("VEDETTE_MAIL__URL", mail_url.as_str()),
        ("VEDETTE_MAIL__FROM", "Vedette <vedette@example.com>"),
        ("VEDETTE_SERVER__PUBLIC_URL", "https://vedette.example.com"),
        ("SSL_CERT_FILE", roots.to_str().unwrap()),
    ];
    let data = folder.path().join("data");
    let mut server = Server::start_with(&data, &settings);
    server.sign_in();
    target.set("/shop", 503, "<b>no</b>");
    let (script, rule) = script_with_rule(&server, &target.url("/shop"));
    let channels = [
        make_channel(
            &server,
            "hook",
            "webhook",
            &json!({
                "url": format!("http://{}/hook", webhooks.address), "secret": SECRET,
            }),
        ),
        make_channel(
            &server,
            "mail",
            "email",
            &json!({
                "recipients": ["anna@example.com", "gone@example.com"],
            }),
        ),
        make_channel(
            &server,
            "slack",
            "slack",
            &json!({
                "url": format!("https://{}/services/T0/B0/a-secret-of-slack", slack.address),
            }),
        ),
    ];
    let path = format!("/api/v1/alert-rules/{rule}/channels");
    let (status, answer) = server.call("PUT", &path, Some(&json!({ "channel_ids": channels })));
    assert_eq!(status, 200, "{answer}");

    let told = |count: usize| {
        wait_for("webhook, mail and Slack", || {
            let is_told = webhooks.received().len() >= count
                && slack.received().len() >= count
                && mails.received().len() >= count;
            is_told.then_some(())
        });
    };
    told(1);
    let (_, open) = server.call("GET", "/api/v1/incidents?status=open", None);
    let incident = open["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/incidents/{incident}/acknowledge");
    assert_eq!(server.call("POST", &path, None).0, 200);
    told(2);
    target.set("/shop", 200, "yes");
    told(EVENTS);

    check_webhooks(&webhooks.received(), &script, &incident);
    check_mails(&mails.received(), &incident);
    check_slack(&slack.received());
    check_log(&server, &channels);
}

/// States and what is to be told lie in the database alone.
#[test]
fn whatever_becomes_of_redis_the_same_is_told() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (target, webhooks) = (Target::start(), Receiver::start());
    let url = redis.url();
    let mut server = Server::start_with(folder.path(), &[("VEDETTE_REDIS__URL", &url)]);
    server.sign_in();
    let (_, rule) = script_with_rule(&server, &target.url("/shop"));
    let config = json!({ "url": format!("http://{}/", webhooks.address), "secret": SECRET });
    let channel = make_channel(&server, "hook", "webhook", &config);
    let path = format!("/api/v1/alert-rules/{rule}/channels");
    let (status, answer) = server.call("PUT", &path, Some(&json!({ "channel_ids": [channel] })));
    assert_eq!(status, 200, "{answer}");

    let told = |count: usize| {
        wait_for("a webhook", || {
            (webhooks.received().len() >= count).then_some(())
        });
    };
    target.set("/shop", 503, "no");
    told(1);
    redis.freeze();
    target.set("/shop", 200, "yes");
    told(2);
    redis.thaw();
    redis.flush();
    target.set("/shop", 503, "no");
    told(3);
    redis.stop();
    target.set("/shop", 200, "yes");
    told(4);
    let received = webhooks.received();
    let events: Vec<_> = received
        .iter()
        .map(|request| request.json()["data"]["event"].clone())
        .collect();
    assert_eq!(events, ["down", "up", "down", "up"]);
}

fn script_with_rule(server: &Server, url: &str) -> (String, String) {
    let script = server.make_script(url);
    let rule = json!({
        "name": "down", "severity": "critical",
        "rule_definition": { "type": "status_change", "consecutive_failures": 2, "consecutive_successes": 2 },
    });
    let path = format!("/api/v1/scripts/{script}/alert-rules");
    let (status, rule) = server.call("POST", &path, Some(&rule));
    assert_eq!(status, 201, "{rule}");
    (script, rule["id"].as_str().unwrap().to_owned())
}

fn make_channel(server: &Server, name: &str, kind: &str, config: &Value) -> String {
    let channel = json!({ "name": name, "type": kind, "config": config });
    let (status, made) = server.call("POST", "/api/v1/notification-channels", Some(&channel));
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

/// With the library that receivers use.
fn check_webhooks(received: &[Received], script: &str, incident: &str) {
    let library = standardwebhooks::Webhook::new(SECRET).unwrap();
    let mut events = Vec::new();
    for request in received {
        let verified = library.verify(request.body.as_bytes(), &request.headers);
        verified.unwrap();
        let body = request.json();
        let data = &body["data"];
        assert_eq!(data["id"], request.headers["webhook-id"].to_str().unwrap());
        assert_eq!(
            (&data["incident"], &data["script"]),
            (&json!(incident), &json!("target"))
        );
        events.push((data["event"].clone(), data["message"].clone()));
    }
    let expected = [
        ("down", "status 503"),
        ("acknowledged", "anna sees to it."),
        ("up", "status 200"),
    ];
    assert_eq!(
        events,
        expected.map(|(event, message)| (json!(event), json!(message))),
        "{script}"
    );
    let changed = received[0].body.replace("down", "up");
    assert!(
        library
            .verify(changed.as_bytes(), &received[0].headers)
            .is_err()
    );
}

fn check_mails(mails: &[String], incident: &str) {
    assert_eq!(mails.len(), EVENTS, "{mails:?}");
    for mail in mails {
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        for line in [
            "To: anna@example.com",
            "Auto-Submitted: auto-generated",
            &format!("References: <{incident}@example.com>"),
            "Content-Type: multipart/alternative",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        assert!(
            body.contains("text/plain") && body.contains("text/html"),
            "{body}"
        );
        assert!(!mail.contains("gone@example.com"), "it was refused: {mail}");
    }
    assert!(mails[0].contains("target is down"), "{}", mails[0]);
}

fn check_slack(received: &[Received]) {
    assert_eq!(received.len(), EVENTS);
    for request in received {
        assert_eq!(request.path, "/services/T0/B0/a-secret-of-slack");
        let body = request.json();
        assert!(
            body["blocks"]
                .as_array()
                .is_some_and(|blocks| !blocks.is_empty()),
            "{body}"
        );
        assert!(body["text"].is_string(), "{body}");
    }
}

/// Everything is delivered, and what is odd is said.
fn check_log(server: &Server, channels: &[String]) {
    let page = wait_for("the delivery log", || {
        let (status, page) = server.call("GET", "/api/v1/notifications?status=delivered", None);
        assert_eq!(status, 200, "{page}");
        (page["items"].as_array()?.len() == EVENTS * channels.len()).then_some(page)
    });
    assert!(!page.to_string().contains("a-secret-of-slack"), "{page}");
    let items = page["items"].as_array().unwrap().iter();
    let mail = items.filter(|item| item["channel_id"] == channels[1].as_str());
    for item in mail {
        let path = format!("/api/v1/notifications/{}", item["id"].as_str().unwrap());
        let (_, detail) = server.call("GET", &path, None);
        let attempts = detail["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{detail}");
        let remark = attempts[0]["excerpt"].as_str().unwrap();
        assert_eq!(remark, "recipient 2: the mail server refused it with 550");
    }
}
