//! What is accepted as a variable, and how variables go over each other.

use super::*;

#[test]
fn names_are_those_of_environment_variables() {
    for good in ["A", "_", "api_key_2", &"X".repeat(MAX_ENV_NAME_BYTES)] {
        assert_eq!(check_variable_name(good), Ok(()), "{good}");
    }
    let long = "X".repeat(MAX_ENV_NAME_BYTES + 1);
    for wrong in ["", "2A", "a-b", "a b", "ä", "A\0", long.as_str()] {
        let refused = check_variable_name(wrong).unwrap_err();
        assert_eq!(refused.pointer, "/name", "{wrong}");
    }
}

#[test]
fn values_have_bounds_and_secrets_are_long_enough_to_be_masked() {
    use VariableKind::{Plain, Sealed, Secret};
    let largest = "x".repeat(MAX_VARIABLE_BYTES);
    for (kind, good) in [
        (Plain, ""),
        (Plain, largest.as_str()),
        (Secret, "1234"),
        (Secret, &largest),
        (Sealed, "12345678"),
    ] {
        assert_eq!(check_value(kind, good), Ok(()));
    }
    let too_large = format!("{largest}x");
    for (kind, wrong) in [
        (Plain, "a\0b"),
        (Plain, too_large.as_str()),
        (Secret, "123"),
        (Secret, ""),
        (Sealed, "1234567"),
        (Secret, "1234\0"),
        (Secret, &too_large),
    ] {
        let refused = check_value(kind, wrong).unwrap_err();
        assert_eq!(refused.pointer, "/value");
        assert!(
            wrong.is_empty() || !refused.reason.contains(wrong),
            "{refused}"
        );
    }
}

#[test]
fn descriptions_are_for_people() {
    assert_eq!(check_description("one\ntwo"), Ok(()));
    for wrong in ["a\u{1b}[2J", &"x".repeat(MAX_DESCRIPTION_CHARS + 1)] {
        assert_eq!(
            check_description(wrong).unwrap_err().pointer,
            "/description"
        );
    }
}

#[test]
fn the_last_one_counts_with_its_kind() {
    let sealed = || SealedSecret {
        value: "12345678".to_owned(),
        allowed_hosts: Vec::new(),
    };
    let mut environment = Environment::default();
    environment.set_secret("TOKEN", "wide");
    environment.set_secret("OTHER", "other");
    environment.set("TOKEN", "narrow");
    environment.set_sealed("KEY", sealed());
    assert_eq!(environment.values["TOKEN"], "narrow");
    assert_eq!(environment.secrets, ["OTHER".to_owned()].into());
    assert!(environment.sealed.contains_key("KEY"));
    environment.set_all([("OTHER".to_owned(), "own".to_owned())].into());
    assert_eq!(environment.values["OTHER"], "own");
    assert_eq!(environment.values.len(), 2);
    assert!(environment.secrets.is_empty());
    environment.set_secret("KEY", "narrow");
    assert!(environment.sealed.is_empty());
    environment.set_sealed("KEY", sealed());
    assert!(!environment.values.contains_key("KEY") && environment.secrets.is_empty());
    environment.set_all([("KEY".to_owned(), "own".to_owned())].into());
    assert!(environment.sealed.is_empty());
}

#[test]
fn no_value_is_shown() {
    let mut environment = Environment::default();
    environment.set_secret("TOKEN", "hunter22");
    environment.set("REGION", "eu-west");
    assert_eq!(format!("{environment:?}"), r#"{"REGION", "TOKEN"}"#);
}
