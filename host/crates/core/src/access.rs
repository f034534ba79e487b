//! What one member may do where: in the whole organization, and beyond that in single projects.

use std::collections::BTreeMap;

use crate::{Permission, PermissionSet, ProjectId};

/// The permissions of a member, from all roles together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    everywhere: PermissionSet,
    projects: BTreeMap<ProjectId, PermissionSet>,
}

/// The projects in which something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projects {
    /// Those of the organization, also ones that are made later.
    All,
    /// These.
    Only(Vec<ProjectId>),
}

impl Access {
    /// Adds what a role allows, for one project or for all. A role that is given for a project
    /// brings no more than what concerns projects.
    pub fn grant(&mut self, project: Option<ProjectId>, permissions: PermissionSet) {
        match project {
            None => self.everywhere = self.everywhere.union(permissions),
            Some(project) => {
                let held = self.projects.entry(project).or_default();
                *held = held.union(permissions.of_project());
            }
        }
    }

    /// What is allowed in the whole organization.
    pub fn everywhere(&self) -> PermissionSet {
        self.everywhere
    }

    /// What is allowed in a project.
    pub fn in_project(&self, project: ProjectId) -> PermissionSet {
        let held = self.projects.get(&project).copied().unwrap_or_default();
        self.everywhere.union(held)
    }

    /// Whether something is allowed in at least one place.
    pub fn somewhere(&self, permission: Permission) -> bool {
        let mut held = self.projects.values();
        self.everywhere.contains(permission) || held.any(|held| held.contains(permission))
    }

    /// Where something is allowed.
    pub fn projects(&self, permission: Permission) -> Projects {
        if self.everywhere.contains(permission) {
            return Projects::All;
        }
        let held = self.projects.iter();
        let held = held.filter(|(_, held)| held.contains(permission));
        Projects::Only(held.map(|(project, _)| *project).collect())
    }

    /// What is left of it within some permissions and, if one is named, one project.
    #[must_use]
    pub fn narrowed(&self, permissions: PermissionSet, project: Option<ProjectId>) -> Self {
        let mut narrowed = Self::default();
        match project {
            None => {
                narrowed.grant(None, self.everywhere.intersection(permissions));
                for (project, held) in &self.projects {
                    narrowed.grant(Some(*project), held.intersection(permissions));
                }
            }
            Some(project) => {
                let held = self.in_project(project).intersection(permissions);
                narrowed.grant(Some(project), held);
            }
        }
        narrowed
    }

    /// Whether this allows all that the other does: nobody gives, or takes from others, what they
    /// do not have themselves.
    pub fn covers(&self, other: &Self) -> bool {
        let mut projects = other.projects.iter();
        self.everywhere.contains_all(other.everywhere)
            && projects.all(|(project, held)| self.in_project(*project).contains_all(*held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuiltInRole, ManualClock};

    fn project() -> ProjectId {
        let start = chrono::DateTime::from_timestamp(0, 0).expect("1970");
        ProjectId::generate(&ManualClock::at(start))
    }

    #[test]
    fn a_role_of_a_project_ends_at_its_edge() {
        let (here, there) = (project(), project());
        let mut access = Access::default();
        access.grant(None, BuiltInRole::Viewer.permissions());
        access.grant(Some(here), BuiltInRole::Admin.permissions());
        assert!(access.in_project(here).contains(Permission::ScriptUpdate));
        assert!(!access.in_project(there).contains(Permission::ScriptUpdate));
        assert!(access.in_project(there).contains(Permission::ScriptRead));
        // An administrator of a project does not manage the organization's members.
        assert!(!access.somewhere(Permission::UserManage));
        assert!(access.somewhere(Permission::ScriptUpdate));
        let only = Projects::Only(vec![here]);
        assert_eq!(access.projects(Permission::ScriptUpdate), only);
        assert_eq!(access.projects(Permission::ScriptRead), Projects::All);
        assert_eq!(
            access.projects(Permission::UserManage),
            Projects::Only(Vec::new())
        );
    }

    #[test]
    fn narrowing_takes_and_never_gives() {
        let (here, there) = (project(), project());
        let mut access = Access::default();
        access.grant(None, BuiltInRole::Viewer.permissions());
        access.grant(Some(here), BuiltInRole::Editor.permissions());
        let to = PermissionSet::from_iter([Permission::ScriptUpdate, Permission::RoleManage]);
        let all = access.narrowed(to, None);
        assert!(all.in_project(here).contains(Permission::ScriptUpdate));
        assert!(!all.in_project(there).contains(Permission::ScriptUpdate));
        assert!(!all.somewhere(Permission::ScriptRead) && !all.somewhere(Permission::RoleManage));
        let read = PermissionSet::from_iter([Permission::ScriptRead, Permission::RoleRead]);
        let one = access.narrowed(read, Some(there));
        assert_eq!(
            one.projects(Permission::ScriptRead),
            Projects::Only(vec![there])
        );
        assert!(
            !one.somewhere(Permission::RoleRead),
            "it is not of a project"
        );
        assert!(access.covers(&all) && access.covers(&one));
    }

    #[test]
    fn nobody_covers_more_than_they_have() {
        let (here, there) = (project(), project());
        let of = |grants: &[(Option<ProjectId>, BuiltInRole)]| {
            let mut access = Access::default();
            for (project, role) in grants {
                access.grant(*project, role.permissions());
            }
            access
        };
        let admin = of(&[(None, BuiltInRole::Admin)]);
        let local = of(&[
            (None, BuiltInRole::Viewer),
            (Some(here), BuiltInRole::Editor),
        ]);
        assert!(admin.covers(&local) && !local.covers(&admin));
        assert!(!admin.covers(&of(&[(None, BuiltInRole::Owner)])));
        assert!(local.covers(&of(&[(Some(here), BuiltInRole::Editor)])));
        assert!(!local.covers(&of(&[(Some(there), BuiltInRole::Editor)])));
        assert!(local.covers(&Access::default()));
    }
}
