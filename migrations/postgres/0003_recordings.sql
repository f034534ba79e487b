-- What a run was told, as text that `vedette replay` reads. It goes with its execution.
CREATE TABLE script_recordings (
    execution_id UUID PRIMARY KEY REFERENCES script_executions (id) ON DELETE CASCADE,
    org_id UUID NOT NULL,
    script_id UUID NOT NULL,
    recording TEXT NOT NULL
);
CREATE INDEX script_recordings_script ON script_recordings (script_id, execution_id);
