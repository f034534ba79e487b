//! What a record keeps of each noun: enough to know what was changed, and no value that is secret.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use vedette_core::{OwnQuotas, Permission, PermissionSet, Program, Quota};

use crate::{
    AlertRule, ApiKey, Channel, ComponentKey, Grant, Invitation, MaintenanceWindow, Member,
    Organization, Project, Role, RoleContent, Script, StoredSilence, User, Variable,
};

/// Something of which records show what it was, or is.
pub(crate) trait Snapshot {
    /// Its state without secrets.
    fn snapshot(&self) -> Value;
}

fn names(permissions: PermissionSet) -> Vec<&'static str> {
    permissions.iter().map(Permission::as_str).collect()
}

impl Snapshot for Organization {
    fn snapshot(&self) -> Value {
        json!({ "name": self.name, "delete_after": self.delete_after })
    }
}

/// Those that it has of its own.
impl Snapshot for OwnQuotas {
    fn snapshot(&self) -> Value {
        let own = Quota::ALL.into_iter();
        own.filter_map(|quota| Some((quota.as_str().to_owned(), self.get(quota)?.into())))
            .collect::<Map<_, _>>()
            .into()
    }
}

impl Snapshot for Project {
    fn snapshot(&self) -> Value {
        json!({ "name": self.name })
    }
}

impl Snapshot for Role {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "permissions": names(self.permissions),
        })
    }
}

impl Snapshot for RoleContent {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "permissions": names(self.permissions),
        })
    }
}

impl Snapshot for [Grant] {
    fn snapshot(&self) -> Value {
        self.iter().map(Snapshot::snapshot).collect()
    }
}

impl Snapshot for Grant {
    fn snapshot(&self) -> Value {
        json!({ "role_id": self.role_id, "project_id": self.project_id })
    }
}

impl Snapshot for Member {
    fn snapshot(&self) -> Value {
        json!({ "username": self.username, "grants": self.grants.snapshot() })
    }
}

impl Snapshot for Invitation {
    fn snapshot(&self) -> Value {
        json!({
            "email": self.email,
            "grant": self.grant.snapshot(),
            "expires_at": self.expires_at,
        })
    }
}

impl Snapshot for ApiKey {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "user_id": self.user_id,
            "permissions": names(self.permissions),
            "project_id": self.project_id,
            "expires_at": self.expires_at,
        })
    }
}

impl Snapshot for User {
    fn snapshot(&self) -> Value {
        json!({
            "username": self.username,
            "email": self.email,
            "is_admin": self.is_admin,
            "is_disabled": self.is_disabled,
        })
    }
}

impl Snapshot for ComponentKey {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "public_key": hex::encode(self.public_key),
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        })
    }
}

/// Of one that is encrypted there is no value; that it was changed shows in the revision.
impl Snapshot for Variable {
    fn snapshot(&self) -> Value {
        let (project, script) = self.level.columns();
        json!({
            "name": self.name,
            "kind": self.kind.as_str(),
            "project_id": project,
            "script_id": script,
            "value": self.value,
            "allowed_hosts": self.allowed_hosts,
            "description": self.description,
            "revision": self.revision,
        })
    }
}

/// Sources are kept as versions, and named here. People put passwords into the variables of a
/// script, so that only their names are shown.
impl Snapshot for Script {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "project_id": self.project_id,
            "template_id": self.template_id,
            "parent_script_id": self.parent_id,
            "tags": self.tags,
            "is_enabled": self.is_enabled,
            "cron_expression": self.cron_expression,
            "interval_seconds": self.interval_seconds,
            "timezone": self.timezone,
            "program": self.program.snapshot(),
            "version": self.version_number,
            "parameters": self.parameters,
            "env_vars": self.env_vars.keys().collect::<Vec<_>>(),
            "timeout_seconds": self.timeout_seconds,
            "revision": self.revision,
        })
    }
}

impl Snapshot for Program {
    fn snapshot(&self) -> Value {
        match self {
            Self::Source { text, language } => {
                let digest: [u8; 32] = Sha256::digest(text).into();
                json!({ "language": language.as_str(), "sha256": hex::encode(digest) })
            }
            Self::Component(digest) => json!({ "component": digest.to_string() }),
        }
    }
}

impl Snapshot for AlertRule {
    fn snapshot(&self) -> Value {
        json!({
            "script_id": self.script_id,
            "name": self.content.name,
            "rule_definition": self.content.definition.to_json(),
            "severity": self.content.severity,
            "is_enabled": self.content.is_enabled,
            "remind_after_minutes": self.content.follow_up.remind_after_minutes,
            "escalation": self.content.follow_up.escalation,
        })
    }
}

/// Of what is secret there is nothing; that it was changed shows in the revision.
impl Snapshot for Channel {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "config": self.config,
            "is_enabled": self.is_enabled,
            "disabled_reason": self.disabled_reason,
            "revision": self.revision,
        })
    }
}

impl Snapshot for MaintenanceWindow {
    fn snapshot(&self) -> Value {
        json!({
            "name": self.content.name,
            "scope": self.content.scope,
            "window": self.content.definition,
            "revision": self.revision,
        })
    }
}

impl Snapshot for StoredSilence {
    fn snapshot(&self) -> Value {
        json!({
            "matchers": self.content.matchers,
            "starts_at": self.content.interval.from,
            "ends_at": self.content.interval.until,
            "comment": self.content.comment,
            "revision": self.revision,
        })
    }
}
