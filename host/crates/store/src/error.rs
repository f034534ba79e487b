//! Why the store could not do what was asked.

use std::sync::Arc;

use vedette_core::Quota;

use crate::{ParentError, VaultError};

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
    /// The invitation is unknown, used, over, or for another address.
    #[error("the invitation is not valid")]
    InvitationInvalid,
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
    /// The organization does not have the project that a script is to be in.
    #[error("the project is not there")]
    ProjectMissing,
    /// A script cannot have this parent.
    #[error("the parent is refused")]
    Parent(#[from] ParentError),
    /// The organization does not have the component that a script is to run.
    #[error("the component is not there")]
    ComponentMissing,
    /// The pieces of a component are not all there: another call deleted them after they were
    /// put. Safe to retry from the first piece on.
    #[error("the bytes of the component are not all there")]
    ChunksMissing,
    /// A secret could not be encrypted or decrypted.
    #[error("the vault failed")]
    Vault(#[from] VaultError),
    /// A run cannot be given what it is to have.
    #[error("a variable of the script cannot be read")]
    VariableUnreadable(#[source] Arc<StoreError>),
    /// The organization has as many as it may have.
    #[error("the organization has used up its quota {}", .quota.as_str())]
    QuotaExceeded {
        /// Of what.
        quota: Quota,
        /// How many it may have.
        limit: u64,
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
        matches!(self, Self::Busy(_) | Self::ChunksMissing)
    }

    /// What a caller makes of a call that it waited for too long.
    pub fn no_answer() -> Self {
        Self::Busy(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
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
    /// Only what the same call will always meet is final. Everything else passes, sooner or later:
    /// a full disk, a server that is away or taken over, a broken connection. To call such an
    /// error final would throw away an outcome for it.
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let is_final = match &error {
            E::Database(database) => {
                let is_postgres = database
                    .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                    .is_some();
                let code = database.code();
                code.is_some_and(|code| {
                    if is_postgres {
                        is_final_in_postgres(&code)
                    } else {
                        is_final_in_sqlite(&code)
                    }
                })
            }
            E::Io(_)
            | E::Tls(_)
            | E::Protocol(_)
            | E::PoolTimedOut
            | E::WorkerCrashed
            | E::BeginFailed => false,
            // Values and statements that do not fit, and a pool that was closed for good.
            _ => true,
        };
        if is_final {
            Self::Database(error)
        } else {
            Self::Busy(error)
        }
    }
}

/// SQLSTATE classes that data or statement are to blame for (`PostgreSQL` manual, appendix A):
/// feature not supported, data exception, integrity constraint violation, syntax error or access
/// rule violation, program limit exceeded.
fn is_final_in_postgres(code: &str) -> bool {
    ["0A", "22", "23", "42", "54"].contains(&code.get(..2).unwrap_or_default())
}

/// Result codes that data or statement are to blame for (`SQLite` result codes): ERROR, TOOBIG,
/// CONSTRAINT, MISMATCH, RANGE. The low byte of an extended code is the primary one.
fn is_final_in_sqlite(code: &str) -> bool {
    let primary = code.parse::<u32>().map(|code| code & 0xff);
    matches!(primary, Ok(1 | 18 | 19 | 20 | 25))
}

/// What an insert or an update came to, when only this field has to be unique.
pub(crate) fn conflict(error: sqlx::Error, field: &'static str) -> StoreError {
    let database = error.as_database_error();
    if database.is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        StoreError::Conflict { field }
    } else {
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_data_is_to_blame_for_is_final() {
        // Out of range, unique violation, undefined column, too many columns.
        for code in ["22003", "23505", "42703", "54011"] {
            assert!(is_final_in_postgres(code), "{code}");
        }
        // Connection failures, read-only after a fail-over, deadlock, disk full, out of memory, too
        // many connections, lock timeout, cancelled, shutdown, I/O error, wrong password.
        for code in [
            "08006", "08P01", "25006", "40001", "40P01", "53100", "53200", "53300", "55P03",
            "57014", "57P01", "58030", "28P01",
        ] {
            assert!(!is_final_in_postgres(code), "{code}");
        }
        // ERROR, TOOBIG, CONSTRAINT_UNIQUE, MISMATCH, RANGE.
        for code in ["1", "18", "2067", "20", "25"] {
            assert!(is_final_in_sqlite(code), "{code}");
        }
        // BUSY and BUSY_SNAPSHOT, LOCKED, READONLY, IOERR_WRITE, FULL, CANTOPEN, BUSY_TIMEOUT.
        for code in ["5", "517", "6", "8", "778", "13", "14", "773"] {
            assert!(!is_final_in_sqlite(code), "{code}");
        }
    }

    #[test]
    fn a_connection_that_broke_is_worth_another_try() {
        let broken = sqlx::Error::Protocol("unexpected end".to_owned());
        assert!(StoreError::from(broken).is_retryable());
        assert!(!StoreError::from(sqlx::Error::PoolClosed).is_retryable());
    }
}
