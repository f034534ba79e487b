//! Logins by an identity provider that are under way. They lie in the database, so that any node can
//! end what another began, and each ends once.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::UserId;

use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
};

/// A login that begins.
#[derive(Debug, Clone)]
pub struct NewOidcLogin {
    /// SHA-256 of the state, which goes through the provider and back.
    pub state_hash: [u8; 32],
    /// SHA-256 of the token that stays with whoever begins.
    pub login_token_hash: [u8; 32],
    /// What the settings call the provider.
    pub provider: String,
    /// What is needed when it comes back.
    pub login: OidcLogin,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// It is no good from then on.
    pub expires_at: DateTime<Utc>,
}

/// What is needed when a login comes back from the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcLogin {
    /// What the provider has to repeat in its signed answer.
    pub nonce: String,
    /// Proves to the provider that whoever exchanges the code is who asked for it (RFC 7636).
    pub pkce_verifier: String,
    /// SHA-256 of an invitation, for who has no account yet.
    pub invitation: Option<[u8; 32]>,
    /// Who was signed in, and adds the identity to the account.
    pub link_to: Option<UserId>,
}

const DELETE_OVER: &str = "DELETE FROM oidc_logins WHERE expires_at <= $1";
const INSERT_LOGIN: &str = "INSERT INTO oidc_logins (state_hash, login_token_hash, provider, nonce, \
    pkce_verifier, invitation_hash, user_id, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// All that has to fit is part of the question: who has only one of the two does not end it either.
const TAKE_LOGIN: &str = "DELETE FROM oidc_logins WHERE state_hash = $1 AND login_token_hash = $2 \
    AND provider = $3 AND expires_at > $4 \
    RETURNING nonce, pkce_verifier, invitation_hash, user_id";
const COUNT_LOGINS: &str = "SELECT COUNT(*) FROM oidc_logins WHERE expires_at > $1";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[DELETE_OVER, INSERT_LOGIN, TAKE_LOGIN, COUNT_LOGINS];

#[derive(FromRow)]
struct LoginRow {
    nonce: String,
    pkce_verifier: String,
    invitation_hash: Option<Vec<u8>>,
    user_id: Option<Uuid>,
}

impl Store {
    /// Keeps a login, and forgets those that are over.
    pub async fn begin_oidc_login(&self, new: &NewOidcLogin) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            sqlx::query(DELETE_OVER).bind(new.created_at).execute(&mut *tx).await?;
            sqlx::query(INSERT_LOGIN)
                .bind(new.state_hash.as_slice())
                .bind(new.login_token_hash.as_slice())
                .bind(&new.provider)
                .bind(&new.login.nonce)
                .bind(&new.login.pkce_verifier)
                .bind(new.login.invitation.as_ref().map(<[u8; 32]>::as_slice))
                .bind(new.login.link_to.map(UserId::as_uuid))
                .bind(new.created_at)
                .bind(new.expires_at)
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// How many logins are under way, at all providers.
    pub async fn count_oidc_logins(&self, now: DateTime<Utc>) -> Result<i64, StoreError> {
        Ok(on_db!(self, pool => {
            sqlx::query_scalar(COUNT_LOGINS).bind(now).fetch_one(pool).await?
        }))
    }

    /// Takes a login that comes back. `None`: it came back before, is over, never was, or was begun by
    /// somebody else or at another provider.
    pub async fn take_oidc_login(
        &self,
        state_hash: [u8; 32],
        login_token_hash: [u8; 32],
        provider: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<OidcLogin>, StoreError> {
        let row: Option<LoginRow> = in_tx!(self, tx => {
            sqlx::query_as(TAKE_LOGIN)
                .bind(state_hash.as_slice())
                .bind(login_token_hash.as_slice())
                .bind(provider)
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?
        });
        Ok(row.map(|row| OidcLogin {
            nonce: row.nonce,
            pkce_verifier: row.pkce_verifier,
            // A text of another length is none that we wrote: it is the hash of no invitation.
            invitation: row
                .invitation_hash
                .map(|hash| hash.try_into().unwrap_or_default()),
            link_to: row.user_id.map(UserId::from_uuid),
        }))
    }
}
