//! Variables of the organization, the project and the script, already merged: the narrower wins.
//! Passwords and tokens belong here; do not log them.

use crate::{Error, host};

/// The variable's value. `None`: it is not set.
pub fn get(name: &str) -> Option<String> {
    host::variable(name)
}

/// The value of a variable that the check cannot do without.
///
/// # Errors
/// Of kind [`Check`](crate::ErrorKind::Check) when it is not set or empty.
pub fn require(name: &str) -> Result<String, Error> {
    match get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) => Err(Error::check(format!("variable `{name}` is empty"))),
        None => Err(Error::check(format!("variable `{name}` is not set"))),
    }
}

/// The names of all variables.
pub fn names() -> Vec<String> {
    host::variable_names()
}
