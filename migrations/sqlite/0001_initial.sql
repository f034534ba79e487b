-- Every table of the first version. The PostgreSQL folder has the same tables and columns.
-- Enums are text with a CHECK, ids are UUIDv7 in 16 bytes, times are UTC as RFC 3339 text, which
-- sorts by time, durations carry their unit.

CREATE TABLE organizations (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id BLOB PRIMARY KEY,
    username TEXT NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_admin INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_username ON users (LOWER(username));
CREATE UNIQUE INDEX users_email ON users (LOWER(email));

CREATE TABLE memberships (
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'viewer')),
    created_at TEXT NOT NULL,
    PRIMARY KEY (org_id, user_id)
) STRICT;
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    refresh_token_hash BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE projects (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX projects_org ON projects (org_id);

CREATE TABLE script_templates (
    id BLOB PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    parameter_schema TEXT NOT NULL,
    script_body TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE scripts (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    project_id BLOB NOT NULL REFERENCES projects (id),
    owner_id BLOB NOT NULL REFERENCES users (id),
    template_id BLOB REFERENCES script_templates (id),
    name TEXT NOT NULL,
    is_enabled INTEGER NOT NULL,
    cron_expression TEXT,
    interval_seconds INTEGER,
    timezone TEXT NOT NULL,
    script_body TEXT NOT NULL,
    version_id BLOB NOT NULL,
    version_number INTEGER NOT NULL,
    parameters TEXT NOT NULL,
    env_vars TEXT NOT NULL,
    timeout_seconds INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    -- Gone for everybody; its executions are being deleted, and it goes with the last of them.
    is_deleted INTEGER NOT NULL DEFAULT 0,
    CHECK ((cron_expression IS NULL) <> (interval_seconds IS NULL))
) STRICT;
CREATE INDEX scripts_org ON scripts (org_id, id);
CREATE INDEX scripts_deleted ON scripts (id) WHERE is_deleted;

CREATE TABLE script_versions (
    id BLOB PRIMARY KEY,
    script_id BLOB NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    org_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    created_by BLOB NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (script_id, number)
) STRICT;

-- The next due time of each script: narrow, because each run updates it twice.
CREATE TABLE slots (
    script_id BLOB NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    location TEXT NOT NULL,
    org_id BLOB NOT NULL,
    scheduled_at TEXT,
    lease_owner TEXT,
    leased_until TEXT,
    lease_token INTEGER NOT NULL,
    -- The schedule was changed while the slot was leased: its own slots begin after this.
    counts_from TEXT,
    PRIMARY KEY (script_id, location)
) STRICT;
CREATE INDEX slots_due ON slots (scheduled_at) WHERE scheduled_at IS NOT NULL;

CREATE TABLE script_executions (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL,
    script_id BLOB NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    script_version_id BLOB NOT NULL,
    location TEXT NOT NULL,
    trigger_kind TEXT NOT NULL CHECK (trigger_kind IN ('schedule', 'manual')),
    started_by BLOB,
    scheduled_at TEXT,
    executed_at TEXT NOT NULL,
    duration_ms REAL NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('running', 'success', 'failure', 'timeout', 'error', 'missed')),
    error_class TEXT,
    missed_reason TEXT,
    message TEXT,
    result TEXT,
    latency_ms REAL,
    fuel_used INTEGER NOT NULL,
    peak_memory_bytes INTEGER NOT NULL,
    requests TEXT NOT NULL,
    flags TEXT NOT NULL,
    leased_until TEXT,
    UNIQUE (script_id, location, scheduled_at),
    CHECK ((status = 'error') = (error_class IS NOT NULL)),
    CHECK ((status = 'missed') = (missed_reason IS NOT NULL))
) STRICT;
CREATE INDEX script_executions_script ON script_executions (script_id, id);
CREATE INDEX script_executions_time ON script_executions (executed_at);
CREATE INDEX script_executions_running ON script_executions (leased_until)
    WHERE status = 'running';

CREATE TABLE script_execution_logs (
    execution_id BLOB NOT NULL REFERENCES script_executions (id) ON DELETE CASCADE,
    line_number INTEGER NOT NULL,
    log_level TEXT NOT NULL CHECK (log_level IN ('debug', 'info', 'warn', 'error')),
    message TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    PRIMARY KEY (execution_id, line_number)
) STRICT;
