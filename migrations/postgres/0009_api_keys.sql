-- Keys by which machines call the API: for one user in one organization, never beyond what the user may do there.

CREATE TABLE api_keys (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL,
    user_id UUID NOT NULL,
    name VARCHAR(200) NOT NULL,
    -- SHA-256 of the key.
    token_hash BYTEA NOT NULL UNIQUE,
    -- A list of names, in JSON.
    permissions JSONB NOT NULL,
    -- The one project in which it counts.
    project_id UUID REFERENCES projects (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    -- To the minute.
    last_used_at TIMESTAMPTZ,
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE INDEX api_keys_org ON api_keys (org_id, id);
