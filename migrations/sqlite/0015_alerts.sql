-- Alert rules, where each stands, and the incidents that come of them. The PostgreSQL folder has the same tables and
-- columns.

CREATE TABLE alert_rules (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    script_id BLOB NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    rule_definition TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    is_enabled INTEGER NOT NULL,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (script_id, name)
) STRICT;
CREATE INDEX alert_rules_list ON alert_rules (org_id, id);

-- Written with the executions that change it.
CREATE TABLE alert_rule_states (
    rule_id BLOB NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    location TEXT NOT NULL,
    -- As `core::alert::state` writes it.
    state TEXT NOT NULL,
    -- When time alone may change it.
    next_tick_at TEXT,
    PRIMARY KEY (rule_id, location)
) STRICT;
CREATE INDEX alert_rule_states_tick ON alert_rule_states (next_tick_at) WHERE next_tick_at IS NOT NULL;

CREATE TABLE incidents (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    script_id BLOB NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    opened_at TEXT NOT NULL,
    acknowledged_at TEXT,
    acknowledged_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    resolved_at TEXT,
    resolution TEXT CHECK (resolution IN ('recovered', 'rule_removed', 'script_paused', 'person')),
    resolved_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    -- What was seen when it began.
    evidence TEXT NOT NULL,
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
) STRICT;
CREATE UNIQUE INDEX incidents_open ON incidents (script_id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_list ON incidents (org_id, id);

-- Where the incident of a script stands, as `core::alert::incident` writes it.
CREATE TABLE incident_states (
    script_id BLOB PRIMARY KEY REFERENCES scripts (id) ON DELETE CASCADE,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    state TEXT NOT NULL
) STRICT;

-- The timeline of an incident.
CREATE TABLE incident_events (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    incident_id BLOB NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    occurred_at TEXT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('opened', 'rule_fired', 'rule_recovered', 'acknowledged', 'comment', 'resolved')),
    user_id BLOB REFERENCES users (id) ON DELETE SET NULL,
    rule_id BLOB,
    execution_id BLOB,
    message TEXT
) STRICT;
CREATE INDEX incident_events_list ON incident_events (incident_id, id);

-- Each time that a rule fired or recovered. It outlives the rule.
CREATE TABLE alert_history (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    script_id BLOB NOT NULL REFERENCES scripts (id) ON DELETE CASCADE,
    rule_id BLOB NOT NULL,
    incident_id BLOB,
    execution_id BLOB,
    transition TEXT NOT NULL CHECK (transition IN ('fired', 'recovered')),
    triggered_at TEXT NOT NULL,
    -- The rule as it was, and what it saw.
    details TEXT NOT NULL
) STRICT;
CREATE INDEX alert_history_list ON alert_history (org_id, id);
CREATE INDEX alert_history_script ON alert_history (script_id, id);
