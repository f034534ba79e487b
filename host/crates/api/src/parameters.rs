//! Checking parameters against a template's schema: the part of JSON Schema that templates use.
//!
//! `type`, `enum`, `minimum`, `maximum`, `minLength`, `format: uri` of each property, `required`,
//! and no property that the schema does not name. Defaults are filled in.

use serde_json::{Map, Value};
use url::Url;

use crate::{json, problem::FieldError};

/// Fills in defaults and collects everything that does not fit.
pub(crate) fn apply(schema: &Value, parameters: &mut Map<String, Value>) -> Vec<FieldError> {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    for (name, property) in properties {
        if let Some(default) = property.get("default")
            && !parameters.contains_key(name)
        {
            parameters.insert(name.clone(), default.clone());
        }
    }
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let missing = required
        .filter(|name| !parameters.contains_key(*name))
        .map(|name| error(name, "the template needs this parameter"));
    let mut errors: Vec<_> = missing.collect();
    for (name, value) in &*parameters {
        let Some(property) = properties.get(name) else {
            let known: Vec<_> = properties.keys().map(String::as_str).collect();
            let detail = format!(
                "the template has no such parameter; it has {}",
                known.join(", ")
            );
            errors.push(error(name, detail));
            continue;
        };
        if let Some(detail) = misfit(property, value) {
            errors.push(error(name, detail));
        }
    }
    errors
}

fn error(name: &str, detail: impl Into<String>) -> FieldError {
    FieldError::new(format!("/parameters/{}", json::escape(name)), detail)
}

/// What keeps a value from being what the property says.
fn misfit(property: &Value, value: &Value) -> Option<String> {
    if let Some(kind) = property["type"].as_str() {
        let fits = match kind {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        if !fits {
            return Some(format!("must be of type {kind}"));
        }
    }
    if let Some(choices) = property["enum"].as_array()
        && !choices.contains(value)
    {
        let choices: Vec<_> = choices.iter().map(ToString::to_string).collect();
        return Some(format!("must be one of {}", choices.join(", ")));
    }
    if let Some(number) = value.as_f64() {
        let least = property["minimum"].as_f64();
        let most = property["maximum"].as_f64();
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            let bound =
                |bound: Option<f64>| bound.map_or("any".to_owned(), |bound| bound.to_string());
            return Some(format!("must be from {} to {}", bound(least), bound(most)));
        }
    }
    if let Some(text) = value.as_str() {
        let least = property["minLength"].as_u64().unwrap_or(0);
        if (text.chars().count() as u64) < least {
            return Some(format!("must have at least {least} characters"));
        }
        if property["format"] == "uri" && !is_web_address(text) {
            return Some("must be an http or https URL".to_owned());
        }
    }
    None
}

/// As a script's `fetch` would read it. Whether it may be fetched is decided at the run.
fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests;
