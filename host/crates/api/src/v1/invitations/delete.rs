//! `DELETE /api/v1/invitations/{invitation_id}`

use axum::http::StatusCode;
use vedette_core::InvitationId;

use crate::{
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// Takes an invitation back
#[utoipa::path(delete, path = "/api/v1/invitations/{invitation_id}", tag = "members",
    security(("bearer" = [])), params(("invitation_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn revoke_invitation(
    caller: May<need::UserManage>,
    PathId(id): PathId<InvitationId>,
) -> Result<StatusCode, Problem> {
    if caller.store.revoke_invitation(caller.org_id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
