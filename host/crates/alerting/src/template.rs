//! Templates that users write, in a part of the Mustache language: variables, sections, inverted sections,
//! comments. Nothing else is in the language, so that a template can do nothing else.
//!
//! Everything that can be wrong is found when a template is saved: a name that does not exist is an error with
//! its line, not a hole in a message at night. Values are escaped for where they go, always, and are never read
//! as templates. What comes out is bounded.

use std::fmt;

use serde_json::Value;

use crate::{Notification, text, told::Told};

mod parse;
#[cfg(test)]
mod tests;

/// Largest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 16 * 1024;
/// Largest text that a template gives, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 128 * 1024;
/// Deepest nesting of sections.
pub const MAX_TEMPLATE_DEPTH: usize = 8;

/// Names that stand for a single value everywhere.
pub const VARIABLES: &[&str] = &[
    "id",
    "event",
    "severity",
    "headline",
    "organization",
    "project",
    "script",
    "rule",
    "incident",
    "occurred_at",
    "started_at",
    "ended_at",
    "duration_seconds",
    "message",
    "failing_step",
    "last_good_id",
    "last_good_at",
    "first_bad_id",
    "first_bad_at",
    "link",
    "requests_omitted",
    "items_omitted",
];

/// Names of lists, and the names that stand for a value inside of their sections. A name that is in [`VARIABLES`]
/// too means the element's there.
pub const LISTS: &[(&str, &[&str])] = &[
    (
        "requests",
        &["method", "url", "status", "error", "total_ms"],
    ),
    (
        "items",
        &[
            "incident", "event", "severity", "project", "script", "message",
        ],
    ),
];

/// Where a text goes, and so how values are escaped in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Between the quotes of a JSON string (RFC 8259 section 7).
    Json,
    /// The text of HTML, and attributes in quotes.
    Html,
    /// Plain text: as it is.
    Plain,
    /// A part of a URL or of a form (RFC 3986 section 2.3).
    Url,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TemplateError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there and what is allowed.
    pub reason: String,
}

/// A template gave more than [`MAX_OUTPUT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the template gives more than {MAX_OUTPUT_BYTES} bytes")]
pub struct OutputTooLarge;

/// A template that was read and can be filled in.
#[derive(Clone)]
pub struct Template {
    source: String,
    target: Target,
    nodes: Vec<Node>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("target", &self.target)
            .field("bytes", &self.source.len())
            .finish_non_exhaustive()
    }
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Value(Name),
    /// For each element of a list, or once for a value that is there.
    Section(Subject, Vec<Node>),
    /// Once, for a list without elements or a value that is not there.
    Inverted(Subject, Vec<Node>),
}

/// A value by its name, known to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// Of the notification.
    Outer(&'static str),
    /// Of the element of the list whose section it stands in.
    Element(&'static str),
}

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Value(Name),
    List(&'static str),
}

impl Template {
    /// Reads a template whose output goes to `target`.
    ///
    /// # Errors
    /// The first thing in it that is wrong, with its line: too large, not closed, a name that does not exist.
    pub fn parse(source: &str, target: Target) -> Result<Self, TemplateError> {
        Ok(Self {
            source: source.to_owned(),
            target,
            nodes: parse::parse(source)?,
        })
    }

    /// The text that it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills it in.
    ///
    /// # Errors
    /// When the result is too large.
    pub fn fill(&self, notification: &Notification) -> Result<String, OutputTooLarge> {
        self.fill_told(&Told::new(notification))
    }

    pub(crate) fn fill_told(&self, told: &Told) -> Result<String, OutputTooLarge> {
        let values = serde_json::to_value(told).expect("texts and numbers are JSON");
        let mut filling = Filling {
            target: self.target,
            outer: &values,
            element: &Value::Null,
            written: String::new(),
        };
        filling.nodes(&self.nodes)?;
        Ok(filling.written)
    }
}

/// A template that is being filled in.
struct Filling<'a> {
    target: Target,
    outer: &'a Value,
    element: &'a Value,
    written: String,
}

impl<'a> Filling<'a> {
    fn nodes(&mut self, nodes: &[Node]) -> Result<(), OutputTooLarge> {
        for node in nodes {
            match node {
                Node::Text(text) => self.written.push_str(text),
                Node::Value(name) => {
                    let shown = shown(self.value(*name));
                    let escaped = match self.target {
                        Target::Json => text::escaped(&shown, text::json),
                        Target::Html => text::escaped(&shown, text::html),
                        Target::Plain => shown,
                        Target::Url => text::escaped(&shown, text::percent),
                    };
                    self.written.push_str(&escaped);
                }
                Node::Section(Subject::List(list), inner) => {
                    let around = self.element;
                    for element in self.list(list) {
                        self.element = element;
                        self.nodes(inner)?;
                    }
                    self.element = around;
                }
                Node::Section(Subject::Value(name), inner) => {
                    if is_there(self.value(*name)) {
                        self.nodes(inner)?;
                    }
                }
                Node::Inverted(Subject::List(list), inner) => {
                    if self.list(list).is_empty() {
                        self.nodes(inner)?;
                    }
                }
                Node::Inverted(Subject::Value(name), inner) => {
                    if !is_there(self.value(*name)) {
                        self.nodes(inner)?;
                    }
                }
            }
            if self.written.len() > MAX_OUTPUT_BYTES {
                return Err(OutputTooLarge);
            }
        }
        Ok(())
    }

    fn value(&self, name: Name) -> &'a Value {
        match name {
            Name::Outer(name) => &self.outer[name],
            Name::Element(name) => &self.element[name],
        }
    }

    fn list(&self, name: &str) -> &'a [Value] {
        self.outer[name].as_array().map_or(&[], Vec::as_slice)
    }
}

/// A value in a text; nothing for one that is not there.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a section about a value is written: not without the value, for an empty text, or for 0.
fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        other => other.as_u64() != Some(0),
    }
}
