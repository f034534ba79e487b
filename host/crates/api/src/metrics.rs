//! `GET /metrics`: numbers for Prometheus, for whoever has the token of the settings.

use std::{fmt::Write as _, sync::OnceLock, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use vedette_core::Quota;

use crate::{ApiState, problem::Problem};

/// `text/plain; version=0.0.4`: Prometheus' exposition format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Organizations of which the use of quotas is shown: those that have used most of theirs.
const MOST_ORGANIZATIONS: usize = 50;
/// How often what was recorded is summed up, so that it does not pile up when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);
/// Upper bounds in seconds, from what a punctual slot has up to the longest run.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// The one recorder of the process; `None` when somebody else's is there.
fn recorder() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, BUCKETS);
        let recorder = builder.ok()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        Some(handle)
    });
    handle.as_ref()
}

fn describe() {
    describe_counter!("script_execution_total", "executions by status and trigger");
    describe_histogram!(
        "script_execution_duration_seconds",
        Unit::Seconds,
        "wall clock of runs"
    );
    describe_histogram!(
        "script_execution_lateness_seconds",
        Unit::Seconds,
        "from the due time of a slot until its run was handed over"
    );
    describe_histogram!(
        "scheduler_claim_duration_seconds",
        Unit::Seconds,
        "claims of due slots, the database's part"
    );
    describe_gauge!(
        "scheduler_queue_length",
        "due slots and runs by hand that wait for a place"
    );
    describe_gauge!("scheduler_places_in_use", "runs that have a place");
    describe_gauge!("scheduler_places", "places for runs");
    describe_gauge!(
        "self_health_offline",
        "1 while no reference target of the installation answers"
    );
    describe_counter!("http_requests_total", "answers by method, route and status");
}

/// Begins to record. Inside of a tokio runtime.
pub(crate) fn begin() {
    let Some(handle) = recorder() else {
        tracing::warn!("nothing is recorded for /metrics: the process has another recorder");
        return;
    };
    tokio::spawn(async move {
        let mut upkeep = tokio::time::interval(UPKEEP);
        loop {
            upkeep.tick().await;
            handle.run_upkeep();
        }
    });
}

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/metrics", get(get_metrics))
}

/// Without a token in the settings there is nothing here.
async fn get_metrics(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = state.config.metrics_token.as_ref();
    let token = token.ok_or_else(Problem::not_found)?;
    if !is_token(&headers, token) {
        return Err(Problem::unauthorized());
    }
    let handle = recorder().ok_or_else(Problem::not_found)?;
    let mut text = handle.render();
    text.push_str(&quota_use(&state).await?);
    Ok(([(header::CONTENT_TYPE, EXPOSITION)], text).into_response())
}

/// Digests are compared, so that the time says nothing about the length either.
fn is_token(headers: &HeaderMap, token: &SecretString) -> bool {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given.next().and_then(|value| value.to_str().ok());
    let Some(value) = value.and_then(|value| value.strip_prefix("Bearer ")) else {
        return false;
    };
    let (given, token) = (
        Sha256::digest(value),
        Sha256::digest(token.expose_secret().as_bytes()),
    );
    verify_slices_are_equal(&given, &token).is_ok()
}

/// Of the quotas of a day. Written here and not by the recorder, which would show organizations for ever.
async fn quota_use(state: &ApiState) -> Result<String, Problem> {
    let mut ratios = Vec::new();
    for (org, used, quotas) in state.store.list_day_usage(state.clock.now()).await? {
        for (quota, used) in [
            (Quota::FuelPerDay, used.fuel),
            (Quota::FetchesPerDay, used.fetches),
        ] {
            if let Some(limit) = quotas.limit(quota) {
                ratios.push((ratio(used, limit), org, quota));
            }
        }
    }
    ratios.sort_by(|one, other| other.0.total_cmp(&one.0));
    let name = "organization_quota_used_ratio";
    let mut text = format!(
        "# HELP {name} part of a quota of the day that an organization has used; those that have used most\n\
         # TYPE {name} gauge\n"
    );
    for (ratio, org, quota) in ratios.into_iter().take(MOST_ORGANIZATIONS) {
        let quota = quota.as_str();
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "{name}{{organization=\"{org}\",quota=\"{quota}\"}} {ratio}"
        );
    }
    Ok(text)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for a chart")]
fn ratio(used: u64, limit: u64) -> f64 {
    used as f64 / limit as f64
}

/// Counts the answers by the template of the route, of which there are as many as operations.
pub(crate) async fn count_request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    counter!("http_requests_total", "method" => method, "route" => route, "status" => status)
        .increment(1);
    response
}
