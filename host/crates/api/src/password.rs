//! Passwords: argon2id by OWASP's parameters, few at a time. Which are accepted says `policy`.

mod policy;

use std::sync::Arc;

use argon2::{
    Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc::PasswordHash,
};
use tokio::sync::Semaphore;
use vedette_store::NO_PASSWORD;

use crate::problem::Problem;

pub(crate) use policy::{Owner, check_new};

/// Hashes at once: each takes 19 MiB and a core, and a flood of logins must not take them all.
const CONCURRENT_HASHES: usize = 2;

/// Passwords that wait for their turn, some eight seconds' worth: more would be answered when their
/// senders have long gone.
const MOST_WAITING: usize = 64;

/// Bounds of a password, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=256;

/// Hashes passwords away from the threads that serve requests.
#[derive(Clone)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Too many passwords wait already; nothing was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl From<Busy> for Problem {
    fn from(_: Busy) -> Self {
        Self::unavailable("too many passwords wait to be checked")
    }
}

/// What a check of a password found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Wrong,
    Right,
    /// Right, and hashed by older parameters: this is the new hash.
    Rehashed(String),
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(CONCURRENT_HASHES)),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        }
    }

    /// The hash of a new password in PHC format; `None` when the machine gives no salt.
    pub(crate) async fn hash(&self, password: String) -> Result<Option<String>, Busy> {
        let hashed = self.in_turn(move || hash(&password)).await?;
        Ok(hashed.flatten())
    }

    /// Checks a password against a hash, or against nobody's in the same time.
    pub(crate) async fn check(
        &self,
        password: String,
        known: Option<String>,
    ) -> Result<Checked, Busy> {
        // Nobody has one that is too long: it is as wrong, and as slow, without being kept.
        let is_possible = password.chars().take(LENGTH.end() + 1).count() <= *LENGTH.end();
        let (password, known) = Some((password, known))
            .filter(|_| is_possible)
            .unwrap_or_default();
        let checked = self.in_turn(move || {
            // An unknown user takes as long as a known one.
            let stored = known.as_deref().unwrap_or(NO_PASSWORD);
            let is_right = Argon2::default()
                .verify_password(password.as_bytes(), stored)
                .is_ok();
            match known {
                Some(stored) if is_right => {
                    if is_current(&stored) {
                        return Checked::Right;
                    }
                    hash(&password).map_or(Checked::Right, Checked::Rehashed)
                }
                _ => Checked::Wrong,
            }
        });
        Ok(checked.await?.unwrap_or(Checked::Wrong))
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Busy> {
        // Left by a client that goes away, too: then this future is dropped.
        let place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let turn = self.turns.clone().acquire_owned().await;
        drop(place);
        let turn = turn.expect("never closed");
        let work = move || {
            // Held by the work itself: a client that goes away does not end the hash, and must
            // not make room for another.
            let _turn = turn;
            work()
        };
        Ok(tokio::task::spawn_blocking(work).await.ok())
    }
}

fn hash(password: &str) -> Option<String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .ok()
        .map(|hash| hash.to_string())
}

/// Whether a hash was made by the parameters of today.
fn is_current(stored: &str) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else {
        return false;
    };
    let current = Argon2::default();
    argon2::Params::try_from(&hash).is_ok_and(|params| {
        let wanted = current.params();
        params.m_cost() == wanted.m_cost()
            && params.t_cost() == wanted.t_cost()
            && params.p_cost() == wanted.p_cost()
    })
}

#[cfg(test)]
mod tests;
