-- Scripts that depend on another, and tags. The PostgreSQL folder has the same tables and columns.

ALTER TABLE scripts ADD COLUMN parent_id BLOB REFERENCES scripts (id) ON DELETE SET NULL;
-- An array of texts.
ALTER TABLE scripts ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
CREATE INDEX scripts_parent ON scripts (parent_id) WHERE parent_id IS NOT NULL;

-- When the last incident of a script was over; NULL while it has one.
ALTER TABLE incident_states ADD COLUMN quiet_since TEXT;
