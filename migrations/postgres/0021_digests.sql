-- Digests: one notification that tells many. The SQLite folder has the same tables and columns.

-- The digest that tells it; it may be gone by now.
ALTER TABLE notifications ADD COLUMN digest_id UUID;
ALTER TABLE notifications DROP CONSTRAINT notifications_status_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_status_check
    CHECK (status IN ('pending', 'delivered', 'dead', 'digested'));
ALTER TABLE notifications ADD CONSTRAINT notifications_digest_check
    CHECK ((status = 'digested') = (digest_id IS NOT NULL));
CREATE INDEX notifications_digest ON notifications (digest_id) WHERE digest_id IS NOT NULL;
