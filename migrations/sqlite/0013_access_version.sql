-- What members may do is cached under a version of their organization. It changes in the transaction of
-- whatever changes what they may do, cascades included, and no version ever comes back: they are random, so
-- that a database that was restored meets no entry from after its backup.

ALTER TABLE organizations ADD COLUMN access_version BLOB NOT NULL
    DEFAULT X'00000000000000000000000000000000';
UPDATE organizations SET access_version = randomblob(16);

CREATE TRIGGER user_roles_inserted AFTER INSERT ON user_roles BEGIN
    UPDATE organizations SET access_version = randomblob(16) WHERE id = NEW.org_id;
END;
CREATE TRIGGER user_roles_updated AFTER UPDATE ON user_roles BEGIN
    UPDATE organizations SET access_version = randomblob(16) WHERE id IN (OLD.org_id, NEW.org_id);
END;
CREATE TRIGGER user_roles_deleted AFTER DELETE ON user_roles BEGIN
    UPDATE organizations SET access_version = randomblob(16) WHERE id = OLD.org_id;
END;

-- Of a role that is deleted nothing is found any more: then its grants are deleted too, which counts.
CREATE TRIGGER role_permissions_inserted AFTER INSERT ON role_permissions BEGIN
    UPDATE organizations SET access_version = randomblob(16)
        WHERE id = (SELECT org_id FROM roles WHERE roles.id = NEW.role_id);
END;
CREATE TRIGGER role_permissions_updated AFTER UPDATE ON role_permissions BEGIN
    UPDATE organizations SET access_version = randomblob(16)
        WHERE id IN (SELECT org_id FROM roles WHERE roles.id IN (OLD.role_id, NEW.role_id));
END;
CREATE TRIGGER role_permissions_deleted AFTER DELETE ON role_permissions BEGIN
    UPDATE organizations SET access_version = randomblob(16)
        WHERE id = (SELECT org_id FROM roles WHERE roles.id = OLD.role_id);
END;
