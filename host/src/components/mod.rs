//! Uploaded components in a server: compiled when they are new, kept compiled, run when a script
//! asks for it, and forbidden when an administrator says so.

mod budgets;
mod compiler;

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use moka::future::Cache;
use tokio::{
    sync::{Mutex, Notify, watch},
    task::JoinSet,
};
use vedette_core::{Clock, ComponentRefusal, Digest, ErrorClass, OrgId, Outcome};
use vedette_sandbox::{
    ArtifactCache, RunInputs,
    component::{Artifact, LoadedComponent},
};
use vedette_store::Store;

use self::budgets::Budgets;
#[cfg(target_os = "linux")]
pub(crate) use self::compiler::COMPILE_COMPONENT;
pub(crate) use self::compiler::compile;
use crate::wire::Place;

/// Between two looks for components that were forbidden, perhaps by another node: the promise is
/// five seconds.
const LOOK: Duration = Duration::from_secs(1);

/// In one process: components that stay loaded, by the bytes of their native code, and for how
/// long after their last run.
const LOADED_BYTES: u64 = 512 * 1024 * 1024;
const LOADED_IDLE: Duration = Duration::from_secs(30);

/// Bytes of native code that are kept on disk.
const CACHE_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// Between two looks at them.
const SWEEP: Duration = Duration::from_hours(1);

/// The components of a server.
pub(crate) struct Components {
    store: Store,
    cache: ArtifactCache,
    clock: Arc<dyn Clock>,
    /// Told when there is something to compile.
    waiting: Notify,
    /// One at a time: a compiler uses all cores.
    compiling: Mutex<()>,
    blocked: watch::Sender<HashSet<Digest>>,
    /// In one process, those that ran lately.
    loaded: Cache<Digest, LoadedComponent>,
    budgets: Budgets,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

impl Components {
    /// Reads what is forbidden. Nothing is compiled before [`Components::begin`].
    pub(crate) async fn new(
        store: Store,
        cache: ArtifactCache,
        clock: Arc<dyn Clock>,
        memory_mib_of_organization: u32,
    ) -> anyhow::Result<Arc<Self>> {
        let blocked = store.blocked_digests().await;
        let blocked = blocked.context("the forbidden components cannot be read")?;
        Ok(Arc::new(Self {
            store,
            cache,
            clock,
            waiting: Notify::new(),
            compiling: Mutex::new(()),
            blocked: watch::Sender::new(blocked.into_iter().collect()),
            loaded: Cache::builder()
                .max_capacity(LOADED_BYTES)
                .weigher(|_: &Digest, loaded: &LoadedComponent| loaded.native_bytes())
                .time_to_idle(LOADED_IDLE)
                .build(),
            budgets: Budgets::new(memory_mib_of_organization),
            tasks: std::sync::Mutex::default(),
        }))
    }

    /// Begins to compile what waits, and to look for what is forbidden.
    pub(crate) fn begin(self: &Arc<Self>, place: &Arc<Place>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(self.clone().compile_what_waits());
        tasks.spawn(self.clone().watch_blocked(place.clone()));
        let cache = self.cache.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep_until(tokio::time::Instant::now() + SWEEP).await;
                let cache = cache.clone();
                let swept =
                    tokio::task::spawn_blocking(move || cache.sweep_components(CACHE_BYTES));
                if let Ok(Err(error)) = swept.await {
                    tracing::warn!(%error, "old compiled components could not be looked through");
                }
            }
        });
    }

    /// Ends what [`Components::begin`] began.
    pub(crate) fn end(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
    }

    /// There is something to compile.
    pub(crate) fn wake(&self) {
        self.waiting.notify_one();
    }

    /// Something was forbidden, or allowed again.
    pub(crate) async fn read_blocked(&self, place: &Place) {
        match self.store.blocked_digests().await {
            Ok(digests) => {
                let now: HashSet<Digest> = digests.into_iter().collect();
                let before = self.blocked.send_replace(now.clone());
                for digest in now.difference(&before) {
                    tracing::warn!(component = %digest, "a component is forbidden from now on");
                    self.loaded.invalidate(digest).await;
                    place.end_component(digest);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the forbidden components cannot be read");
            }
        }
    }

    async fn watch_blocked(self: Arc<Self>, place: Arc<Place>) {
        loop {
            tokio::time::sleep_until(tokio::time::Instant::now() + LOOK).await;
            self.read_blocked(&place).await;
        }
    }

    /// Runs a component. Never fails: whatever goes wrong is an outcome.
    pub(crate) async fn run(
        self: &Arc<Self>,
        place: &Place,
        org: OrgId,
        digest: Digest,
        inputs: RunInputs,
    ) -> Outcome {
        let mut blocked = self.blocked.subscribe();
        let running = async {
            let _paid = self.budgets.pay(org, inputs.limits.memory_bytes).await;
            if !place.has_component(self, &digest)
                && let Err(refusal) = self.make_sure(digest).await
            {
                return Outcome::error(refusal.class, refusal.message);
            }
            place.run_component(self, digest, inputs).await
        };
        tokio::select! {
            biased;
            _ = blocked.wait_for(|blocked| blocked.contains(&digest)) => Outcome::error(
                ErrorClass::InvalidComponent,
                "the component is forbidden by an administrator of this installation",
            ),
            outcome = running => outcome,
        }
    }

    /// Native code from the cache.
    pub(crate) fn artifact(&self, digest: &Digest) -> Option<Artifact> {
        self.cache.component(digest)
    }

    /// Whether a component is loaded in this process.
    pub(crate) fn is_loaded(&self, digest: &Digest) -> bool {
        self.loaded.contains_key(digest)
    }

    /// For runs in this process.
    pub(crate) async fn loaded(&self, digest: Digest) -> Result<LoadedComponent, ComponentRefusal> {
        if let Some(loaded) = self.loaded.get(&digest).await {
            return Ok(loaded);
        }
        let cache = self.cache.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let artifact = cache.component(&digest).ok_or_else(gone)?;
            LoadedComponent::load(&artifact)
        });
        let loaded = loading.await.map_err(|_| gone())??;
        self.loaded.insert(digest, loaded.clone()).await;
        Ok(loaded)
    }
}

fn gone() -> ComponentRefusal {
    ComponentRefusal {
        class: ErrorClass::PlatformError,
        message: "the platform has no compiled form of the component; \
                  this says nothing about the target"
            .to_owned(),
    }
}
