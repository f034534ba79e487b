//! Which records a list is asked for.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Deserialize;
use utoipa::IntoParams;
use vedette_core::UserId;
use vedette_store::{AuditFilter, PageRequest};

use crate::{
    extract::{page_request, query_id, query_time},
    problem::Problem,
};

/// Longest name of an action, or of a thing: a digest with its prefix.
const MAX_TEXT: usize = 128;

/// A filter, and which page of what fits it.
pub(crate) struct AuditQuery(pub(crate) AuditFilter, pub(crate) PageRequest);

/// As the query has it; for the document, too.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawAuditQuery {
    /// Such as `script.update`; `script.` is all of scripts.
    action: Option<String>,
    /// By this user, or a key of theirs.
    #[param(value_type = Option<Uuid>)]
    actor_id: Option<String>,
    /// The id or the digest of a thing.
    target: Option<String>,
    /// Not before.
    #[param(value_type = Option<DateTime<Utc>>)]
    since: Option<String>,
    /// Before.
    #[param(value_type = Option<DateTime<Utc>>)]
    until: Option<String>,
    /// 1 to 100, 50 by default.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for AuditQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawAuditQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                Problem::bad_request(
                    "the audit log takes `action`, `actor_id`, `target`, `since`, `until`, \
                     `limit` and `cursor`, once each",
                )
            })?;
        let filter = AuditFilter {
            action: text("action", raw.action)?,
            actor: query_id::<UserId>("actor_id", raw.actor_id)?,
            target: text("target", raw.target)?,
            since: query_time("since", raw.since)?,
            until: query_time("until", raw.until)?,
        };
        Ok(Self(filter, page_request(raw.limit, raw.cursor)?))
    }
}

/// A text that could be in a record.
fn text(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    let is_good = |text: &String| {
        text.len() <= MAX_TEXT && !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
    };
    if text.as_ref().is_none_or(is_good) {
        Ok(text)
    } else {
        Err(Problem::bad_request(format!(
            "`{name}` is 1 to {MAX_TEXT} letters, digits or signs"
        )))
    }
}
