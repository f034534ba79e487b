-- When nobody is to be told: maintenance windows and silences. The SQLite folder has the same tables and columns.

CREATE TABLE maintenance_windows (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- What it covers. One of a script or project goes with it.
    scope TEXT NOT NULL CHECK (scope IN ('organization', 'project', 'tag', 'script')),
    project_id UUID REFERENCES projects (id) ON DELETE CASCADE,
    script_id UUID REFERENCES scripts (id) ON DELETE CASCADE,
    tag TEXT,
    -- As `core::silence` reads it.
    definition JSONB NOT NULL,
    -- From then on it is never active again.
    ends_at TIMESTAMPTZ NOT NULL,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL,
    CHECK ((scope = 'project') = (project_id IS NOT NULL)),
    CHECK ((scope = 'script') = (script_id IS NOT NULL)),
    CHECK ((scope = 'tag') = (tag IS NOT NULL))
);
CREATE INDEX maintenance_windows_list ON maintenance_windows (org_id, id);
CREATE INDEX maintenance_windows_current ON maintenance_windows (org_id, ends_at);
CREATE INDEX maintenance_windows_project ON maintenance_windows (project_id) WHERE project_id IS NOT NULL;
CREATE INDEX maintenance_windows_script ON maintenance_windows (script_id) WHERE script_id IS NOT NULL;

CREATE TABLE silences (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- The project that a matcher names by its id; NULL: it may concern the whole organization.
    project_id UUID REFERENCES projects (id) ON DELETE CASCADE,
    -- As `core::silence` reads them.
    matchers JSONB NOT NULL,
    starts_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL,
    comment TEXT NOT NULL,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX silences_list ON silences (org_id, id);
CREATE INDEX silences_current ON silences (org_id, ends_at);
CREATE INDEX silences_project ON silences (project_id) WHERE project_id IS NOT NULL;
