-- Signing in by identity providers (OpenID Connect). The PostgreSQL folder has the same tables and columns.

-- Who somebody is at a provider. The provider never gives a subject to another person.
CREATE TABLE identities (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;
CREATE INDEX identities_user ON identities (user_id, id);

-- Logins that are under way: begun here, to come back from the provider.
CREATE TABLE oidc_logins (
    -- SHA-256 of the state, which goes through the provider and back.
    state_hash BLOB PRIMARY KEY,
    -- SHA-256 of the token that stays with whoever began.
    login_token_hash BLOB NOT NULL,
    provider TEXT NOT NULL,
    nonce TEXT NOT NULL,
    pkce_verifier TEXT NOT NULL,
    -- SHA-256 of an invitation, for who has no account yet.
    invitation_hash BLOB,
    -- Who was signed in, and adds the identity to the account.
    user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX oidc_logins_expiry ON oidc_logins (expires_at);
