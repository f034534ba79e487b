//! `POST /api/v1/auth/login`

use axum::{Json, extract::State};
use serde::Deserialize;
use tracing::Instrument as _;
use utoipa::ToSchema;
use vedette_core::SessionId;
use vedette_store::{Actor, NewSession, User};

use super::{RefreshToken, Tokens};
use crate::{
    ApiState,
    author::{self, Origin},
    extract::JsonBody,
    password::Checked,
    problem::Problem,
    second_factor::{self, Codes, Judged},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The name or the e-mail address.
    #[schema(example = "anna")]
    username: String,
    password: String,
    /// Of users who have a second factor: six digits, as the app shows them.
    #[schema(example = "287082")]
    totp_code: Option<String>,
    /// Instead of such a code, when the app is lost. Each is good once.
    recovery_code: Option<String>,
}

/// Signs in
///
/// Of a user who has a second factor the answer to the right password is 401 with the type
/// `urn:vedette:problem:second-factor-required`; send the same once more, with a code.
/// Attempts that fail are counted by name and by address; of too many, all are refused for a while.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, body = Tokens), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn login(
    State(state): State<ApiState>,
    origin: Origin,
    JsonBody(body): JsonBody<Login>,
) -> Result<Json<Tokens>, Problem> {
    let Login {
        username,
        password,
        totp_code,
        recovery_code,
    } = body;
    let codes = Codes {
        totp_code,
        recovery_code,
    };
    let attempt = state.attempts.at_login(&username, origin.address).await?;
    let found = if is_plausible(&username) {
        state.store.find_login(&username).await?
    } else {
        None
    };
    // It may be long, and the next step may take a while.
    drop(username);
    let hash = found.as_ref().map(|found| found.password_hash.clone());
    let checked = match state.hasher.check(password, hash).await {
        Ok(checked) => checked,
        Err(busy) => {
            attempt.cancel().await;
            return Err(busy.into());
        }
    };
    let Some(found) = found else {
        return Err(Problem::wrong_credentials());
    };
    if checked == Checked::Wrong || found.user.is_disabled {
        record_refusal(&state, origin, &found.user);
        return Err(Problem::wrong_credentials());
    }
    let store = origin.clone().store(&state, author::user(&found.user));
    match second_factor::judge(&state, &store, found.user.id, codes).await? {
        Judged::NotNeeded | Judged::Right => attempt.succeed().await,
        Judged::Missing => {
            attempt.cancel().await;
            let detail = "send the login once more, with `totp_code` or `recovery_code`";
            return Err(Problem::second_factor_required(detail));
        }
        Judged::Wrong => {
            record_refusal(&state, origin, &found.user);
            let detail = "the code is not right, or was used before";
            return Err(Problem::second_factor_required(detail));
        }
    }
    let new_hash = match &checked {
        Checked::Rehashed(hash) => hash,
        _ => &found.password_hash,
    };
    let now = state.clock.now();
    let session_id = SessionId::generate(state.clock.as_ref());
    let refresh = RefreshToken::generate(session_id)?;
    let session = NewSession {
        id: session_id,
        user_id: found.user.id,
        org_id: found.org_id,
        refresh_token_hash: refresh.hash(),
        created_at: now,
        expires_at: now + state.config.session_lifetime,
    };
    let is_begun = store
        .sign_in(session, &found.password_hash, new_hash)
        .await?;
    if is_begun {
        Tokens::issue(&state, found.user.id, &refresh).map(Json)
    } else {
        // Changed, or disabled, while it was being checked.
        Err(Problem::wrong_credentials())
    }
}

/// Records the attempt without keeping the answer waiting: it takes the same time whether or not
/// there is such a user. Names that nobody has are not kept; they may be passwords.
fn record_refusal(state: &ApiState, origin: Origin, user: &User) {
    let (store, user) = (origin.store(state, Actor::Anonymous), user.id);
    let recorded = async move {
        if let Err(error) = store.refuse_session(user).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, user.id = %user, "a refused login is not in the audit log");
        }
    };
    tokio::spawn(recorded.in_current_span());
}

/// Whether a text could be a name or an address at all: they are ASCII. PostgreSQL fails on a NUL,
/// which must look like any other unknown user.
pub(super) fn is_plausible(text: &str) -> bool {
    text.len() <= 254 && text.is_ascii() && !text.contains('\0')
}
