-- Links that set a new password, and second factors. The SQLite folder has the same tables and columns.

CREATE TABLE password_resets (
    -- One a user: a new one takes the place of the old.
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token.
    token_hash BYTEA NOT NULL UNIQUE,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- The key of a user's second factor (RFC 6238).
CREATE TABLE totp_keys (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Sealed by the server, which has the key for that outside of the database.
    sealed_key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- Since then it is asked for.
    confirmed_at TIMESTAMPTZ,
    -- The step of the last code that was used: no code counts twice.
    last_step BIGINT,
    CHECK ((confirmed_at IS NULL) = (last_step IS NULL))
);

-- Codes for when the device is lost. One that was used is gone.
CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES totp_keys (user_id) ON DELETE CASCADE,
    -- SHA-256 of the user's id and the code.
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
