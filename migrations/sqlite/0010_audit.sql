-- What was changed, and who signed in: a chain of records for each organization, and one for the installation.
-- Each record's hash covers the one before. Nothing of an organization is referred to: its chain outlives it.

CREATE TABLE audit_log (
    -- The organization, or zero: the installation.
    chain_id BLOB NOT NULL,
    -- From 1, without gaps.
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    actor_id BLOB,
    target TEXT,
    -- All of it, in JSON: the text that was hashed. The columns before are for searching only.
    record TEXT NOT NULL,
    -- SHA-256 of the hash before and the record.
    hash BLOB NOT NULL,
    PRIMARY KEY (chain_id, seq)
) STRICT;
CREATE INDEX audit_log_target ON audit_log (chain_id, target, seq);
CREATE INDEX audit_log_actor ON audit_log (chain_id, actor_id, seq);

-- The last record of each chain. Its row is what those who append wait for.
CREATE TABLE audit_heads (
    chain_id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- Signed statements of what a chain was at a time. They lie in a file, too.
CREATE TABLE audit_checkpoints (
    chain_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (chain_id, seq)
) STRICT;

-- Against mistakes of ours. Who owns the database can drop these; the hashes are against that.
CREATE TRIGGER audit_log_is_not_updated BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit_log is append-only');
END;
CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit_log is append-only');
END;
