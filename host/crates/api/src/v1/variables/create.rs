//! `POST /api/v1/variables`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{AppendHeaders, IntoResponseParts},
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{
    AllowedHost, VariableId, VariableKind,
    sealed::read_allowed_hosts,
    variable::{self, MAX_VARIABLES},
};
use vedette_store::{CreatedVariable, NewValue, NewVariable};

use super::{
    VariableView,
    level::{LevelQuery, check_level},
    not_sealed, too_large,
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
    /// `plain`, `secret` or `sealed`; it stays so.
    #[schema(pattern = "^(plain|secret|sealed)$", example = "plain")]
    kind: String,
    /// At most 16 KiB; of a secret at least 4 bytes, of a sealed one 8.
    #[schema(example = "eu-west-1")]
    value: String,
    /// Of a sealed one, and only of such: the hosts that requests may take the value to, as
    /// `api.example.com`, `*.example.com`, `api.example.com:8443` or `http://127.0.0.1:8080`; 1 to 20.
    // As the examples make a plain one.
    #[schema(example = json!(null))]
    allowed_hosts: Option<Vec<String>>,
    /// For people.
    description: Option<String>,
}

/// Makes a variable
///
/// For a project with `project_id`, for a script with `script_id`, else for the organization. Runs
/// find it in `env`; of variables with one name, the narrower level counts. A secret is encrypted,
/// given to runs only, and masked in what they leave. A sealed one is given to nobody: runs have a
/// handle, in the place of which the value is put into requests to its hosts.
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
    let value = body.check()?;
    let new = NewVariable {
        id: VariableId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        level,
        name: body.name,
        value,
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
    fn check(&self) -> Result<NewValue, Problem> {
        let kind: Option<VariableKind> = self.kind.parse().ok();
        let unknown = kind
            .is_none()
            .then(|| FieldError::new("/kind", "give `plain`, `secret` or `sealed`"));
        let description = self.description.as_deref().unwrap_or_default();
        let wrong = [
            variable::check_variable_name(&self.name),
            variable::check_value(kind.unwrap_or(VariableKind::Plain), &self.value),
            variable::check_description(description),
        ];
        let wrong = wrong.into_iter().filter_map(Result::err).map(Into::into);
        let mut errors: Vec<FieldError> = wrong.chain(unknown).collect();
        let hosts = self.check_hosts(kind).unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let text = || SecretString::from(self.value.as_str());
        let value = match (kind, hosts) {
            (Some(VariableKind::Plain), None) => Some(NewValue::Plain(self.value.clone())),
            (Some(VariableKind::Secret), None) => Some(NewValue::Secret(text())),
            (Some(VariableKind::Sealed), Some(allowed_hosts)) => Some(NewValue::Sealed {
                value: text(),
                allowed_hosts,
            }),
            _ => None,
        };
        value
            .filter(|_| errors.is_empty())
            .ok_or_else(|| Problem::invalid(errors))
    }

    /// The hosts of a sealed one; none of another.
    fn check_hosts(
        &self,
        kind: Option<VariableKind>,
    ) -> Result<Option<Vec<AllowedHost>>, FieldError> {
        let given = self.allowed_hosts.as_deref();
        match kind {
            Some(VariableKind::Sealed) => {
                let hosts = read_allowed_hosts(given.unwrap_or_default());
                hosts.map(Some).map_err(Into::into)
            }
            Some(VariableKind::Plain | VariableKind::Secret) if given.is_some() => {
                Err(not_sealed())
            }
            _ => Ok(None),
        }
    }
}
