//! Whole runs of a monitor: each way to end has its outcome.

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::{Context as _, Error, Pending, env, info, send_all, wait_any};

const LOGIN: &str = "https://shop.example/login";
const ORDERS: &str = "https://shop.example/orders";

struct Shop;

#[derive(Deserialize)]
struct Params {
    item: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Monitor for Shop {
    type Params = Params;

    fn run(params: Params) -> Result<Verdict, Error> {
        let password = env::require("PASSWORD")?;
        let login = Request::post(LOGIN).form([("password", password.as_str())]);
        let answer = login.send().context("log in")?.expect_success()?;
        let Token { token } = answer.json().context("log in")?;
        info!("logged in, ordering {}", params.item);
        let order = Request::post(ORDERS)
            .bearer(token)
            .json(&json!({ "item": params.item }))?
            .timeout(Duration::from_secs(5));
        let made = order.send()?.expect_status(201)?;
        Ok(Verdict::success().latency(made.timings().total))
    }
}

fn host() -> TestHost {
    TestHost::new().env("PASSWORD", "a b").answer(
        "POST",
        LOGIN,
        Answer::status(200).json(&json!({ "token": "t0k" })),
    )
}

fn params() -> Value {
    json!({ "item": "tea" })
}

fn failure_of(host: TestHost) -> String {
    let verdict = host.run::<Shop>(params()).outcome.unwrap();
    assert!(!verdict.success);
    verdict.message.unwrap()
}

#[test]
fn a_run_that_goes_well() {
    let made = Answer::status(201).took(Duration::from_millis(30));
    let run = host().answer("POST", ORDERS, made).run::<Shop>(params());
    let latency = Duration::from_millis(30);
    assert_eq!(run.outcome, Ok(Verdict::success().latency(latency)));
    assert_eq!(run.requests[0].body, b"password=a+b");
    let order = &run.requests[1];
    assert_eq!(order.body, br#"{"item":"tea"}"#);
    assert_eq!(order.timeout, Some(Duration::from_secs(5)));
    let bearer = ("authorization".to_owned(), "Bearer t0k".to_owned());
    assert!(order.headers.contains(&bearer), "{:?}", order.headers);
    let line = "logged in, ordering tea".to_owned();
    assert_eq!(run.log, [(Level::Info, line)]);
}

#[test]
fn what_the_target_does_wrong_is_a_failure() {
    let status = host().answer("POST", ORDERS, Answer::status(500));
    let told = format!("POST {ORDERS} answered 500, expected 201");
    assert_eq!(failure_of(status), told);

    let refused = Answer::error(FetchReason::ConnectionRefused);
    let told = format!("POST {ORDERS}: the connection was refused");
    assert_eq!(failure_of(host().answer("POST", ORDERS, refused)), told);

    let shape = TestHost::new().env("PASSWORD", "x");
    let shape = shape.answer("POST", LOGIN, Answer::status(200).body("<html>"));
    let told = failure_of(shape);
    assert!(told.starts_with("log in: POST"), "{told}");
}

#[test]
fn what_says_nothing_about_the_target_is_an_error() {
    let text = || "x".to_owned();
    let reasons = [
        (FetchReason::Denied(text()), "[fetch_denied] POST "),
        (FetchReason::InvalidRequest(text()), "POST "),
        (FetchReason::Limit(text()), "[fetch_limit] POST "),
        (FetchReason::BodyTooLarge(5), "[fetch_limit] POST "),
    ];
    for (reason, begins) in reasons {
        let answer = Answer::error(reason);
        let run = host().answer("POST", ORDERS, answer).run::<Shop>(params());
        let told = run.outcome.unwrap_err();
        assert!(told.starts_with(begins), "{told}");
    }
    let unset = TestHost::new().run::<Shop>(params());
    let told = "variable `PASSWORD` is not set".to_owned();
    assert_eq!(unset.outcome, Err(told));
    let empty = TestHost::new().env("PASSWORD", "").run::<Shop>(params());
    let told = "variable `PASSWORD` is empty".to_owned();
    assert_eq!(empty.outcome, Err(told));
    let unfit = host().run::<Shop>(json!({ "item": 3 }));
    assert!(unfit.outcome.unwrap_err().contains("parameter `item`"));
    assert!(unfit.requests.is_empty());
    let unanswered = host().run::<Shop>(params()).outcome;
    assert!(unanswered.unwrap_err().contains("has no answer"));
}

#[test]
fn answers_keep_the_order_of_their_requests() {
    let host = TestHost::new()
        .answer("GET", "https://a.example/", Answer::status(200))
        .answer("GET", "https://b.example/", Answer::status(503))
        .answer("GET", "https://a.example/", Answer::status(404));
    let urls = ["a", "b", "a", "c"].map(|name| format!("https://{name}.example/"));
    let run = host.call(|| send_all(urls.iter().map(Request::get)));
    let statuses = run.outcome.iter().map(|answer| {
        let answer = answer.as_ref().ok();
        answer.map(Response::status)
    });
    let statuses: Vec<_> = statuses.collect();
    assert_eq!(statuses, [Some(200), Some(503), Some(404), None]);
    assert_eq!(run.outcome[1].as_ref().unwrap().url(), urls[1]);
}

#[test]
fn what_is_ready_can_be_taken() {
    let host = TestHost::new().answer("GET", "x", Answer::status(200));
    let run = host.call(|| {
        let pending = vec![Request::get("x").start()?];
        let ready = wait_any(&pending, Some(Duration::from_secs(1)));
        let answers = pending.into_iter().map(Pending::wait);
        answers
            .collect::<Result<Vec<_>, _>>()
            .map(|all| (ready, all))
    });
    let (ready, answers) = run.outcome.unwrap();
    assert_eq!(ready, [0]);
    assert_eq!(answers[0].status(), 200);
}

#[test]
fn certificates_have_an_end() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let until = now + Duration::from_hours(49);
    let answer = Answer::status(200).certificate_until(until);
    let host = TestHost::new().answer("GET", "x", answer);
    let response = host.call(|| Request::get("x").send()).outcome.unwrap();
    assert_eq!(response.tls().map(|tls| tls.days_remaining(now)), Some(2));
}
