//! The scripts of `guest-sdk/js/examples`, each against a site that is well and sites that are not.

use std::sync::Mutex;

use serde_json::{Value, json};
use vedette_core::{Outcome, Status};

use crate::{
    assert_success, inputs, run_with,
    site::{Reply, Request, Site},
};

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../../guest-sdk/js/examples/",
            $name,
            ".js"
        ))
    };
}

#[track_caller]
fn assert_failure(outcome: &Outcome, message: &str) {
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
    let found = outcome.message.as_deref().unwrap_or_default();
    assert!(found.contains(message), "{message} is not in: {found}");
}

fn step_names(outcome: &Outcome) -> Vec<(&str, bool)> {
    let steps = outcome.steps.iter();
    steps
        .map(|step| (step.name.as_str(), step.passed))
        .collect()
}

/// How the site of the login is broken.
#[derive(Clone, Copy, PartialEq)]
enum Login {
    Well,
    /// The form has no token.
    NoToken,
    /// Every password is wrong.
    Refuses,
    /// It signs in, and forgets.
    Forgets,
    /// Everybody sees the account.
    Open,
    Down,
}

fn login_page(state: Login, request: &Request) -> Reply {
    if state == Login::Down {
        return Reply::empty("503 Service Unavailable");
    }
    let cookies = request.header("cookie");
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/login") => {
            let token = if state == Login::NoToken {
                ""
            } else {
                "t&amp;0k=n"
            };
            Reply::html(format!(
                "<!-- <input name=csrf_token value=old> --><form method=post>\
                 <input type='hidden' name='csrf_token' value='{token}'><input name=username></form>"
            ))
            .with("set-cookie: form=f1; Path=/; HttpOnly")
        }
        ("POST", "/login") => {
            let is_right = request.body == "csrf_token=t%260k%3Dn&username=anna&password=s3cret"
                && cookies.contains("form=f1");
            if !is_right || state == Login::Refuses {
                return Reply::empty("401 Unauthorized");
            }
            let session = if state == Login::Forgets { "s0" } else { "s1" };
            Reply::empty("303 See Other")
                .with("location: /welcome")
                .with(format!("set-cookie: session={session}; Path=/"))
        }
        (_, "/account") => {
            if cookies.contains("session=s1") || state == Login::Open {
                Reply::html("Your orders")
            } else {
                Reply::empty("302 Found").with("location: /login")
            }
        }
        _ => Reply::html("welcome"),
    }
}

async fn log_in(state: Login) -> Outcome {
    let site = Site::start(move |request| login_page(state, request)).await;
    let params = json!({
        "login_url": site.url("/login"), "account_url": site.url("/account"), "expected": "Your orders",
    });
    let env = [("LOGIN_USERNAME", "anna"), ("LOGIN_PASSWORD", "s3cret")];
    run_with(example!("login"), inputs(params, &env)).await
}

#[tokio::test]
async fn login() {
    let outcome = log_in(Login::Well).await;
    assert_success(&outcome);
    assert_eq!(
        step_names(&outcome),
        [
            ("the account is not public", true),
            ("open the form", true),
            ("sign in", true),
            ("see the account", true)
        ]
    );
    for (state, message) in [
        (
            Login::NoToken,
            "step \"open the form\": the page has no form token \"csrf_token\"",
        ),
        (
            Login::Refuses,
            "step \"sign in\": expected status 401 to be 200",
        ),
        (
            Login::Forgets,
            "step \"see the account\": expected status 302 to be 200",
        ),
        (
            Login::Open,
            "step \"the account is not public\": expected the page \"Your orders\" not to contain",
        ),
        (
            Login::Down,
            "step \"open the form\": expected status 503 to be 200",
        ),
    ] {
        assert_failure(&log_in(state).await, message);
    }
}

/// How the site of the orders is broken.
#[derive(Clone, Copy, PartialEq)]
enum Orders {
    Well,
    /// It wants another signature.
    Refuses,
    /// What it keeps is not what it got.
    Garbles,
    /// It says that it deletes, and does not.
    Keeps,
    /// It does not even say so.
    CannotDelete,
}

fn order(state: Orders, kept: &Mutex<Option<Value>>, request: &Request) -> Reply {
    // The signature is checked by the tests of `jwt.sign`; here it is that one is there.
    let token = request.header("authorization");
    if !token.starts_with("Bearer eyJ") || state == Orders::Refuses {
        return Reply::json("403 Forbidden", &json!({ "error": "signature" }));
    }
    let mut kept = kept.lock().unwrap();
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/orders") => {
            let mut made: Value = serde_json::from_str(&request.body).unwrap();
            made["id"] = "o-1".into();
            let reply = Reply::json("201 Created", &made);
            if state == Orders::Garbles {
                made["amount"] = 3.into();
            }
            *kept = Some(made);
            reply
        }
        ("GET", "/orders/o-1") => kept.as_ref().map_or_else(
            || Reply::empty("404 Not Found"),
            |order| Reply::json("200 OK", order),
        ),
        ("DELETE", "/orders/o-1") if state == Orders::CannotDelete => {
            Reply::empty("500 Internal Server Error")
        }
        ("DELETE", "/orders/o-1") => {
            if state != Orders::Keeps {
                *kept = None;
            }
            Reply::empty("204 No Content")
        }
        _ => Reply::empty("400 Bad Request"),
    }
}

async fn make_order(state: Orders) -> Outcome {
    let kept = Mutex::new(None);
    let site = Site::start(move |request| order(state, &kept, request)).await;
    let params = json!({ "url": site.url("/orders") });
    run_with(
        example!("jwt-crud"),
        inputs(params, &[("SIGNING_KEY", "a key for tests")]),
    )
    .await
}

#[tokio::test]
async fn jwt_crud() {
    let outcome = make_order(Orders::Well).await;
    assert_success(&outcome);
    let all = [
        ("create", true),
        ("read back", true),
        ("the order is deleted", true),
        ("the order is gone", true),
    ];
    assert_eq!(step_names(&outcome), all);

    let outcome = make_order(Orders::Refuses).await;
    assert_failure(&outcome, "step \"create\": expected status 403 to be 201");
    assert_eq!(step_names(&outcome), [("create", false)]);

    // Cleaned up all the same.
    let outcome = make_order(Orders::Garbles).await;
    assert_failure(&outcome, "step \"read back\": expected the order { ");
    assert_failure(&outcome, "at amount: 3 instead of 2");
    assert_eq!(
        step_names(&outcome)[1..],
        [
            ("read back", false),
            ("the order is deleted", true),
            ("the order is gone", true)
        ]
    );

    let outcome = make_order(Orders::Keeps).await;
    assert_failure(&outcome, "1 of 2 checks failed: \"the order is gone\"");
    let outcome = make_order(Orders::CannotDelete).await;
    assert_failure(
        &outcome,
        "2 of 2 checks failed: \"the order is deleted\", \"the order is gone\"",
    );
}

async fn ask_graphql(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Outcome {
    let site = Site::start(move |request| {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let asked = body["query"]
            .as_str()
            .is_some_and(|query| query.contains("product(name: $name)"));
        if request.method != "POST" || !asked || body["variables"]["name"] != "tea" {
            return Reply::empty("400 Bad Request");
        }
        reply()
    })
    .await;
    let params = json!({ "url": site.url("/graphql"), "product": "tea" });
    run_with(example!("graphql"), inputs(params, &[])).await
}

#[tokio::test]
async fn graphql() {
    let tea = json!({ "name": "tea", "price": 3.5, "inStock": true });
    let data = json!({ "data": { "product": tea } });
    let outcome = ask_graphql(move || Reply::json("200 OK", &data)).await;
    assert_success(&outcome);
    assert_eq!(outcome.result.unwrap().data, Some(tea));

    let broken = json!({
        "data": { "product": null },
        "errors": [{ "message": "the database is away", "path": ["product"] }],
    });
    let outcome = ask_graphql(move || Reply::json("200 OK", &broken)).await;
    assert_failure(&outcome, "step \"no errors\": expected errors [");
    assert_failure(&outcome, "the database is away");
    assert_failure(&outcome, "to be undefined");

    let nothing = json!({ "data": { "product": null } });
    let outcome = ask_graphql(move || Reply::json("200 OK", &nothing)).await;
    assert_failure(
        &outcome,
        "to have the property \"product.name\": at product: there is no \"name\"",
    );

    let sold = json!({ "data": { "product": { "name": "tea", "price": 0, "inStock": false } } });
    let outcome = ask_graphql(move || Reply::json("200 OK", &sold)).await;
    assert_failure(
        &outcome,
        "2 of 2 checks failed: \"the product is in stock\", \"it has a price\"",
    );

    let outcome = ask_graphql(|| Reply::html("<h1>we will be back</h1>")).await;
    assert_failure(
        &outcome,
        "expected content type \"text/html; charset=utf-8\" to match",
    );
    let outcome = ask_graphql(|| Reply::empty("502 Bad Gateway")).await;
    assert_failure(&outcome, "expected status 502 to be 200");
}

async fn check_schema(body: Value) -> Outcome {
    let site = Site::start(move |_| Reply::json("200 OK", &body)).await;
    let params = json!({ "url": site.url("/orders") });
    run_with(example!("schema"), inputs(params, &[])).await
}

#[tokio::test]
async fn schema() {
    let order = json!({
        "id": "0190a6f0-7c3e-7000-8000-000000000001", "price": 12.5,
        "placed_at": "2026-01-31T09:00:00Z", "status": "paid", "tags": ["a", "b"],
    });
    let with = |name: &str, value: Value| {
        let mut broken = order.clone();
        broken[name] = value;
        json!({ "items": [order, broken] })
    };
    assert_success(&check_schema(json!({ "items": [order], "next": null })).await);
    for (body, message) in [
        (
            with("price", json!("12")),
            "/items/1/price: is not a number, but \"12\" (`type`)",
        ),
        (
            with("price", json!(0)),
            "/items/1/price: is not greater than 0: 0",
        ),
        (
            with("status", json!("lost")),
            "/items/1/status: is none of the values listed",
        ),
        (
            with("placed_at", json!("today")),
            "/items/1/placed_at: is not of the format date-time",
        ),
        (
            with("tags", json!(["a", "a"])),
            "/items/1/tags: has elements that are the same",
        ),
        (
            with("a/b~c", json!(1)),
            "/items/1: has \"a/b~c\", which is not allowed",
        ),
        (
            json!({ "items": [] }),
            "/items: has 0 elements, at least 1 are wanted",
        ),
        (json!({}), "it has no \"items\" (`required`)"),
        (json!([]), "it is not an object, but []"),
    ] {
        assert_failure(&check_schema(body).await, message);
    }
}
