//! What users may be called, and what is an address.

use crate::problem::FieldError;

/// What is wrong with a name and an address, by field.
pub(crate) fn check(username: &str, email: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_username(username) {
        let detail = "a name has 2 to 64 letters, digits, dots, underscores and hyphens";
        errors.push(FieldError::new("/username", detail));
    }
    if !is_email(email) {
        errors.push(FieldError::new("/email", "this is not an e-mail address"));
    }
    errors
}

fn is_username(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// As much as can be told without sending a mail to it: RFC 5321 section 4.5.3.1 for the lengths.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"(),:;<>[]\\".contains(&byte));
    let labels_fit = domain
        .split('.')
        .all(|label| !label.is_empty() && label.len() <= 63);
    is_plain
        && text.len() <= 254
        && (1..=64).contains(&local.len())
        && !local.contains('@')
        && domain.contains('.')
        && labels_fit
}
