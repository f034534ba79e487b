//! `POST /api/v1/api-keys`

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{ApiKeyId, ProjectId, script};
use vedette_store::{ApiKey, ApiKeyCreated, NewApiKey};

use super::ApiKeyView;
use crate::{
    ApiState,
    auth::{API_KEY_PREFIX, May, api_key_hash, need},
    extract::JsonBody,
    problem::{FieldError, Problem},
    v1::roles::read_permissions,
};

/// Keys of one user in an organization that are good at one time.
const MOST_KEYS: u32 = 50;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyBody {
    /// 1 to 200 characters.
    #[schema(example = "deploy")]
    name: String,
    /// Of `GET /permissions`, at least one; none that the caller does not have.
    #[schema(example = json!(["script:read", "script:update"]))]
    permissions: Vec<String>,
    /// The one project in which it counts; without it, wherever the caller has the permissions.
    project_id: Option<Uuid>,
    /// From then on it is good no more; it has no end if this is left out.
    expires_at: Option<DateTime<Utc>>,
}

/// A key with its text, which is not shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiKeyView {
    #[serde(flatten)]
    api_key: ApiKeyView,
    /// For `Authorization: Bearer`.
    key: String,
}

/// Makes a key for a machine
///
/// The answer has the key, once. It acts for the caller in this organization, and stops when the
/// caller may no longer do what it is for. A key cannot make keys.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "api-keys", security(("bearer" = [])),
    request_body = ApiKeyBody,
    responses((status = 201, body = NewApiKeyView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_api_key(
    State(state): State<ApiState>,
    caller: May<need::ApiKeyCreate>,
    JsonBody(body): JsonBody<ApiKeyBody>,
) -> Result<(StatusCode, Json<NewApiKeyView>), Problem> {
    if caller.is_key {
        return Err(Problem::forbidden("a key makes no keys; sign in"));
    }
    let now = state.clock.now();
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(script::check_name(&body.name).err().map(Into::into));
    let permissions = read_permissions(&body.permissions, &mut errors);
    if body.permissions.is_empty() {
        errors.push(FieldError::new("/permissions", "name at least one"));
    }
    if body.expires_at.is_some_and(|end| end <= now) {
        errors.push(FieldError::new("/expires_at", "must be in the future"));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let project_id = body.project_id.map(ProjectId::from_uuid);
    let held = caller.access.narrowed(permissions, project_id);
    if let Some(missing) = permissions.iter().find(|one| !held.somewhere(*one)) {
        return Err(Problem::lacking(missing));
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
    let text = format!("{API_KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let key = ApiKey {
        id: ApiKeyId::generate(state.clock.as_ref()),
        name: body.name,
        user_id: caller.user.id,
        permissions,
        project_id,
        created_at: now,
        expires_at: body.expires_at,
        last_used_at: None,
    };
    let new = NewApiKey {
        key: key.clone(),
        org_id: caller.org_id,
        token_hash: api_key_hash(&text),
        most: MOST_KEYS,
    };
    match caller.store.create_api_key(&new).await? {
        ApiKeyCreated::Done => {}
        ApiKeyCreated::TooMany => {
            let detail = format!("you have {MOST_KEYS} keys here already; end one");
            return Err(Problem::quota_exceeded(detail, RETRY_AFTER));
        }
        ApiKeyCreated::UnknownProject => {
            let detail = "there is no such project; see GET /api/v1/projects";
            return Err(Problem::invalid(vec![FieldError::new(
                "/project_id",
                detail,
            )]));
        }
    }
    let view = NewApiKeyView {
        api_key: key.into(),
        key: text,
    };
    Ok((StatusCode::CREATED, Json(view)))
}
