-- Uploaded components: the bytes once an installation, a record for each organization that has them.
-- The PostgreSQL folder has the same tables and columns.

CREATE TABLE component_blobs (
    -- SHA-256 of the bytes, 32 bytes.
    digest BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'compiling', 'ready', 'refused')),
    -- Why it was refused.
    error_class TEXT,
    reason TEXT,
    facts TEXT NOT NULL,
    compile_ms INTEGER,
    native_bytes INTEGER,
    -- The engine that the compiled form is for.
    compiled_for TEXT,
    -- Who uploaded it first; its compiling is charged to them.
    queued_for_org BLOB NOT NULL,
    lease_owner TEXT,
    leased_until TEXT,
    lease_token INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    CHECK ((state = 'refused') = (error_class IS NOT NULL))
) STRICT;
CREATE INDEX component_blobs_waiting ON component_blobs (created_at)
    WHERE state IN ('pending', 'compiling');

-- The bytes in pieces, so that no transaction writes all of them. They are visible once their blob is.
CREATE TABLE component_chunks (
    digest BLOB NOT NULL,
    number INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (digest, number)
) STRICT;
CREATE INDEX component_chunks_age ON component_chunks (created_at);

CREATE TABLE components (
    -- Orders the lists.
    id BLOB NOT NULL UNIQUE,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    digest BLOB NOT NULL REFERENCES component_blobs (digest),
    name TEXT,
    uploaded_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    -- Until then it shows as being compiled, so that nobody learns that others have the same bytes.
    visible_at TEXT NOT NULL,
    -- Gone for everybody; the row stays while versions of scripts name it.
    deleted_at TEXT,
    PRIMARY KEY (org_id, digest)
) STRICT;
CREATE INDEX components_list ON components (org_id, id);
CREATE INDEX components_digest ON components (digest);
CREATE INDEX components_deleted ON components (org_id, digest) WHERE deleted_at IS NOT NULL;

-- What compiling was done for whom. It outlives the component, or deleting would refill the quota.
CREATE TABLE component_compiles (
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    finished_at TEXT NOT NULL,
    compile_ms INTEGER NOT NULL,
    PRIMARY KEY (org_id, finished_at, digest)
) STRICT;

CREATE TABLE component_keys (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Ed25519, 32 bytes.
    public_key BLOB NOT NULL,
    created_by BLOB NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
) STRICT;
CREATE INDEX component_keys_org ON component_keys (org_id, id);

CREATE TABLE component_signatures (
    org_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    key_id BLOB NOT NULL REFERENCES component_keys (id) ON DELETE CASCADE,
    signature BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (org_id, digest, key_id),
    FOREIGN KEY (org_id, digest) REFERENCES components (org_id, digest) ON DELETE CASCADE
) STRICT;

ALTER TABLE organizations ADD COLUMN requires_component_signature INTEGER NOT NULL DEFAULT 0;

-- Forbidden in the whole installation, whoever has them.
CREATE TABLE blocked_components (
    digest BLOB PRIMARY KEY,
    reason TEXT NOT NULL,
    blocked_by BLOB NOT NULL REFERENCES users (id),
    blocked_at TEXT NOT NULL
) STRICT;

-- A script is a source or a component; of a component the source is empty and the language means nothing.
ALTER TABLE scripts ADD COLUMN component_digest BLOB REFERENCES component_blobs (digest)
    CHECK (component_digest IS NULL OR script_body = '');
ALTER TABLE script_versions ADD COLUMN component_digest BLOB REFERENCES component_blobs (digest)
    CHECK (component_digest IS NULL OR source = '');
CREATE INDEX scripts_component ON scripts (component_digest) WHERE component_digest IS NOT NULL;
CREATE INDEX script_versions_component ON script_versions (component_digest)
    WHERE component_digest IS NOT NULL;
