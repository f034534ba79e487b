//! `PUT /api/v1/variables/{variable_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{VariableId, variable};
use vedette_store::{UpdatedVariable, VariableChange};

use super::{VariableView, level::check_level, new_value, too_large};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::{FieldError, Problem},
    v1::revision::{Expected, etag, if_match},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariableBody {
    /// Left out, the value stays: that of a secret cannot be read and sent again.
    #[schema(example = "eu-west-2")]
    value: Option<String>,
    /// For people; left out, there is none.
    description: Option<String>,
}

/// Changes a variable
///
/// Its name, its kind and whom it is for stay. With `If-Match`, only if nobody changed it since.
#[utoipa::path(put, path = "/api/v1/variables/{variable_id}", tag = "variables",
    security(("bearer" = [])), request_body = VariableBody,
    params(("variable_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = VariableView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn update_variable(
    State(state): State<ApiState>,
    caller: May<need::VariableManage>,
    PathId(id): PathId<VariableId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<VariableBody>,
) -> Result<(impl IntoResponseParts, Json<VariableView>), Problem> {
    let expected = match if_match(&headers) {
        Expected::Any => None,
        Expected::Revision(revision) => Some(revision),
        Expected::Nothing => return Err(Problem::stale()),
    };
    // Before the body is judged, so that a foreign id tells nothing.
    let old = state.store.get_variable(caller.org_id, id).await?;
    let old = old.ok_or_else(Problem::not_found)?;
    check_level(&state, &caller, old.level).await?;
    let kind = old.kind;
    let wrong = [
        body.value
            .as_deref()
            .map_or(Ok(()), |value| variable::check_value(kind, value)),
        variable::check_description(body.description.as_deref().unwrap_or_default()),
    ];
    let wrong = wrong.into_iter().filter_map(Result::err);
    let errors: Vec<FieldError> = wrong.map(Into::into).collect();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let change = VariableChange {
        value: body.value.map(|value| new_value(kind, value)),
        description: body.description,
        changed_at: state.clock.now(),
    };
    let updated = caller
        .store
        .update_variable(caller.org_id, id, change, expected);
    match updated.await? {
        UpdatedVariable::Done(variable) => Ok((etag(variable.revision), Json(variable.into()))),
        UpdatedVariable::NotFound => Err(Problem::not_found()),
        UpdatedVariable::Stale => Err(Problem::stale()),
        UpdatedVariable::TooLarge => Err(too_large()),
    }
}
