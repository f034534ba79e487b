//! `PUT /api/v1/variables/{variable_id}`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{AllowedHost, VariableId, VariableKind, sealed::read_allowed_hosts, variable};
use vedette_store::{UpdatedVariable, VariableChange};

use super::{VariableView, level::check_level, not_sealed, too_large};
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
    /// Left out, the value stays: one that is secret or sealed cannot be read and sent again.
    #[schema(example = "eu-west-2")]
    value: Option<String>,
    /// Of a sealed one; left out, the hosts stay. Hosts that are not among the present ones need a
    /// `value` with them.
    #[schema(example = json!(null))]
    allowed_hosts: Option<Vec<String>>,
    /// For people; left out, there is none.
    description: Option<String>,
}

/// Changes a variable
///
/// Its name, its kind and whom it is for stay. A sealed one can lose hosts without its value, and gets
/// others only with a value. With `If-Match`, only if nobody changed it since.
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
    let allowed_hosts = body.check(old.kind)?;
    let change = VariableChange {
        value: body.value.map(SecretString::from),
        allowed_hosts,
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
        UpdatedVariable::NotSealed => Err(Problem::invalid(vec![not_sealed()])),
        UpdatedVariable::NeedsValue => Err(needs_value()),
    }
}

impl VariableBody {
    /// Checks everything, reports all that is wrong together, and reads the hosts.
    fn check(&self, kind: VariableKind) -> Result<Option<Vec<AllowedHost>>, Problem> {
        let wrong = [
            self.value
                .as_deref()
                .map_or(Ok(()), |value| variable::check_value(kind, value)),
            variable::check_description(self.description.as_deref().unwrap_or_default()),
        ];
        let wrong = wrong.into_iter().filter_map(Result::err);
        let mut errors: Vec<FieldError> = wrong.map(Into::into).collect();
        let hosts = match &self.allowed_hosts {
            None => Ok(None),
            Some(_) if kind != VariableKind::Sealed => Err(not_sealed()),
            Some(texts) => read_allowed_hosts(texts).map(Some).map_err(Into::into),
        };
        let hosts = hosts.unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        if errors.is_empty() {
            Ok(hosts)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

/// Whoever chooses where a value goes must know it.
fn needs_value() -> Problem {
    let detail = "hosts that the present value may not be sent to need a value with them: give it \
        anew, because otherwise whoever may change variables could have it sent to themselves";
    Problem::invalid(vec![FieldError::new("/value", detail)])
}
