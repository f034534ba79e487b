//! `POST /api/v1/variables`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{AppendHeaders, IntoResponseParts},
};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{
    VariableId, VariableKind,
    variable::{self, MAX_VARIABLES},
};
use vedette_store::{CreatedVariable, NewVariable};

use super::{
    VariableView,
    level::{LevelQuery, check_level},
    new_value, too_large,
};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::{FieldError, Problem},
    v1::revision::etag,
};

/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVariableBody {
    /// As runs see it in `env`: letters, digits and underscores.
    #[schema(example = "REGION")]
    name: String,
    /// `plain` or `secret`; it stays so.
    #[schema(pattern = "^(plain|secret)$", example = "plain")]
    kind: String,
    /// At most 16 KiB; of a secret at least 4 bytes.
    #[schema(example = "eu-west-1")]
    value: String,
    /// For people.
    description: Option<String>,
}

/// Makes a variable
///
/// For a project with `project_id`, for a script with `script_id`, else for the organization. Runs
/// find it in `env`; of variables with one name, the narrower level counts. A secret is encrypted,
/// given to runs only, and masked in what they leave.
#[utoipa::path(post, path = "/api/v1/variables", tag = "variables", security(("bearer" = [])),
    request_body = NewVariableBody,
    params(("project_id" = Option<uuid::Uuid>, Query, description = "the project that it is for"),
        ("script_id" = Option<uuid::Uuid>, Query, description = "the script that it is for")),
    responses((status = 201, body = VariableView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_variable(
    State(state): State<ApiState>,
    caller: May<need::VariableManage>,
    LevelQuery(level): LevelQuery,
    JsonBody(body): JsonBody<NewVariableBody>,
) -> Result<
    (
        StatusCode,
        impl IntoResponseParts,
        AppendHeaders<[(HeaderName, String); 1]>,
        Json<VariableView>,
    ),
    Problem,
> {
    check_level(&state, &caller, level).await?;
    let kind = body.check()?;
    let new = NewVariable {
        id: VariableId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        level,
        name: body.name,
        value: new_value(kind, body.value),
        description: body.description,
        created_by: caller.user.id,
        created_at: state.clock.now(),
    };
    let variable = match caller.store.create_variable(new).await? {
        CreatedVariable::Done(variable) => variable,
        CreatedVariable::NoOwner => return Err(Problem::not_found()),
        CreatedVariable::TooLarge => return Err(too_large()),
        CreatedVariable::TooMany => {
            let detail = format!("this level has {MAX_VARIABLES} variables already; delete one");
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
    };
    let path = format!("/api/v1/variables/{}", variable.id);
    let location = AppendHeaders([(header::LOCATION, path)]);
    let etag = etag(variable.revision);
    Ok((StatusCode::CREATED, etag, location, Json(variable.into())))
}

impl NewVariableBody {
    /// Checks everything and reports all that is wrong together.
    fn check(&self) -> Result<VariableKind, Problem> {
        let kind: Option<VariableKind> = self.kind.parse().ok();
        let unknown = kind
            .is_none()
            .then(|| FieldError::new("/kind", "give `plain` or `secret`"));
        let description = self.description.as_deref().unwrap_or_default();
        let wrong = [
            variable::check_variable_name(&self.name),
            variable::check_value(kind.unwrap_or(VariableKind::Plain), &self.value),
            variable::check_description(description),
        ];
        let wrong = wrong.into_iter().filter_map(Result::err).map(Into::into);
        let errors: Vec<FieldError> = wrong.chain(unknown).collect();
        kind.filter(|_| errors.is_empty())
            .ok_or_else(|| Problem::invalid(errors))
    }
}
