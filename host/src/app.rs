//! Everything of a server, built in order and ended in order.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use axum::Router;
use chrono::{DateTime, Utc};
use vedette_alerting::MailTransport;
use vedette_api::{ApiConfig, ApiState, KeySealBox, ProviderClient, Registration};
use vedette_core::{Clock, SystemClock};
use vedette_egress::Guard;
#[cfg(target_os = "linux")]
use vedette_sandbox::process::{ProcessOptions, ProcessSandbox};
use vedette_sandbox::{ArtifactCache, Sandbox, SandboxOptions};
use vedette_scheduler::{Scheduler, SchedulerConfig, SchedulerHandle};
use vedette_services::{HttpProviderClient, SmtpMailer};
use vedette_store::Store;

#[cfg(target_os = "linux")]
use crate::wire::RUNNER_PROCESS;
use crate::{
    audit::Checkpoints,
    components::Components,
    config::{Config, Isolation, RegistrationSetting},
    deliveries::Deliveries,
    keys,
    self_health::self_health,
    templates,
    wire::{Place, Scripts},
};

/// Time for runs in flight to end when the server stops: more than a run may take.
const DRAIN_GRACE: Duration = Duration::from_secs(65);

/// Time for the outcome of a run by hand to be stored, once the run has ended.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A running server, without its listener.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) scheduler: SchedulerHandle,
    components: Arc<Components>,
    checkpoints: Checkpoints,
    deliveries: Deliveries,
    pub(crate) api: ApiState,
    pub(crate) router: Router,
    /// Held as long as the process uses its data directory.
    _lock: File,
}

impl App {
    /// Opens the data directory and the database, and begins to run what is due.
    pub(crate) async fn start(config: &Config, guard: Guard) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let folder = &config.server.data_dir;
        keys::private_folder(folder)?;
        let lock = lock(folder)?;
        let key_folder = folder.join("keys");
        let token_keys = keys::token_keys(&key_folder)?;
        let seals = Arc::new(KeySealBox::new(keys::accounts_key(&key_folder)?));
        let cache = ArtifactCache::new(folder.join("cache"), keys::cache_key(&key_folder)?);
        let vault = keys::vault(&key_folder)?;
        let mut checkpoint_keys = keys::checkpoint_keys(&key_folder)?;
        let checkpoint_key = checkpoint_keys.pop().context("one was made")?;
        let store = Store::connect(&config.database_url())
            .await
            .context("the database cannot be opened (database.url)")?
            .with_vault(vault)
            .with_quotas(config.quotas());
        store.migrate().await?;
        store
            .check_master_keys()
            .await
            .context("keys/master-*.key are not the keys that this database was used with")?;
        if store.is_embedded() {
            // The lock shows that nobody else uses it: what is leased or running is of a process
            // that has died.
            store.release_all_leases().await?;
            store.release_all_components().await?;
            store.release_all_notifications().await?;
            store
                .fail_interrupted_executions(DateTime::<Utc>::MAX_UTC)
                .await?;
        }
        store.install_permissions().await?;
        templates::install(&store, clock.as_ref()).await?;
        let options = SandboxOptions {
            max_concurrent_runs: config.runner.concurrency,
            cache: Some(cache.clone()),
            guard: guard.clone(),
            clock: clock.clone(),
        };
        let place = Arc::new(place(config.runner.isolation, options).await?);
        let components = Components::new(
            store.clone(),
            cache,
            clock.clone(),
            config.runner.component_memory_mib,
        )
        .await?;
        components.begin(&place);
        let engine = Arc::new(Scripts::new(
            place,
            components.clone(),
            store.clone(),
            config.runner.record,
        ));
        let scheduler = Scheduler::start(
            store.clone(),
            engine.clone(),
            clock.clone(),
            scheduler_config(config, &clock)?,
        );
        engine.set_scheduler(scheduler.clone());
        let checkpoints = Checkpoints::begin(
            store.clone(),
            checkpoint_key,
            config.checkpoint_file(),
            clock.clone(),
        );
        let mailer = config.mail.mailer()?;
        let transport = mailer.clone();
        let transport = transport.map(|mailer| Arc::new(mailer) as Arc<dyn MailTransport>);
        let deliveries = Deliveries::begin(store.clone(), guard, transport, clock.clone());
        let api = ApiState::new(
            store.clone(),
            engine,
            clock,
            token_keys,
            seals,
            api_config(config),
        )
        .with_channel_policy(config.egress.policy());
        let api = with_services(api, config, mailer)?;
        let api = match config.redis.link()? {
            None => api,
            Some(link) => {
                link.connect().await;
                api.with_redis(&link)
            }
        };
        let router = vedette_api::router(api.clone());
        Ok(Self {
            store,
            scheduler,
            components,
            checkpoints,
            deliveries,
            api,
            router,
            _lock: lock,
        })
    }

    /// Ends what is running and hands back what has not begun.
    pub(crate) async fn drain(&self) {
        self.scheduler.clone().drain(DRAIN_GRACE).await;
    }

    /// Closes the database, after the last run by hand is in it. The listener is closed by then.
    pub(crate) async fn close(self) {
        let mails = self.api.mails_sent();
        if tokio::time::timeout(LAST_WRITES, mails).await.is_err() {
            tracing::warn!("mails were not sent in time, and will not be");
        }
        let last = self.api.manual_runs_ended();
        if tokio::time::timeout(LAST_WRITES, last).await.is_err() {
            tracing::warn!("a run by hand was not stored in time; it will count as interrupted");
        }
        self.components.end();
        self.deliveries.end().await;
        self.checkpoints.end().await;
        self.store.close().await;
    }
}

async fn place(isolation: Isolation, options: SandboxOptions) -> anyhow::Result<Place> {
    #[cfg(target_os = "linux")]
    if isolation != Isolation::InProcess {
        let processes = ProcessOptions::this_binary(RUNNER_PROCESS);
        let sandbox = ProcessSandbox::start(options, processes).await.context(
            "scripts cannot be run in processes of their own; \
             runner.isolation = \"in-process\" does without them, and without their walls",
        )?;
        return Ok(Place::Process(sandbox));
    }
    #[cfg(not(target_os = "linux"))]
    let (Isolation::Auto | Isolation::InProcess) = isolation;
    let sandbox = tokio::task::spawn_blocking(move || Sandbox::new(options)).await??;
    Ok(Place::InProcess(sandbox))
}

fn scheduler_config(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<SchedulerConfig> {
    Ok(SchedulerConfig {
        concurrency: config.runner.concurrency,
        retention: kept_for(config.retention.executions_days),
        alert_retention: kept_for(config.retention.alerts_days),
        self_health: self_health(config, clock)?,
        ..SchedulerConfig::default()
    })
}

fn api_config(config: &Config) -> ApiConfig {
    let origins = config.server.cors_origins.iter();
    ApiConfig {
        registration: match config.auth.registration {
            RegistrationSetting::Open => Registration::Open,
            RegistrationSetting::Invite => Registration::Invite,
            RegistrationSetting::Closed => Registration::Closed,
        },
        quotas: config.quotas(),
        metrics_token: Some(config.metrics.token.clone())
            .filter(|token| !token.is_empty())
            .map(Into::into),
        trusted_proxies: config.server.trusted_proxies.clone(),
        cors_origins: origins.map(|origin| origin.0.clone()).collect(),
        requests_per_minute: config.server.requests_per_minute,
        ..ApiConfig::default()
    }
}

/// Gives the API what the settings name outside of this process.
fn with_services(
    mut api: ApiState,
    config: &Config,
    mailer: Option<SmtpMailer>,
) -> anyhow::Result<ApiState> {
    let Some(public_url) = config.server.public_url().map_err(anyhow::Error::msg)? else {
        return Ok(api);
    };
    let providers = config.auth.providers();
    if !providers.is_empty() {
        let client: Arc<dyn ProviderClient> = Arc::new(HttpProviderClient::new()?);
        api = api.with_providers(providers, &client, &public_url);
    }
    if let Some(mailer) = mailer {
        api = api.with_mail(Arc::new(mailer), public_url);
    }
    Ok(api)
}

/// 0: for ever.
fn kept_for(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_hours(u64::from(days) * 24))
}

/// The guard of an installation.
pub(crate) fn guard(config: &Config) -> anyhow::Result<Guard> {
    Ok(Guard::new(config.egress.policy())?)
}

/// Two servers on one data directory would run every slot twice.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another server uses the data directory {}",
                folder.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).context("the data directory cannot be locked")
        }
    }
}
