//! `GET /api/v1/users/me`, and what lies below.

pub(crate) mod identities;
pub(crate) mod password;
pub(crate) mod sessions;
pub(crate) mod totp;
pub(crate) mod update;

use axum::Json;

use super::UserView;
use crate::{auth::SignedIn, problem::Problem};

/// The caller
#[utoipa::path(get, path = "/api/v1/users/me", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 401, body = Problem)))]
pub(crate) async fn get_me(SignedIn { caller, .. }: SignedIn) -> Result<Json<UserView>, Problem> {
    Ok(Json(UserView::new(caller.user, caller.member.as_ref())))
}
