-- Keys by which machines call the API: for one user in one organization, never beyond what the user may do there.

CREATE TABLE api_keys (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    name TEXT NOT NULL,
    -- SHA-256 of the key.
    token_hash BLOB NOT NULL UNIQUE,
    -- A list of names, in JSON.
    permissions TEXT NOT NULL,
    -- The one project in which it counts.
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    -- To the minute.
    last_used_at TEXT,
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX api_keys_org ON api_keys (org_id, id);
