//! What members may do is kept in memory, and a change of it counts at the next request all the same:
//! whoever made it, on whichever node, by whatever statement.

use chrono::TimeDelta;
use vedette_core::{Access, BuiltInRole, ManualClock, Permission, ProjectId, RoleId, SessionId};
use vedette_store::{
    Deleted, Grant, MemberChange, Project, RoleContent, Store, built_in_role_id,
    testing::TestDatabase,
};

use crate::{
    Owner,
    access::{everything, grant, member},
    by_hand, clock, on_each, owner, session, start,
};

/// Two nodes on one database, and a member who is signed in on both.
struct Nodes {
    one: Store,
    other: Store,
    anna: Owner,
    guest: Owner,
    session: SessionId,
}

impl Nodes {
    async fn on(database: &TestDatabase) -> Self {
        let one = database.store.clone();
        let other = Store::connect(&database.url).await.unwrap();
        let anna = owner(&one, "anna").await;
        let guest = Owner {
            user: member(&one, &anna, "guest", grant(BuiltInRole::Viewer)).await,
            ..anna
        };
        let session = session(&one, &guest).await;
        Self {
            one,
            other,
            anna,
            guest,
            session,
        }
    }

    /// What the member may do for each node; `None`: nothing any more.
    async fn seen(&self) -> [Option<Access>; 2] {
        let mut seen = [None, None];
        for (node, seen) in [&self.one, &self.other].into_iter().zip(&mut seen) {
            let caller = node.find_caller(self.session, start()).await.unwrap();
            *seen = caller.unwrap().member.map(|(_, access)| access);
        }
        seen
    }

    /// After a change, both nodes see at once what the tables say, and that it is another than before.
    async fn changed(&self, before: &[Option<Access>; 2], what: &str) -> [Option<Access>; 2] {
        let seen = self.seen().await;
        let stored = self.one.get_access(self.anna.org, self.guest.user).await;
        let stored = Some(stored.unwrap());
        assert_eq!(seen, [stored.clone(), stored], "{what}");
        assert_ne!(&seen, before, "{what} changes something");
        seen
    }
}

fn role(permissions: &[Permission]) -> RoleContent {
    RoleContent {
        name: "on call".to_owned(),
        description: "for a test".to_owned(),
        permissions: permissions.iter().copied().collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_roles_counts_at_the_next_request_on_every_node() {
    on_each(async |database| {
        let nodes = Nodes::on(database).await;
        let Nodes {
            one, other, anna, ..
        } = &nodes;
        let user = nodes.guest.user;
        let grants = async |grants: &[Grant]| {
            let given = other
                .set_member_grants(anna.org, user, grants, &everything())
                .await;
            assert_eq!(given.unwrap(), MemberChange::Done);
        };
        let seen = nodes.seen().await;
        let on_call = RoleId::generate(&clock());
        let content = role(&[Permission::ScriptRead, Permission::ScriptRun]);
        one.create_role(anna.org, on_call, &content, 10, start())
            .await
            .unwrap();
        let own = Grant {
            role_id: on_call,
            project_id: None,
        };
        grants(std::slice::from_ref(&own)).await;
        let seen = nodes.changed(&seen, "another role").await;
        let less = role(&[Permission::ScriptRead]);
        assert!(other.update_role(anna.org, on_call, &less).await.unwrap());
        let seen = nodes.changed(&seen, "a role's content").await;
        let more = [Permission::UserRead].into_iter().collect();
        assert!(
            one.add_role_permissions(anna.org, on_call, more)
                .await
                .unwrap()
        );
        let seen = nodes.changed(&seen, "an added permission").await;

        let project = Project {
            id: ProjectId::generate(&ManualClock::at(start() + TimeDelta::seconds(1))),
            name: "shop".to_owned(),
            created_at: start(),
        };
        assert!(other.create_project(anna.org, &project, 10).await.unwrap());
        let there = Grant {
            role_id: built_in_role_id(BuiltInRole::Editor),
            project_id: Some(project.id),
        };
        grants(&[own, there]).await;
        let seen = nodes.changed(&seen, "a role in a project").await;
        let deleted = one.delete_project(anna.org, project.id).await.unwrap();
        assert_eq!(deleted, Deleted::Done);
        let seen = nodes.changed(&seen, "the end of the project").await;

        let transferred = other
            .transfer_organization(anna.org, anna.user, user)
            .await
            .unwrap();
        assert_eq!(transferred, MemberChange::Done);
        nodes.changed(&seen, "being made the owner").await;
        let back = one
            .transfer_organization(anna.org, user, anna.user)
            .await
            .unwrap();
        assert_eq!(back, MemberChange::Done);
        let removed = other
            .remove_member(anna.org, user, Some(&everything()))
            .await;
        assert_eq!(removed.unwrap(), MemberChange::Done);
        assert_eq!(nodes.seen().await, [None, None], "a member no more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_a_change_by_hand_counts() {
    on_each(async |database| {
        let nodes = Nodes::on(database).await;
        let viewer = nodes.seen().await;
        assert!(
            by_hand(
                database,
                "UPDATE user_roles SET role_id = (SELECT id FROM roles \
                 WHERE org_id IS NULL AND name = 'editor')",
            )
            .await
                > 0
        );
        let editor = nodes.changed(&viewer, "UPDATE").await;
        assert!(by_hand(database, "DELETE FROM user_roles").await > 0);
        nodes.changed(&editor, "DELETE").await;
    })
    .await;
}

/// Shows that it is kept, and that the new version is what makes a change count: without the triggers
/// it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_kept_as_long_as_the_version_is_the_same() {
    on_each(async |database| {
        let nodes = Nodes::on(database).await;
        let before = nodes.seen().await;
        let without = if database.store.is_embedded() {
            "DROP TRIGGER user_roles_deleted"
        } else {
            "DROP TRIGGER user_roles_changed ON user_roles"
        };
        by_hand(database, without).await;
        assert!(by_hand(database, "DELETE FROM user_roles").await > 0);
        assert_eq!(nodes.seen().await, before);
        let renewed = "UPDATE organizations SET access_version = (SELECT id FROM users LIMIT 1)";
        assert!(by_hand(database, renewed).await > 0);
        let nothing = Some(Access::default());
        assert_eq!(nodes.seen().await, [nothing.clone(), nothing]);
    })
    .await;
}

/// Each of them gives the organization a new version, in the middle of its transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_roles_and_projects_do_not_lock_each_other_out() {
    on_each(async |database| {
        let nodes = Nodes::on(database).await;
        let (anna, user) = (nodes.anna.org, nodes.guest.user);
        let on_call = RoleId::generate(&clock());
        let content = role(&[Permission::ScriptRead]);
        let made = nodes.one.create_role(anna, on_call, &content, 10, start());
        assert!(made.await.unwrap());
        for round in 1..20 {
            let project = Project {
                id: ProjectId::generate(&ManualClock::at(start() + TimeDelta::seconds(round))),
                name: "shop".to_owned(),
                created_at: start(),
            };
            let made = nodes.one.create_project(anna, &project, 10).await;
            assert!(made.unwrap());
            let grants = [
                Grant {
                    role_id: on_call,
                    project_id: None,
                },
                Grant {
                    role_id: built_in_role_id(BuiltInRole::Editor),
                    project_id: Some(project.id),
                },
            ];
            let by = everything();
            let given = nodes.one.set_member_grants(anna, user, &grants, &by).await;
            assert_eq!(given.unwrap(), MemberChange::Done);
            let more = [Permission::UserRead].into_iter().collect();
            let (deleted, given, updated, added) = tokio::join!(
                Box::pin(nodes.one.delete_project(anna, project.id)),
                Box::pin(nodes.other.set_member_grants(anna, user, &grants, &by)),
                Box::pin(nodes.one.update_role(anna, on_call, &content)),
                Box::pin(nodes.other.add_role_permissions(anna, on_call, more)),
            );
            assert_eq!(deleted.unwrap(), Deleted::Done);
            let given = given.unwrap();
            assert!(
                matches!(given, MemberChange::Done | MemberChange::Unknown(1)),
                "{given:?}"
            );
            assert!(updated.unwrap() && added.unwrap());
        }
    })
    .await;
}
