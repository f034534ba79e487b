-- When nobody is to be told: maintenance windows and silences. The PostgreSQL folder has the same tables and columns.

CREATE TABLE maintenance_windows (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- What it covers. One of a script or project goes with it.
    scope TEXT NOT NULL CHECK (scope IN ('organization', 'project', 'tag', 'script')),
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    script_id BLOB REFERENCES scripts (id) ON DELETE CASCADE,
    tag TEXT,
    -- As `core::silence` reads it.
    definition TEXT NOT NULL,
    -- From then on it is never active again.
    ends_at TEXT NOT NULL,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    CHECK ((scope = 'project') = (project_id IS NOT NULL)),
    CHECK ((scope = 'script') = (script_id IS NOT NULL)),
    CHECK ((scope = 'tag') = (tag IS NOT NULL))
) STRICT;
CREATE INDEX maintenance_windows_list ON maintenance_windows (org_id, id);
CREATE INDEX maintenance_windows_current ON maintenance_windows (org_id, ends_at);
CREATE INDEX maintenance_windows_project ON maintenance_windows (project_id) WHERE project_id IS NOT NULL;
CREATE INDEX maintenance_windows_script ON maintenance_windows (script_id) WHERE script_id IS NOT NULL;

CREATE TABLE silences (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- The project that a matcher names by its id; NULL: it may concern the whole organization.
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    -- As `core::silence` reads them.
    matchers TEXT NOT NULL,
    starts_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    comment TEXT NOT NULL,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision INTEGER NOT NULL
) STRICT;
CREATE INDEX silences_list ON silences (org_id, id);
CREATE INDEX silences_current ON silences (org_id, ends_at);
CREATE INDEX silences_project ON silences (project_id) WHERE project_id IS NOT NULL;
