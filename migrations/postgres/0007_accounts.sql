-- Links that set a new password. The SQLite folder has the same tables and columns.

CREATE TABLE password_resets (
    -- One a user: a new one takes the place of the old.
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token.
    token_hash BYTEA NOT NULL UNIQUE,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
