//! `GET /api/v1/members/{user_id}`

use axum::{Json, extract::State};
use vedette_core::UserId;

use super::MemberView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// One member
#[utoipa::path(get, path = "/api/v1/members/{user_id}", tag = "members", security(("bearer" = [])),
    params(("user_id" = uuid::Uuid, Path)),
    responses((status = 200, body = MemberView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_member(
    State(state): State<ApiState>,
    caller: May<need::UserRead>,
    PathId(id): PathId<UserId>,
) -> Result<Json<MemberView>, Problem> {
    let member = state.store.get_member(caller.org_id, id).await?;
    Ok(Json(member.ok_or_else(Problem::not_found)?.into()))
}
