//! A new password by mail, through a real SMTP server.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use serde_json::json;
use url::Url;
use vedette_api::{ApiConfig, Mail, Mailer as _, Registration};
use vedette_store::{
    Actor,
    testing::{TestDatabase, audit_of_request},
};

use crate::{
    smtp::{MailServer, Manner},
    world::{Answer, PASSWORD, World, redacted},
};

const REQUEST: &str = "/api/v1/auth/password-reset/request";
const RESET: &str = "/api/v1/auth/password-reset";
const NEW: &str = "another long sentence";

async fn world(server: &MailServer) -> World {
    let config = ApiConfig {
        registration: Registration::Open,
        requests_per_minute: 0,
        ..ApiConfig::default()
    };
    let mailer = Arc::new(server.mailer());
    let url = Url::parse("https://vedette.example.com").unwrap();
    World::built(TestDatabase::sqlite().await, config, |state| {
        state.with_mail(mailer, url)
    })
}

async fn request(world: &World, name: &str) -> Answer {
    let body = json!({ "username": name });
    world.call("POST", REQUEST, None, Some(body)).await
}

async fn reset(world: &World, token: &str) -> Answer {
    let body = json!({ "token": token, "new_password": NEW });
    world.call("POST", RESET, None, Some(body)).await
}

/// All mails have been sent, or given up.
async fn sent(world: &World) {
    let sent = tokio::time::timeout(Duration::from_secs(20), world.state.mails_sent());
    sent.await.expect("the mailer comes to an end");
}

/// As a reader sees it: long lines were broken for the way (quoted-printable, RFC 2045).
fn text(data: &str) -> String {
    data.replace("=\r\n", "").replace("=3D", "=")
}

fn token(data: &str) -> String {
    let text = text(data);
    let (_, rest) = text.split_once("/password-reset#").unwrap();
    rest.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_mail_lets_its_reader_set_a_password_once() {
    let server = MailServer::start(Manner::Takes).await;
    let world = world(&server).await;
    let anna = world.account("anna").await;
    let answer = request(&world, "Anna@Example.com").await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    sent(&world).await;
    let mails = server.received();
    let [mail] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    assert_eq!(mail.sender, "vedette@example.com");
    assert_eq!(mail.recipients, ["anna@example.com"]);
    for part in [
        "To: anna@example.com\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "the account anna.",
        "from an unknown address at 2026-11-24 12:00 UTC",
        "until 2026-11-24 13:00 UTC",
        "https://vedette.example.com/password-reset#",
    ] {
        assert!(text(&mail.data).contains(part), "{part}: {}", mail.data);
    }
    let token = token(&mail.data);
    assert_eq!(world.get(&anna, "/api/v1/users/me").await.status, 200);
    let store = &world.database.store;
    let records = audit_of_request(store, answer.header("x-request-id")).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].action, "password_reset.create");
    assert_eq!(records[0].actor, Actor::Anonymous);
    assert_eq!(records[0].target.as_deref(), Some(anna.id.as_str()));
    assert_eq!(reset(&world, &token).await.status, 204);
    assert_eq!(world.get(&anna, "/api/v1/users/me").await.status, 401);
    assert_eq!(world.login("anna", PASSWORD).await.status, 401);
    assert_eq!(world.login("anna", NEW).await.status, 200);
    assert_eq!(reset(&world, &token).await.status, 422);
}

#[tokio::test]
async fn the_owner_is_told_of_a_new_password() {
    let server = MailServer::start(Manner::Takes).await;
    let world = world(&server).await;
    let anna = world.account("anna").await;
    let change = json!({ "current_password": "wrong", "new_password": NEW });
    let path = "/api/v1/users/me/password";
    assert_eq!(world.put(&anna, path, change).await.status, 422);
    sent(&world).await;
    assert!(server.received().is_empty());
    let change = json!({ "current_password": PASSWORD, "new_password": NEW });
    assert_eq!(world.put(&anna, path, change).await.status, 204);
    sent(&world).await;
    let path = format!("/api/v1/admin/users/{}/password-reset", anna.id);
    let again = world.login("anna", NEW).await.json();
    let token = again["access_token"].as_str();
    let made = world.call("POST", &path, token, None).await.json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(reset(&world, token).await.status, 204);
    sent(&world).await;
    let mails = server.received();
    let [changed, set] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    assert_eq!(changed.recipients, ["anna@example.com"]);
    assert!(text(&changed.data).contains("somebody who gave the old one"));
    assert!(text(&set.data).contains("by the link of a mail or a token"));
    for mail in [changed, set] {
        assert!(text(&mail.data).contains("account anna at https://vedette.example.com/"));
        assert!(!mail.data.contains(NEW) && !mail.data.contains(token));
    }
}

#[tokio::test]
async fn the_newest_link_is_the_only_one_and_ends_in_time() {
    let server = MailServer::start(Manner::Takes).await;
    let world = world(&server).await;
    world.account("anna").await;
    for _ in 0..2 {
        assert_eq!(request(&world, "anna").await.status, 202);
        sent(&world).await;
    }
    let tokens: Vec<_> = server
        .received()
        .iter()
        .map(|mail| token(&mail.data))
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(reset(&world, &tokens[0]).await.status, 422);
    world.clock.advance(TimeDelta::minutes(60));
    assert_eq!(reset(&world, &tokens[1]).await.status, 422);
    assert_eq!(world.login("anna", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let server = MailServer::start(Manner::Takes).await;
    let world = world(&server).await;
    let (anna, boris) = (world.account("anna").await, world.account("boris").await);
    let path = format!("/api/v1/admin/users/{}", boris.id);
    let body = json!({ "is_disabled": true, "is_admin": false });
    assert_eq!(world.put(&anna, &path, body).await.status, 200);
    let known = request(&world, "anna").await;
    for name in [
        "nobody",
        "nobody@example.com",
        "boris",
        "boris@example.com",
        "",
        "anna\0",
        "anna@example.com\r\nBcc: eva@example.com",
        &"x".repeat(100_000),
    ] {
        let answer = request(&world, name).await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""), "{name}");
        let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&answer), names(&known));
    }
    sent(&world).await;
    let recipients: Vec<_> = server
        .received()
        .iter()
        .map(|mail| mail.recipients.concat())
        .collect();
    assert_eq!(recipients, ["anna@example.com"]);
}

#[tokio::test]
async fn a_mailbox_is_not_flooded() {
    let server = MailServer::start(Manner::Takes).await;
    let world = world(&server).await;
    world.account("anna").await;
    for name in ["anna", "nobody"] {
        let mut statuses = Vec::new();
        for _ in 0..5 {
            statuses.push(request(&world, name).await.status);
        }
        assert_eq!(statuses, [202, 202, 202, 429, 429], "{name}");
    }
    sent(&world).await;
    assert_eq!(server.received().len(), 3);
    // Who waits is let in again; who asks for many from one address is not.
    world.clock.advance(TimeDelta::minutes(20));
    assert_eq!(request(&world, "anna").await.status, 202);
    let mut let_in = 0;
    for number in 0..200 {
        let_in += usize::from(request(&world, &format!("user{number}")).await.status == 202);
    }
    assert!(let_in < 61, "{let_in}");
    sent(&world).await;
}

#[tokio::test]
async fn a_server_that_stalls_delays_nobody() {
    let server = MailServer::start(Manner::Stalls).await;
    let world = world(&server).await;
    world.account("anna").await;
    let answers = async {
        assert_eq!(request(&world, "anna").await.status, 202);
        server.connected().await;
        // While that one is still waiting for the mail server.
        assert_eq!(request(&world, "anna").await.status, 202);
        assert_eq!(request(&world, "nobody").await.status, 202);
        assert_eq!(world.login("anna", PASSWORD).await.status, 200);
    };
    let answered = tokio::time::timeout(Duration::from_secs(20), answers);
    answered.await.expect("the answers do not wait");
    sent(&world).await;
}

#[tokio::test]
async fn what_goes_wrong_is_said_without_address_and_token() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut words = Vec::new();
    for manner in [Manner::Refuses, Manner::Stalls, Manner::Breaks] {
        let server = MailServer::start(manner).await;
        words.push(failure(&server).await);
    }
    let mut nowhere = MailServer::start(Manner::Takes).await;
    nowhere.address = closed;
    words.push(failure(&nowhere).await);
    assert_eq!(
        words,
        [
            "the mail server refused it with 550",
            "the mail server did not answer in time",
            "there is no connection to the mail server, or it broke",
            "there is no connection to the mail server, or it broke",
        ]
    );
}

async fn failure(server: &MailServer) -> String {
    let mail = Mail {
        to: "anna@example.com".to_owned(),
        subject: "subject",
        text: "token".to_owned(),
    };
    let mailer = server.mailer();
    let sending = tokio::time::timeout(Duration::from_secs(20), mailer.send(mail));
    let sent = sending.await.expect("it comes to an end");
    let error = sent.unwrap_err();
    assert!(!format!("{error:?}").contains("anna"), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn without_mail_the_way_is_told_and_nothing_else() {
    let world = World::new().await;
    world.account("anna").await;
    let known = request(&world, "anna").await;
    assert_eq!(known.status, 409);
    insta::assert_json_snapshot!("no_mail", redacted(&known.json()));
    let unknown = request(&world, "nobody").await;
    assert_eq!(redacted(&unknown.json()), redacted(&known.json()));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told() {
    let server = MailServer::start(Manner::Takes).await;
    let world = world(&server).await;
    for (body, pointer) in [
        (json!({}), "/username"),
        (json!({ "username": 1 }), "/username"),
        (json!({ "username": "anna", "email": "x" }), "/email"),
    ] {
        let refused = world.call("POST", REQUEST, None, Some(body)).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (422, vec![pointer.to_owned()])
        );
    }
}

#[tokio::test]
async fn the_page_of_the_link_is_of_this_server_alone() {
    let world = World::new().await;
    let page = world.call("GET", "/password-reset", None, None).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'"), "{policy}");
    assert!(!page.text.contains("://"), "{}", page.text);
    let script = world
        .call("GET", "/password-reset/page.js", None, None)
        .await;
    assert_eq!(script.status, 200);
    assert!(script.text.contains("api/v1/auth/password-reset"));
}
