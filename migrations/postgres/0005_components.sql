-- Uploaded components: the bytes once an installation, a record for each organization that has them.
-- The SQLite folder has the same tables and columns.

CREATE TABLE component_blobs (
    -- SHA-256 of the bytes, 32 bytes.
    digest BYTEA PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL CHECK (state IN ('pending', 'compiling', 'ready', 'refused')),
    -- Why it was refused.
    error_class VARCHAR(32),
    reason TEXT,
    facts JSONB NOT NULL,
    compile_ms BIGINT,
    native_bytes BIGINT,
    -- The engine that the compiled form is for.
    compiled_for VARCHAR(200),
    -- Who uploaded it first; its compiling is charged to them.
    queued_for_org UUID NOT NULL,
    lease_owner VARCHAR(64),
    leased_until TIMESTAMPTZ,
    lease_token BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    CHECK ((state = 'refused') = (error_class IS NOT NULL))
);
CREATE INDEX component_blobs_waiting ON component_blobs (created_at)
    WHERE state IN ('pending', 'compiling');

-- The bytes in pieces, so that no transaction writes all of them. They are visible once their blob is.
CREATE TABLE component_chunks (
    digest BYTEA NOT NULL,
    number BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (digest, number)
);
CREATE INDEX component_chunks_age ON component_chunks (created_at);

CREATE TABLE components (
    -- Orders the lists.
    id UUID NOT NULL UNIQUE,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    digest BYTEA NOT NULL REFERENCES component_blobs (digest),
    name VARCHAR(200),
    uploaded_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    -- Until then it shows as being compiled, so that nobody learns that others have the same bytes.
    visible_at TIMESTAMPTZ NOT NULL,
    -- Gone for everybody; the row stays while versions of scripts name it.
    deleted_at TIMESTAMPTZ,
    PRIMARY KEY (org_id, digest)
);
CREATE INDEX components_list ON components (org_id, id);
CREATE INDEX components_digest ON components (digest);
CREATE INDEX components_deleted ON components (org_id, digest) WHERE deleted_at IS NOT NULL;

-- What compiling was done for whom. It outlives the component, or deleting would refill the quota.
CREATE TABLE component_compiles (
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    digest BYTEA NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    compile_ms BIGINT NOT NULL,
    PRIMARY KEY (org_id, finished_at, digest)
);

CREATE TABLE component_keys (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name VARCHAR(200) NOT NULL,
    -- Ed25519, 32 bytes.
    public_key BYTEA NOT NULL,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);
CREATE INDEX component_keys_org ON component_keys (org_id, id);

CREATE TABLE component_signatures (
    org_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    key_id UUID NOT NULL REFERENCES component_keys (id) ON DELETE CASCADE,
    signature BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (org_id, digest, key_id),
    FOREIGN KEY (org_id, digest) REFERENCES components (org_id, digest) ON DELETE CASCADE
);

ALTER TABLE organizations ADD COLUMN requires_component_signature BOOLEAN NOT NULL DEFAULT FALSE;

-- Forbidden in the whole installation, whoever has them.
CREATE TABLE blocked_components (
    digest BYTEA PRIMARY KEY,
    reason TEXT NOT NULL,
    blocked_by UUID NOT NULL REFERENCES users (id),
    blocked_at TIMESTAMPTZ NOT NULL
);

-- A script is a source or a component; of a component the source is empty and the language means nothing.
ALTER TABLE scripts ADD COLUMN component_digest BYTEA REFERENCES component_blobs (digest)
    CHECK (component_digest IS NULL OR script_body = '');
ALTER TABLE script_versions ADD COLUMN component_digest BYTEA REFERENCES component_blobs (digest)
    CHECK (component_digest IS NULL OR source = '');
CREATE INDEX scripts_component ON scripts (component_digest) WHERE component_digest IS NOT NULL;
CREATE INDEX script_versions_component ON script_versions (component_digest)
    WHERE component_digest IS NOT NULL;
