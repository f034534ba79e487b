//! Several sites at once: each answers, and its certificates are good for some more days.
//!
//!     vedette check certificates.wasm \
//!       --params '{"urls": ["https://example.com/", "https://example.org/"], "least_days": 14}'

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};
use vedette_sdk::{
    Checks, Error, FetchError, Monitor, Redirect, Request, Response, Verdict, send_all,
};

struct Certificates;

#[derive(Deserialize)]
struct Params {
    urls: Vec<String>,
    least_days: i64,
}

impl Monitor for Certificates {
    type Params = Params;

    fn run(params: Params) -> Result<Verdict, Error> {
        let requests = params.urls.iter().map(|url| {
            // Of the site itself, not of where it sends its visitors.
            Request::get(url).redirect(Redirect::Manual)
        });
        let answers = send_all(requests);

        let now = SystemTime::now();
        let mut checks = Checks::new();
        let mut days_left = Map::new();
        for (url, answer) in params.urls.iter().zip(answers) {
            let Some(response) = answered(answer, &mut checks)? else {
                continue;
            };
            let Some(tls) = response.tls() else {
                return Err(Error::check(format!("{url} is not an https URL")));
            };
            let days = tls.days_remaining(now);
            let name = format!("{url} is good for {days} days");
            checks.check(name, days >= params.least_days);
            days_left.insert(url.clone(), days.into());
        }
        Ok(checks.verdict()?.data(Value::Object(days_left)))
    }
}

/// A site that does not answer is one that fails, and the others are looked at all the same. What
/// says nothing about the site ends the run.
fn answered(
    answer: Result<Response, FetchError>,
    checks: &mut Checks,
) -> Result<Option<Response>, Error> {
    match answer {
        Ok(response) => Ok(Some(response)),
        Err(error) if error.is_target_fault() => {
            checks.check(error.to_string(), false);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

vedette_sdk::monitor!(Certificates);
