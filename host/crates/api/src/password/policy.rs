//! Which new passwords are accepted: length is what counts, and that nobody would try it first.
//!
//! `common.txt` has the 10,000 most common passwords of at least eight characters, in lower case
//! and sorted by bytes. It was made from `data/passwords.txt` of zxcvbn (commit 67c4ece, MIT licence,
//! © 2012-2016 Dan Wheeler and Dropbox, Inc.), which counts them in ten million leaked ones.

use super::LENGTH;
use crate::problem::FieldError;

const COMMON: &str = include_str!("common.txt");

/// What an attacker of this installation tries besides.
const PRODUCT: &str = "vedette";

/// Whose password it is going to be.
pub(crate) struct Owner<'a> {
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
}

/// Accepts a new password, or says why not. `pointer` is its field.
pub(crate) fn check_new(password: &str, pointer: &str, owner: &Owner) -> Result<(), FieldError> {
    let refuse = |detail: String| Err(FieldError::new(pointer, detail));
    let (least, most) = (LENGTH.start(), LENGTH.end());
    if !LENGTH.contains(&password.chars().count()) {
        return refuse(format!("a password has {least} to {most} characters"));
    }
    let lower = password.to_lowercase();
    if is_of_context(&lower, owner) {
        return refuse("the password must not be the name or the address".to_owned());
    }
    if is_common(&lower) {
        return refuse(
            "this is one of the most common passwords; take one that nobody would guess".to_owned(),
        );
    }
    Ok(())
}

/// Whether a password in lower case is a word that its owner's name suggests, whatever digits and
/// signs stand around it.
fn is_of_context(lower: &str, owner: &Owner) -> bool {
    let email = owner.email.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let username = owner.username.to_lowercase();
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    [username.as_str(), &email, local, PRODUCT]
        .into_iter()
        .filter(|word| !word.is_empty())
        .any(|word| lower == word || core == word)
}

/// Whether a password in lower case is in the list.
fn is_common(lower: &str) -> bool {
    // A binary search over the text itself, so that no index of it has to be kept.
    let (mut low, mut high) = (0, COMMON.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let before = &COMMON.as_bytes()[low..middle];
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(low, |newline| low + newline + 1);
        let line = COMMON[start..].lines().next().unwrap_or_default();
        match line.cmp(lower) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = start + line.len() + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Owner = Owner {
        username: "annabelle",
        email: "anna.bell@example.com",
    };

    #[test]
    fn the_list_is_what_the_search_needs() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.len() >= 3_000, "ASVS 6.2.4");
        assert!(lines.is_sorted_by(|one, next| one < next));
        for line in lines {
            assert!(line.is_ascii() && LENGTH.contains(&line.len()), "{line}");
            assert_eq!(line, line.to_lowercase());
            assert!(is_common(line), "{line}");
        }
        for absent in ["", "\n", "0", "zzzzzzzzzzzz", "password\n", "passwor", "ü"] {
            assert!(!is_common(absent), "{absent:?}");
        }
    }

    #[test]
    fn length_counts_and_no_rule_of_composition() {
        for good in [
            "        ",
            "correct horse",
            "пароль12",
            "😀😀😀😀😀😀😀😀",
            &"x".repeat(256),
            "annabelle and vedette",
        ] {
            assert!(check_new(good, "/password", &ANNA).is_ok(), "{good}");
        }
        for bad in ["", "1234567", "😀😀😀😀😀😀😀", &"x".repeat(257)] {
            let refused = check_new(bad, "/new_password", &ANNA).unwrap_err();
            assert_eq!(refused.pointer, "/new_password", "{bad}");
            assert!(refused.detail.contains("8 to 256"), "{}", refused.detail);
        }
    }

    #[test]
    fn what_everybody_would_guess_is_refused() {
        for common in [
            "password",
            "PassWord",
            "PASSWORD1",
            "12345678",
            "iloveyou",
            "qwertyuiop",
        ] {
            let refused = check_new(common, "/password", &ANNA).unwrap_err();
            assert!(refused.detail.contains("most common"), "{common}");
        }
        for own in [
            "AnnaBelle",
            "Anna.Bell@Example.com",
            "anna.bell",
            "Vedette1",
            "!annabelle2026!",
            "12vedette34",
        ] {
            let refused = check_new(own, "/password", &ANNA).unwrap_err();
            assert!(refused.detail.contains("the name"), "{own}");
        }
    }
}
