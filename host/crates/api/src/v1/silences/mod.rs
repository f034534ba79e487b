//! Silences: for one stretch of time nobody is told of the alerts that they pick out.

mod body;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{ProjectId, SilenceId, silence::MatcherText};
use vedette_store::StoredSilence;

use crate::{
    ApiState,
    auth::{May, Need},
    problem::{FieldError, Problem},
};

/// One of the conditions that an alert has to meet.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatcherView {
    /// `script`, `project`, `tag`, `severity` or `rule_type`.
    #[schema(
        pattern = "^(script|project|tag|severity|rule_type)$",
        example = "script"
    )]
    label: String,
    /// `=` or `!=`.
    #[schema(pattern = "^!?=$", example = "=")]
    operator: String,
    /// `*` stands for any text.
    #[schema(min_length = 1, max_length = 200, example = "shop *")]
    value: String,
}

impl From<MatcherText> for MatcherView {
    fn from(text: MatcherText) -> Self {
        Self {
            label: text.label,
            operator: text.operator,
            value: text.value,
        }
    }
}

impl From<MatcherView> for MatcherText {
    fn from(view: MatcherView) -> Self {
        Self {
            label: view.label,
            operator: view.operator,
            value: view.value,
        }
    }
}

/// A silence.
#[derive(Serialize, ToSchema)]
pub(crate) struct SilenceView {
    id: Uuid,
    /// All of them must match.
    matchers: Vec<MatcherView>,
    /// The project that it keeps to, because a matcher names its id; null: it may concern all.
    project_id: Option<Uuid>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    comment: String,
    /// Whether it is active now.
    is_active: bool,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts all changes; its `ETag` goes with `If-Match`.
    revision: i64,
}

impl SilenceView {
    fn of(silence: StoredSilence, now: DateTime<Utc>) -> Self {
        let content = silence.content;
        Self {
            id: silence.id.as_uuid(),
            matchers: content.matchers.into_iter().map(Into::into).collect(),
            project_id: content.project_id.map(ProjectId::as_uuid),
            starts_at: content.interval.from,
            ends_at: content.interval.until,
            comment: content.comment,
            is_active: content.interval.contains(now),
            created_by: silence.created_by.as_uuid(),
            created_at: silence.created_at,
            updated_at: silence.updated_at,
            revision: silence.revision,
        }
    }
}

/// Lets the caller have a silence that keeps to this project, or to none.
async fn check_project<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    project: Option<ProjectId>,
) -> Result<(), Problem> {
    let Some(project) = project else {
        return caller.check_everywhere("give a matcher `project` with `=` and the id of one");
    };
    let found = state.store.get_project(caller.org_id, project).await?;
    // One that the caller does not see is not there either.
    if found.is_none() || !caller.sees(project) {
        return Err(Problem::invalid(vec![unknown_project()]));
    }
    caller.check_in(project)
}

fn unknown_project() -> FieldError {
    let detail = "a matcher names a project by its id, and there is no such project here";
    FieldError::new("/matchers", detail)
}

/// A silence that the caller may go on with.
async fn find_silence<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    id: SilenceId,
) -> Result<StoredSilence, Problem> {
    let silence = state.store.get_silence(caller.org_id, id).await?;
    let silence = silence.ok_or_else(Problem::not_found)?;
    match silence.content.project_id {
        Some(project) => caller.check_in(project)?,
        None => caller.check_whole()?,
    }
    Ok(silence)
}
