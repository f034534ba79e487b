//! What an alert rule says, read strictly from JSON and written back.
//!
//! The fields of each kind and their bounds are one table, `KINDS`: the reader and the published
//! schema are both made from it.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    ScriptError,
    outcome::{UnknownWord, text_enum},
    script::escape_pointer,
};

mod fields;
mod schema;
#[cfg(test)]
mod tests;
mod window;

use fields::{Field, FieldKind, KINDS, Kind, Preset};
pub use schema::rule_schema;
pub use window::Window;

/// Where a rule lies in the request that saves it.
const POINTER: &str = "/rule_definition";
/// Most executions in a row that a rule may ask for.
pub const MAX_CONSECUTIVE: u32 = 100;
/// Most changes that a `flapping` rule may ask for, which is how many a state keeps.
pub const MAX_CHANGES: u32 = 20;

text_enum! {
    /// How a latency is compared with its threshold.
    Operator {
        /// Longer.
        Greater = ">",
        /// Longer, or the same.
        GreaterOrEqual = ">=",
        /// Shorter.
        Less = "<",
        /// Shorter, or the same.
        LessOrEqual = "<=",
    }
}

impl Operator {
    /// Whether `left` stands so to `right`. NaN does not stand in any way to anything.
    pub fn holds(self, left: f64, right: f64) -> bool {
        let ordering = left.partial_cmp(&right);
        match self {
            Self::Greater => ordering == Some(Ordering::Greater),
            Self::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
            Self::Less => ordering == Some(Ordering::Less),
            Self::LessOrEqual => ordering.is_some_and(Ordering::is_le),
        }
    }
}

/// What a rule looks for. Every number is within the bounds of the [schema](rule_schema).
#[derive(Debug, Clone, PartialEq)]
pub enum RuleDefinition {
    /// The target is down, and up again.
    StatusChange {
        /// Failures in a row that it takes to fire: 1 to 100, 3 if left out.
        consecutive_failures: u32,
        /// Successes in a row that it takes to recover: 1 to 100, 2 if left out.
        consecutive_successes: u32,
        /// Whether a first failure is checked again after a few seconds before it counts.
        recheck: bool,
    },
    /// The target answers too slowly, or suspiciously fast.
    Latency {
        /// Milliseconds, 1 to 600,000.
        threshold_ms: f64,
        /// How a latency has to stand to the threshold to count against the target.
        operator: Operator,
        /// How many in a row it takes to fire, and to recover: 1 to 100, 3 if left out.
        consecutive: u32,
    },
    /// The check itself is broken.
    Error {
        /// How many in a row it takes to fire, and of verdicts to recover: 1 to 100, 3 if left out.
        consecutive: u32,
    },
    /// There is no verdict.
    NoData {
        /// For how many slots of its schedule: 1 to 100, 3 if left out.
        intervals: u32,
    },
    /// The target's certificate ends soon.
    CertificateExpiry {
        /// In this many days, or fewer: 1 to 365, 14 if left out.
        days: u32,
    },
    /// Too few of the verdicts of a window are well.
    Uptime {
        /// Percent, 1 to 100.
        below_percent: f64,
        /// How far it looks back.
        window: Window,
    },
    /// The target goes up and down.
    Flapping {
        /// Changes within the window that it takes to fire: 2 to 20, 4 if left out. Half of them,
        /// or fewer, are a recovery.
        changes: u32,
        /// How far it looks back: an hour if left out.
        window: Window,
    },
}

impl RuleDefinition {
    /// Reads a rule as a user gives it.
    ///
    /// # Errors
    /// The first thing that is not exactly as it should be: an unknown kind or field, a value of
    /// another type or out of its range, a required field that is missing. The pointer lies at or
    /// below `/rule_definition`.
    pub fn read(value: &Value) -> Result<Self, ScriptError> {
        let reader = Reader::new(value)?;
        Ok(match reader.kind.name {
            "status_change" => Self::StatusChange {
                consecutive_failures: reader.integer("consecutive_failures")?,
                consecutive_successes: reader.integer("consecutive_successes")?,
                recheck: reader.boolean("recheck")?,
            },
            "latency" => Self::Latency {
                threshold_ms: reader.number("threshold_ms")?,
                operator: reader.operator("operator")?,
                consecutive: reader.integer("consecutive")?,
            },
            "error" => Self::Error {
                consecutive: reader.integer("consecutive")?,
            },
            "no_data" => Self::NoData {
                intervals: reader.integer("intervals")?,
            },
            "certificate_expiry" => Self::CertificateExpiry {
                days: reader.integer("days")?,
            },
            "uptime" => Self::Uptime {
                below_percent: reader.number("below_percent")?,
                window: reader.window("window")?,
            },
            "flapping" => Self::Flapping {
                changes: reader.integer("changes")?,
                window: reader.window("window")?,
            },
            other => unreachable!("{other} is in the table, and is not read"),
        })
    }

    /// The spelling of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::StatusChange { .. } => "status_change",
            Self::Latency { .. } => "latency",
            Self::Error { .. } => "error",
            Self::NoData { .. } => "no_data",
            Self::CertificateExpiry { .. } => "certificate_expiry",
            Self::Uptime { .. } => "uptime",
            Self::Flapping { .. } => "flapping",
        }
    }

    /// The rule as JSON, with what was left out filled in. Reading it gives the same rule.
    pub fn to_json(&self) -> Value {
        let mut json = match self {
            Self::StatusChange {
                consecutive_failures,
                consecutive_successes,
                recheck,
            } => json!({
                "consecutive_failures": consecutive_failures,
                "consecutive_successes": consecutive_successes,
                "recheck": recheck,
            }),
            Self::Latency {
                threshold_ms,
                operator,
                consecutive,
            } => json!({
                "threshold_ms": number(*threshold_ms),
                "operator": operator,
                "consecutive": consecutive,
            }),
            Self::Error { consecutive } => json!({ "consecutive": consecutive }),
            Self::NoData { intervals } => json!({ "intervals": intervals }),
            Self::CertificateExpiry { days } => json!({ "days": days }),
            Self::Uptime {
                below_percent,
                window,
            } => json!({
                "below_percent": number(*below_percent),
                "window": window.to_string(),
            }),
            Self::Flapping { changes, window } => {
                json!({ "changes": changes, "window": window.to_string() })
            }
        };
        json["type"] = self.kind().into();
        json
    }
}

/// A whole number is written as one: `1000`, not `1000.0`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bounds of all fields fit"
)]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 {
        (value as i64).into()
    } else {
        value.into()
    }
}

/// The members of a rule, with the table's entry for its kind.
struct Reader<'a> {
    kind: &'static Kind,
    members: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    /// Finds the kind, and refuses members that it does not have.
    fn new(value: &'a Value) -> Result<Self, ScriptError> {
        let Value::Object(members) = value else {
            return Err(ScriptError::new(POINTER, "the rule must be an object"));
        };
        let name = members.get("type").and_then(Value::as_str);
        let Some(kind) = KINDS.iter().find(|kind| name == Some(kind.name)) else {
            let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            let reason = format!("the type must be one of {}", names.join(", "));
            return Err(ScriptError::new(format!("{POINTER}/type"), reason));
        };
        let unknown = members
            .keys()
            .find(|name| *name != "type" && kind.field(name).is_none());
        if let Some(name) = unknown {
            let names: Vec<_> = kind.fields.iter().map(|field| field.name).collect();
            let reason = format!(
                "a rule of type {} has no such field; it has {}",
                kind.name,
                names.join(", ")
            );
            let pointer = format!("{POINTER}/{}", escape_pointer(name));
            return Err(ScriptError::new(pointer, reason));
        }
        Ok(Self { kind, members })
    }

    /// The value of a field, `None` where it may be and is left out, and its entry in the table.
    fn get(&self, name: &str) -> Result<(Option<&'a Value>, &'static Field), ScriptError> {
        let field = self.kind.field(name).expect("the table has every field");
        match self.members.get(name) {
            None if field.preset == Preset::Required => Err(field.refusal("is required, and")),
            value => Ok((value, field)),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and within bounds that fit"
    )]
    fn integer(&self, name: &str) -> Result<u32, ScriptError> {
        let (value, field) = self.get(name)?;
        let FieldKind::Integer { least, most } = field.kind else {
            unreachable!("the table has an integer here");
        };
        match (value.map(Value::as_f64), field.preset) {
            (None, Preset::Integer(preset)) => Ok(preset),
            // As in JSON Schema, `3.0` is an integer.
            (Some(Some(given)), _)
                if given.fract() == 0.0
                    && (f64::from(least)..=f64::from(most)).contains(&given) =>
            {
                Ok(given as u32)
            }
            _ => Err(field.refusal("")),
        }
    }

    fn number(&self, name: &str) -> Result<f64, ScriptError> {
        let (value, field) = self.get(name)?;
        let FieldKind::Number { least, most } = field.kind else {
            unreachable!("the table has a number here");
        };
        value
            .and_then(Value::as_f64)
            .filter(|given| (f64::from(least)..=f64::from(most)).contains(given))
            .ok_or_else(|| field.refusal(""))
    }

    fn boolean(&self, name: &str) -> Result<bool, ScriptError> {
        let (value, field) = self.get(name)?;
        match (value, field.preset) {
            (None, Preset::Boolean(preset)) => Ok(preset),
            (Some(Value::Bool(given)), _) => Ok(*given),
            _ => Err(field.refusal("")),
        }
    }

    fn operator(&self, name: &str) -> Result<Operator, ScriptError> {
        self.text(name)
    }

    fn window(&self, name: &str) -> Result<Window, ScriptError> {
        self.text(name)
    }

    fn text<T: FromStr>(&self, name: &str) -> Result<T, ScriptError> {
        let (value, field) = self.get(name)?;
        let text = match (value, field.preset) {
            (None, Preset::Text(preset)) => Some(preset),
            (value, _) => value.and_then(Value::as_str),
        };
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| field.refusal(""))
    }
}

impl Field {
    /// A refusal that says what is allowed.
    fn refusal(&self, why: &str) -> ScriptError {
        let space = if why.is_empty() { "" } else { " " };
        let allowed = match self.kind {
            FieldKind::Integer { least, most } => format!("a whole number from {least} to {most}"),
            FieldKind::Number { least, most } => format!("a number from {least} to {most}"),
            FieldKind::Boolean => "true or false".to_owned(),
            FieldKind::Operator => "one of >, >=, <, <=".to_owned(),
            FieldKind::Window => Window::GRAMMAR.to_owned(),
        };
        let reason = format!("`{}` {why}{space}must be {allowed}", self.name);
        ScriptError::new(format!("{POINTER}/{}", self.name), reason)
    }
}
