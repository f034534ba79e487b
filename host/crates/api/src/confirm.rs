//! Asking who is signed in for the password once more: a session may be in other hands.

use vedette_core::UserId;

use crate::{
    ApiState,
    password::Checked,
    problem::{FieldError, Problem},
};

/// Where all bodies have it.
const POINTER: &str = "/current_password";

/// Checks the caller's password. Gives the hash that it was compared with.
pub(crate) async fn confirm(
    state: &ApiState,
    user: UserId,
    password: String,
) -> Result<String, Problem> {
    let attempt = state.attempts.at_password(user).await?;
    let hash = state.store.find_password_hash(user).await?;
    let checked = match state.hasher.check(password, hash.clone()).await {
        Ok(checked) => checked,
        Err(busy) => {
            attempt.cancel().await;
            return Err(busy.into());
        }
    };
    let Some(hash) = hash.filter(|_| checked != Checked::Wrong) else {
        return Err(wrong());
    };
    attempt.succeed().await;
    Ok(hash)
}

/// 422: it is not the password.
pub(crate) fn wrong() -> Problem {
    let detail = "this is not your password";
    Problem::invalid(vec![FieldError::new(POINTER, detail)])
}

/// 422: it was left out.
pub(crate) fn missing(why: &str) -> Problem {
    Problem::invalid(vec![FieldError::new(POINTER, why)])
}
