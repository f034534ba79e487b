//! Why the store could not do what was asked.

/// A failed call to the store. Nothing half-done is left behind by any of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address of the database is not one.
    #[error("`{0}` is not a database address (sqlite:///path or postgres://…)")]
    InvalidUrl(String),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database is busy or away for a moment: safe to retry.
    #[error("the database is not available for the moment")]
    Busy(#[source] sqlx::Error),
    /// Another row has this value already.
    #[error("`{field}` is taken")]
    Conflict {
        /// The field.
        field: &'static str,
    },
    /// There are users already, and registration is not open.
    #[error("registration is closed")]
    RegistrationClosed,
    /// A stored row does not convert: the database was changed by other hands, or is damaged.
    #[error("the row {id} of {table} is corrupt: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// The column and its value.
        what: String,
    },
    /// A cursor that this installation did not make.
    #[error("the cursor is not valid")]
    InvalidCursor,
    /// Anything else.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same call may well succeed a moment later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    pub(crate) fn corrupt(table: &'static str, id: &impl ToString, what: &impl ToString) -> Self {
        Self::Corrupt {
            table,
            id: id.to_string(),
            what: what.to_string(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let is_busy = match &error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            // SQLite: BUSY and LOCKED with their extended forms. PostgreSQL: serialization
            // failure, deadlock, admin shutdown, cannot connect now, too many connections.
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                matches!(
                    code.as_ref(),
                    "5" | "6"
                        | "261"
                        | "517"
                        | "262"
                        | "40001"
                        | "40P01"
                        | "57P01"
                        | "57P02"
                        | "57P03"
                        | "53300"
                )
            }),
            _ => false,
        };
        if is_busy {
            Self::Busy(error)
        } else {
            Self::Database(error)
        }
    }
}

/// Whether an insert met a row with the same key.
pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
