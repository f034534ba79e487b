//! The few places where the two databases need different words.

use crate::db::Db;

impl Db {
    /// Ends a `SELECT` that takes up free rows of `slots`, leaving those that another node is
    /// taking up. SQLite needs no words: its transaction holds the only write lock.
    pub(crate) fn skip_locked(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            Self::Postgres(_) => " FOR UPDATE OF slots SKIP LOCKED",
        }
    }

    /// Ends a `SELECT` whose rows of `slots` the transaction is going to change.
    pub(crate) fn lock_slots(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            Self::Postgres(_) => " FOR UPDATE OF slots",
        }
    }

    /// Ends a `SELECT` whose rows must stay as they are until the transaction ends.
    pub(crate) fn share_rows(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            Self::Postgres(_) => " FOR SHARE",
        }
    }

    /// Ends a `SELECT` whose rows the transaction is going to change or delete.
    pub(crate) fn lock_rows(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// Ends a `SELECT` whose row must stay, and of which no other transaction may take this hold;
    /// rows that refer to it can be made meanwhile.
    pub(crate) fn lock_owner(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            Self::Postgres(_) => " FOR NO KEY UPDATE",
        }
    }

    /// Ends a `SELECT` that takes up a free row of `component_blobs`.
    pub(crate) fn skip_locked_blobs(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            Self::Postgres(_) => " FOR UPDATE OF component_blobs SKIP LOCKED",
        }
    }

    /// Asks whether a script has a tag, whose place and a bracket are to follow.
    pub(crate) fn has_tag(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => {
                "EXISTS (SELECT 1 FROM json_each(scripts.tags) AS tag WHERE tag.value ="
            }
            Self::Postgres(_) => {
                "EXISTS (SELECT 1 FROM jsonb_array_elements_text(scripts.tags) AS tag (value) WHERE tag.value ="
            }
        }
    }

    /// Makes registrations wait for each other, so that only one can be the first.
    pub(crate) fn lock_registration(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SELECT 1",
            Self::Postgres(_) => "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE",
        }
    }

    /// Makes those who claim notifications wait for each other, so that what each channel has is counted rightly.
    pub(crate) fn lock_claims(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SELECT 1",
            // Of the length of a transaction; the number is ours alone in this database.
            Self::Postgres(_) => "SELECT 1 FROM pg_advisory_xact_lock(7031942016)",
        }
    }
}
