-- What a run was told, as text that `vedette replay` reads. It goes with its execution.
CREATE TABLE script_recordings (
    execution_id BLOB PRIMARY KEY REFERENCES script_executions (id) ON DELETE CASCADE,
    org_id BLOB NOT NULL,
    script_id BLOB NOT NULL,
    recording TEXT NOT NULL
) STRICT;
CREATE INDEX script_recordings_script ON script_recordings (script_id, execution_id);
