-- Links that set a new password. The PostgreSQL folder has the same tables and columns.

CREATE TABLE password_resets (
    -- One a user: a new one takes the place of the old.
    user_id BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the token.
    token_hash BLOB NOT NULL UNIQUE,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
