//! What an author writes, and how it is called.

use serde::de::DeserializeOwned;

use crate::{Error, Verdict};

/// A check. One call of [`run`](Monitor::run) is one execution, in a fresh instance: nothing of an
/// earlier one is left.
pub trait Monitor {
    /// The script's parameters, any JSON object. What it does not have or does not fit ends the run as
    /// `error` with the parameter's name, before `run` is called.
    ///
    /// With `#[serde(deny_unknown_fields)]` a misspelt parameter is an error too. A monitor
    /// without parameters takes [`serde::de::IgnoredAny`].
    type Params: DeserializeOwned;

    /// Looks at the target and says whether it is well.
    ///
    /// # Errors
    /// What ends the run without a verdict of its own: see [`ErrorKind`](crate::ErrorKind) for
    /// which errors say that the target is not well, and which that nobody knows.
    fn run(params: Self::Params) -> Result<Verdict, Error>;
}

/// Makes a type that implements [`Monitor`] the one that the component runs. Once in a crate.
///
/// In builds for other targets than Wasm, as for `cargo test`, it only checks the type.
#[macro_export]
macro_rules! monitor {
    ($monitor:ty) => {
        const _: () = {
            const fn is_monitor<M: $crate::Monitor>() {}
            is_monitor::<$monitor>();

            #[cfg(target_family = "wasm")]
            type Exported = $crate::__private::Exported<$monitor>;
            #[cfg(target_family = "wasm")]
            $crate::__private::bindings::export!(
                Exported with_types_in $crate::__private::bindings
            );
        };
    };
}

/// The whole of a run. `Err`: it came to no verdict.
pub(crate) fn run<M: Monitor>(params: &str) -> Result<Verdict, String> {
    read_params(params)
        .and_then(M::run)
        .or_else(Error::into_verdict)
}

fn read_params<P: DeserializeOwned>(json: &str) -> Result<P, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = crate::text::without_place(error.inner());
        // What is missing, or one too many, is named by the reason.
        if path == "." {
            Error::check(format!("the parameters do not fit: {reason}"))
        } else {
            Error::check(format!("parameter `{path}` does not fit: {reason}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::IgnoredAny};

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Params {
        url: String,
        #[serde(default)]
        limits: Vec<Limit>,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Limit {
        ms: u32,
    }

    #[test]
    fn parameters_that_fit_are_read() {
        let read = read_params::<Params>(r#"{"url":"x","limits":[{"ms":3}]}"#);
        let url = "x".to_owned();
        let limits = vec![Limit { ms: 3 }];
        assert_eq!(read, Ok(Params { url, limits }));
        assert!(read_params::<IgnoredAny>(r#"{"a":1}"#).is_ok());
    }

    #[test]
    fn parameters_that_do_not_fit_are_named_and_are_the_checks_fault() {
        let refusal = |json| {
            let error = read_params::<Params>(json).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Check);
            error.to_string()
        };
        assert_eq!(
            refusal("{}"),
            "the parameters do not fit: missing field `url`"
        );
        assert_eq!(
            refusal(r#"{"url":3}"#),
            "parameter `url` does not fit: invalid type: integer `3`, expected a string"
        );
        assert_eq!(
            refusal(r#"{"url":"x","limits":[{"ms":3},{"ms":-1}]}"#),
            "parameter `limits[1].ms` does not fit: invalid value: integer `-1`, expected u32"
        );
        assert!(refusal(r#"{"url":"x","ulr":1}"#).contains("unknown field `ulr`"));
    }

    #[test]
    fn only_a_verdict_that_says_so_is_a_success() {
        struct Ends;
        impl Monitor for Ends {
            type Params = String;

            fn run(how: String) -> Result<Verdict, Error> {
                match how.as_str() {
                    "success" => Ok(Verdict::success()),
                    "failure" => Ok(Verdict::failure("down")),
                    "assertion" => Err(Error::failure("expected 1")),
                    _ => Err(Error::check("what?")),
                }
            }
        }
        assert_eq!(run::<Ends>(r#""success""#), Ok(Verdict::success()));
        assert_eq!(run::<Ends>(r#""failure""#), Ok(Verdict::failure("down")));
        let failed = Verdict::failure("expected 1");
        assert_eq!(run::<Ends>(r#""assertion""#), Ok(failed));
        assert_eq!(run::<Ends>(r#""else""#), Err("what?".to_owned()));
        assert!(run::<Ends>("3").is_err());
    }
}
