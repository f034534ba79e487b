//! Connecting, migrating, and running one body on either database.

use std::{
    fs::OpenOptions, io, os::unix::fs::OpenOptionsExt as _, path::Path, str::FromStr, sync::Arc,
    time::Duration,
};

use sqlx::{
    PgPool, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Notify;
use vedette_core::Quotas;

use crate::{StoreError, Vault, access_cache::AccessCache, audit::Author};

/// Connections for reading; writing has exactly one, because SQLite has one writer.
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a call waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    /// Who makes the changes; `None`: the installation itself.
    pub(crate) author: Option<Arc<Author>>,
    /// Of organizations that have none of their own.
    pub(crate) quotas: Quotas,
    pub(crate) access: AccessCache,
    /// Notified when there may be something new in the outbox.
    pub(crate) outbox: Arc<Notify>,
}

#[derive(Debug, Clone)]
pub(crate) enum Db {
    Sqlite {
        writer: SqlitePool,
        reader: SqlitePool,
    },
    Postgres(PgPool),
}

/// Runs a body on either database: `$pool` is its pool for reading.
macro_rules! on_db {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.db {
            $crate::db::Db::Sqlite { reader: $pool, .. } => $body,
            $crate::db::Db::Postgres($pool) => $body,
        }
    };
}

/// Runs a body in a transaction on either database and commits: `$tx` is the transaction; with
/// `$D`, the body can name the database's type. A `?` inside rolls back. On SQLite the transaction
/// takes the write lock at once: one that upgrades later fails without waiting.
macro_rules! in_tx {
    ($store:expr, $tx:ident => $body:expr) => {
        match &$store.db {
            $crate::db::Db::Sqlite { writer, .. } => {
                let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                let value = $body;
                $tx.commit().await?;
                value
            }
            $crate::db::Db::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let value = $body;
                $tx.commit().await?;
                value
            }
        }
    };
    ($store:expr, $D:ident, $tx:ident => $body:expr) => {
        match &$store.db {
            $crate::db::Db::Sqlite { writer, .. } => {
                type $D = ::sqlx::Sqlite;
                let mut $tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                let value = $body;
                $tx.commit().await?;
                value
            }
            $crate::db::Db::Postgres(pool) => {
                type $D = ::sqlx::Postgres;
                let mut $tx = pool.begin().await?;
                let value = $body;
                $tx.commit().await?;
                value
            }
        }
    };
}

pub(crate) use {in_tx, on_db};

impl Store {
    /// Connects; creates the file of a SQLite database. No secret can be kept or read before
    /// [`Store::with_vault`].
    ///
    /// # Errors
    /// [`StoreError::InvalidUrl`] when the address names neither database.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let db = match url.split(':').next() {
            Some("sqlite") => connect_sqlite(url).await?,
            Some("postgres" | "postgresql") => Db::Postgres(
                PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .connect(url)
                    .await?,
            ),
            // The address may hold a password: say only how it begins.
            scheme => {
                return Err(StoreError::InvalidUrl(
                    scheme.unwrap_or_default().to_owned(),
                ));
            }
        };
        Ok(Self {
            db,
            vault: Vault::empty(),
            quotas: Quotas::default(),
            author: None,
            access: AccessCache::default(),
            outbox: Arc::default(),
        })
    }

    /// The same database, with the master keys for its secrets.
    pub fn with_vault(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }

    /// Brings the schema up to date. Safe to call from several nodes at once.
    ///
    /// # Errors
    /// [`StoreError::Migrate`], also when the schema is newer than this version.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let migrated = match &self.db {
            Db::Sqlite { writer, .. } => {
                sqlx::migrate!("../../../migrations/sqlite")
                    .run(writer)
                    .await
            }
            Db::Postgres(pool) => {
                sqlx::migrate!("../../../migrations/postgres")
                    .run(pool)
                    .await
            }
        };
        migrated.map_err(StoreError::Migrate)
    }

    /// Notified when there may be something new in the outbox, for whoever delivers it. What other nodes write, and
    /// what comes of rare changes, is found by looking.
    pub fn outbox(&self) -> Arc<Notify> {
        self.outbox.clone()
    }

    /// Whether the database is a file of this process's own.
    pub fn is_embedded(&self) -> bool {
        matches!(self.db, Db::Sqlite { .. })
    }

    /// Asks the database for an answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_db!(self, pool => { sqlx::query("SELECT 1").execute(pool).await?; });
        Ok(())
    }

    /// Closes all connections, after which every call fails.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

async fn connect_sqlite(url: &str) -> Result<Db, StoreError> {
    // Each connection would have a memory of its own.
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::InvalidUrl("sqlite".to_owned()));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| StoreError::InvalidUrl("sqlite".to_owned()))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What is acknowledged is on disk, also when the power fails.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", "4000");
    create_private(options.get_filename()).map_err(sqlx::Error::Io)?;
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.clone())
        .await?;
    let reader = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.read_only(true).create_if_missing(false))
        .await?;
    Ok(Db::Sqlite { writer, reader })
}

/// Makes the file, for its owner's eyes only: it holds password hashes and people's secrets. SQLite
/// gives its side files the same mode. A file that is there keeps its own.
fn create_private(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
