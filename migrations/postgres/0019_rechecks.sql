-- Runs that confirm a failure: a slot of their own between those of the schedule.

ALTER TABLE slots ADD COLUMN is_recheck BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE script_executions ADD COLUMN is_recheck BOOLEAN NOT NULL DEFAULT FALSE;
