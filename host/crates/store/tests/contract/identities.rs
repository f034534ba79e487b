//! Signing in by an identity: who it becomes, whose it is, and what it never is.

use chrono::TimeDelta;
use vedette_core::{IdentityId, OrgId, ProjectId, SessionId, UserId};
use vedette_store::{
    Identity, IdentityLogin, IdentitySignedIn, NO_PASSWORD, NewIdentityUser, NewPasswordReset,
    RemovedIdentity, Store, StoreError, UserChange, both_databases,
};

use crate::{clock, owner, session, start};

both_databases!(
    an_identity_becomes_a_user_once,
    of_many_first_logins_one_makes_the_user,
    nobody_becomes_the_first_user,
    names_and_addresses_stay_whose_they_are,
    a_disabled_user_stays_out,
    an_identity_is_added_to_who_is_signed_in,
    a_trusted_address_hands_the_account_over,
    the_last_way_in_stays,
    of_two_that_are_taken_off_at_once_one_stays,
);

const CORP: &str = "https://login.example.com";

/// A login of somebody whom `issuer` calls `subject`.
fn login(issuer: &str, subject: &str) -> IdentityLogin {
    let clock = clock();
    IdentityLogin {
        identity: Identity {
            id: IdentityId::generate(&clock),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            created_at: start(),
        },
        link_to: None,
        trusted_email: None,
        new_user: None,
        session_id: SessionId::generate(&clock),
        refresh_token_hash: [1; 32],
        expires_at: start() + TimeDelta::days(1),
    }
}

fn new_user(names: &[&str], email: &str) -> NewIdentityUser {
    let clock = clock();
    NewIdentityUser {
        id: UserId::generate(&clock),
        org_id: OrgId::generate(&clock),
        project_id: ProjectId::generate(&clock),
        usernames: names.iter().map(|name| (*name).to_owned()).collect(),
        email: email.to_owned(),
        invitation: None,
    }
}

fn registering(subject: &str, names: &[&str], email: &str) -> IdentityLogin {
    IdentityLogin {
        new_user: Some(new_user(names, email)),
        ..login(CORP, subject)
    }
}

async fn sign_in(store: &Store, new: IdentityLogin) -> IdentitySignedIn {
    store.sign_in_by_identity(new).await.unwrap()
}

async fn user_of(store: &Store, session: SessionId) -> Option<UserId> {
    let caller = store.find_caller(session, start()).await.unwrap();
    caller.map(|caller| caller.user.id)
}

async fn conflict(store: &Store, new: IdentityLogin) -> &'static str {
    match store.sign_in_by_identity(new).await {
        Err(StoreError::Conflict { field }) => field,
        other => panic!("{other:?}"),
    }
}

async fn an_identity_becomes_a_user_once(store: Store) {
    owner(&store, "admin").await;
    assert_eq!(
        sign_in(&store, login(CORP, "1")).await,
        IdentitySignedIn::Unknown
    );
    let first = registering("1", &["anna"], "anna@example.com");
    let (session, new) = (first.session_id, first.new_user.clone().unwrap());
    let anna = sign_in(&store, first).await;
    assert_eq!(anna, IdentitySignedIn::Done(new.id));
    let caller = store.find_caller(session, start()).await.unwrap().unwrap();
    assert_eq!(
        (caller.user.username.as_str(), caller.user.is_admin),
        ("anna", false)
    );
    assert_eq!(caller.member.unwrap().0, new.org_id);
    assert_eq!(
        store.find_password_hash(new.id).await.unwrap().as_deref(),
        Some(NO_PASSWORD)
    );
    // From then on it alone decides, whatever else is said.
    let again = registering("1", &["other"], "other@example.com");
    assert_eq!(sign_in(&store, again).await, anna);
    assert_eq!(sign_in(&store, login(CORP, "1")).await, anna);
    // Of another issuer the same subject is somebody else, and subjects have a case.
    for other in [
        login("https://login.example.org", "1"),
        login("https://login.example.com/", "1"),
        login(CORP, "1 "),
    ] {
        assert_eq!(sign_in(&store, other).await, IdentitySignedIn::Unknown);
    }
    assert_eq!(store.list_identities(new.id).await.unwrap().len(), 1);
}

async fn of_many_first_logins_one_makes_the_user(store: Store) {
    owner(&store, "admin").await;
    let logins: Vec<_> = (0..6)
        .map(|number| {
            let store = store.clone();
            let name = format!("anna{number}");
            let email = format!("{name}@example.com");
            let new = registering("1", &[&name], &email);
            tokio::spawn(async move { sign_in(&store, new).await })
        })
        .collect();
    let mut users = Vec::new();
    for login in logins {
        let IdentitySignedIn::Done(user) = login.await.unwrap() else {
            panic!("nobody is disabled");
        };
        users.push(user);
    }
    users.dedup();
    assert_eq!(users.len(), 1);
}

async fn nobody_becomes_the_first_user(store: Store) {
    let new = registering("1", &["anna"], "anna@example.com");
    let refused = store.sign_in_by_identity(new).await;
    assert!(
        matches!(refused, Err(StoreError::RegistrationClosed)),
        "{refused:?}"
    );
    assert!(!store.has_users().await.unwrap());
}

async fn names_and_addresses_stay_whose_they_are(store: Store) {
    let admin = owner(&store, "admin").await;
    let taken = registering("1", &["ADMIN", "admin-2"], "anna@example.com");
    let session = taken.session_id;
    sign_in(&store, taken).await;
    let caller = store.find_caller(session, start()).await.unwrap().unwrap();
    assert_eq!(caller.user.username, "admin-2");
    // The address of somebody else makes nobody that somebody.
    let same = registering("2", &["eva"], "Admin@Example.com");
    assert_eq!(conflict(&store, same).await, "email");
    let none = registering("2", &["admin", "Admin-2"], "eva@example.com");
    assert_eq!(conflict(&store, none).await, "username");
    assert_eq!(
        sign_in(&store, login(CORP, "2")).await,
        IdentitySignedIn::Unknown
    );
    let mut uninvited = registering("2", &["eva"], "eva@example.com");
    uninvited.new_user.as_mut().unwrap().invitation = Some([5; 32]);
    let refused = store.sign_in_by_identity(uninvited).await;
    assert!(matches!(refused, Err(StoreError::InvitationInvalid)));
    assert!(store.find_login("eva").await.unwrap().is_none());
    assert!(store.list_identities(admin.user).await.unwrap().is_empty());
}

async fn a_disabled_user_stays_out(store: Store) {
    owner(&store, "admin").await;
    let new = registering("1", &["anna"], "anna@example.com");
    let anna = new.new_user.as_ref().unwrap().id;
    sign_in(&store, new).await;
    let disable = async |is_disabled| {
        let change = UserChange {
            is_disabled,
            is_admin: false,
        };
        store.change_user(anna, change, start()).await.unwrap();
    };
    disable(true).await;
    let refused = login(CORP, "1");
    let session = refused.session_id;
    assert_eq!(sign_in(&store, refused).await, IdentitySignedIn::Disabled);
    let mut trusted = login(CORP, "2");
    trusted.trusted_email = Some("anna@example.com".to_owned());
    assert_eq!(sign_in(&store, trusted).await, IdentitySignedIn::Disabled);
    let mut linked = login(CORP, "2");
    linked.link_to = Some(anna);
    assert_eq!(sign_in(&store, linked).await, IdentitySignedIn::Disabled);
    disable(false).await;
    assert_eq!(user_of(&store, session).await, None);
    assert_eq!(store.list_identities(anna).await.unwrap().len(), 1);
    assert_eq!(
        sign_in(&store, login(CORP, "1")).await,
        IdentitySignedIn::Done(anna)
    );
}

async fn an_identity_is_added_to_who_is_signed_in(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let linking = |subject: &str, user| IdentityLogin {
        link_to: Some(user),
        ..login(CORP, subject)
    };
    assert_eq!(
        sign_in(&store, linking("1", anna.user)).await,
        IdentitySignedIn::Done(anna.user)
    );
    // Once more is nothing new; somebody else's it cannot become.
    assert_eq!(
        sign_in(&store, linking("1", anna.user)).await,
        IdentitySignedIn::Done(anna.user)
    );
    assert_eq!(conflict(&store, linking("1", boris.user)).await, "identity");
    assert_eq!(
        sign_in(&store, login(CORP, "1")).await,
        IdentitySignedIn::Done(anna.user)
    );
    assert_eq!(store.list_identities(anna.user).await.unwrap().len(), 1);
    assert!(store.list_identities(boris.user).await.unwrap().is_empty());
}

async fn a_trusted_address_hands_the_account_over(store: Store) {
    let (anna, boris) = (owner(&store, "anna").await, owner(&store, "boris").await);
    let (old, foreign) = (session(&store, &anna).await, session(&store, &boris).await);
    let reset = NewPasswordReset {
        user_id: anna.user,
        token_hash: [3; 32],
        created_by: boris.user,
        created_at: start(),
        expires_at: start() + TimeDelta::hours(1),
    };
    assert!(store.put_password_reset(&reset).await.unwrap());
    let mut trusted = registering("1", &["eva"], "eva@example.com");
    trusted.trusted_email = Some("ANNA@example.com".to_owned());
    let new = trusted.session_id;
    assert_eq!(
        sign_in(&store, trusted).await,
        IdentitySignedIn::Done(anna.user)
    );
    assert_eq!(user_of(&store, new).await, Some(anna.user));
    assert_eq!(user_of(&store, old).await, None, "it was begun before");
    assert_eq!(user_of(&store, foreign).await, Some(boris.user));
    let hash = |user| store.find_password_hash(user);
    assert_eq!(hash(anna.user).await.unwrap().as_deref(), Some(NO_PASSWORD));
    assert_ne!(
        hash(boris.user).await.unwrap().as_deref(),
        Some(NO_PASSWORD)
    );
    let found = store.find_password_reset([3; 32], start()).await.unwrap();
    assert_eq!(found, None);
    assert!(store.find_login("eva").await.unwrap().is_none());
}

async fn the_last_way_in_stays(store: Store) {
    let boris = owner(&store, "boris").await;
    let new = registering("1", &["anna"], "anna@example.com");
    let (anna, first) = (new.new_user.as_ref().unwrap().id, new.identity.id);
    sign_in(&store, new).await;
    let known = [CORP.to_owned()];
    let remove = async |user, id| store.remove_identity(user, id, &known).await.unwrap();
    assert_eq!(remove(boris.user, first).await, RemovedIdentity::Absent);
    assert_eq!(remove(anna, first).await, RemovedIdentity::LastWayIn);
    // One at a provider that is no longer in the settings lets nobody in.
    let mut gone = login("https://gone.example.com", "1");
    gone.link_to = Some(anna);
    sign_in(&store, gone).await;
    assert_eq!(remove(anna, first).await, RemovedIdentity::LastWayIn);
    let mut second = login(CORP, "2");
    second.link_to = Some(anna);
    let second_id = second.identity.id;
    sign_in(&store, second).await;
    assert_eq!(remove(anna, first).await, RemovedIdentity::Done);
    assert_eq!(remove(anna, first).await, RemovedIdentity::Absent);
    assert_eq!(
        sign_in(&store, login(CORP, "1")).await,
        IdentitySignedIn::Unknown
    );
    assert_eq!(remove(anna, second_id).await, RemovedIdentity::LastWayIn);
    // Who has a password does without.
    let mut linked = login(CORP, "3");
    linked.link_to = Some(boris.user);
    let id = linked.identity.id;
    sign_in(&store, linked).await;
    assert_eq!(remove(boris.user, id).await, RemovedIdentity::Done);
}

async fn of_two_that_are_taken_off_at_once_one_stays(store: Store) {
    owner(&store, "admin").await;
    for round in 0..10 {
        let subject = format!("{round}");
        let name = format!("anna{round}");
        let new = registering(&subject, &[&name], &format!("{name}@example.com"));
        let (anna, first) = (new.new_user.as_ref().unwrap().id, new.identity.id);
        sign_in(&store, new).await;
        let mut second = login(CORP, &format!("{round} more"));
        second.link_to = Some(anna);
        let second_id = second.identity.id;
        sign_in(&store, second).await;
        let removals: Vec<_> = [first, second_id]
            .map(|id| {
                let store = store.clone();
                let known = [CORP.to_owned()];
                tokio::spawn(async move { store.remove_identity(anna, id, &known).await.unwrap() })
            })
            .into_iter()
            .collect();
        let mut done = 0;
        for removal in removals {
            done += usize::from(removal.await.unwrap() == RemovedIdentity::Done);
        }
        assert_eq!(done, 1);
        assert_eq!(store.list_identities(anna).await.unwrap().len(), 1);
    }
}
