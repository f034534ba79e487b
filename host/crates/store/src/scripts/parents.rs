//! Which script may depend on which: no script on itself, over however many others.

use uuid::Uuid;
use vedette_core::ScriptId;

/// Most scripts in a row of which each depends on the next.
pub(crate) const MAX_LEVELS: i64 = 10;

/// Why a script cannot have a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParentError {
    /// The organization has no such script.
    #[error("there is no such script; see GET /api/v1/scripts")]
    Missing,
    /// It is the script, or depends on it.
    #[error("a script cannot depend on itself, nor on one that depends on it")]
    Cycle,
    /// Too many would depend on each other.
    #[error("at most {MAX_LEVELS} scripts may depend on each other in a row")]
    TooDeep,
}

/// A script and what it depends on, the nearest first. A deleted one is not there, and what it depended on is not
/// meant any more.
pub(super) const LIST_ABOVE: &str = "WITH RECURSIVE above (id, parent_id, level) AS ( \
    SELECT id, parent_id, 1 FROM scripts WHERE org_id = $1 AND id = $2 AND NOT is_deleted \
    UNION ALL SELECT scripts.id, scripts.parent_id, above.level + 1 FROM above \
    JOIN scripts ON scripts.id = above.parent_id AND scripts.org_id = $1 AND NOT scripts.is_deleted \
    WHERE above.level <= CAST($3 AS BIGINT)) SELECT id FROM above ORDER BY level";
/// How many levels a script has with those that depend on it; `NULL`: it is not there yet.
pub(super) const COUNT_BELOW: &str = "WITH RECURSIVE below (id, level) AS ( \
    SELECT id, 1 FROM scripts WHERE org_id = $1 AND id = $2 AND NOT is_deleted \
    UNION ALL SELECT scripts.id, below.level + 1 FROM below \
    JOIN scripts ON scripts.parent_id = below.id AND scripts.org_id = $1 AND NOT scripts.is_deleted \
    WHERE below.level <= CAST($3 AS BIGINT)) SELECT CAST(MAX(level) AS BIGINT) FROM below";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[LIST_ABOVE, COUNT_BELOW];

/// Judges a parent, given as what is above it and it itself.
pub(super) fn judge_parent(
    script: ScriptId,
    above: &[(Uuid,)],
    levels_below: i64,
) -> Result<(), ParentError> {
    if above.iter().any(|(id,)| *id == script.as_uuid()) {
        return Err(ParentError::Cycle);
    }
    match i64::try_from(above.len()).unwrap_or(i64::MAX) {
        0 => Err(ParentError::Missing),
        levels if levels.saturating_add(levels_below) > MAX_LEVELS => Err(ParentError::TooDeep),
        _ => Ok(()),
    }
}

/// Makes sure that a script may have a parent. Locks the organization, so that of two changes that make a cycle
/// together one waits and finds the other made.
macro_rules! check_parent {
    ($tx:ident, $lock:expr, $org:expr, $script:expr, $parent:expr) => {{
        use $crate::scripts::parents::{COUNT_BELOW, LIST_ABOVE, MAX_LEVELS, judge_parent};
        sqlx::query(sqlx::AssertSqlSafe($lock))
            .bind($org.as_uuid())
            .execute(&mut *$tx)
            .await?;
        let above: Vec<(uuid::Uuid,)> = sqlx::query_as(LIST_ABOVE)
            .bind($org.as_uuid())
            .bind($parent.as_uuid())
            .bind(MAX_LEVELS)
            .fetch_all(&mut *$tx)
            .await?;
        let (below,): (Option<i64>,) = sqlx::query_as(COUNT_BELOW)
            .bind($org.as_uuid())
            .bind($script.as_uuid())
            .bind(MAX_LEVELS)
            .fetch_one(&mut *$tx)
            .await?;
        judge_parent($script, &above, below.unwrap_or(1))?;
    }};
}

pub(super) use check_parent;
