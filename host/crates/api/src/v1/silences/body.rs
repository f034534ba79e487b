//! What a user sends to make or to change a silence, and everything that can be wrong with it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{
    ProjectId, ScriptError,
    silence::{MatcherText, Silence},
};
use vedette_store::SilenceContent;

use super::MatcherView;
use crate::problem::{FieldError, Problem};

/// Longest comment, in characters.
const MAX_COMMENT_CHARS: usize = 500;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SilenceBody {
    /// 1 to 20, all of which must match.
    #[schema(min_items = 1, max_items = 20)]
    matchers: Vec<MatcherView>,
    /// Now by default.
    // Far away, so that both examples together are always taken.
    #[schema(example = "2099-01-01T00:00:00Z")]
    starts_at: Option<DateTime<Utc>>,
    /// 366 days after the start at most.
    #[schema(example = "2099-01-01T04:00:00Z")]
    ends_at: DateTime<Utc>,
    /// Why, at most 500 characters; of control characters only line breaks.
    #[schema(max_length = 500, example = "The new provider is being tried out.")]
    comment: Option<String>,
}

impl SilenceBody {
    /// Checks everything and reports all that is wrong together.
    pub(super) fn check(self, now: DateTime<Utc>) -> Result<SilenceContent, Problem> {
        let mut errors: Vec<FieldError> = Vec::new();
        let comment = self.comment.unwrap_or_default();
        errors.extend(check_comment(&comment));
        let matchers: Vec<MatcherText> = self.matchers.into_iter().map(Into::into).collect();
        let from = self.starts_at.unwrap_or(now);
        let silence = Silence::parse(from, self.ends_at, &matchers)
            .map_err(|wrong| errors.extend(wrong.iter().map(renamed)));
        if let Ok(silence) = &silence
            && silence.interval.until <= now
        {
            errors.push(FieldError::new("/ends_at", "it is over already"));
        }
        match silence {
            Ok(silence) if errors.is_empty() => Ok(SilenceContent {
                project_id: matchers.iter().find_map(named_project),
                matchers,
                interval: silence.interval,
                comment,
            }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}

/// The project that a matcher keeps a silence to. A name may be given to another one at any time, an id may not.
fn named_project(matcher: &MatcherText) -> Option<ProjectId> {
    let is_of_project = matcher.label == "project" && matcher.operator == "=";
    matcher.value.parse().ok().filter(|_| is_of_project)
}

/// An error at the field that silences have.
fn renamed(error: &ScriptError) -> FieldError {
    let pointer = match error.pointer.as_str() {
        "/from" => "/starts_at",
        "/until" => "/ends_at",
        other => other,
    };
    FieldError::new(pointer, error.reason.replace("`from`", "`starts_at`"))
}

fn check_comment(comment: &str) -> Option<FieldError> {
    let chars = comment.chars().count();
    let detail = if chars > MAX_COMMENT_CHARS {
        format!("the comment has {chars} characters, at most {MAX_COMMENT_CHARS} are allowed")
    } else if comment.chars().any(|c| c.is_control() && c != '\n') {
        "of control characters, only line breaks are allowed".to_owned()
    } else {
        return None;
    };
    Some(FieldError::new("/comment", detail))
}
