//! `PUT /api/v1/users/me/organization`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::OrgId;

use super::UserView;
use crate::{
    ApiState,
    auth::SignedIn,
    extract::JsonBody,
    problem::{FieldError, Problem},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchBody {
    /// Of `GET /organizations`.
    organization_id: Uuid,
}

/// Makes the session one for another organization
///
/// It counts from the next request; the tokens stay good.
#[utoipa::path(put, path = "/api/v1/users/me/organization", tag = "users",
    security(("bearer" = [])), request_body = SwitchBody,
    responses((status = 200, body = UserView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn switch_organization(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<SwitchBody>,
) -> Result<Json<UserView>, Problem> {
    let org = OrgId::from_uuid(body.organization_id);
    let (session, user) = (caller.session_id, caller.user.id);
    if !store.switch_session(session, user, org).await? {
        let detail = "you belong to no such organization; see GET /api/v1/organizations";
        let error = FieldError::new("/organization_id", detail);
        return Err(Problem::invalid(vec![error]));
    }
    let caller = state.store.find_caller(session, state.clock.now()).await?;
    let caller = caller.ok_or_else(Problem::unauthorized)?;
    Ok(Json(UserView::new(caller.user, caller.member.as_ref())))
}
