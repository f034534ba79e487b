-- Variables that runs do not see, but may have sent to certain hosts. The PostgreSQL folder has the same tables and
-- columns.

-- The only way to change a CHECK; nothing refers to this table.
CREATE TABLE new_variables (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- At most one of the two; neither: the whole organization.
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    script_id BLOB REFERENCES scripts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('plain', 'secret', 'sealed')),
    value TEXT,
    ciphertext BLOB,
    key_version INTEGER,
    -- As the API writes hosts. They are bound into the ciphertext: a list that is changed here opens nothing.
    allowed_hosts TEXT,
    description TEXT,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- A key stays as long as something is encrypted with it.
    FOREIGN KEY (org_id, key_version) REFERENCES organization_keys (org_id, version),
    CHECK (project_id IS NULL OR script_id IS NULL),
    CHECK ((kind = 'plain') = (value IS NOT NULL)),
    CHECK ((kind IN ('secret', 'sealed')) = (ciphertext IS NOT NULL)),
    CHECK ((kind IN ('secret', 'sealed')) = (key_version IS NOT NULL)),
    CHECK ((kind = 'sealed') = (allowed_hosts IS NOT NULL))
) STRICT;
INSERT INTO new_variables (id, org_id, project_id, script_id, name, kind, value, ciphertext, key_version,
        description, created_by, created_at, updated_at, revision)
    SELECT id, org_id, project_id, script_id, name, kind, value, ciphertext, key_version,
        description, created_by, created_at, updated_at, revision
    FROM variables;
DROP TABLE variables;
ALTER TABLE new_variables RENAME TO variables;
-- A name is there once a level. NULLs are never equal, so that each level has an index of its own.
CREATE UNIQUE INDEX variables_organization ON variables (org_id, name)
    WHERE project_id IS NULL AND script_id IS NULL;
CREATE UNIQUE INDEX variables_project ON variables (project_id, name) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX variables_script ON variables (script_id, name) WHERE script_id IS NOT NULL;
CREATE INDEX variables_list ON variables (org_id, id);
CREATE INDEX variables_key ON variables (org_id, key_version) WHERE key_version IS NOT NULL;
