-- What an organization may have and use, where it differs from the installation's defaults, and what it has used
-- today. The SQLite folder has the same tables and columns.

CREATE TABLE organization_quotas (
    org_id UUID PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    -- NULL: as the installation has it. 0 is any number, but of the least interval and the weight.
    scripts BIGINT,
    least_interval_seconds BIGINT,
    concurrent_runs BIGINT,
    weight BIGINT,
    fuel_per_day BIGINT,
    fetches_per_day BIGINT,
    stored_bytes BIGINT,
    members BIGINT,
    projects BIGINT,
    set_by UUID REFERENCES users (id) ON DELETE SET NULL,
    set_at TIMESTAMPTZ NOT NULL
);

-- What the runs of a day (UTC) used, written with their executions.
CREATE TABLE organization_usage (
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    day DATE NOT NULL,
    fuel_used BIGINT NOT NULL,
    fetches BIGINT NOT NULL,
    PRIMARY KEY (org_id, day)
);
CREATE INDEX organization_usage_day ON organization_usage (day);

-- The first slots of each organization, so that one with very many keeps nobody else's waiting.
CREATE INDEX slots_of_org ON slots (org_id, scheduled_at) WHERE scheduled_at IS NOT NULL;
