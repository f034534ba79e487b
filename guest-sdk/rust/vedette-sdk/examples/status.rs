//! A URL answers with the expected status, within a time.
//!
//!     vedette check status.wasm --params '{"url": "https://example.com/", "budget_ms": 2000}'

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use vedette_sdk::{Error, Monitor, Request, Verdict, ensure};

struct Status;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    url: String,
    #[serde(default = "ok")]
    status: u16,
    budget_ms: Option<u64>,
}

fn ok() -> u16 {
    200
}

impl Monitor for Status {
    type Params = Params;

    fn run(params: Params) -> Result<Verdict, Error> {
        let request = Request::get(params.url);
        let response = request.send()?.expect_status(params.status)?;
        let total = response.timings().total;
        if let Some(ms) = params.budget_ms {
            let budget = Duration::from_millis(ms);
            ensure!(total <= budget, "it took {total:.1?} of {budget:?}");
        }
        Ok(Verdict::success()
            .latency(total)
            .message(format!("{} answered {}", response.url(), params.status))
            .data(json!({ "address": response.remote_address() })))
    }
}

vedette_sdk::monitor!(Status);
