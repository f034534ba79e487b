//! Who is calling, and what they may do.

use std::{marker::PhantomData, ops::Deref};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use sha2::{Digest as _, Sha256};
use vedette_core::{Access, OrgId, Permission, ProjectId, Projects};
use vedette_store::{Actor, Caller, Store, User};

use crate::{
    ApiState,
    author::{self, Origin},
    problem::Problem,
};

/// A signed-in caller, as stored at this moment: a token alone is worth nothing. For what concerns
/// the caller alone; everything of an organization takes [`May`].
pub(crate) struct SignedIn {
    pub(crate) caller: Caller,
    /// In the caller's hands: changes are made by this one, so that their records bear the name.
    pub(crate) store: Store,
}

impl FromRequestParts<ApiState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let token = bearer_token(parts).ok_or_else(Problem::unauthorized)?;
        let now = state.clock.now();
        let (user, session) = state
            .keys
            .verify(token, now)
            .ok_or_else(Problem::unauthorized)?;
        let caller = state.store.find_caller(session, now).await?;
        let caller = caller
            .filter(|caller| caller.user.id == user)
            .ok_or_else(Problem::unauthorized)?;
        let org = caller.member.as_ref().map(|(org, _)| *org);
        state.request_rate.count(caller.user.id, org).await?;
        let Ok(origin) = Origin::from_request_parts(parts, state).await;
        let store = origin.store(state, author::user(&caller.user));
        Ok(Self { caller, store })
    }
}

/// Exactly one `Authorization` header of the form `Bearer <token>`.
fn bearer_token(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.contains(' ')).then_some(token)
}

/// What all keys for machines begin with, so that they are known when they turn up somewhere.
pub(crate) const API_KEY_PREFIX: &str = "vdt_";

/// What is stored of a key for machines.
pub(crate) fn api_key_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Who calls as a member of the organization that the session, or the key for machines, is for.
pub(crate) struct Member {
    pub(crate) user: User,
    /// A key makes no keys: to end it would not end them.
    pub(crate) is_key: bool,
    pub(crate) org_id: OrgId,
    pub(crate) access: Access,
    /// In the caller's hands, as [`SignedIn::store`] is.
    pub(crate) store: Store,
}

impl Member {
    /// Lets the caller go on with something in a project. Who may not even see what is there is
    /// told that there is nothing.
    pub(crate) fn check(&self, permission: Permission, project: ProjectId) -> Result<(), Problem> {
        let held = self.access.in_project(project);
        if held.contains(permission) {
            Ok(())
        } else if held.contains(Permission::ScriptRead) {
            Err(Problem::lacking(permission))
        } else {
            Err(Problem::not_found())
        }
    }
}

/// A caller who has a permission: the declaration of what an operation needs. A permission that can
/// be given for a project is had in at least one; which, is for [`May::check_in`].
pub(crate) struct May<P> {
    member: Member,
    permission: PhantomData<P>,
}

impl<P> Deref for May<P> {
    type Target = Member;

    fn deref(&self) -> &Member {
        &self.member
    }
}

impl<P: Need> May<P> {
    /// Lets the caller go on in a project, as [`Member::check`] does.
    pub(crate) fn check_in(&self, project: ProjectId) -> Result<(), Problem> {
        self.check(P::PERMISSION, project)
    }

    /// Lets the caller go on with something that concerns the whole organization. Who may not even see it is told
    /// that there is nothing.
    pub(crate) fn check_whole(&self) -> Result<(), Problem> {
        let held = self.access.everywhere();
        if held.contains(P::PERMISSION) {
            Ok(())
        } else if held.contains(Permission::ScriptRead) {
            Err(Problem::lacking(P::PERMISSION))
        } else {
            Err(Problem::not_found())
        }
    }

    /// Lets the caller make something that concerns the whole organization; else says how it concerns less.
    pub(crate) fn check_everywhere(&self, instead: &str) -> Result<(), Problem> {
        if self.access.everywhere().contains(P::PERMISSION) {
            Ok(())
        } else {
            let permission = P::PERMISSION;
            Err(Problem::forbidden(format!(
                "this concerns the whole organization, in which it needs the permission `{permission}`; {instead}"
            )))
        }
    }

    /// Whether the caller sees what is in a project.
    pub(crate) fn sees(&self, project: ProjectId) -> bool {
        let held = self.access.in_project(project);
        held.contains(P::PERMISSION) || held.contains(Permission::ScriptRead)
    }

    /// The projects in which the caller has the permission.
    pub(crate) fn projects(&self) -> Projects {
        self.access.projects(P::PERMISSION)
    }
}

impl<P: Need> FromRequestParts<ApiState> for May<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Ok(origin) = Origin::from_request_parts(parts, state).await;
        let member = match bearer_token(parts) {
            Some(key) if key.starts_with(API_KEY_PREFIX) => by_key(key, origin, state).await?,
            _ => by_session(parts, state).await?,
        };
        if !member.access.somewhere(P::PERMISSION) {
            return Err(Problem::lacking(P::PERMISSION));
        }
        Ok(Self {
            member,
            permission: PhantomData,
        })
    }
}

async fn by_session(parts: &mut Parts, state: &ApiState) -> Result<Member, Problem> {
    let SignedIn { caller, store } = SignedIn::from_request_parts(parts, state).await?;
    let (org_id, access) = caller.member.ok_or_else(Problem::no_organization)?;
    Ok(Member {
        user: caller.user,
        is_key: false,
        org_id,
        access,
        store,
    })
}

async fn by_key(key: &str, origin: Origin, state: &ApiState) -> Result<Member, Problem> {
    let now = state.clock.now();
    let caller = state.store.find_key_caller(api_key_hash(key), now).await?;
    let caller = caller.ok_or_else(Problem::unauthorized)?;
    let (user, org) = (caller.user.id, Some(caller.org_id));
    state.request_rate.count(user, org).await?;
    let actor = Actor::ApiKey {
        id: caller.user.id,
        name: caller.user.username.clone(),
        key_id: caller.key_id,
    };
    Ok(Member {
        store: origin.store(state, actor),
        user: caller.user,
        is_key: true,
        org_id: caller.org_id,
        access: caller.access,
    })
}

/// An administrator of the installation.
pub(crate) struct Administrator {
    pub(crate) caller: Caller,
    /// In the caller's hands, as [`SignedIn::store`] is.
    pub(crate) store: Store,
}

impl FromRequestParts<ApiState> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let SignedIn { caller, store } = SignedIn::from_request_parts(parts, state).await?;
        if caller.user.is_admin {
            Ok(Self { caller, store })
        } else {
            let detail = "this is for administrators of the installation";
            Err(Problem::forbidden(detail))
        }
    }
}

/// A permission as a type, so that a handler names it in its signature.
pub(crate) trait Need: Send + Sync {
    const PERMISSION: Permission;
}

/// A type for each permission, under its name.
pub(crate) mod need {
    use super::{Need, Permission};

    macro_rules! needs {
        ($($name:ident)+) => {$(
            pub(crate) struct $name;

            impl Need for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )+};
    }

    needs! {
        OrganizationRead OrganizationUpdate OrganizationDelete UserRead UserManage ApiKeyCreate
        RoleRead
        RoleManage ProjectCreate ProjectUpdate ProjectDelete ScriptRead ScriptCreate ScriptUpdate
        ScriptDelete ScriptRun ExecutionRead ComponentRead ComponentCreate ComponentDelete
        ComponentKeyRead ComponentKeyManage VariableRead VariableManage AlertRead AlertManage
        IncidentManage ChannelRead ChannelManage MaintenanceRead MaintenanceManage AuditRead
    }
}
