//! `POST /api/v1/users/me/identities`

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{StartedLogin, begin};
use crate::{
    ApiState,
    auth::SignedIn,
    confirm,
    extract::JsonBody,
    problem::{FieldError, Problem},
    second_factor::{self, Codes, Judged},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// The name of a provider.
    #[schema(example = "corp")]
    provider: String,
    current_password: String,
    /// Of users who have a second factor: six digits, as the app shows them.
    totp_code: Option<String>,
    /// Instead of such a code. Each is good once.
    recovery_code: Option<String>,
}

/// Begins to add an identity to the caller's account
///
/// It goes on as a login by that provider does, and whoever comes back from there signs in to this
/// account from then on. It is a way in without password and second factor, so that both are asked for.
#[utoipa::path(post, path = "/api/v1/users/me/identities", tag = "users",
    security(("bearer" = [])), request_body = LinkBody,
    responses((status = 200, body = StartedLogin), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 502, description = "The provider cannot be used now", body = Problem)))]
pub(crate) async fn link_identity(
    State(state): State<ApiState>,
    SignedIn { caller, store }: SignedIn,
    JsonBody(body): JsonBody<LinkBody>,
) -> Result<Json<StartedLogin>, Problem> {
    let provider = state.providers.get(&body.provider).ok_or_else(|| {
        let detail = "there is no such provider; see GET /api/v1/auth/oidc";
        Problem::invalid(vec![FieldError::new("/provider", detail)])
    })?;
    let user = caller.user.id;
    confirm::confirm(&state, user, body.current_password).await?;
    let codes = Codes {
        totp_code: body.totp_code,
        recovery_code: body.recovery_code,
    };
    match second_factor::judge(&state, &store, user, codes).await? {
        Judged::NotNeeded | Judged::Right => {}
        Judged::Missing | Judged::Wrong => {
            let detail = "give a code of your second factor that was not used before";
            let error = FieldError::new("/totp_code", detail);
            return Err(Problem::invalid(vec![error]));
        }
    }
    begin(&state, provider, None, Some(user)).await.map(Json)
}
