-- Telling again of an incident that nobody sees to. The SQLite folder has the same tables and columns.

ALTER TABLE alert_rules ADD COLUMN remind_after_minutes BIGINT CHECK (remind_after_minutes BETWEEN 5 AND 10080);

-- The steps of a rule, each with its channels. A step whose channels are all gone is gone too.
CREATE TABLE alert_rule_escalations (
    rule_id UUID NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    after_minutes BIGINT NOT NULL CHECK (after_minutes BETWEEN 1 AND 10080),
    channel_id UUID NOT NULL REFERENCES notification_channels (id) ON DELETE CASCADE,
    PRIMARY KEY (rule_id, after_minutes, channel_id)
);
CREATE INDEX alert_rule_escalations_channel ON alert_rule_escalations (channel_id);

-- As `core::alert::follow_up` writes it. NULL: nothing was told of it that could be told again.
ALTER TABLE incidents ADD COLUMN follow_ups TEXT;
-- When there may be something to tell again. NULL: not by time alone.
ALTER TABLE incidents ADD COLUMN next_notice_at TIMESTAMPTZ;
CREATE INDEX incidents_notice ON incidents (next_notice_at) WHERE next_notice_at IS NOT NULL;
