-- Members have roles, and roles are sets of permissions. Organizations can be left, handed on and
-- deleted.

ALTER TABLE organizations ADD COLUMN delete_after TEXT;

-- Those of no organization are the built-in ones: what they allow is defined in the code.
CREATE TABLE roles (
    id BLOB PRIMARY KEY,
    org_id BLOB REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX roles_name ON roles (org_id, LOWER(name)) WHERE org_id IS NOT NULL;

-- The names of what can be allowed, as the newest version that ran here knows them.
CREATE TABLE permissions (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL
) STRICT;

CREATE TABLE role_permissions (
    role_id BLOB NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission TEXT NOT NULL REFERENCES permissions (name) ON DELETE CASCADE,
    PRIMARY KEY (role_id, permission)
) STRICT;

-- Without a project, a role counts in the whole organization.
CREATE TABLE user_roles (
    org_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    role_id BLOB NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX user_roles_everywhere ON user_roles (org_id, user_id, role_id)
    WHERE project_id IS NULL;
CREATE UNIQUE INDEX user_roles_project ON user_roles (org_id, user_id, role_id, project_id)
    WHERE project_id IS NOT NULL;
CREATE INDEX user_roles_role ON user_roles (role_id);
CREATE INDEX user_roles_of_project ON user_roles (project_id) WHERE project_id IS NOT NULL;

INSERT INTO roles (id, org_id, name, description, created_at) VALUES
    (X'00000000000070008000000000000001', NULL, 'owner', 'Everything, the end of the organization included', '2026-11-29T00:00:00+00:00'),
    (X'00000000000070008000000000000002', NULL, 'admin', 'Members, roles, projects, keys, and all that editors may', '2026-11-29T00:00:00+00:00'),
    (X'00000000000070008000000000000003', NULL, 'editor', 'Scripts and components', '2026-11-29T00:00:00+00:00'),
    (X'00000000000070008000000000000004', NULL, 'viewer', 'Reading', '2026-11-29T00:00:00+00:00');

INSERT INTO user_roles (org_id, user_id, role_id, project_id)
    SELECT memberships.org_id, memberships.user_id, roles.id, NULL
    FROM memberships JOIN roles ON roles.org_id IS NULL AND roles.name = memberships.role;
ALTER TABLE memberships DROP COLUMN role;

CREATE TABLE invitations (
    id BLOB PRIMARY KEY,
    org_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- SHA-256 of what the link holds.
    token_hash BLOB NOT NULL UNIQUE,
    -- Only this address may use it; NULL: whoever has the link.
    email TEXT,
    role_id BLOB NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    project_id BLOB REFERENCES projects (id) ON DELETE CASCADE,
    created_by BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX invitations_org ON invitations (org_id, id);

CREATE UNIQUE INDEX projects_name ON projects (org_id, LOWER(name));

-- A session is for one organization at a time, or for none when the user has left it.
CREATE TABLE new_sessions (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    org_id BLOB REFERENCES organizations (id) ON DELETE SET NULL,
    refresh_token_hash BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;
INSERT INTO new_sessions (id, user_id, org_id, refresh_token_hash, created_at, expires_at, revoked_at)
    SELECT id, user_id, org_id, refresh_token_hash, created_at, expires_at, revoked_at FROM sessions;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
