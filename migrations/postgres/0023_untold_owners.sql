-- Whether the owner of a channel was told that it was disabled, when that was no person's doing. The SQLite folder
-- has the same.
ALTER TABLE notification_channels ADD COLUMN owner_is_told BOOLEAN NOT NULL DEFAULT TRUE;
CREATE INDEX notification_channels_untold ON notification_channels (id) WHERE NOT owner_is_told;
