-- Variables of organizations, projects and scripts, and the keys that their secrets are encrypted with.
-- The PostgreSQL folder has the same tables and columns.

CREATE TABLE organization_keys (
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- The highest encrypts.
    version INTEGER NOT NULL,
    -- The master key, which is no part of the database, that encrypted this one.
    master_key_id TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (org_id, version)
) STRICT;
CREATE INDEX organization_keys_master ON organization_keys (master_key_id);

CREATE TABLE variables (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- At most one of the two; neither: the whole organization.
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    script_id BLOB REFERENCES scripts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('plain', 'secret')),
    value TEXT,
    ciphertext BLOB,
    key_version INTEGER,
    description TEXT,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- A key stays as long as something is encrypted with it.
    FOREIGN KEY (org_id, key_version) REFERENCES organization_keys (org_id, version),
    CHECK (project_id IS NULL OR script_id IS NULL),
    CHECK ((kind = 'plain') = (value IS NOT NULL)),
    CHECK ((kind = 'secret') = (ciphertext IS NOT NULL)),
    CHECK ((kind = 'secret') = (key_version IS NOT NULL))
) STRICT;
-- A name is there once a level. NULLs are never equal, so that each level has an index of its own.
CREATE UNIQUE INDEX variables_organization ON variables (org_id, name)
    WHERE project_id IS NULL AND script_id IS NULL;
CREATE UNIQUE INDEX variables_project ON variables (project_id, name) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX variables_script ON variables (script_id, name) WHERE script_id IS NOT NULL;
CREATE INDEX variables_list ON variables (org_id, id);
CREATE INDEX variables_key ON variables (org_id, key_version) WHERE key_version IS NOT NULL;
