//! Whom an identity becomes that nobody has yet.

use vedette_core::{OrgId, ProjectId, UserId};
use vedette_store::{NewIdentityUser, StoreError};

use crate::{ApiState, Registration, oidc::Claims, problem::Problem, v1::users::names::is_email};

/// Of a name that may be taken, so many with a number behind it are tried.
const NUMBERED: u32 = 9;
/// Leaves room for a number.
const MOST_OF_NAME: usize = 48;

/// The address that the provider gives, if it is one.
pub(super) fn email(claims: &Claims) -> Option<&str> {
    claims.email.as_deref().filter(|text| is_email(text))
}

/// The user to be made, or why there is none. The outer error is ours.
pub(super) fn plan(
    state: &ApiState,
    claims: &Claims,
    invitation: Option<[u8; 32]>,
) -> Result<Result<NewIdentityUser, Problem>, Problem> {
    let is_open = match state.config.registration {
        Registration::Open => true,
        Registration::Invite => invitation.is_some(),
        Registration::Closed => false,
    };
    if !is_open {
        return Ok(Err(StoreError::RegistrationClosed.into()));
    }
    let Some(email) = email(claims) else {
        let detail =
            "the identity provider gives no e-mail address; without one there is no account";
        return Ok(Err(Problem::forbidden(detail)));
    };
    let clock = state.clock.as_ref();
    Ok(Ok(NewIdentityUser {
        id: UserId::generate(clock),
        org_id: OrgId::generate(clock),
        project_id: ProjectId::generate(clock),
        usernames: usernames(claims.preferred_username.as_deref().unwrap_or(email))?,
        email: email.to_owned(),
        invitation,
    }))
}

/// Names to try, in this order. The provider's is a wish: it may be anything.
fn usernames(wish: &str) -> Result<Vec<String>, Problem> {
    let local = wish.split('@').next().unwrap_or_default();
    let is_good =
        |character: &char| character.is_ascii_alphanumeric() || "._-".contains(*character);
    let name: String = local.chars().filter(is_good).take(MOST_OF_NAME).collect();
    let name = if name.len() < 2 { "user" } else { &name };
    let mut chance = [0; 4];
    getrandom::fill(&mut chance).map_err(|error| Problem::internal(&error))?;
    let numbered = (2..=NUMBERED).map(|number| format!("{name}-{number}"));
    let last = format!("{name}-{:08x}", u32::from_be_bytes(chance));
    Ok([name.to_owned()]
        .into_iter()
        .chain(numbered)
        .chain([last])
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::users::names;

    #[test]
    fn whatever_the_provider_says_becomes_a_name() {
        for (wish, first) in [
            ("anna", "anna"),
            ("Anna.Berg@corp.example.com", "Anna.Berg"),
            ("änna berg", "nnaberg"),
            ("", "user"),
            ("@corp", "user"),
            ("日本", "user"),
            ("x", "user"),
            ("a\0b\r\nc", "abc"),
            ("<script>", "script"),
        ] {
            let tried = usernames(wish).unwrap();
            assert_eq!(tried[0], first, "{wish}");
            assert_eq!(tried[1], format!("{first}-2"));
            for name in tried {
                assert!(names::check(&name, "a@b.c").is_empty(), "{name}");
            }
        }
        let long = usernames(&"x".repeat(10_000)).unwrap();
        assert!(long.iter().all(|name| name.len() <= 64));
    }
}
