//! `DELETE /api/v1/silences/{silence_id}`

use axum::{extract::State, http::StatusCode};
use vedette_core::SilenceId;

use super::find_silence;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Deletes a silence
///
/// One that is active ends at once.
#[utoipa::path(delete, path = "/api/v1/silences/{silence_id}", tag = "maintenance",
    security(("bearer" = [])), params(("silence_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete_silence(
    State(state): State<ApiState>,
    caller: May<need::MaintenanceManage>,
    PathId(id): PathId<SilenceId>,
) -> Result<StatusCode, Problem> {
    find_silence(&state, &caller, id).await?;
    if caller.store.delete_silence(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
