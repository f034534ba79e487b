//! Throw-away databases for tests: a file, or a database in a PostgreSQL that is started for the
//! test process and ends with it.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use secrecy::SecretBox;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::{AuditRecord, MasterKey, MasterKeySource, Store, Vault, db::on_db};

/// Where a running PostgreSQL is, instead of one that is started for the tests.
const URL_VARIABLE: &str = "VEDETTE_TEST_POSTGRES_URL";
/// Set where a missing PostgreSQL must fail the tests.
const REQUIRE_VARIABLE: &str = "VEDETTE_REQUIRE_SERVICES";

/// A migrated database of a test's own.
pub struct TestDatabase {
    /// The store.
    pub store: Store,
    /// Its address, for a second connection.
    pub url: String,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A SQLite file that is deleted with this value.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("vedette.db").display());
        Self::open(url, Some(folder)).await
    }

    /// A database of its own in a real PostgreSQL. `None`, with a line on standard error, where
    /// there is no PostgreSQL and none is required.
    pub async fn postgres() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = SERVER.as_ref()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vedette_test_{}_{number}", std::process::id());
        let admin = format!("{}/postgres", server.base);
        let mut connection = PgConnection::connect(&admin)
            .await
            .expect("PostgreSQL answers");
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"));
        sqlx::query(create)
            .execute(&mut connection)
            .await
            .expect("a new database");
        Some(Self::open(format!("{}/{name}", server.base), None).await)
    }

    /// Runs a statement that no method of the store makes, to bring about a state.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.expect("the statement runs");
    }

    /// Runs a statement that the database may refuse.
    ///
    /// # Errors
    /// What the database says.
    pub async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.store.is_embedded() {
            let connected = SqliteConnection::connect(&self.url).await;
            let mut connection = connected.expect("the file opens");
            sqlx::query(sql).execute(&mut connection).await?;
        } else {
            let connected = PgConnection::connect(&self.url).await;
            let mut connection = connected.expect("PostgreSQL answers");
            sqlx::query(sql).execute(&mut connection).await?;
        }
        Ok(())
    }

    /// One that a test has made itself.
    pub fn of(store: Store, url: String) -> Self {
        Self {
            store,
            url,
            _folder: None,
        }
    }

    async fn open(url: String, folder: Option<TempDir>) -> Self {
        let store = Store::connect(&url).await.expect("the database opens");
        let store = store.with_vault(vault(&["1"]));
        store.migrate().await.expect("the migrations run");
        let installed = store.install_permissions().await;
        installed.expect("the permissions are installed");
        Self {
            store,
            url,
            _folder: folder,
        }
    }
}

/// The records of all chains that a request made.
pub async fn audit_of_request(store: &Store, request: &str) -> Vec<AuditRecord> {
    let sql = "SELECT record FROM audit_log WHERE record LIKE '%' || $1 || '%'";
    let read = async || {
        Ok::<Vec<String>, sqlx::Error>(on_db!(store, pool => {
            sqlx::query_scalar(sql).bind(request).fetch_all(pool).await?
        }))
    };
    let texts = read().await.expect("the audit log is there");
    let records = texts.iter().map(|text| serde_json::from_str(text));
    let records = records.map(|record| record.expect("a record is JSON"));
    records
        .filter(|record: &AuditRecord| record.request_id.as_deref() == Some(request))
        .collect()
}

/// Master keys of these names, always the same ones.
pub fn vault(ids: &[&str]) -> Vault {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Vault::open(TestKeys(ids)).expect("they are made here")
}

struct TestKeys(Vec<String>);

impl MasterKeySource for TestKeys {
    fn read(&self) -> Result<Vec<MasterKey>, Box<dyn Error + Send + Sync>> {
        let keys = self.0.iter().map(|id| MasterKey {
            id: id.clone(),
            bytes: SecretBox::new(Box::new(Sha256::digest(id).into())),
        });
        Ok(keys.collect())
    }
}

/// Registers one test for each database: `both_databases!(name)` runs `async fn name(store: Store)`.
#[macro_export]
macro_rules! both_databases {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let database = $crate::testing::TestDatabase::sqlite().await;
                super::$name(database.store.clone()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let Some(database) = $crate::testing::TestDatabase::postgres().await else { return };
                super::$name(database.store.clone()).await;
            }
        }
    )+};
}

struct Server {
    /// The address without a database's name.
    base: String,
    /// The guardian ends the server when this closes, hence when the process ends, however.
    _guardian: Option<ChildStdin>,
}

static SERVER: LazyLock<Option<Server>> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(url) = variable(URL_VARIABLE) {
        let base = url
            .rsplit_once('/')
            .map_or(url.as_str(), |(base, _)| base)
            .to_owned();
        return Some(Server {
            base,
            _guardian: None,
        });
    }
    let started = start();
    if let Err(reason) = &started {
        let hint = format!(
            "no PostgreSQL for the tests ({reason}): install the package `postgresql`, or set \
             {URL_VARIABLE}"
        );
        assert!(variable(REQUIRE_VARIABLE).is_none(), "{hint}");
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED on PostgreSQL: {hint}");
        }
    }
    started.ok()
});

/// Runs the server until standard input closes, then stops it at once and removes its folder. A
/// port is chosen by the caller and reported back once the server answers.
const GUARDIAN: &str = r#"
cd / || exit 1
# The tests may have ended before the server is ready; then nobody reads that it is.
trap '' PIPE
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi; }
[ "$(id -u)" = 0 ] && chown postgres "$DIR"
run "$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$DIR/log" 2>&1 || { cat "$DIR/log" >&2; exit 1; }
if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid=postgres --regid=postgres --init-groups; else set --; fi
"$@" "$BIN/postgres" -D "$DIR/data" -k "$DIR" -p "$PORT" -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=400 >>"$DIR/log" 2>&1 </dev/null &
server=$!
ready=no
for _ in $(seq 300); do
  if run "$BIN/pg_isready" -q -h 127.0.0.1 -p "$PORT"; then ready=yes; break; fi
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
if [ $ready = yes ]; then echo ready; read -r _; else cat "$DIR/log" >&2; fi
exec >/dev/null
kill -QUIT "$server"
wait "$server"
rm -rf "$DIR"
"#;

fn start() -> Result<Server, String> {
    let binaries = find_binaries().ok_or("no `initdb` found")?;
    let folder = tempfile::Builder::new()
        .prefix("vedette-postgres-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .map_err(|error| error.to_string())?;
    // Removed by the guardian, which outlives the process.
    let folder = folder.keep();
    let port = free_port().map_err(|error| error.to_string())?;
    let mut child = Command::new("sh")
        .args(["-c", GUARDIAN])
        .env("BIN", &binaries)
        .env("DIR", &folder)
        .env("PORT", port.to_string())
        // A signal to the group of the tests must not end the one that tidies up after them.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut line = String::new();
    let output = child.stdout.take().expect("it is piped");
    let read = BufReader::new(output).read_line(&mut line);
    if read.is_err() || line.trim() != "ready" {
        return Err("the server did not start".to_owned());
    }
    let base = format!("postgres://postgres@127.0.0.1:{port}");
    Ok(Server {
        base,
        _guardian: child.stdin.take(),
    })
}

/// The newest installed server: Debian keeps its binaries out of the path.
fn find_binaries() -> Option<PathBuf> {
    let has_server =
        |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten();
    let mut versions: Vec<_> = debian
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    let elsewhere = ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    versions
        .into_iter()
        .rev()
        .chain(elsewhere)
        .find(|folder| has_server(folder))
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
