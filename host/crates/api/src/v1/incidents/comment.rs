//! `POST /api/v1/incidents/{incident_id}/comments`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::IncidentId;
use vedette_store::IncidentAction;

use super::{IncidentDetailView, change::change_incident, find_incident};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::{FieldError, Problem},
};

/// Longest comment, in characters: it is sent on to channels that take little more.
const MAX_COMMENT_CHARS: usize = 2_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommentBody {
    /// 1 to 2,000 characters; of control characters only line breaks.
    #[schema(
        min_length = 1,
        max_length = 2_000,
        example = "The provider knows, and is at it."
    )]
    message: String,
}

/// Says something about an incident
///
/// Also about one that is over.
#[utoipa::path(post, path = "/api/v1/incidents/{incident_id}/comments", tag = "alerts",
    security(("bearer" = [])), request_body = CommentBody,
    params(("incident_id" = uuid::Uuid, Path)),
    responses((status = 200, body = IncidentDetailView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn comment_on_incident(
    State(state): State<ApiState>,
    caller: May<need::IncidentManage>,
    PathId(id): PathId<IncidentId>,
    JsonBody(body): JsonBody<CommentBody>,
) -> Result<Json<IncidentDetailView>, Problem> {
    // Before the body is judged, so that a foreign id tells nothing.
    find_incident(&state, &caller, id).await?;
    check_message(&body.message).map_err(|error| Problem::invalid(vec![error]))?;
    let action = IncidentAction::Comment(body.message);
    change_incident(&state, &caller, id, &action).await
}

fn check_message(message: &str) -> Result<(), FieldError> {
    let wrong = |detail: String| Err(FieldError::new("/message", detail));
    let chars = message.chars().count();
    if message.trim().is_empty() {
        return wrong("the message must not be empty".to_owned());
    }
    if chars > MAX_COMMENT_CHARS {
        return wrong(format!(
            "the message has {chars} characters, at most {MAX_COMMENT_CHARS} are allowed"
        ));
    }
    // A carriage return alone would let the end of a line cover its beginning on a terminal.
    let lines = message.replace("\r\n", "\n");
    if lines.chars().any(|c| c.is_control() && c != '\n') {
        return wrong("of control characters, only line breaks are allowed".to_owned());
    }
    Ok(())
}
