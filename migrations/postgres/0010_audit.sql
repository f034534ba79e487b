-- What was changed, and who signed in: a chain of records for each organization, and one for the installation.
-- Each record's hash covers the one before. Nothing of an organization is referred to: its chain outlives it.
-- The SQLite folder has the same tables and columns.

CREATE TABLE audit_log (
    -- The organization, or zero: the installation.
    chain_id UUID NOT NULL,
    -- From 1, without gaps.
    seq BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    action VARCHAR(64) NOT NULL,
    actor_id UUID,
    target VARCHAR(128),
    -- All of it, in JSON: the text that was hashed. The columns before are for searching only.
    record TEXT NOT NULL,
    -- SHA-256 of the hash before and the record.
    hash BYTEA NOT NULL,
    PRIMARY KEY (chain_id, seq)
);
CREATE INDEX audit_log_target ON audit_log (chain_id, target, seq);
CREATE INDEX audit_log_actor ON audit_log (chain_id, actor_id, seq);

-- The last record of each chain. Its row is what those who append wait for.
CREATE TABLE audit_heads (
    chain_id UUID PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

-- Signed statements of what a chain was at a time. They lie in a file, too.
CREATE TABLE audit_checkpoints (
    chain_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    key_id VARCHAR(64) NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (chain_id, seq)
);

-- Against mistakes of ours. Who owns the database can drop these; the hashes are against that.
CREATE OR REPLACE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only';
END
$$;
CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
