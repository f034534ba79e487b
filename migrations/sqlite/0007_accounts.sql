-- Links that set a new password, and second factors. The PostgreSQL folder has the same tables and columns.

CREATE TABLE password_resets (
    -- One a user: a new one takes the place of the old.
    user_id BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token.
    token_hash BLOB NOT NULL UNIQUE,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- The key of a user's second factor (RFC 6238).
CREATE TABLE totp_keys (
    user_id BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Sealed by the server, which has the key for that outside of the database.
    sealed_key BLOB NOT NULL,
    created_at TEXT NOT NULL,
    -- Since then it is asked for.
    confirmed_at TEXT,
    -- The step of the last code that was used: no code counts twice.
    last_step INTEGER,
    CHECK ((confirmed_at IS NULL) = (last_step IS NULL))
) STRICT;

-- Codes for when the device is lost. One that was used is gone.
CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL REFERENCES totp_keys (user_id) ON DELETE CASCADE,
    -- SHA-256 of the user's id and the code.
    code_hash BLOB NOT NULL,
    PRIMARY KEY (user_id, code_hash)
) STRICT;
