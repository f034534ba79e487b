-- Digests: one notification that tells many. The PostgreSQL folder has the same tables and columns.

-- The only way to change a CHECK. The attempts refer to it, and go along.
CREATE TABLE new_notifications (
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
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead', 'digested')),
    -- Of the present round; sending again begins another.
    attempts INTEGER NOT NULL,
    first_attempt_at TEXT,
    next_attempt_at TEXT,
    lease_owner TEXT,
    leased_until TEXT,
    lease_token INTEGER NOT NULL,
    delivered_at TEXT,
    last_error TEXT,
    -- The digest that tells it; it may be gone by now.
    digest_id BLOB,
    UNIQUE (incident_id, channel_id, position),
    CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL)),
    CHECK (status = 'pending' OR leased_until IS NULL),
    CHECK ((status = 'digested') = (digest_id IS NOT NULL))
) STRICT;
INSERT INTO new_notifications (id, org_id, script_id, incident_id, channel_id, event, position, payload, created_at,
        status, attempts, first_attempt_at, next_attempt_at, lease_owner, leased_until, lease_token, delivered_at,
        last_error)
    SELECT id, org_id, script_id, incident_id, channel_id, event, position, payload, created_at,
        status, attempts, first_attempt_at, next_attempt_at, lease_owner, leased_until, lease_token, delivered_at,
        last_error
    FROM notifications;
CREATE TABLE new_delivery_attempts (
    notification_id BLOB NOT NULL REFERENCES new_notifications (id) ON DELETE CASCADE,
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
INSERT INTO new_delivery_attempts (notification_id, lease_token, attempted_at, outcome, status, duration_ms, error, excerpt)
    SELECT notification_id, lease_token, attempted_at, outcome, status, duration_ms, error, excerpt
    FROM delivery_attempts;
DROP TABLE delivery_attempts;
DROP TABLE notifications;
ALTER TABLE new_notifications RENAME TO notifications;
ALTER TABLE new_delivery_attempts RENAME TO delivery_attempts;
CREATE INDEX notifications_due ON notifications (next_attempt_at, id, channel_id) WHERE status = 'pending';
CREATE INDEX notifications_leased ON notifications (leased_until, channel_id) WHERE leased_until IS NOT NULL;
CREATE INDEX notifications_list ON notifications (org_id, id);
CREATE INDEX notifications_dead ON notifications (org_id, id) WHERE status = 'dead';
CREATE INDEX notifications_over ON notifications (created_at) WHERE status <> 'pending';
CREATE INDEX notifications_digest ON notifications (digest_id) WHERE digest_id IS NOT NULL;
