//! Judging the second factor of somebody whose password was right.

use vedette_core::UserId;
use vedette_store::{Store, TotpKey};

use crate::{
    ApiState,
    problem::Problem,
    recovery,
    totp::{KEY_BYTES, Totp},
};

/// What somebody sends beside the password.
pub(crate) struct Codes {
    pub(crate) totp_code: Option<String>,
    pub(crate) recovery_code: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The user has no second factor.
    NotNeeded,
    /// It was right, and is used up.
    Right,
    /// None was sent.
    Missing,
    /// It was not right, or was used before.
    Wrong,
}

/// Judges what was sent. A code that is right is used up by it, in the hands of whom `store` is.
pub(crate) async fn judge(
    state: &ApiState,
    store: &Store,
    user: UserId,
    codes: Codes,
) -> Result<Judged, Problem> {
    let key = store.find_totp_key(user).await?;
    let Some(key) = key.filter(|key| key.last_step.is_some()) else {
        return Ok(Judged::NotNeeded);
    };
    if codes.totp_code.is_none() && codes.recovery_code.is_none() {
        return Ok(Judged::Missing);
    }
    let attempt = state.attempts.at_code(user).await?;
    let is_right = match codes {
        // It needs no key of the server: it is for when things are lost.
        Codes {
            recovery_code: Some(code),
            totp_code: None,
        } => {
            let hash = recovery::hash(user, &code);
            store.use_recovery_code(user, hash).await?
        }
        Codes {
            totp_code: Some(code),
            recovery_code: None,
        } => use_code(state, user, &key, &code).await?,
        // One of them would be used up for nothing.
        _ => false,
    };
    if !is_right {
        return Ok(Judged::Wrong);
    }
    attempt.succeed().await;
    Ok(Judged::Right)
}

async fn use_code(
    state: &ApiState,
    user: UserId,
    key: &TotpKey,
    code: &str,
) -> Result<bool, Problem> {
    let totp = open(state, user, &key.sealed_key)?;
    match totp.find_step(code, state.clock.now()) {
        Some(step) => {
            let counts = state.store.use_totp_step(user, &key.sealed_key, step);
            Ok(counts.await?)
        }
        None => Ok(false),
    }
}

/// Makes a key and seals it for its user.
pub(crate) fn generate(state: &ApiState, user: UserId) -> Result<(Totp, Vec<u8>), Problem> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| Problem::internal(&error))?;
    let sealed = state.seals.seal(&context(user), &key);
    let sealed = sealed.map_err(|error| Problem::internal(&error))?;
    Ok((Totp::new(key), sealed))
}

/// Opens the key of a user.
pub(crate) fn open(state: &ApiState, user: UserId, sealed: &[u8]) -> Result<Totp, Problem> {
    let opened = state.seals.open(&context(user), sealed);
    let key = opened.ok().and_then(|key| key.try_into().ok());
    // A file of keys that was lost, or a database of another installation.
    key.map(Totp::new)
        .ok_or_else(|| Problem::internal(&crate::SealError))
}

/// Ties a key to its row.
fn context(user: UserId) -> Vec<u8> {
    format!("totp_keys/{user}").into_bytes()
}
