-- What members may do is cached under a version of their organization. It changes in the transaction of
-- whatever changes what they may do, cascades included, and no version ever comes back: they are random, so
-- that a database that was restored meets no entry from after its backup.

ALTER TABLE organizations ADD COLUMN access_version UUID NOT NULL DEFAULT gen_random_uuid();

CREATE OR REPLACE FUNCTION user_roles_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE organizations SET access_version = gen_random_uuid() WHERE id = OLD.org_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE organizations SET access_version = gen_random_uuid() WHERE id = NEW.org_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER user_roles_changed AFTER INSERT OR UPDATE OR DELETE ON user_roles
    FOR EACH ROW EXECUTE FUNCTION user_roles_changed();

-- Of a role that is deleted nothing is found any more: then its grants are deleted too, which counts.
CREATE OR REPLACE FUNCTION role_permissions_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE organizations SET access_version = gen_random_uuid()
            WHERE id = (SELECT org_id FROM roles WHERE roles.id = OLD.role_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE organizations SET access_version = gen_random_uuid()
            WHERE id = (SELECT org_id FROM roles WHERE roles.id = NEW.role_id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER role_permissions_changed AFTER INSERT OR UPDATE OR DELETE ON role_permissions
    FOR EACH ROW EXECUTE FUNCTION role_permissions_changed();
