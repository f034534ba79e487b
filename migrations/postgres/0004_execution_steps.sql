-- The steps and checks of an execution, in the order of their start.

ALTER TABLE script_executions ADD COLUMN steps JSONB NOT NULL DEFAULT '[]';
