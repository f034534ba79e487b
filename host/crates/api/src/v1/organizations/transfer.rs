//! `POST /api/v1/organization/transfer`

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::UserId;
use vedette_store::MemberChange;

use crate::{
    auth::{May, need},
    extract::JsonBody,
    problem::{FieldError, Problem},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferBody {
    /// A member, who will be its owner.
    user_id: Uuid,
}

/// Hands the organization to another owner
///
/// The caller stays as an admin.
#[utoipa::path(post, path = "/api/v1/organization/transfer", tag = "organizations",
    security(("bearer" = [])), request_body = TransferBody,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn transfer_organization(
    caller: May<need::OrganizationDelete>,
    JsonBody(body): JsonBody<TransferBody>,
) -> Result<StatusCode, Problem> {
    let to = UserId::from_uuid(body.user_id);
    let changed = caller
        .store
        .transfer_organization(caller.org_id, caller.user.id, to)
        .await?;
    if changed == MemberChange::Done {
        return Ok(StatusCode::NO_CONTENT);
    }
    let detail = "there is no such member, or they may not sign in; see GET /api/v1/members";
    Err(Problem::invalid(vec![FieldError::new("/user_id", detail)]))
}
