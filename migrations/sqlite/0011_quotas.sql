-- What an organization may have and use, where it differs from the installation's defaults, and what it has used
-- today. The PostgreSQL folder has the same tables and columns.

CREATE TABLE organization_quotas (
    org_id BLOB PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    -- NULL: as the installation has it. 0 is any number, but of the least interval and the weight.
    scripts INTEGER,
    least_interval_seconds INTEGER,
    concurrent_runs INTEGER,
    weight INTEGER,
    fuel_per_day INTEGER,
    fetches_per_day INTEGER,
    stored_bytes INTEGER,
    members INTEGER,
    projects INTEGER,
    set_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    set_at TEXT NOT NULL
) STRICT;

-- What the runs of a day (UTC) used, written with their executions.
CREATE TABLE organization_usage (
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    fuel_used INTEGER NOT NULL,
    fetches INTEGER NOT NULL,
    PRIMARY KEY (org_id, day)
) STRICT;
CREATE INDEX organization_usage_day ON organization_usage (day);

-- The first slots of each organization, so that one with very many keeps nobody else's waiting.
CREATE INDEX slots_of_org ON slots (org_id, scheduled_at) WHERE scheduled_at IS NOT NULL;
