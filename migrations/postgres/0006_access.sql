-- Members have roles, and roles are sets of permissions. Organizations can be left, handed on and
-- deleted.

ALTER TABLE organizations ADD COLUMN delete_after TIMESTAMPTZ;

-- Those of no organization are the built-in ones: what they allow is defined in the code.
CREATE TABLE roles (
    id UUID PRIMARY KEY,
    org_id UUID REFERENCES organizations (id) ON DELETE CASCADE,
    name VARCHAR(64) NOT NULL,
    description TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (org_id, LOWER(name)) WHERE org_id IS NOT NULL;

-- The names of what can be allowed, as the newest version that ran here knows them.
CREATE TABLE permissions (
    name VARCHAR(64) PRIMARY KEY,
    description TEXT NOT NULL
);

CREATE TABLE role_permissions (
    role_id UUID NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission VARCHAR(64) NOT NULL REFERENCES permissions (name) ON DELETE CASCADE,
    PRIMARY KEY (role_id, permission)
);

-- Without a project, a role counts in the whole organization.
CREATE TABLE user_roles (
    org_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role_id UUID NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    project_id UUID REFERENCES projects (id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX user_roles_everywhere ON user_roles (org_id, user_id, role_id)
    WHERE project_id IS NULL;
CREATE UNIQUE INDEX user_roles_project ON user_roles (org_id, user_id, role_id, project_id)
    WHERE project_id IS NOT NULL;
CREATE INDEX user_roles_role ON user_roles (role_id);
CREATE INDEX user_roles_of_project ON user_roles (project_id) WHERE project_id IS NOT NULL;

INSERT INTO roles (id, org_id, name, description, created_at) VALUES
    ('00000000-0000-7000-8000-000000000001', NULL, 'owner', 'Everything, the end of the organization included', '2026-11-29T00:00:00+00:00'),
    ('00000000-0000-7000-8000-000000000002', NULL, 'admin', 'Members, roles, projects, keys, and all that editors may', '2026-11-29T00:00:00+00:00'),
    ('00000000-0000-7000-8000-000000000003', NULL, 'editor', 'Scripts and components', '2026-11-29T00:00:00+00:00'),
    ('00000000-0000-7000-8000-000000000004', NULL, 'viewer', 'Reading', '2026-11-29T00:00:00+00:00');

INSERT INTO user_roles (org_id, user_id, role_id, project_id)
    SELECT memberships.org_id, memberships.user_id, roles.id, NULL
    FROM memberships JOIN roles ON roles.org_id IS NULL AND roles.name = memberships.role;
ALTER TABLE memberships DROP COLUMN role;

CREATE TABLE invitations (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- SHA-256 of what the link holds.
    token_hash BYTEA NOT NULL UNIQUE,
    -- Only this address may use it; NULL: whoever has the link.
    email VARCHAR(254),
    role_id UUID NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    project_id UUID REFERENCES projects (id) ON DELETE CASCADE,
    created_by UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX invitations_org ON invitations (org_id, id);

CREATE UNIQUE INDEX projects_name ON projects (org_id, LOWER(name));

-- A session is for one organization at a time, or for none when the user has left it.
ALTER TABLE sessions ALTER COLUMN org_id DROP NOT NULL;
ALTER TABLE sessions DROP CONSTRAINT sessions_org_id_fkey;
ALTER TABLE sessions ADD CONSTRAINT sessions_org_id_fkey
    FOREIGN KEY (org_id) REFERENCES organizations (id) ON DELETE SET NULL;
