//! `GET /api/v1/variables/{variable_id}`

use axum::{Json, extract::State, response::IntoResponseParts};
use vedette_core::VariableId;

use super::{VariableView, level::check_level};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
    v1::revision::etag,
};

/// One variable
///
/// The value of one that is secret or sealed is not shown.
#[utoipa::path(get, path = "/api/v1/variables/{variable_id}", tag = "variables",
    security(("bearer" = [])), params(("variable_id" = uuid::Uuid, Path)),
    responses((status = 200, body = VariableView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_variable(
    State(state): State<ApiState>,
    caller: May<need::VariableRead>,
    PathId(id): PathId<VariableId>,
) -> Result<(impl IntoResponseParts, Json<VariableView>), Problem> {
    let variable = state.store.get_variable(caller.org_id, id).await?;
    let variable = variable.ok_or_else(Problem::not_found)?;
    check_level(&state, &caller, variable.level).await?;
    Ok((etag(variable.revision), Json(variable.into())))
}
