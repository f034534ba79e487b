//! Who is calling, and what they may do.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use vedette_store::{Caller, Role};

use crate::{ApiState, problem::Problem};

/// A signed-in caller, as stored at this moment: a token alone is worth nothing.
pub(crate) struct SignedIn(pub(crate) Caller);

impl FromRequestParts<ApiState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let token = bearer_token(parts).ok_or_else(Problem::unauthorized)?;
        let now = state.clock.now();
        let (user, session) = state
            .keys
            .verify(token, now)
            .ok_or_else(Problem::unauthorized)?;
        let caller = state.store.find_caller(session, now).await?;
        caller
            .filter(|caller| caller.user.id == user)
            .map(Self)
            .ok_or_else(Problem::unauthorized)
    }
}

/// Exactly one `Authorization` header of the form `Bearer <token>`.
fn bearer_token(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.contains(' ')).then_some(token)
}

/// What a caller wants to do with the organization's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Read,
    WriteScripts,
    RunScripts,
    WriteComponents,
    /// Who may sign components, and whether they must be signed.
    ManageComponentKeys,
    /// Forbid components in the whole installation.
    BlockComponents,
    /// See and change all users of the installation.
    ManageUsers,
}

/// Lets the caller go on, or says what is missing.
pub(crate) fn authorize(caller: &Caller, action: Action) -> Result<(), Problem> {
    let role = caller.role.as_str();
    match action {
        Action::Read => Ok(()),
        Action::WriteScripts | Action::RunScripts | Action::WriteComponents => {
            allow(caller.role != Role::Viewer, || {
                format!("the role `{role}` may only read; ask an admin for `editor`")
            })
        }
        Action::ManageComponentKeys => {
            allow(matches!(caller.role, Role::Admin | Role::Owner), || {
                format!("the role `{role}` may not manage keys; ask an owner for `admin`")
            })
        }
        Action::BlockComponents | Action::ManageUsers => allow(caller.user.is_admin, || {
            "this is for administrators of the installation".to_owned()
        }),
    }
}

fn allow(is_allowed: bool, why_not: impl FnOnce() -> String) -> Result<(), Problem> {
    if is_allowed {
        Ok(())
    } else {
        Err(Problem::forbidden(why_not()))
    }
}
