//! Errors that end a run, and whose fault they are.

use std::{
    error::Error as StdError,
    fmt::{self, Display},
    iter,
};

use crate::{FetchError, Verdict};

/// What an error says about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An expectation did not hold. The execution is a `failure`.
    Assertion,
    /// A request failed because of the target. The execution is a `failure`.
    Target,
    /// The egress guard refused a request. The execution is an `error` of class `fetch_denied`.
    Denied,
    /// A limit of the run is reached. The execution is an `error` of class `fetch_limit`.
    Limit,
    /// The check itself is broken. The execution is an `error` of class `script_error`.
    Check,
}

impl ErrorKind {
    /// Whether it says that the target is not well; else nobody knows.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Assertion | Self::Target)
    }
}

/// What ends a run that does not come to a verdict by itself.
///
/// `?` makes one of any [`std::error::Error`]. It is a fault of the check, unless a
/// [`FetchError`] is the error itself or among its causes: then it is what that one is. It does not
/// implement that trait itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// As many causes of an error are looked at.
const MAX_CAUSES: usize = 8;

impl Error {
    /// The target is not well: what was expected, and what came.
    pub fn failure(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Assertion,
            message: message.into(),
        }
    }

    /// The check cannot tell: a parameter that makes no sense, a variable that is missing.
    pub fn check(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Check,
            message: message.into(),
        }
    }

    /// What it says about the target.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The verdict that it stands for; else the text of the run's error, as the host reads it: a
    /// class in brackets goes before the message, and without one it is `script_error`.
    pub(crate) fn into_verdict(self) -> Result<Verdict, String> {
        match self.kind {
            ErrorKind::Assertion | ErrorKind::Target => Ok(Verdict::failure(self.message)),
            ErrorKind::Denied => Err(format!("[fetch_denied] {}", self.message)),
            ErrorKind::Limit => Err(format!("[fetch_limit] {}", self.message)),
            // Its text may have come from the target, and must not choose a class.
            ErrorKind::Check if self.message.starts_with('[') => {
                Err(format!("[script_error] {}", self.message))
            }
            ErrorKind::Check => Err(self.message),
        }
    }

    fn within(mut self, what: &dyn Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut kind = ErrorKind::Check;
        let mut message = String::new();
        let first: &(dyn StdError + 'static) = &error;
        for cause in iter::successors(Some(first), |&cause| cause.source()).take(MAX_CAUSES) {
            let text = cause.to_string();
            // Many errors repeat their cause.
            if message.is_empty() {
                message = text;
            } else if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            if let Some(fetch) = cause.downcast_ref::<FetchError>() {
                kind = fetch.reason().kind();
                break;
            }
        }
        Self { kind, message }
    }
}

/// Says what was being done when an error came. Whose fault it is stays the same.
pub trait Context<T> {
    /// Puts `what` before the error's message: `create an order: expected status 201, got 500`.
    fn context(self, what: impl Display) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Result<T, Error> {
        self.map_err(|error| error.into().within(&what))
    }
}

/// Makes what is missing or wrong in an answer the target's fault.
pub trait OrFail<T> {
    /// The value; else an error of kind [`Assertion`](ErrorKind::Assertion) that says `what` is
    /// wrong. A [`FetchError`] keeps its own kind, so that a denied request is not the target's fault.
    fn or_fail(self, what: impl Display) -> Result<T, Error>;
}

impl<T> OrFail<T> for Option<T> {
    fn or_fail(self, what: impl Display) -> Result<T, Error> {
        self.ok_or_else(|| Error::failure(what.to_string()))
    }
}

impl<T, E: StdError + 'static> OrFail<T> for Result<T, E> {
    fn or_fail(self, what: impl Display) -> Result<T, Error> {
        self.map_err(|error| {
            let error = Error::from(error).within(&what);
            match error.kind {
                ErrorKind::Check => Error::failure(error.message),
                _ => error,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FetchReason;

    fn fetch(reason: FetchReason) -> FetchError {
        FetchError::new("GET https://a.example/", reason)
    }

    /// What an author's own error may look like.
    #[derive(Debug)]
    struct Wrapped(FetchError);

    impl Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("step 2")
        }
    }

    impl StdError for Wrapped {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_request_decides_also_as_a_cause() {
        let error = Error::from(Wrapped(fetch(FetchReason::Timeout)));
        assert_eq!(error.kind(), ErrorKind::Target);
        let told = "step 2: GET https://a.example/: the request took too long";
        assert_eq!(error.into_verdict(), Ok(Verdict::failure(told)));

        let denied = FetchReason::Denied("loopback".to_owned());
        let error = Error::from(Wrapped(fetch(denied)));
        assert_eq!(error.kind(), ErrorKind::Denied);
        let told =
            "[fetch_denied] step 2: GET https://a.example/: the request is not allowed: loopback";
        assert_eq!(error.into_verdict(), Err(told.to_owned()));
    }

    #[test]
    fn the_class_comes_before_everything_else_that_is_told() {
        let told = |reason| {
            let failed: Result<(), FetchError> = Err(fetch(reason));
            let error = failed.context("log in").unwrap_err();
            error.into_verdict().unwrap_err()
        };
        let text = told(FetchReason::Limit("100 requests".to_owned()));
        let after = "[fetch_limit] log in: GET https://a.example/: a limit of the run";
        assert!(text.starts_with(after), "{text}");
        let text = told(FetchReason::BodyTooLarge(5));
        assert!(text.starts_with("[fetch_limit] log in: "), "{text}");
        let text = told(FetchReason::InvalidRequest("no host".to_owned()));
        assert!(text.starts_with("log in: "), "{text}");
    }

    #[test]
    fn a_text_cannot_choose_its_class() {
        let error = Error::check("[failure] says the page");
        let told = "[script_error] [failure] says the page";
        assert_eq!(error.into_verdict(), Err(told.to_owned()));
    }

    #[test]
    fn any_other_error_is_the_checks_fault() {
        let number = "x".parse::<u32>().map_err(Error::from);
        let error = number.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Check);
        let told = "invalid digit found in string";
        assert_eq!(error.into_verdict(), Err(told.to_owned()));
    }

    #[test]
    fn context_keeps_the_kind() {
        let failed: Result<(), Error> = Err(Error::failure("no token"));
        let error = failed.context("log in").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Assertion);
        assert_eq!(error.to_string(), "log in: no token");
        let error = "x".parse::<u32>().context("read").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Check);
    }

    #[test]
    fn what_is_missing_is_the_targets_fault_but_a_refusal_is_not() {
        assert_eq!(Some(3).or_fail("no total"), Ok(3));
        let missing = None::<u32>.or_fail("no total").unwrap_err();
        assert_eq!(missing, Error::failure("no total"));
        let wrong = "x".parse::<u32>().or_fail("the total").unwrap_err();
        let told = "the total: invalid digit found in string";
        assert_eq!(wrong, Error::failure(told));

        let kind = |reason| {
            let answer: Result<(), FetchError> = Err(fetch(reason));
            answer.or_fail("the page").unwrap_err().kind()
        };
        let text = || "x".to_owned();
        assert_eq!(kind(FetchReason::Denied(text())), ErrorKind::Denied);
        assert_eq!(kind(FetchReason::Limit(text())), ErrorKind::Limit);
        assert_eq!(kind(FetchReason::Dns(text())), ErrorKind::Target);
    }
}
