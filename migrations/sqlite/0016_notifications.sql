-- Where notifications go, and the outbox that they wait in. The PostgreSQL folder has the same tables and columns.

CREATE TABLE notification_channels (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id BLOB NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    -- Without what is secret.
    config TEXT NOT NULL,
    -- The rest of the configuration, bound to the channel.
    ciphertext BLOB NOT NULL,
    key_version INTEGER NOT NULL,
    is_enabled INTEGER NOT NULL,
    -- Of one that was not disabled by a person.
    disabled_reason TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    -- A key stays as long as something is encrypted with it.
    FOREIGN KEY (org_id, key_version) REFERENCES organization_keys (org_id, version),
    UNIQUE (org_id, name),
    CHECK (NOT is_enabled OR disabled_reason IS NULL)
) STRICT;
CREATE INDEX notification_channels_list ON notification_channels (org_id, id);
CREATE INDEX notification_channels_key ON notification_channels (org_id, key_version);

CREATE TABLE alert_rule_channels (
    rule_id BLOB NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    channel_id BLOB NOT NULL REFERENCES notification_channels (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, channel_id)
) STRICT;
CREATE INDEX alert_rule_channels_channel ON alert_rule_channels (channel_id);

-- The outbox. A notification outlives its channel, script and incident: that it was not delivered must be seen, and
-- who was told that something is down is told that it is over.
CREATE TABLE notifications (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- NULL where there is none, as in a test.
    script_id BLOB,
    incident_id BLOB,
    channel_id BLOB NOT NULL,
    event TEXT NOT NULL
        CHECK (event IN ('down', 'up', 'acknowledged', 'reminder', 'escalated', 'test', 'digest')),
    -- Its place among those of its incident to its channel, from 1.
    position INTEGER NOT NULL,
    -- All that is told, as it was when it happened.
    payload TEXT NOT NULL,
    created_at TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    -- Of the present round; sending again begins another.
    attempts INTEGER NOT NULL,
    first_attempt_at TEXT,
    next_attempt_at TEXT,
    lease_owner TEXT,
    leased_until TEXT,
    lease_token INTEGER NOT NULL,
    delivered_at TEXT,
    last_error TEXT,
    UNIQUE (incident_id, channel_id, position),
    CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL)),
    CHECK (status = 'pending' OR leased_until IS NULL)
) STRICT;
CREATE INDEX notifications_due ON notifications (next_attempt_at, id, channel_id) WHERE status = 'pending';
CREATE INDEX notifications_leased ON notifications (leased_until, channel_id) WHERE leased_until IS NOT NULL;
CREATE INDEX notifications_list ON notifications (org_id, id);
CREATE INDEX notifications_dead ON notifications (org_id, id) WHERE status = 'dead';
CREATE INDEX notifications_over ON notifications (created_at) WHERE status <> 'pending';

CREATE TABLE delivery_attempts (
    notification_id BLOB NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    -- The claim that it was made by: each is for one attempt.
    lease_token INTEGER NOT NULL,
    attempted_at TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('delivered', 'retry', 'gone', 'refused')),
    status INTEGER,
    duration_ms INTEGER NOT NULL,
    error TEXT,
    excerpt TEXT,
    PRIMARY KEY (notification_id, lease_token)
) STRICT;
