//! Settings: read and checked once at the start, and the only place that reads the environment.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, bail};
use axum::http::HeaderValue;
use config::{Environment, File, FileFormat};
use ipnet::{IpNet, Ipv6Net};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;
use vedette_api::{OidcProvider, RedisLink, RedisUrlError};
use vedette_core::Quota;
use vedette_egress::Policy;
use vedette_sandbox::Sandbox;
use vedette_services::{MailSettingsError, SmtpMailer};

use self::self_health::SelfHealth;
use crate::server::Certificate;

mod self_health;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "VEDETTE_";

/// All settings; `config/default.toml` says what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) mail: Mail,
    pub(crate) redis: Redis,
    pub(crate) egress: Egress,
    pub(crate) self_health: SelfHealth,
    pub(crate) auth: Auth,
    pub(crate) runner: Runner,
    pub(crate) scheduler: Scheduler,
    pub(crate) quotas: Quotas,
    pub(crate) retention: Retention,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
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
    public_url: String,
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

impl Server {
    /// Where people reach this installation; `None` when it is not said.
    pub(crate) fn public_url(&self) -> Result<Option<Url>, &'static str> {
        if self.public_url.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(&self.public_url).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        let complaint = "server.public_url is not an address such as https://vedette.example.com";
        url.map(Some).ok_or(complaint)
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

/// The address may hold a password: `SecretString` shows none of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    url: SecretString,
    from: String,
}

impl Mail {
    /// Who sends mail; `None` when nobody does.
    pub(crate) fn mailer(&self) -> Result<Option<SmtpMailer>, MailSettingsError> {
        if self.url.expose_secret().is_empty() {
            return Ok(None);
        }
        SmtpMailer::new(&self.url, &self.from).map(Some)
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

impl Egress {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            allow: self.allow.clone(),
            nat64: self.nat64.clone(),
        }
    }
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
    /// By name.
    #[serde(default)]
    oidc: BTreeMap<String, Oidc>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Oidc {
    title: String,
    issuer: String,
    client_id: String,
    client_secret: Option<SecretString>,
    #[serde(default)]
    trust_email: bool,
}

impl Auth {
    /// The identity providers, as the API takes them.
    pub(crate) fn providers(&self) -> Vec<OidcProvider> {
        let providers = self.oidc.iter().map(|(name, oidc)| OidcProvider {
            name: name.clone(),
            title: oidc.title.clone(),
            issuer: oidc.issuer.clone(),
            client_id: oidc.client_id.clone(),
            client_secret: oidc.client_secret.clone(),
            trusts_email: oidc.trust_email,
        });
        providers.collect()
    }

    /// What is wrong with them, one sentence each.
    fn problems(&self) -> Vec<String> {
        let providers = self.providers();
        let mut problems: Vec<_> = providers
            .iter()
            .filter_map(|provider| Some(provider.check().err()?.to_string()))
            .collect();
        for (number, provider) in providers.iter().enumerate() {
            let name = &provider.name;
            // Whoever registers may write any address: the owner would find them in the account.
            if provider.trusts_email && self.registration == RegistrationSetting::Open {
                problems.push(format!(
                    "auth.oidc.{name}: `trust_email` does not go with auth.registration = \"open\""
                ));
            }
            let is_again = |other: &OidcProvider| other.issuer == provider.issuer;
            if providers[..number].iter().any(is_again) {
                problems.push(format!("auth.oidc.{name}: another one has this `issuer`"));
            }
        }
        problems
    }
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

/// What an organization may have that has no quotas of its own; 0: any number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quotas {
    scripts: u64,
    concurrent_runs: u64,
    fuel_per_day: u64,
    fetches_per_day: u64,
    stored_bytes: u64,
    members: u64,
    projects: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    pub(crate) executions_days: u32,
    pub(crate) alerts_days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    checkpoint_file: PathBuf,
}

/// Shortest token of `/metrics` that nobody guesses.
const LEAST_TOKEN_CHARS: usize = 16;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    pub(crate) token: String,
}

/// Whoever has it reads the numbers.
impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics { token: … }")
    }
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
        let token = self.metrics.token.chars().count();
        if (1..LEAST_TOKEN_CHARS).contains(&token) {
            problems.push(format!(
                "metrics.token must have at least {LEAST_TOKEN_CHARS} characters"
            ));
        }
        problems.extend(self.database.problem().map(str::to_owned));
        problems.extend(self.server.tls.problem().map(str::to_owned));
        problems.extend(self.server.public_url().err().map(str::to_owned));
        match self.mail.mailer() {
            Err(error) => problems.push(error.to_string()),
            Ok(Some(_)) if self.server.public_url.is_empty() => {
                problems
                    .push("mail.url needs server.public_url, for the links in mails".to_owned());
            }
            Ok(_) => {}
        }
        let has_mail = !self.mail.url.expose_secret().is_empty();
        problems.extend(self.self_health.problems(&self.egress.policy(), has_mail));
        problems.extend(self.auth.problems());
        if !self.auth.oidc.is_empty() && self.server.public_url.is_empty() {
            problems
                .push("auth.oidc needs server.public_url, where browsers come back to".to_owned());
        }
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

    /// The quotas of organizations that have none of their own.
    pub(crate) fn quotas(&self) -> vedette_core::Quotas {
        let mut quotas = vedette_core::Quotas::default();
        for (quota, value) in [
            (Quota::Scripts, self.quotas.scripts),
            (
                Quota::LeastIntervalSeconds,
                self.scheduler.least_interval_seconds.into(),
            ),
            (Quota::ConcurrentRuns, self.quotas.concurrent_runs),
            (Quota::FuelPerDay, self.quotas.fuel_per_day),
            (Quota::FetchesPerDay, self.quotas.fetches_per_day),
            (Quota::StoredBytes, self.quotas.stored_bytes),
            (Quota::Members, self.quotas.members),
            (Quota::Projects, self.quotas.projects),
        ] {
            quotas.set(quota, value);
        }
        quotas
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

impl Listed for Url {
    const WHAT: &str = "an address such as https://www.example.com/";
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
