//! What members may do: atomic permissions, sets of them, and the roles that every organization has.
//!
//! A role is a name for a set of permissions. The built-in ones are defined here, so that a version
//! that brings a new permission gives it to them at once.

use std::{fmt, str::FromStr};

macro_rules! permissions {
    ($($(#[$scope:ident])? $name:ident = $text:literal, $what:literal;)+) => {
        /// One thing that a member may do, named `noun:verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each says what it is by `description`")]
        pub enum Permission { $($name,)+ }

        impl Permission {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The spelling in SQL, JSON and documentation.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What it allows, in a line.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $what,)+ }
            }

            /// Whether it can be given for a single project.
            pub const fn is_of_project(self) -> bool {
                match self { $(Self::$name => permissions!(@scope $($scope)?),)+ }
            }
        }
    };
    (@scope project) => { true };
    (@scope) => { false };
}

permissions! {
    OrganizationRead = "organization:read", "See the organization and its projects";
    OrganizationUpdate = "organization:update", "Rename the organization";
    OrganizationDelete = "organization:delete", "Delete the organization, or hand it to another owner";
    UserRead = "user:read", "See the members and their roles";
    UserManage = "user:manage", "Invite and remove members, give them roles, and end their keys";
    ApiKeyCreate = "api_key:create", "Make keys for machines, which may do no more than their maker";
    RoleRead = "role:read", "See the roles";
    RoleManage = "role:manage", "Make, change and delete roles of the organization";
    ProjectCreate = "project:create", "Make projects";
    #[project] ProjectUpdate = "project:update", "Rename a project";
    #[project] ProjectDelete = "project:delete", "Delete a project that is empty";
    #[project] ScriptRead = "script:read", "See scripts, their versions and templates";
    #[project] ScriptCreate = "script:create", "Make scripts";
    #[project] ScriptUpdate = "script:update", "Change scripts, and go back to an earlier version";
    #[project] ScriptDelete = "script:delete", "Delete scripts";
    #[project] ScriptRun = "script:run", "Run scripts by hand";
    #[project] ExecutionRead = "execution:read", "See executions, their logs and recordings";
    #[project] VariableRead = "variable:read", "See variables; what is encrypted stays unseen";
    #[project] VariableManage = "variable:manage", "Make, change and delete variables";
    #[project] AlertRead = "alert:read", "See alert rules, and incidents with what was seen in them";
    #[project] AlertManage = "alert:manage", "Make, change and delete alert rules";
    #[project] IncidentManage = "incident:manage", "Acknowledge and resolve incidents, and comment on them";
    #[project] MaintenanceRead = "maintenance:read", "See maintenance windows and silences";
    #[project] MaintenanceManage = "maintenance:manage", "Make, change and delete maintenance windows and silences";
    ChannelRead = "channel:read", "See notification channels; what is encrypted stays unseen";
    ChannelManage = "channel:manage", "Make, change, try and delete notification channels, and send again what did not arrive";
    ComponentRead = "component:read", "See the uploaded components";
    ComponentCreate = "component:create", "Upload components";
    ComponentDelete = "component:delete", "Delete components";
    ComponentKeyRead = "component_key:read", "See the keys that sign components, and whether they must";
    ComponentKeyManage = "component_key:manage", "Register and revoke such keys, and require signatures";
    AuditRead = "audit:read", "See the audit log: who changed what, and who signed in";
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such permission")]
pub struct UnknownPermission;

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let named = Self::ALL.iter().find(|one| one.as_str() == text);
        named.copied().ok_or(UnknownPermission)
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PermissionSet(u64);

impl PermissionSet {
    /// None at all.
    pub const EMPTY: Self = Self(0);

    const fn bit(permission: Permission) -> u64 {
        1 << permission as u32
    }

    /// Whether it is in the set.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    /// Whether all of the other are in this.
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its permissions, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        let all = Permission::ALL.iter().copied();
        all.filter(move |permission| self.contains(*permission))
    }

    /// Those that can be given for a single project.
    #[must_use]
    pub fn of_project(self) -> Self {
        self.iter().filter(|one| one.is_of_project()).collect()
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let bits = permissions.into_iter().map(Self::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

/// A role that every organization has, and nobody can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltInRole {
    /// Everything, the organization's end included.
    Owner,
    /// Everything but that.
    Admin,
    /// Scripts and components.
    Editor,
    /// Reading.
    Viewer,
}

impl BuiltInRole {
    /// From most to least.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Editor, Self::Viewer];

    /// The name in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }

    /// What those who have it may do.
    pub fn permissions(self) -> PermissionSet {
        let all = Permission::ALL.iter().copied();
        all.filter(|permission| self.has(*permission)).collect()
    }

    fn has(self, permission: Permission) -> bool {
        use Permission as P;
        match permission {
            P::OrganizationDelete => self == Self::Owner,
            P::OrganizationUpdate
            | P::UserManage
            | P::RoleManage
            | P::ProjectCreate
            | P::ProjectUpdate
            | P::ProjectDelete
            | P::ComponentKeyManage
            | P::AuditRead => matches!(self, Self::Owner | Self::Admin),
            P::ScriptCreate
            | P::ScriptUpdate
            | P::ScriptDelete
            | P::ScriptRun
            | P::VariableManage
            | P::AlertManage
            | P::IncidentManage
            | P::MaintenanceManage
            | P::ChannelManage
            | P::ComponentCreate
            | P::ComponentDelete => self != Self::Viewer,
            P::OrganizationRead
            | P::UserRead
            | P::ApiKeyCreate
            | P::RoleRead
            | P::ScriptRead
            | P::ExecutionRead
            | P::VariableRead
            | P::AlertRead
            | P::MaintenanceRead
            | P::ChannelRead
            | P::ComponentRead
            | P::ComponentKeyRead => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
            let (noun, verb) = permission.as_str().split_once(':').expect("noun:verb");
            assert!(!noun.is_empty() && !verb.is_empty());
        }
        assert_eq!("script:fly".parse::<Permission>(), Err(UnknownPermission));
        assert!(Permission::ALL.len() <= 64, "a set has 64 bits");
    }

    #[test]
    fn each_role_has_all_of_the_next() {
        for pair in BuiltInRole::ALL.windows(2) {
            let (more, less) = (pair[0].permissions(), pair[1].permissions());
            assert!(more.contains_all(less) && more != less, "{pair:?}");
        }
        let owner = BuiltInRole::Owner.permissions();
        assert_eq!(owner.iter().collect::<Vec<_>>(), Permission::ALL);
    }

    #[test]
    fn a_set_is_what_was_put_in() {
        let set = PermissionSet::from_iter([Permission::ScriptRead, Permission::UserManage]);
        assert!(set.contains(Permission::ScriptRead) && !set.contains(Permission::ScriptRun));
        assert!(!PermissionSet::EMPTY.contains_all(set) && set.contains_all(PermissionSet::EMPTY));
        let of_project = set.of_project();
        assert!(of_project.contains(Permission::ScriptRead));
        assert!(!of_project.contains(Permission::UserManage));
    }
}
