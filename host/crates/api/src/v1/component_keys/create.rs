//! `POST /api/v1/component-keys`

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{ComponentKeyId, script};
use vedette_store::NewComponentKey;

use super::ComponentKeyView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::{FieldError, Problem},
    signature,
};

/// Keys of an organization that are good at one time: each may be tried at an upload.
const MOST_KEYS: u32 = 10;
/// Seconds after which to try again.
const RETRY_AFTER: u16 = 3_600;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentKeyBody {
    #[schema(example = "release")]
    name: String,
    /// Ed25519 (RFC 8032), 32 bytes in base64.
    #[schema(example = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    public_key: String,
    /// From then on it is good no more; it has no end if this is left out.
    expires_at: Option<DateTime<Utc>>,
}

/// Makes a key known
///
/// What it has signed counts as signed until it is revoked or expires.
#[utoipa::path(post, path = "/api/v1/component-keys", tag = "component-keys",
    security(("bearer" = [])), request_body = ComponentKeyBody,
    responses((status = 201, body = ComponentKeyView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn create_component_key(
    State(state): State<ApiState>,
    caller: May<need::ComponentKeyManage>,
    JsonBody(body): JsonBody<ComponentKeyBody>,
) -> Result<(StatusCode, Json<ComponentKeyView>), Problem> {
    let now = state.clock.now();
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(script::check_name(&body.name).err().map(Into::into));
    let public_key = signature::read(&body.public_key).filter(signature::is_public_key);
    if public_key.is_none() {
        let detail = "give an Ed25519 public key: its 32 bytes in base64";
        errors.push(FieldError::new("/public_key", detail));
    }
    if body.expires_at.is_some_and(|end| end <= now) {
        errors.push(FieldError::new("/expires_at", "must be in the future"));
    }
    let Some(public_key) = public_key.filter(|_| errors.is_empty()) else {
        return Err(Problem::invalid(errors));
    };
    let new = NewComponentKey {
        id: ComponentKeyId::generate(state.clock.as_ref()),
        org_id: caller.org_id,
        name: body.name,
        public_key,
        created_by: caller.user.id,
        created_at: now,
        expires_at: body.expires_at,
        most: MOST_KEYS,
    };
    let key = caller.store.create_component_key(new).await?;
    let key = key.ok_or_else(|| {
        let detail = format!("the organization has {MOST_KEYS} keys already; revoke one");
        Problem::quota_exceeded(detail, RETRY_AFTER)
    })?;
    Ok((StatusCode::CREATED, Json(key.into())))
}
