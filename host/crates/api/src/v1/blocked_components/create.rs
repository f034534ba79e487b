//! `PUT /api/v1/admin/blocked-components/{digest}`

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_store::BlockedComponent;

use crate::{
    ApiState,
    auth::Administrator,
    extract::{JsonBody, PathDigest},
    problem::{FieldError, Problem},
};

/// Longest reason, in characters.
const MAX_REASON_CHARS: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockBody {
    /// Shown to those who have it; 1 to 1,000 characters.
    #[schema(example = "It attacks other sites.")]
    reason: String,
}

/// Blocks a component in the whole installation
///
/// Nothing starts it any more, whoever has it; nobody need have it yet. For administrators of
/// the installation.
#[utoipa::path(put, path = "/api/v1/admin/blocked-components/{digest}", tag = "admin",
    security(("bearer" = [])), params(("digest" = String, Path)), request_body = BlockBody,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, description = "This is no digest", body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn block_component(
    State(state): State<ApiState>,
    Administrator { caller, store }: Administrator,
    PathDigest(digest): PathDigest,
    JsonBody(body): JsonBody<BlockBody>,
) -> Result<StatusCode, Problem> {
    let chars = body.reason.chars().count();
    let is_odd = body.reason.chars().any(char::is_control);
    if body.reason.trim().is_empty() || chars > MAX_REASON_CHARS || is_odd {
        let detail =
            format!("give 1 to {MAX_REASON_CHARS} characters, none of them a control character");
        return Err(Problem::invalid(vec![FieldError::new("/reason", detail)]));
    }
    let blocked = BlockedComponent {
        digest,
        reason: body.reason,
        blocked_by: caller.user.id,
        blocked_at: state.clock.now(),
    };
    store.block_component(&blocked).await?;
    tracing::warn!(component.digest = %digest, user.id = %caller.user.id, "a component was blocked");
    state.engine.components_changed();
    Ok(StatusCode::NO_CONTENT)
}
