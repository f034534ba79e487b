//! `POST /api/v1/auth/password-reset/request`

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_store::{Actor, NewPasswordReset, Store, User};

use super::login::is_plausible;
use crate::{
    ApiState, author::Origin, client_address::ClientAddress, extract::JsonBody,
    link_token::LinkToken, mail::Mail, problem::Problem,
};

/// How long the link is good.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetRequest {
    /// The name or the e-mail address.
    #[schema(example = "anna")]
    username: String,
}

/// Asks for a mail by which to set a new password
///
/// The answer is the same whether there is such a user or not: it is given before anybody looks.
/// The mail has a link that is good once and for an hour, and takes the place of an earlier one.
/// Requests are counted by name and by address. Where the installation sends no mail, the answer
/// is 409: ask an administrator for a token.
#[utoipa::path(post, path = "/api/v1/auth/password-reset/request", tag = "auth",
    request_body = ResetRequest,
    responses((status = 202), (status = 400, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem),
        (status = 409, description = "This installation sends no mail", body = Problem)))]
pub(crate) async fn request_password_reset(
    State(state): State<ApiState>,
    origin: Origin,
    JsonBody(body): JsonBody<ResetRequest>,
) -> Result<StatusCode, Problem> {
    let Some(outbox) = &state.outbox else {
        return Err(Problem::not_set_up(
            "this installation sends no mail; ask its administrator for a token, and give that to \
             POST /api/v1/auth/password-reset",
        ));
    };
    let from = origin.address;
    state.attempts.at_mail(&body.username, from).await?;
    let page = outbox.link("password-reset");
    let now = state.clock.now();
    let store = origin.store(&state, Actor::Anonymous);
    outbox.post(async move {
        let made = make(&store, &body.username, now).await;
        let made = made.inspect_err(|problem| {
            tracing::error!(?problem, "a mail to reset a password could not be written");
        });
        let (user, token) = made.ok()??;
        Some(write(&user, &token, &page, from, now))
    });
    Ok(StatusCode::ACCEPTED)
}

/// Makes a token for whoever has that name or address. `None`: nobody, or somebody who is disabled.
async fn make(
    store: &Store,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Option<(User, LinkToken)>, Problem> {
    if !is_plausible(name) {
        return Ok(None);
    }
    let Some(found) = store.find_login(name).await? else {
        return Ok(None);
    };
    let token = LinkToken::generate()?;
    let new = NewPasswordReset {
        user_id: found.user.id,
        token_hash: token.hash(),
        created_by: found.user.id,
        created_at: now,
        expires_at: now + LIFETIME,
    };
    let is_made = store.put_password_reset(&new).await?;
    Ok(is_made.then_some((found.user, token)))
}

/// All that is put in is of a narrow alphabet: a name, an address of ours, one of the network.
fn write(
    user: &User,
    token: &LinkToken,
    page: &str,
    from: ClientAddress,
    now: DateTime<Utc>,
) -> Mail {
    let origin = from.described();
    let asked = now.format("%Y-%m-%d %H:%M UTC");
    let until = (now + LIFETIME).format("%Y-%m-%d %H:%M UTC");
    // Behind the `#`, where no server and no log sees the token.
    let text = format!(
        "Somebody asked for a new password for the account {name}.\n\
         The request came from {origin} at {asked}.\n\n\
         To set one, open this page. It is good once, and until {until}:\n\n\
         {page}#{token}\n\n\
         If it was not you, do nothing: the password stays as it is.\n",
        name = user.username,
        token = token.text(),
    );
    Mail {
        to: user.email.clone(),
        subject: "A new password for Vedette",
        text,
    }
}
