//! What ends with a member, and with an organization.

use chrono::TimeDelta;
use vedette_core::BuiltInRole;
use vedette_store::{
    Invited, MemberChange, Store, StoreError, UserChange, VariableLevel, both_databases,
};

use crate::{
    access::{everything, grant, invitation, member},
    owner, script,
    sealed::sealed,
    start,
    variables::{keep, secret},
};

both_databases!(
    an_invitation_ends_with_its_maker,
    members_come_and_go_while_the_owner_may_not_sign_in,
    an_organization_takes_its_secrets_along,
);

async fn an_invitation_ends_with_its_maker(store: Store) {
    let (anna, guest) = (owner(&store, "anna").await, owner(&store, "guest").await);
    let admin = member(&store, &anna, "admin", grant(BuiltInRole::Admin)).await;
    let mut new = invitation(&anna, grant(BuiltInRole::Viewer), 9);
    new.invitation.created_by = admin;
    assert_eq!(store.create_invitation(&new).await.unwrap(), Invited::Done);
    assert!(store.is_invitation_open([9; 32], start()).await.unwrap());
    let removed = store
        .remove_member(anna.org, admin, Some(&everything()))
        .await;
    assert_eq!(removed.unwrap(), MemberChange::Done);
    let refused = store.accept_invitation([9; 32], guest.user, start()).await;
    assert!(
        matches!(refused, Err(StoreError::InvitationInvalid)),
        "{refused:?}"
    );
}

async fn members_come_and_go_while_the_owner_may_not_sign_in(store: Store) {
    // The first user administrates the installation, and disables another.
    owner(&store, "first").await;
    let anna = owner(&store, "anna").await;
    let admin = member(&store, &anna, "admin", grant(BuiltInRole::Admin)).await;
    let viewer = member(&store, &anna, "viewer", grant(BuiltInRole::Viewer)).await;
    let disabled = UserChange {
        is_disabled: true,
        is_admin: false,
    };
    store
        .change_user(anna.user, disabled, start())
        .await
        .unwrap();
    let by = store.get_access(anna.org, admin).await.unwrap();
    let editor = [grant(BuiltInRole::Editor)];
    let given = store
        .set_member_grants(anna.org, viewer, &editor, &by)
        .await;
    assert_eq!(given.unwrap(), MemberChange::Done);
    let left = store.remove_member(anna.org, viewer, None).await;
    assert_eq!(left.unwrap(), MemberChange::Done);
}

async fn an_organization_takes_its_secrets_along(store: Store) {
    let anna = owner(&store, "anna").await;
    let made = script(&store, &anna).await;
    let levels = [
        VariableLevel::Organization,
        VariableLevel::Project(anna.project),
        VariableLevel::Script(made.id),
    ];
    for level in levels {
        keep(&store, &anna, level, "TOKEN", secret("some value")).await;
        let value = sealed("some value", &["api.example.com"]);
        keep(&store, &anna, level, "SEALED", value).await;
    }
    let end = start() + TimeDelta::days(14);
    store
        .delete_organization_after(anna.org, end)
        .await
        .unwrap();
    assert_eq!(store.sweep_organizations(end).await.unwrap(), 1);
    assert!(store.get_organization(anna.org).await.unwrap().is_none());
}
