//! Roles, members, invitations, organizations, projects.

use chrono::TimeDelta;
use vedette_core::{
    Access, BuiltInRole, InvitationId, ManualClock, OrgId, Permission, PermissionSet, ProjectId,
    Projects, RoleId, UserId,
};
use vedette_store::{
    Deleted, Grant, Invitation, Invited, MemberChange, NewInvitation, NewOrganization, Project,
    RoleContent, Store, StoreError, both_databases, built_in_role_id,
};

use crate::{
    Owner, PAGE, change, claim_at, clock, new_script, new_user, owner, script, session, start,
};

both_databases!(
    built_in_roles_are_everywhere_and_nobodys_to_change,
    a_role_is_its_organizations_own,
    grants_add_up_and_go_with_their_project,
    of_two_owners_who_leave_at_once_one_stays,
    an_invitation_is_used_once_also_at_once,
    a_session_follows_its_user,
    an_organization_ends_in_steps,
    a_project_goes_only_when_it_is_empty,
    a_foreign_project_holds_no_script,
    only_so_many_are_made,
);

fn at_second(second: i64) -> ManualClock {
    ManualClock::at(start() + TimeDelta::seconds(second))
}

fn role(name: &str, permissions: &[Permission]) -> RoleContent {
    RoleContent {
        name: name.to_owned(),
        description: "for a test".to_owned(),
        permissions: permissions.iter().copied().collect(),
    }
}

pub(crate) fn everything() -> Access {
    let mut access = Access::default();
    access.grant(None, BuiltInRole::Owner.permissions());
    access
}

pub(crate) fn grant(role: BuiltInRole) -> Grant {
    Grant {
        role_id: built_in_role_id(role),
        project_id: None,
    }
}

pub(crate) fn invitation(owner: &Owner, grant: Grant, token: u8) -> NewInvitation {
    NewInvitation {
        invitation: Invitation {
            id: InvitationId::generate(&clock()),
            email: None,
            grant,
            created_by: owner.user,
            created_at: start(),
            expires_at: start() + TimeDelta::days(1),
        },
        org_id: owner.org,
        token_hash: [token; 32],
        most: 100,
    }
}

/// A user who belongs to the organization by an invitation, and to no other.
pub(crate) async fn member(store: &Store, owner: &Owner, name: &str, grant: Grant) -> UserId {
    let new = invitation(owner, grant, 200);
    assert_eq!(store.create_invitation(&new).await.unwrap(), Invited::Done);
    let mut user = new_user(name);
    user.invitation = Some([200; 32]);
    let registration = store.register_user(user).await.unwrap();
    assert_eq!(registration.org_id, owner.org);
    registration.user.id
}

async fn built_in_roles_are_everywhere_and_nobodys_to_change(store: Store) {
    let anna = owner(&store, "anna").await;
    let roles = store.list_roles(anna.org).await.unwrap();
    let names: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["owner", "admin", "editor", "viewer"]);
    for (role, built_in) in roles.iter().zip(BuiltInRole::ALL) {
        assert_eq!(role.id, built_in_role_id(built_in));
        assert_eq!(role.permissions, built_in.permissions());
        let other = self::role("mine", &[]);
        assert!(!store.update_role(anna.org, role.id, &other).await.unwrap());
        let more = built_in.permissions();
        assert!(
            !store
                .add_role_permissions(anna.org, role.id, more)
                .await
                .unwrap()
        );
        let deleted = store.delete_role(anna.org, role.id).await.unwrap();
        assert_eq!(deleted, Deleted::NotFound);
    }
    assert_eq!(store.list_roles(anna.org).await.unwrap(), roles);
}

async fn a_role_is_its_organizations_own(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let id = RoleId::generate(&clock());
    let made = role("On call", &[Permission::ScriptRead, Permission::ScriptRun]);
    assert!(
        store
            .create_role(anna.org, id, &made, 50, start())
            .await
            .unwrap()
    );
    let found = store.get_role(anna.org, id).await.unwrap().unwrap();
    assert_eq!(
        (found.permissions, found.is_built_in),
        (made.permissions, false)
    );
    assert!(store.get_role(boris.org, id).await.unwrap().is_none());
    assert!(
        !store
            .update_role(boris.org, id, &role("stolen", &[]))
            .await
            .unwrap()
    );
    let more = PermissionSet::from_iter([Permission::ScriptDelete]);
    assert!(
        !store
            .add_role_permissions(boris.org, id, more)
            .await
            .unwrap()
    );
    assert_eq!(
        store.delete_role(boris.org, id).await.unwrap(),
        Deleted::NotFound
    );
    let theirs = Grant {
        role_id: id,
        project_id: None,
    };
    let given = store
        .set_member_grants(boris.org, boris.user, &[theirs], &everything())
        .await;
    assert_eq!(given.unwrap(), MemberChange::Unknown(0));
    for name in ["ON CALL", "Viewer"] {
        let other = RoleId::generate(&clock());
        let same = store
            .create_role(anna.org, other, &role(name, &[]), 50, start())
            .await;
        assert!(
            matches!(same, Err(StoreError::Conflict { field: "name" })),
            "{same:?}"
        );
    }
    // The same name elsewhere is another role.
    let other = RoleId::generate(&clock());
    assert!(
        store
            .create_role(boris.org, other, &made, 50, start())
            .await
            .unwrap()
    );
    assert!(
        store
            .add_role_permissions(anna.org, id, more)
            .await
            .unwrap()
    );
    let found = store.get_role(anna.org, id).await.unwrap().unwrap();
    assert_eq!(found.permissions, made.permissions.union(more));
    assert!(
        store
            .update_role(anna.org, id, &role("Nobody", &[]))
            .await
            .unwrap()
    );
    let found = store.get_role(anna.org, id).await.unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), found.permissions),
        ("Nobody", PermissionSet::EMPTY)
    );
    let mine = Grant {
        role_id: id,
        project_id: None,
    };
    let user = member(&store, &anna, "guest", mine).await;
    assert_eq!(
        store.delete_role(anna.org, id).await.unwrap(),
        Deleted::InUse
    );
    let removed = store
        .remove_member(anna.org, user, Some(&everything()))
        .await
        .unwrap();
    assert_eq!(removed, MemberChange::Done);
    assert_eq!(
        store.delete_role(anna.org, id).await.unwrap(),
        Deleted::Done
    );
}

async fn grants_add_up_and_go_with_their_project(store: Store) {
    let anna = owner(&store, "anna").await;
    let project = Project {
        id: ProjectId::generate(&at_second(1)),
        name: "shop".to_owned(),
        created_at: start(),
    };
    assert!(store.create_project(anna.org, &project, 10).await.unwrap());
    let user = member(&store, &anna, "guest", grant(BuiltInRole::Viewer)).await;
    let editor = Grant {
        role_id: built_in_role_id(BuiltInRole::Editor),
        project_id: Some(project.id),
    };
    let grants = [grant(BuiltInRole::Viewer), editor.clone(), editor];
    let given = store
        .set_member_grants(anna.org, user, &grants, &everything())
        .await;
    assert_eq!(given.unwrap(), MemberChange::Done);
    let access = store.get_access(anna.org, user).await.unwrap();
    assert_eq!(access.everywhere(), BuiltInRole::Viewer.permissions());
    assert!(
        access
            .in_project(project.id)
            .contains(Permission::ScriptUpdate)
    );
    assert!(
        !access
            .in_project(anna.project)
            .contains(Permission::ScriptUpdate)
    );
    let found = store.get_member(anna.org, user).await.unwrap().unwrap();
    assert_eq!(found.grants.len(), 2, "given twice is given once");
    let mut viewer = Access::default();
    viewer.grant(None, BuiltInRole::Viewer.permissions());
    let taken = store
        .set_member_grants(anna.org, user, &[], &viewer)
        .await
        .unwrap();
    assert_eq!(
        taken,
        MemberChange::Beyond,
        "of an editor, a viewer takes nothing"
    );
    assert_eq!(store.get_access(anna.org, user).await.unwrap(), access);
    assert_eq!(
        store.delete_project(anna.org, project.id).await.unwrap(),
        Deleted::Done
    );
    let access = store.get_access(anna.org, user).await.unwrap();
    assert_eq!(
        access.projects(Permission::ScriptUpdate),
        Projects::Only(Vec::new())
    );
    let listed = store.list_members(anna.org, PAGE).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    assert!(
        store
            .get_member(OrgId::generate(&clock()), user)
            .await
            .unwrap()
            .is_none()
    );
}

async fn of_two_owners_who_leave_at_once_one_stays(store: Store) {
    let anna = owner(&store, "anna").await;
    let other = member(&store, &anna, "other", grant(BuiltInRole::Owner)).await;
    let leave = |user| {
        let store = store.clone();
        tokio::spawn(async move { store.remove_member(anna.org, user, None).await.unwrap() })
    };
    let (one, two) = (leave(anna.user), leave(other));
    let mut changes = [one.await.unwrap(), two.await.unwrap()];
    changes.sort_by_key(|change| *change != MemberChange::Done);
    assert_eq!(changes, [MemberChange::Done, MemberChange::LastOwner]);
    assert_eq!(
        store
            .list_members(anna.org, PAGE)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

async fn an_invitation_is_used_once_also_at_once(store: Store) {
    let anna = owner(&store, "anna").await;
    let new = invitation(&anna, grant(BuiltInRole::Viewer), 7);
    assert_eq!(store.create_invitation(&new).await.unwrap(), Invited::Done);
    let race = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let user = owner(&store, &format!("user{n}")).await.user;
            store.accept_invitation([7; 32], user, start()).await
        })
    });
    let mut joined = 0;
    for attempt in race.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(org) => joined += i32::from(org == anna.org),
            Err(error) => assert!(matches!(error, StoreError::InvitationInvalid), "{error:?}"),
        }
    }
    assert_eq!(joined, 1);
    assert_eq!(
        store
            .list_members(anna.org, PAGE)
            .await
            .unwrap()
            .items
            .len(),
        2
    );
    // A refused registration uses none up, and leaves nobody behind.
    let mut bound = invitation(&anna, grant(BuiltInRole::Viewer), 8);
    bound.invitation.email = Some("only@example.com".to_owned());
    assert_eq!(
        store.create_invitation(&bound).await.unwrap(),
        Invited::Done
    );
    let mut wrong = new_user("wrong");
    wrong.invitation = Some([8; 32]);
    let refused = store.register_user(wrong).await;
    assert!(
        matches!(refused, Err(StoreError::InvitationInvalid)),
        "{refused:?}"
    );
    assert!(store.find_login("wrong").await.unwrap().is_none());
    let mut right = new_user("only");
    right.invitation = Some([8; 32]);
    right.allow_later = false;
    assert_eq!(store.register_user(right).await.unwrap().org_id, anna.org);
    let late = invitation(&anna, grant(BuiltInRole::Viewer), 9);
    store.create_invitation(&late).await.unwrap();
    let end = late.invitation.expires_at;
    assert!(store.is_invitation_open([9; 32], start()).await.unwrap());
    assert!(!store.is_invitation_open([9; 32], end).await.unwrap());
    let refused = store.accept_invitation([9; 32], anna.user, end).await;
    assert!(
        matches!(refused, Err(StoreError::InvitationInvalid)),
        "{refused:?}"
    );
}

async fn a_session_follows_its_user(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let id = session(&store, &anna).await;
    let org = async || {
        let caller = store.find_caller(id, start()).await.unwrap().unwrap();
        caller.member.map(|(org, _)| org)
    };
    assert_eq!(org().await, Some(anna.org));
    assert!(
        !store
            .switch_session(id, anna.user, boris.org)
            .await
            .unwrap()
    );
    assert!(
        !store
            .switch_session(id, boris.user, boris.org)
            .await
            .unwrap(),
        "not their session"
    );
    let new = invitation(&boris, grant(BuiltInRole::Viewer), 3);
    store.create_invitation(&new).await.unwrap();
    store
        .accept_invitation([3; 32], anna.user, start())
        .await
        .unwrap();
    assert!(
        store
            .switch_session(id, anna.user, boris.org)
            .await
            .unwrap()
    );
    assert_eq!(org().await, Some(boris.org));
    store
        .delete_organization_after(boris.org, start())
        .await
        .unwrap();
    assert_eq!(org().await, None);
    assert!(
        !store
            .switch_session(id, anna.user, boris.org)
            .await
            .unwrap()
    );
    assert_eq!(store.sweep_organizations(start()).await.unwrap(), 1);
    assert_eq!(org().await, None, "the session outlives the organization");
    assert!(store.switch_session(id, anna.user, anna.org).await.unwrap());
    let login = store.find_login("boris").await.unwrap().unwrap();
    assert_eq!(login.org_id, None);
}

async fn an_organization_ends_in_steps(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    for owner in [&anna, &boris] {
        script(&store, owner).await;
    }
    let due = start() + TimeDelta::seconds(30);
    let end = start() + TimeDelta::days(14);
    store
        .delete_organization_after(anna.org, end)
        .await
        .unwrap();
    // Deleting it again does not prolong it.
    store
        .delete_organization_after(anna.org, end + TimeDelta::days(1))
        .await
        .unwrap();
    let found = store.get_organization(anna.org).await.unwrap().unwrap();
    assert_eq!(found.delete_after, Some(end));
    let claimed = store.claim_due(&claim_at(due)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].org_id, boris.org);
    assert_eq!(store.sweep_organizations(due).await.unwrap(), 0, "not yet");
    assert!(
        !store
            .restore_organization(anna.org, boris.user, due)
            .await
            .unwrap()
    );
    assert!(
        store
            .restore_organization(anna.org, anna.user, due)
            .await
            .unwrap()
    );
    assert_eq!(store.claim_due(&claim_at(due)).await.unwrap().len(), 1);
    store
        .delete_organization_after(anna.org, end)
        .await
        .unwrap();
    assert!(
        !store
            .restore_organization(anna.org, anna.user, end)
            .await
            .unwrap(),
        "too late"
    );
    assert_eq!(store.sweep_organizations(end).await.unwrap(), 1);
    assert!(store.get_organization(anna.org).await.unwrap().is_none());
    let left = store
        .list_scripts(boris.org, &Projects::All, None, PAGE)
        .await
        .unwrap();
    assert_eq!(left.items.len(), 1, "the other's stay");
}

async fn a_project_goes_only_when_it_is_empty(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let made = script(&store, &anna).await;
    let deleted = store.delete_project(anna.org, anna.project).await.unwrap();
    assert_eq!(deleted, Deleted::InUse);
    let deleted = store.delete_project(boris.org, anna.project).await.unwrap();
    assert_eq!(deleted, Deleted::NotFound);
    assert!(
        !store
            .rename_project(boris.org, anna.project, "stolen")
            .await
            .unwrap()
    );
    assert!(
        store
            .get_project(boris.org, anna.project)
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.delete_script(anna.org, made.id).await.unwrap());
    let deleted = store.delete_project(anna.org, anna.project).await.unwrap();
    assert_eq!(deleted, Deleted::Done);
    assert!(
        store
            .list_projects(anna.org, &Projects::All)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_foreign_project_holds_no_script(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let mut content = change(&anna, start());
    content.project_id = boris.project;
    let refused = store
        .create_script(new_script(&anna, content.clone()))
        .await;
    assert!(
        matches!(refused, Err(StoreError::ProjectMissing)),
        "{refused:?}"
    );
    let made = script(&store, &anna).await;
    let refused = store.update_script(anna.org, made.id, content, None).await;
    assert!(
        matches!(refused, Err(StoreError::ProjectMissing)),
        "{refused:?}"
    );
    let project = store.project_of_script(anna.org, made.id).await.unwrap();
    assert_eq!(project, Some(anna.project));
    assert_eq!(
        store.project_of_script(boris.org, made.id).await.unwrap(),
        None
    );
    let only = |projects: &[ProjectId]| Projects::Only(projects.to_vec());
    let count = async |projects: Projects| {
        store
            .list_scripts(anna.org, &projects, None, PAGE)
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!(count(only(&[boris.project, anna.project])).await, 1);
    assert_eq!(count(only(&[boris.project])).await, 0);
    assert_eq!(count(only(&[])).await, 0);
}

async fn only_so_many_are_made(store: Store) {
    let anna = owner(&store, "anna").await;
    let new = |n: i64| NewOrganization {
        id: OrgId::generate(&at_second(n)),
        name: format!("{n}"),
        project_id: ProjectId::generate(&at_second(n)),
        owner: anna.user,
        created_at: start(),
        most: 2,
    };
    assert!(store.create_organization(&new(1)).await.unwrap());
    assert!(!store.create_organization(&new(2)).await.unwrap());
    let mine = store.list_organizations(anna.user).await.unwrap();
    assert_eq!(mine.len(), 2);
    store.rename_organization(anna.org, "home").await.unwrap();
    assert_eq!(
        store.list_organizations(anna.user).await.unwrap()[0].name,
        "home"
    );
    let role = role("one", &[]);
    let id = RoleId::generate(&clock());
    assert!(
        !store
            .create_role(anna.org, id, &role, 0, start())
            .await
            .unwrap()
    );
    let mut new = invitation(&anna, grant(BuiltInRole::Viewer), 1);
    new.most = 1;
    assert_eq!(store.create_invitation(&new).await.unwrap(), Invited::Done);
    let mut second = invitation(&anna, grant(BuiltInRole::Viewer), 2);
    second.most = 1;
    assert_eq!(
        store.create_invitation(&second).await.unwrap(),
        Invited::TooMany
    );
    let open = store
        .list_invitations(anna.org, start(), PAGE)
        .await
        .unwrap();
    assert_eq!(open.items, [new.invitation.clone()]);
    // One that is over makes room.
    second.invitation.created_at = new.invitation.expires_at;
    assert_eq!(
        store.create_invitation(&second).await.unwrap(),
        Invited::Done
    );
    assert!(
        store
            .revoke_invitation(anna.org, second.invitation.id)
            .await
            .unwrap()
    );
    assert!(
        !store
            .revoke_invitation(anna.org, second.invitation.id)
            .await
            .unwrap()
    );
}
