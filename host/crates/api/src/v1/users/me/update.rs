//! `PUT /api/v1/users/me`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_store::User;

use crate::{
    ApiState,
    auth::SignedIn,
    confirm,
    extract::JsonBody,
    problem::Problem,
    v1::users::{UserView, names},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// 2 to 64 of letters, digits, `.`, `_`, `-`; without regard to case.
    #[schema(example = "anna")]
    username: String,
    #[schema(example = "anna@example.com")]
    email: String,
    /// Needed to change the address.
    current_password: Option<String>,
}

/// Changes the caller's name and address
#[utoipa::path(put, path = "/api/v1/users/me", tag = "users", security(("bearer" = [])),
    request_body = Profile,
    responses((status = 200, body = UserView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn update_me(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<Profile>,
) -> Result<Json<UserView>, Problem> {
    let errors = names::check(&body.username, &body.email);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    // Whoever has the address can sign in by it, and will get the mails that reset a password.
    if body.email != caller.user.email {
        let password = body
            .current_password
            .ok_or_else(|| confirm::missing("give your password to change the address"))?;
        confirm::confirm(&state, caller.user.id, password).await?;
    }
    store
        .update_profile(caller.user.id, &body.username, &body.email)
        .await?;
    let user = User {
        username: body.username,
        email: body.email,
        ..caller.user
    };
    Ok(Json(UserView::new(user, caller.member.as_ref())))
}
