//! Limits on what a user saves, checked before anything is stored.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    component::Digest,
    outcome::{UnknownWord, text_enum},
    silence::check_tag,
};

#[cfg(test)]
mod tests;

/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Most tags of a script.
pub const MAX_TAGS: usize = 20;
/// Longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 50;
/// Largest source, in bytes. Shopify caps a whole module at the same size.
pub const MAX_SOURCE_BYTES: usize = 256 * 1024;
/// Largest parameter object, in bytes of JSON.
pub const MAX_PARAMETERS_BYTES: usize = 64 * 1024;
/// Deepest nesting of the parameters.
pub const MAX_PARAMETERS_DEPTH: usize = 32;
/// Most members and elements in the parameters, all levels together.
pub const MAX_PARAMETERS_NODES: usize = 10_000;
/// Most environment variables of a script.
pub const MAX_ENV_VARS: usize = 64;
/// Longest name of an environment variable, in bytes.
pub const MAX_ENV_NAME_BYTES: usize = 128;
/// Largest value of an environment variable, in bytes.
pub const MAX_ENV_VALUE_BYTES: usize = 5 * 1024;
/// Bounds of the time limit of a run, in seconds.
pub const TIMEOUT_SECONDS: std::ops::RangeInclusive<u32> = 1..=60;
/// The time limit of a run when none is set, in seconds.
pub const DEFAULT_TIMEOUT_SECONDS: u32 = 30;

text_enum! {
    /// What a source is written in.
    SourceLanguage {
        /// An ES module.
        JavaScript = "javascript",
        /// An ES module with types, which are taken out before it is compiled.
        TypeScript = "typescript",
    }
}

text_enum! {
    /// What a script's program is.
    ProgramKind {
        /// A source.
        Script = "script",
        /// An uploaded component.
        Component = "component",
    }
}

/// What a script runs. Another program is another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A source, compiled in the sandbox.
    Source {
        /// The source itself.
        text: String,
        /// What it is written in.
        language: SourceLanguage,
    },
    /// The uploaded component of exactly these bytes: a name could come to mean others.
    Component(Digest),
}

impl Program {
    /// Which of the two it is.
    pub const fn kind(&self) -> ProgramKind {
        match self {
            Self::Source { .. } => ProgramKind::Script,
            Self::Component(_) => ProgramKind::Component,
        }
    }
}

/// A part of a script that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ScriptError {
    /// The field, as a JSON pointer into the request (RFC 6901), for example `/env_vars/a-b`.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

impl ScriptError {
    pub(crate) fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            reason: reason.into(),
        }
    }
}

/// Accepts a name of 1 to [`MAX_NAME_CHARS`] characters without control characters.
pub fn check_name(name: &str) -> Result<(), ScriptError> {
    let chars = name.chars().count();
    if name.trim().is_empty() {
        return Err(ScriptError::new("/name", "the name must not be empty"));
    }
    if chars > MAX_NAME_CHARS {
        let reason =
            format!("the name has {chars} characters, at most {MAX_NAME_CHARS} are allowed");
        return Err(ScriptError::new("/name", reason));
    }
    if name.chars().any(char::is_control) {
        return Err(ScriptError::new(
            "/name",
            "the name must not contain control characters",
        ));
    }
    Ok(())
}

/// Accepts at most [`MAX_TAGS`] tags, none of them twice; see [`check_tag`].
pub fn check_tags(tags: &[String]) -> Result<(), ScriptError> {
    if tags.len() > MAX_TAGS {
        let count = tags.len();
        let reason = format!("{count} tags, at most {MAX_TAGS} are allowed");
        return Err(ScriptError::new("/tags", reason));
    }
    for (index, tag) in tags.iter().enumerate() {
        let pointer = || format!("/tags/{index}");
        if let Err(error) = check_tag(tag) {
            return Err(ScriptError::new(pointer(), error.reason));
        }
        if tags[..index].contains(tag) {
            return Err(ScriptError::new(pointer(), "this tag is there twice"));
        }
    }
    Ok(())
}

/// Accepts a source of 1 to [`MAX_SOURCE_BYTES`] bytes without NUL.
pub fn check_source(source: &str) -> Result<(), ScriptError> {
    if source.trim().is_empty() {
        return Err(ScriptError::new(
            "/script_body",
            "the source must not be empty",
        ));
    }
    if source.len() > MAX_SOURCE_BYTES {
        let reason = format!(
            "the source has {} bytes, at most {MAX_SOURCE_BYTES} are allowed",
            source.len()
        );
        return Err(ScriptError::new("/script_body", reason));
    }
    if source.contains('\0') {
        return Err(ScriptError::new(
            "/script_body",
            "the source must not contain a NUL character",
        ));
    }
    Ok(())
}

/// Accepts a parameter object within the limits of size, depth and number of nodes.
pub fn check_parameters(parameters: &Map<String, Value>) -> Result<(), ScriptError> {
    let bytes = serde_json::to_vec(parameters).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_PARAMETERS_BYTES {
        let reason = format!(
            "the parameters have {bytes} bytes, at most {MAX_PARAMETERS_BYTES} are allowed"
        );
        return Err(ScriptError::new("/parameters", reason));
    }
    let mut nodes = 0;
    for (name, value) in parameters {
        // PostgreSQL keeps no NUL in JSON.
        if name.contains('\0') {
            let reason = "a name must not contain a NUL character";
            return Err(ScriptError::new("/parameters", reason));
        }
        check_node(name, value, 2, &mut nodes)?;
    }
    Ok(())
}

fn check_node(
    top: &str,
    value: &Value,
    depth: usize,
    nodes: &mut usize,
) -> Result<(), ScriptError> {
    *nodes += 1;
    let pointer = || format!("/parameters/{}", escape_pointer(top));
    if *nodes > MAX_PARAMETERS_NODES {
        let reason = format!("more than {MAX_PARAMETERS_NODES} members and elements");
        return Err(ScriptError::new("/parameters", reason));
    }
    let is_container = matches!(value, Value::Array(_) | Value::Object(_));
    if is_container && depth > MAX_PARAMETERS_DEPTH {
        let reason = format!("nested more than {MAX_PARAMETERS_DEPTH} levels deep");
        return Err(ScriptError::new(pointer(), reason));
    }
    match value {
        Value::String(text) if text.contains('\0') => Err(ScriptError::new(
            pointer(),
            "text must not contain a NUL character",
        )),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| check_node(top, item, depth + 1, nodes)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            if name.contains('\0') {
                return Err(ScriptError::new(
                    pointer(),
                    "a name must not contain a NUL character",
                ));
            }
            check_node(top, member, depth + 1, nodes)
        }),
        _ => Ok(()),
    }
}

/// Accepts environment variables with POSIX names and values within the limits.
pub fn check_env_vars(env_vars: &BTreeMap<String, String>) -> Result<(), ScriptError> {
    if env_vars.len() > MAX_ENV_VARS {
        let reason = format!(
            "{} variables, at most {MAX_ENV_VARS} are allowed",
            env_vars.len()
        );
        return Err(ScriptError::new("/env_vars", reason));
    }
    for (name, value) in env_vars {
        let pointer = || format!("/env_vars/{}", escape_pointer(name));
        if !is_env_name(name) {
            let reason = "a name has letters, digits and underscores, does not begin with a digit, \
                          and is at most 128 bytes long";
            return Err(ScriptError::new(pointer(), reason));
        }
        if value.len() > MAX_ENV_VALUE_BYTES {
            let reason = format!(
                "the value has {} bytes, at most {MAX_ENV_VALUE_BYTES} are allowed",
                value.len()
            );
            return Err(ScriptError::new(pointer(), reason));
        }
        if value.contains('\0') {
            return Err(ScriptError::new(
                pointer(),
                "the value must not contain a NUL character",
            ));
        }
    }
    Ok(())
}

/// Accepts a time limit within [`TIMEOUT_SECONDS`].
pub fn check_timeout_seconds(seconds: u32) -> Result<(), ScriptError> {
    if TIMEOUT_SECONDS.contains(&seconds) {
        return Ok(());
    }
    let (least, most) = (TIMEOUT_SECONDS.start(), TIMEOUT_SECONDS.end());
    let reason = format!("{seconds} s is not between {least} s and {most} s");
    Err(ScriptError::new("/timeout_seconds", reason))
}

pub(crate) fn is_env_name(name: &str) -> bool {
    name.len() <= MAX_ENV_NAME_BYTES
        && name
            .chars()
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Escapes one token of a JSON pointer (RFC 6901 section 3).
pub(crate) fn escape_pointer(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
