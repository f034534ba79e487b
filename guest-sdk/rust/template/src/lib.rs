//! What {{name}} watches.

use serde::Deserialize;
use serde_json::json;
use vedette_sdk::{Error, Monitor, Request, Verdict, ensure};

struct Health;

/// The script's parameters. One that is missing, misspelt or of another type is an error of the check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    url: String,
}

/// What the target answers, as far as it matters here.
#[derive(Deserialize)]
struct Report {
    status: String,
}

impl Monitor for Health {
    type Params = Params;

    fn run(params: Params) -> Result<Verdict, Error> {
        let response = Request::get(params.url).send()?.expect_status(200)?;
        let report: Report = response.json()?;
        ensure!(report.status == "live", "it says {:?}", report.status);
        Ok(Verdict::success()
            .latency(response.timings().total)
            .message(format!("{} is live", response.url()))
            .data(json!({ "address": response.remote_address() })))
    }
}

vedette_sdk::monitor!(Health);

#[cfg(test)]
mod tests {
    use vedette_sdk::{
        FetchReason,
        testing::{Answer, TestHost},
    };

    use super::*;

    const URL: &str = "https://example.com/health";

    fn run(answer: Answer) -> Result<Verdict, String> {
        let host = TestHost::new().answer("GET", URL, answer);
        host.run::<Health>(json!({ "url": URL })).outcome
    }

    #[test]
    fn a_target_that_is_well() {
        let answer = Answer::status(200).body(r#"{"status":"live"}"#);
        assert!(run(answer).unwrap().success);
    }

    #[test]
    fn a_target_that_is_not() {
        let answers = [
            Answer::status(200).body(r#"{"status":"starting"}"#),
            Answer::status(200).body("<html>"),
            Answer::status(503),
            Answer::error(FetchReason::Timeout),
        ];
        for answer in answers {
            assert!(!run(answer.clone()).unwrap().success, "{answer:?}");
        }
    }

    #[test]
    fn a_refused_request_says_nothing_about_the_target() {
        let denied = FetchReason::Denied("loopback".to_owned());
        assert!(run(Answer::error(denied)).is_err());
    }
}
