//! `POST /api/v1/scripts/{script_id}/alert-rules/dry-run`

use axum::{Json, extract::State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use vedette_core::{
    Schedule, ScriptId,
    alert::{
        dry_run::{DryRun, Firing},
        quorum::Quorum,
        rule::RuleDefinition,
    },
};
use vedette_store::Past;

use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::{FieldError, Problem},
};

/// Longest time that a rule is played over, in hours.
const MAX_HOURS: u32 = 24;
/// Most executions: one every ten seconds for a day, and some.
const MAX_EXECUTIONS: u32 = 10_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRunBody {
    /// As `GET /api/v1/alert-rules/schema` says.
    #[schema(value_type = Object,
        example = json!({ "type": "status_change", "consecutive_failures": 3 }))]
    rule_definition: Value,
    /// How far back, 1 to 24, which is the default.
    #[schema(minimum = 1, maximum = 24, example = 6)]
    hours: Option<u32>,
}

/// A time during which the rule would have fired.
#[derive(Serialize, ToSchema)]
pub(crate) struct FiringView {
    fired_at: DateTime<Utc>,
    /// Null: not until now.
    recovered_at: Option<DateTime<Utc>>,
}

impl From<Firing> for FiringView {
    fn from(firing: Firing) -> Self {
        Self {
            fired_at: firing.fired_at,
            recovered_at: firing.recovered_at,
        }
    }
}

/// What a rule would have done.
#[derive(Serialize, ToSchema)]
pub(crate) struct DryRunView {
    /// Oldest first.
    firings: Vec<FiringView>,
    /// How many executions it was played over.
    executions: usize,
    /// There were more of them in that time: the oldest are left out.
    is_cut: bool,
    /// From when on it was played: as far back as was asked for, but not before the script was
    /// there, nor before the first execution if older ones are left out.
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// Plays an alert rule over the past of a script
///
/// Says when it would have fired and recovered. Nothing is kept, and nobody is told. The schedule
/// counts as it is now.
#[utoipa::path(post, path = "/api/v1/scripts/{script_id}/alert-rules/dry-run", tag = "alerts",
    security(("bearer" = [])), request_body = DryRunBody, params(("script_id" = uuid::Uuid, Path)),
    responses((status = 200, body = DryRunView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn dry_run_alert_rule(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(id): PathId<ScriptId>,
    JsonBody(body): JsonBody<DryRunBody>,
) -> Result<Json<DryRunView>, Problem> {
    let script = state.store.get_script(caller.org_id, id).await?;
    let script = script.ok_or_else(Problem::not_found)?;
    caller.check_in(script.project_id)?;
    let (rule, time) = body.check()?;
    let cron = script.cron_expression.as_deref();
    let schedule = Schedule::parse(id, cron, script.interval_seconds, &script.timezone)
        .map_err(|error| Problem::internal(&error))?;
    let until = state.clock.now();
    let from = script.created_at.max(until - time);
    let past = state
        .store
        .past_observations(caller.org_id, id, from..until, MAX_EXECUTIONS)
        .await?;
    // Computing for as long as this must not keep other requests waiting.
    let played = tokio::task::spawn_blocking(move || play(&rule, &schedule, &past, from, until));
    Ok(Json(played.await.map_err(|_| Problem::panicked())?))
}

fn play(
    rule: &RuleDefinition,
    schedule: &Schedule,
    past: &Past,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> DryRunView {
    let oldest = past.observations.last().filter(|_| past.is_cut);
    let from = oldest.map_or(from, |oldest| oldest.at);
    let run = DryRun {
        rule,
        // There is one location.
        quorum: Quorum::Any,
        schedule,
        from,
        until,
    };
    let firings = run.play(&past.observations);
    DryRunView {
        firings: firings.into_iter().map(Into::into).collect(),
        executions: past.observations.len(),
        is_cut: past.is_cut,
        from,
        until,
    }
}

impl DryRunBody {
    /// Checks everything and reports all that is wrong together.
    fn check(self) -> Result<(RuleDefinition, TimeDelta), Problem> {
        let hours = self.hours.unwrap_or(MAX_HOURS);
        let rule = RuleDefinition::read(&self.rule_definition).map_err(FieldError::from);
        let is_good = (1..=MAX_HOURS).contains(&hours);
        let detail = || format!("give a whole number from 1 to {MAX_HOURS}");
        let wrong = (!is_good).then(|| FieldError::new("/hours", detail()));
        match (rule, wrong) {
            (Ok(rule), None) => Ok((rule, TimeDelta::hours(hours.into()))),
            (rule, wrong) => Err(Problem::invalid(
                rule.err().into_iter().chain(wrong).collect(),
            )),
        }
    }
}
