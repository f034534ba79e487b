-- Runs that confirm a failure: a slot of their own between those of the schedule.

ALTER TABLE slots ADD COLUMN is_recheck INTEGER NOT NULL DEFAULT 0;
ALTER TABLE script_executions ADD COLUMN is_recheck INTEGER NOT NULL DEFAULT 0;
