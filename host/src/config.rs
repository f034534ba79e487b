//! Settings: read and checked once at the start, and the only place that reads the environment.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, bail};
use axum::http::HeaderValue;
use config::{Environment, File, FileFormat};
use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Deserializer};
use url::Url;
use vedette_api::{RedisLink, RedisUrlError};
use vedette_sandbox::Sandbox;

use crate::server::Certificate;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "VEDETTE_";

/// All settings; `config/default.toml` says what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) redis: Redis,
    pub(crate) egress: Egress,
    pub(crate) auth: Auth,
    pub(crate) runner: Runner,
    pub(crate) scheduler: Scheduler,
    pub(crate) retention: Retention,
    pub(crate) audit: Audit,
    pub(crate) log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    #[serde(deserialize_with = "list_or_json")]
    pub(crate) trusted_proxies: Vec<IpNet>,
    #[serde(deserialize_with = "list_or_json")]
    pub(crate) cors_origins: Vec<Origin>,
    pub(crate) requests_per_minute: u32,
    pub(crate) tls: Tls,
}

/// Both are given, or neither.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// `None`: the server speaks plain HTTP.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        let is_given = !self.certificate.as_os_str().is_empty();
        is_given.then(|| Certificate {
            chain: self.certificate.clone(),
            key: self.key.clone(),
        })
    }

    fn problem(&self) -> Option<&'static str> {
        let given = [&self.certificate, &self.key].map(|path| !path.as_os_str().is_empty());
        (given[0] != given[1])
            .then_some("server.tls.certificate and server.tls.key are given together or not at all")
    }
}

/// An origin (RFC 6454) exactly as browsers send it.
#[derive(Debug, Clone)]
pub(crate) struct Origin(pub(crate) HeaderValue);

impl FromStr for Origin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(drop)?;
        let is_exact =
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
        let value = HeaderValue::from_str(text).map_err(drop)?;
        is_exact.then_some(Self(value)).ok_or(())
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    url: String,
}

impl Database {
    /// What is wrong with the address, as far as can be told without the database. It may hold a
    /// password, so that none of it is shown.
    fn problem(&self) -> Option<&'static str> {
        match self.url.split(':').next() {
            Some("" | "sqlite") => None,
            Some("postgres" | "postgresql") => Url::parse(&self.url).is_err().then_some(
                "database.url is not a URL such as postgres://user:password@host:5432/name",
            ),
            _ => Some("database.url must begin with sqlite:// or postgres://"),
        }
    }
}

/// The address may hold a password.
impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database { url: … }")
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    url: String,
}

impl Redis {
    /// The way to Redis, if there is to be one.
    pub(crate) fn link(&self) -> Result<Option<RedisLink>, RedisUrlError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        RedisLink::new(&self.url).map(Some)
    }
}

/// The address may hold a password.
impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis { url: … }")
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Egress {
    #[serde(deserialize_with = "list_or_json")]
    pub(crate) allow: Vec<IpNet>,
    #[serde(deserialize_with = "list_or_json")]
    pub(crate) nat64: Vec<Ipv6Net>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegistrationSetting {
    Open,
    Invite,
    Closed,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    pub(crate) registration: RegistrationSetting,
}

/// Where scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Isolation {
    /// In processes of their own where the system has what that takes.
    Auto,
    InProcess,
    /// Linux only: elsewhere it is no value.
    #[cfg(target_os = "linux")]
    Process,
}

/// Which runs are kept so that they can be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Record {
    /// Those that are no success, and the first success after one.
    Failures,
    None,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Runner {
    pub(crate) concurrency: usize,
    pub(crate) component_memory_mib: u32,
    pub(crate) isolation: Isolation,
    pub(crate) record: Record,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scheduler {
    pub(crate) least_interval_seconds: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    pub(crate) executions_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    checkpoint_file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Auto,
    Pretty,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

impl Config {
    /// Defaults, then the file, then the environment, then the command line.
    pub(crate) fn load(
        file: Option<&Path>,
        listen: Option<&str>,
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        Self::build(file, environment()?, listen, data_dir)
    }

    /// The defaults, whatever the environment says: for what must not touch an installation.
    pub(crate) fn built_in(listen: &str, data_dir: &Path) -> anyhow::Result<Self> {
        Self::build(None, HashMap::new(), Some(listen), Some(data_dir))
    }

    fn build(
        file: Option<&Path>,
        environment: HashMap<String, String>,
        listen: Option<&str>,
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let data_dir = match data_dir {
            None => None,
            Some(folder) => Some(
                folder
                    .to_str()
                    .with_context(|| format!("--data-dir {} is not UTF-8", folder.display()))?,
            ),
        };
        let mut builder =
            config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("VEDETTE")
            .prefix_separator("_")
            .separator("__")
            .source(Some(environment));
        let config: Self = builder
            .add_source(environment)
            .set_override_option("server.listen", listen)?
            .set_override_option("server.data_dir", data_dir)?
            .build()
            .context("the settings cannot be read")?
            .try_deserialize()
            .context("a setting is not valid (config/default.toml lists all)")?;
        config.check()?;
        Ok(config)
    }

    /// What cannot be told from the type, all together.
    fn check(&self) -> anyhow::Result<()> {
        let mut problems = Vec::new();
        let most = Sandbox::MOST_CONCURRENT_RUNS;
        if !(1..=most).contains(&self.runner.concurrency) {
            problems.push(format!("runner.concurrency must be from 1 to {most}"));
        }
        if self.scheduler.least_interval_seconds == 0 {
            problems.push("scheduler.least_interval_seconds must be at least 1".to_owned());
        }
        problems.extend(self.database.problem().map(str::to_owned));
        problems.extend(self.server.tls.problem().map(str::to_owned));
        if let Err(error) = self.redis.link() {
            problems.push(format!("redis.url is {error}"));
        }
        if problems.is_empty() {
            return Ok(());
        }
        bail!("settings: {}", problems.join("; "));
    }

    /// Where checkpoints of the audit log are kept.
    pub(crate) fn checkpoint_file(&self) -> PathBuf {
        if self.audit.checkpoint_file.as_os_str().is_empty() {
            self.server.data_dir.join("audit").join("checkpoints.jsonl")
        } else {
            self.audit.checkpoint_file.clone()
        }
    }

    /// The address of the database.
    pub(crate) fn database_url(&self) -> String {
        if self.database.url.is_empty() {
            format!(
                "sqlite://{}",
                self.server.data_dir.join("vedette.db").display()
            )
        } else {
            self.database.url.clone()
        }
    }
}

/// `VEDETTE_SECTION__KEY` and no other: names without a section are not settings.
fn environment() -> anyhow::Result<HashMap<String, String>> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| {
            name.strip_prefix(PREFIX)
                .is_some_and(|rest| rest.contains("__"))
        })
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => bail!("the value of {name} is not UTF-8"),
        })
        .collect()
}

/// Takes our settings out of the environment that a child inherits.
#[cfg(feature = "bench")]
pub(crate) fn remove_settings(command: &mut std::process::Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            command.env_remove(name);
        }
    }
}

/// What a list of settings can be of.
trait Listed: FromStr {
    /// Ends a sentence that begins with a text that is none.
    const WHAT: &str;
}

impl Listed for IpNet {
    const WHAT: &str = "a network such as 10.1.0.0/16 or fd00::/8";
}

impl Listed for Ipv6Net {
    const WHAT: &str = "a network such as 64:ff9b::/96";
}

impl Listed for Origin {
    const WHAT: &str = "an origin such as https://console.example.com, without a path";
}

/// A list, or text that is a list in JSON, as the environment gives it.
fn list_or_json<'de, D: Deserializer<'de>, N: Listed>(deserializer: D) -> Result<Vec<N>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Json(String),
    }
    let texts = match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Json(text) if text.is_empty() => Vec::new(),
        Either::Json(text) => serde_json::from_str(&text).map_err(|error| {
            serde::de::Error::custom(format!("`{text}` is not a list in JSON: {error}"))
        })?,
    };
    let parse = |text: String| {
        text.parse()
            .map_err(|_| serde::de::Error::custom(format!("`{text}` is not {}", N::WHAT)))
    };
    texts.into_iter().map(parse).collect()
}

/// Where a user's commands keep the compiled engine; `None` without a home.
pub(crate) fn user_cache() -> Option<PathBuf> {
    user_folder("XDG_CACHE_HOME", ".cache")
}

/// Where a user's commands keep who the user is; `None` without a home.
pub(crate) fn user_settings() -> Option<PathBuf> {
    user_folder("XDG_CONFIG_HOME", ".config")
}

/// Our folder in one of a user's (XDG Base Directory Specification).
fn user_folder(variable: &str, default: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).filter(|value| !value.is_empty());
    let base = given
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(default)))?;
    base.is_absolute().then(|| base.join("vedette"))
}

#[cfg(test)]
mod tests;
