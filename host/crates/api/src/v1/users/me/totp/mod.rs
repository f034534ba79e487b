//! The caller's second factor: codes of an authenticator app.

pub(crate) mod confirm;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod remove;

use crate::problem::{FieldError, Problem};

/// 422: a code that does not count.
fn wrong_code(pointer: &str) -> Problem {
    let detail = "this code is not right, or was used before";
    Problem::invalid(vec![FieldError::new(pointer, detail)])
}
