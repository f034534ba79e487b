//! What a window or a silence is about: the scope of a window, the matchers of a silence.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{interval::Interval, window::check_once};
use crate::{
    ProjectId, ScriptError, ScriptId,
    outcome::{UnknownWord, text_enum},
    script::MAX_TAG_CHARS,
};

/// Most matchers of a silence.
pub const MAX_MATCHERS: usize = 20;
/// Longest value of a matcher, in characters.
pub const MAX_LABEL_CHARS: usize = 200;

/// What a maintenance window covers.
///
/// In JSON `{"kind": "organization"}`, `{"kind": "project", "id": …}`, `{"kind": "tag", "name":
/// "shop"}` or `{"kind": "script", "id": …}`: the whole organization has to be said too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scope {
    /// Every script of the organization.
    Organization,
    /// The scripts of a project.
    Project {
        /// The project.
        id: ProjectId,
    },
    /// The scripts that have a tag.
    Tag {
        /// The tag, exactly; see [`check_tag`].
        name: String,
    },
    /// One script.
    Script {
        /// The script.
        id: ScriptId,
    },
}

impl Scope {
    /// Whether it covers this script.
    pub fn covers(&self, script: &ScriptLabels<'_>) -> bool {
        match self {
            Self::Organization => true,
            Self::Project { id } => *id == script.project_id,
            Self::Tag { name } => script.tags.contains(name),
            Self::Script { id } => *id == script.script_id,
        }
    }
}

/// Accepts a tag of 1 to [`MAX_TAG_CHARS`] characters without control characters, without `*`
/// (which stands for any text in a matcher), and without white space at its ends.
pub fn check_tag(tag: &str) -> Result<(), ScriptError> {
    let reason = match tag.chars().count() {
        0 => "a tag must not be empty".to_owned(),
        chars if chars > MAX_TAG_CHARS => {
            format!("the tag has {chars} characters, at most {MAX_TAG_CHARS} are allowed")
        }
        _ if tag.trim() != tag => "a tag must not begin or end with white space".to_owned(),
        _ if tag.chars().any(|c| c.is_control() || c == '*') => {
            "a tag must not contain `*` or control characters".to_owned()
        }
        _ => return Ok(()),
    };
    Err(ScriptError::new("/tag", reason))
}

/// What a script is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLabels<'a> {
    /// Its id.
    pub script_id: ScriptId,
    /// Its name.
    pub script_name: &'a str,
    /// The id of its project.
    pub project_id: ProjectId,
    /// The name of its project.
    pub project_name: &'a str,
    /// Its tags, in any order.
    pub tags: &'a [String],
}

/// What an alert is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertLabels<'a> {
    /// Its script.
    pub script: ScriptLabels<'a>,
    /// The severity of its rule.
    pub severity: &'a str,
    /// The type of its rule, such as `latency`.
    pub rule_type: &'a str,
}

text_enum! {
    /// What a matcher looks at.
    Label {
        /// The script's name or its id.
        Script = "script",
        /// The name or the id of the script's project.
        Project = "project",
        /// The script's tags.
        Tag = "tag",
        /// The severity of the alert rule.
        Severity = "severity",
        /// The type of the alert rule.
        RuleType = "rule_type",
    }
}

text_enum! {
    /// How a matcher compares.
    Operator {
        /// One of the label's values is as the matcher says.
        Is = "=",
        /// None of them is.
        IsNot = "!=",
    }
}

/// One matcher as people write it and as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatcherText {
    /// `script`, `project`, `tag`, `severity` or `rule_type`.
    pub label: String,
    /// `=` or `!=`.
    pub operator: String,
    /// A text of 1 to [`MAX_LABEL_CHARS`] characters, in which `*` stands for any text.
    pub value: String,
}

/// The matchers of a silence: at least one, and all of them must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matchers(Vec<Matcher>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Matcher {
    label: Label,
    operator: Operator,
    pattern: String,
}

impl Matchers {
    /// Reads 1 to [`MAX_MATCHERS`] matchers.
    ///
    /// # Errors
    /// Everything that is wrong, with pointers such as `/matchers/0/label`. No matchers at all, and
    /// one that everything matches, would silence more than anybody means.
    pub fn parse(texts: &[MatcherText]) -> Result<Self, Vec<ScriptError>> {
        if texts.is_empty() {
            let reason = "give at least one matcher: none would silence every alert";
            return Err(vec![ScriptError::new("/matchers", reason)]);
        }
        if texts.len() > MAX_MATCHERS {
            let count = texts.len();
            let reason = format!("{count} matchers, at most {MAX_MATCHERS} are allowed");
            return Err(vec![ScriptError::new("/matchers", reason)]);
        }
        let mut errors = Vec::new();
        let mut matchers = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let mut refuse = |field: &str, reason: String| {
                errors.push(ScriptError::new(
                    format!("/matchers/{index}/{field}"),
                    reason,
                ));
            };
            let label = Label::from_str(&text.label);
            let operator = Operator::from_str(&text.operator);
            if label.is_err() {
                refuse("label", format!("not one of {}", list(Label::ALL)));
            }
            if operator.is_err() {
                let reason = "is `=` or `!=`; in the value, `*` stands for any text".to_owned();
                refuse("operator", reason);
            }
            if let Err(reason) = check_pattern(&text.value, label.as_ref().ok()) {
                refuse("value", reason);
            }
            if let (Ok(label), Ok(operator)) = (label, operator) {
                let pattern = text.value.clone();
                matchers.push(Matcher {
                    label,
                    operator,
                    pattern,
                });
            }
        }
        if errors.is_empty() {
            Ok(Self(matchers))
        } else {
            Err(errors)
        }
    }

    /// Whether all of them match.
    pub fn match_alert(&self, alert: &AlertLabels<'_>) -> bool {
        self.0.iter().all(|matcher| matcher.matches(alert))
    }
}

impl Matcher {
    fn matches(&self, alert: &AlertLabels<'_>) -> bool {
        let script = &alert.script;
        let fits = |value: &str| matches_pattern(&self.pattern, value);
        let any_fits = match self.label {
            Label::Script => fits(script.script_name) || fits(&script.script_id.to_string()),
            Label::Project => fits(script.project_name) || fits(&script.project_id.to_string()),
            Label::Tag => script.tags.iter().any(|tag| fits(tag)),
            Label::Severity => fits(alert.severity),
            Label::RuleType => fits(alert.rule_type),
        };
        match self.operator {
            Operator::Is => any_fits,
            Operator::IsNot => !any_fits,
        }
    }
}

fn check_pattern(pattern: &str, label: Option<&Label>) -> Result<(), String> {
    let chars = pattern.chars().count();
    if chars == 0 {
        return Err("the value must not be empty".to_owned());
    }
    if chars > MAX_LABEL_CHARS {
        return Err(format!(
            "the value has {chars} characters, at most {MAX_LABEL_CHARS} are allowed"
        ));
    }
    if pattern.chars().any(char::is_control) {
        return Err("the value must not contain control characters".to_owned());
    }
    // A script may be without tags; of everything else each alert has a value.
    let says_nothing = pattern.chars().all(|c| c == '*') && label != Some(&Label::Tag);
    if says_nothing {
        return Err("`*` alone is everything: leave the matcher out".to_owned());
    }
    Ok(())
}

/// Whether the whole text is as the pattern says; `*` stands for any text, also for none.
///
/// Between the first and the last piece each piece is taken where it is found first, which leaves
/// most room for the others. No backtracking: the work is that of finding each piece once.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = text
        .strip_prefix(first)
        .and_then(|text| text.strip_suffix(last));
    let Some(inner) = inner else { return false };
    let mut rest = inner;
    middle.split('*').all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

fn list(labels: &[Label]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    quoted.join(", ")
}

/// A silence: for one stretch of time nobody is notified of the alerts that its matchers pick out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// When.
    pub interval: Interval,
    /// Which alerts.
    pub matchers: Matchers,
}

impl Silence {
    /// Reads a silence; as long as a window that is given once, at most.
    ///
    /// # Errors
    /// Everything that is wrong, each with the pointer of its field.
    pub fn parse(
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        matchers: &[MatcherText],
    ) -> Result<Self, Vec<ScriptError>> {
        match (
            check_once(Some(from), Some(until)),
            Matchers::parse(matchers),
        ) {
            (Ok(interval), Ok(matchers)) => Ok(Self { interval, matchers }),
            (interval, matchers) => {
                let mut errors: Vec<ScriptError> = interval.err().into_iter().collect();
                errors.extend(matchers.err().into_iter().flatten());
                Err(errors)
            }
        }
    }

    /// Whether the alert is silenced at this instant.
    pub fn silences(&self, alert: &AlertLabels<'_>, instant: DateTime<Utc>) -> bool {
        self.interval.contains(instant) && self.matchers.match_alert(alert)
    }
}
