-- Every table of the first version. The SQLite folder has the same tables and columns.
-- Enums are text with a CHECK, ids are UUIDv7, times are UTC, durations carry their unit.

CREATE TABLE organizations (
    id UUID PRIMARY KEY,
    name VARCHAR(200) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE users (
    id UUID PRIMARY KEY,
    username VARCHAR(64) NOT NULL,
    email VARCHAR(254) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    is_admin BOOLEAN NOT NULL,
    is_disabled BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX users_username ON users (LOWER(username));
CREATE UNIQUE INDEX users_email ON users (LOWER(email));

CREATE TABLE memberships (
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role VARCHAR(32) NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'viewer')),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    refresh_token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE projects (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name VARCHAR(200) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX projects_org ON projects (org_id);

CREATE TABLE script_templates (
    id UUID PRIMARY KEY,
    slug VARCHAR(64) NOT NULL UNIQUE,
    name VARCHAR(200) NOT NULL,
    description TEXT NOT NULL,
    parameter_schema JSONB NOT NULL,
    script_body TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE scripts (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    project_id UUID NOT NULL REFERENCES projects (id),
    owner_id UUID NOT NULL REFERENCES users (id),
    template_id UUID REFERENCES script_templates (id),
    name VARCHAR(200) NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    cron_expression VARCHAR(256),
    interval_seconds BIGINT,
    timezone VARCHAR(64) NOT NULL,
    script_body TEXT NOT NULL,
    version_id UUID NOT NULL,
    version_number BIGINT NOT NULL,
    parameters JSONB NOT NULL,
    env_vars JSONB NOT NULL,
    timeout_seconds BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- Gone for everybody; its executions are being deleted, and it goes with the last of them.
    is_deleted BOOLEAN NOT NULL DEFAULT FALSE,
    CHECK ((cron_expression IS NULL) <> (interval_seconds IS NULL))
);
CREATE INDEX scripts_org ON scripts (org_id, id);
CREATE INDEX scripts_deleted ON scripts (id) WHERE is_deleted;

CREATE TABLE script_versions (
    id UUID PRIMARY KEY,
    script_id UUID NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    org_id UUID NOT NULL,
    number BIGINT NOT NULL,
    source TEXT NOT NULL,
    created_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (script_id, number)
);

-- The next due time of each script: narrow, because each run updates it twice.
CREATE TABLE slots (
    script_id UUID NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    location VARCHAR(64) NOT NULL,
    org_id UUID NOT NULL,
    scheduled_at TIMESTAMPTZ,
    lease_owner VARCHAR(64),
    leased_until TIMESTAMPTZ,
    lease_token BIGINT NOT NULL,
    -- The schedule was changed while the slot was leased: its own slots begin after this.
    counts_from TIMESTAMPTZ,
    PRIMARY KEY (script_id, location)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX slots_due ON slots (scheduled_at) WHERE scheduled_at IS NOT NULL;

CREATE TABLE script_executions (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL,
    script_id UUID NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    script_version_id UUID NOT NULL,
    location VARCHAR(64) NOT NULL,
    trigger_kind VARCHAR(16) NOT NULL CHECK (trigger_kind IN ('schedule', 'manual')),
    started_by UUID,
    scheduled_at TIMESTAMPTZ,
    executed_at TIMESTAMPTZ NOT NULL,
    duration_ms DOUBLE PRECISION NOT NULL,
    status VARCHAR(16) NOT NULL
        CHECK (status IN ('running', 'success', 'failure', 'timeout', 'error', 'missed')),
    error_class VARCHAR(32),
    missed_reason VARCHAR(16),
    message TEXT,
    result JSONB,
    latency_ms DOUBLE PRECISION,
    fuel_used BIGINT NOT NULL,
    peak_memory_bytes BIGINT NOT NULL,
    requests JSONB NOT NULL,
    flags JSONB NOT NULL,
    leased_until TIMESTAMPTZ,
    UNIQUE (script_id, location, scheduled_at),
    CHECK ((status = 'error') = (error_class IS NOT NULL)),
    CHECK ((status = 'missed') = (missed_reason IS NOT NULL))
);
CREATE INDEX script_executions_script ON script_executions (script_id, id);
CREATE INDEX script_executions_time ON script_executions (executed_at);
CREATE INDEX script_executions_running ON script_executions (leased_until)
    WHERE status = 'running';

CREATE TABLE script_execution_logs (
    execution_id UUID NOT NULL REFERENCES script_executions (id) ON DELETE CASCADE,
    line_number BIGINT NOT NULL,
    log_level VARCHAR(8) NOT NULL CHECK (log_level IN ('debug', 'info', 'warn', 'error')),
    message TEXT NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (execution_id, line_number)
);
