//! Reading the guest's verdict and its texts, none of which is believed.

use serde_json::Value;
use vedette_core::{ErrorClass, Verdict};

use crate::{
    Limits, bindings,
    limits::{MESSAGE_BYTES, RESULT_DEPTH},
};

/// A verdict that cannot be accepted.
pub(crate) type Refusal = (ErrorClass, String);

/// Checks a verdict as the guest gave it.
pub(crate) fn read(raw: bindings::Verdict, limits: &Limits) -> Result<Verdict, Refusal> {
    let invalid = |what: &str| (ErrorClass::ResultInvalid, what.to_owned());
    if raw.latency.is_some_and(|ms| !ms.is_finite() || ms < 0.0) {
        return Err(invalid(
            "`latency` is not a number of milliseconds from 0 up",
        ));
    }
    let too_large = |what: &str, bytes: usize| {
        let message = format!(
            "`{what}` has {bytes} bytes, at most {} are allowed",
            limits.result_bytes
        );
        (ErrorClass::ResultTooLarge, message)
    };
    if let Some(message) = &raw.message
        && message.len() > limits.result_bytes
    {
        return Err(too_large("message", message.len()));
    }
    let data = match raw.data {
        None => None,
        Some(json) if json.len() > limits.result_bytes => {
            return Err(too_large("data", json.len()));
        }
        Some(json) => {
            let too_deep = || {
                let message = format!("`data` is nested more than {RESULT_DEPTH} levels deep");
                (ErrorClass::ResultTooLarge, message)
            };
            let value = serde_json::from_str(&json).map_err(|error| {
                // The parser's own limit is 128 levels; it has no other name for it than this text.
                if error.to_string().starts_with("recursion limit exceeded") {
                    too_deep()
                } else {
                    invalid("`data` is not JSON")
                }
            })?;
            Some(clean_json(value, 1).ok_or_else(too_deep)?)
        }
    };
    Ok(Verdict {
        success: raw.success,
        latency: raw.latency,
        message: raw
            .message
            .map(|text| clean_text(&text, limits.result_bytes)),
        data,
    })
}

/// An error text of the guest, cut and clean.
pub(crate) fn error_text(text: &str) -> String {
    clean_text(text, MESSAGE_BYTES)
}

/// At most so many bytes, without NUL: it is valid in a string and in JSON, and `PostgreSQL` stores
/// neither: the record must not be lost for it.
pub(crate) fn clean_text(text: &str, most_bytes: usize) -> String {
    let mut clean = text[..text.floor_char_boundary(most_bytes)].replace('\0', "\u{fffd}");
    clean.truncate(clean.floor_char_boundary(most_bytes));
    clean
}

/// `None`: nested too deeply.
fn clean_json(value: Value, depth: usize) -> Option<Value> {
    let is_container = matches!(value, Value::Array(_) | Value::Object(_));
    if is_container && depth > RESULT_DEPTH {
        return None;
    }
    Some(match value {
        Value::String(text) => Value::String(clean_text(&text, usize::MAX)),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| clean_json(item, depth + 1));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, member)| {
                Some((
                    clean_text(&name, usize::MAX),
                    clean_json(member, depth + 1)?,
                ))
            });
            Value::Object(members.collect::<Option<_>>()?)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> bindings::Verdict {
        bindings::Verdict {
            success: true,
            latency: None,
            message: None,
            data: None,
        }
    }

    /// The engine checks all this too; here is what holds when it was tricked.
    #[test]
    fn a_guest_that_lies_is_not_believed() {
        let limits = Limits {
            result_bytes: 1_000,
            ..Limits::default()
        };
        let class = |change: &dyn Fn(&mut bindings::Verdict)| {
            let mut verdict = raw();
            change(&mut verdict);
            read(verdict, &limits).map_err(|(class, _)| class)
        };
        for latency in [f64::NAN, f64::INFINITY, -1.0] {
            let found = class(&|verdict| verdict.latency = Some(latency));
            assert_eq!(found, Err(ErrorClass::ResultInvalid), "{latency}");
        }
        let long = "x".repeat(1_001);
        let found = class(&|verdict| verdict.message = Some(long.clone()));
        assert_eq!(found, Err(ErrorClass::ResultTooLarge));
        let found = class(&|verdict| verdict.data = Some(format!("\"{long}\"")));
        assert_eq!(found, Err(ErrorClass::ResultTooLarge));
        for depth in [RESULT_DEPTH + 1, 128, 129, 400] {
            let deep = "[".repeat(depth) + &"]".repeat(depth);
            let found = class(&|verdict| verdict.data = Some(deep.clone()));
            assert_eq!(found, Err(ErrorClass::ResultTooLarge), "{depth}");
        }
        for nonsense in ["", "{", "undefined", "1 2"] {
            let found = class(&|verdict| verdict.data = Some(nonsense.to_owned()));
            assert_eq!(found, Err(ErrorClass::ResultInvalid), "{nonsense}");
        }
        assert_eq!(class(&|_| ()).map(|verdict| verdict.success), Ok(true));
    }

    #[test]
    fn text_is_clean_before_it_is_cut() {
        let text = "\0".repeat(100);
        let clean = clean_text(&text, 100);
        assert!(clean.len() <= 100 && !clean.contains('\0'), "{clean}");
        assert_eq!(clean_text("größe", 3), "gr");
    }
}
