//! What a monitor expects of the target.

use std::fmt::{self, Debug};

use crate::{
    Error, Verdict,
    text::{VALUE_BYTES, brief},
};

/// Ends the run as `failure` unless the condition holds: returns an
/// [`Error::failure`](crate::Error::failure) from the function that it stands in.
///
/// ```
/// # use vedette_sdk::{Error, ensure};
/// # fn f(stock: u32) -> Result<(), Error> {
/// ensure!(stock > 0);                               // expected stock > 0
/// ensure!(stock > 0, "only {stock} items are left");
/// # Ok(()) }
/// # assert_eq!(f(0).unwrap_err().to_string(), "expected stock > 0");
/// ```
#[macro_export]
macro_rules! ensure {
    ($holds:expr $(,)?) => {
        $crate::ensure!($holds, "expected {}", ::core::stringify!($holds))
    };
    ($holds:expr, $($message:tt)+) => {{
        let holds: bool = $holds;
        if !holds {
            return ::core::result::Result::Err($crate::Error::failure(
                ::std::format!($($message)+),
            ));
        }
    }};
}

/// Ends the run as `failure` unless the first value equals the second, which is the expected one.
///
/// ```
/// # use vedette_sdk::{Error, ensure_eq};
/// # fn f(id: u32, state: &str) -> Result<(), Error> {
/// ensure_eq!(state, "paid");                        // expected state "open" to be "paid"
/// ensure_eq!(state, "paid", "state of order {id}"); // expected state of order 7 "open" to be "paid"
/// # Ok(()) }
/// # assert_eq!(f(7, "open").unwrap_err().to_string(), r#"expected state "open" to be "paid""#);
/// ```
#[macro_export]
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr $(,)?) => {
        $crate::ensure_eq!($actual, $expected, "{}", ::core::stringify!($actual))
    };
    ($actual:expr, $expected:expr, $($label:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => {
                if !(*actual == *expected) {
                    return ::core::result::Result::Err($crate::__private::difference(
                        ::core::format_args!($($label)+),
                        actual,
                        expected,
                    ));
                }
            }
        }
    };
}

/// For [`ensure_eq!`] only.
#[doc(hidden)]
pub fn difference(label: fmt::Arguments<'_>, actual: &dyn Debug, expected: &dyn Debug) -> Error {
    let (actual, expected) = (format!("{actual:?}"), format!("{expected:?}"));
    let actual = brief(&actual, VALUE_BYTES);
    let expected = brief(&expected, VALUE_BYTES);
    Error::failure(format!("expected {label} {actual} to be {expected}"))
}

/// Expectations that are all looked at before the verdict, so that a run tells everything that is
/// not well.
///
/// ```
/// # use vedette_sdk::{Checks, Error, Verdict};
/// # fn f(page: &str) -> Result<Verdict, Error> {
/// let mut checks = Checks::new();
/// checks.check("has a title", page.contains("<title>"));
/// checks.check("has a price", page.contains("price"));
/// checks.verdict() // 1 of 2 checks failed: "has a price"
/// # }
/// # assert!(!f("<title>").unwrap().success);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Checks {
    made: usize,
    failed: Vec<String>,
}

impl Checks {
    /// None is made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes whether something is as it should be, and gives it back.
    pub fn check(&mut self, name: impl Into<String>, passed: bool) -> bool {
        self.made += 1;
        if !passed {
            self.failed.push(name.into());
        }
        passed
    }

    /// A success if all checks passed, else a failure that names those that did not.
    ///
    /// # Errors
    /// Of kind [`Check`](crate::ErrorKind::Check) when no check was made: that proves nothing.
    pub fn verdict(self) -> Result<Verdict, Error> {
        if self.made == 0 {
            return Err(Error::check("no check was made"));
        }
        if self.failed.is_empty() {
            return Ok(Verdict::success());
        }
        let (count, made) = (self.failed.len(), self.made);
        let names: Vec<String> = self.failed.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        Ok(Verdict::failure(format!(
            "{count} of {made} checks failed: {names}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn ensured(stock: f64) -> Result<(), Error> {
        ensure!(stock > 0.0, "{stock} items");
        Ok(())
    }

    #[test]
    fn what_does_not_hold_is_a_failure() {
        assert_eq!(ensured(1.0), Ok(()));
        assert_eq!(ensured(0.0), Err(Error::failure("0 items")));
        // A number that cannot be compared holds nothing.
        assert_eq!(ensured(f64::NAN), Err(Error::failure("NaN items")));
    }

    fn equal(state: &str) -> Result<(), Error> {
        ensure_eq!(state, "paid", "the state of {}", 7);
        Ok(())
    }

    #[test]
    fn a_difference_shows_both() {
        assert_eq!(equal("paid"), Ok(()));
        let told = r#"expected the state of 7 "open" to be "paid""#;
        assert_eq!(equal("open"), Err(Error::failure(told)));
        let long = equal(&"x".repeat(10_000)).unwrap_err().to_string();
        assert!(long.len() < 1_000, "{} bytes", long.len());
    }

    #[test]
    fn one_check_that_fails_is_enough() {
        let mut checks = Checks::new();
        assert!(checks.check("a", true));
        assert!(!checks.check("b", false));
        assert!(checks.check("c", true));
        let told = r#"1 of 3 checks failed: "b""#;
        assert_eq!(checks.verdict(), Ok(Verdict::failure(told)));
    }

    #[test]
    fn without_a_check_nothing_is_green() {
        let error = Checks::new().verdict().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Check);
        let mut checks = Checks::new();
        checks.check("a", true);
        assert_eq!(checks.verdict(), Ok(Verdict::success()));
    }
}
