-- Variables of organizations, projects and scripts, and the keys that their secrets are encrypted with.
-- The SQLite folder has the same tables and columns.

CREATE TABLE organization_keys (
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- The highest encrypts.
    version BIGINT NOT NULL,
    -- The master key, which is no part of the database, that encrypted this one.
    master_key_id VARCHAR(64) NOT NULL,
    wrapped_key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, version)
);
CREATE INDEX organization_keys_master ON organization_keys (master_key_id);

CREATE TABLE variables (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- At most one of the two; neither: the whole organization.
    project_id UUID REFERENCES projects (id) ON DELETE CASCADE,
    script_id UUID REFERENCES scripts (id) ON DELETE CASCADE,
    name VARCHAR(128) NOT NULL,
    kind VARCHAR(16) NOT NULL CHECK (kind IN ('plain', 'secret')),
    value TEXT,
    ciphertext BYTEA,
    key_version BIGINT,
    description TEXT,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    -- A key stays as long as something is encrypted with it.
    FOREIGN KEY (org_id, key_version) REFERENCES organization_keys (org_id, version),
    CHECK (project_id IS NULL OR script_id IS NULL),
    CHECK ((kind = 'plain') = (value IS NOT NULL)),
    CHECK ((kind = 'secret') = (ciphertext IS NOT NULL)),
    CHECK ((kind = 'secret') = (key_version IS NOT NULL))
);
-- A name is there once a level. NULLs are never equal, so that each level has an index of its own.
CREATE UNIQUE INDEX variables_organization ON variables (org_id, name)
    WHERE project_id IS NULL AND script_id IS NULL;
CREATE UNIQUE INDEX variables_project ON variables (project_id, name) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX variables_script ON variables (script_id, name) WHERE script_id IS NOT NULL;
CREATE INDEX variables_list ON variables (org_id, id);
CREATE INDEX variables_key ON variables (org_id, key_version) WHERE key_version IS NOT NULL;
