//! Compiling: of new components in the order of the queue, and again of those whose native code is
//! lost, was changed on disk, or is of another version of this program.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use vedette_core::{ComponentRefusal, Digest, ErrorClass};
use vedette_sandbox::component::Artifact;
use vedette_store::{CompiledComponent, FinishedComponent, StoreError};

use super::{Components, gone};

/// The argument that makes the binary a compiler.
#[cfg(target_os = "linux")]
pub(crate) const COMPILE_COMPONENT: &str = "compile-component";

/// Longer than any compiling may take, with the wait for its turn.
const LEASE: TimeDelta = TimeDelta::minutes(15);

/// How often a component is taken up whose compiling ends without an answer.
const ATTEMPTS: i64 = 3;

/// Between two looks at the queue: another node may have put something into it.
const LOOK: Duration = Duration::from_secs(1);

/// Native code of a component, by a process that can be killed.
#[cfg(target_os = "linux")]
pub(crate) async fn compile(bytes: &[u8]) -> Result<Artifact, ComponentRefusal> {
    use vedette_sandbox::process::{CompilerLimits, compile_component};
    let arguments = [COMPILE_COMPONENT.into()];
    let program = std::path::Path::new("/proc/self/exe");
    compile_component(program, &arguments, bytes, CompilerLimits::default()).await
}

/// Elsewhere there are no such processes: the command line compiles what its user gives it.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn compile(bytes: &[u8]) -> Result<Artifact, ComponentRefusal> {
    vedette_sandbox::component::inspect(bytes)?;
    let artifact = vedette_sandbox::component::compile(bytes)?;
    vedette_sandbox::component::LoadedComponent::load(&artifact)?;
    Ok(artifact)
}

impl Components {
    pub(super) async fn compile_what_waits(self: Arc<Self>) {
        loop {
            match self.compile_one().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "the queue of components cannot be worked on");
                }
            }
            // An error only says that nobody called.
            let _ = tokio::time::timeout(LOOK, self.waiting.notified()).await;
        }
    }

    /// Takes the next component from the queue. `false`: there was none.
    async fn compile_one(&self) -> Result<bool, StoreError> {
        let owner = format!("process-{}", std::process::id());
        let claimed = self
            .store
            .claim_component(self.clock.now(), LEASE, &owner)
            .await?;
        let Some(claimed) = claimed else {
            return Ok(false);
        };
        let digest = claimed.digest;
        let started = Instant::now();
        let compiled = self.compile_and_keep(digest).await;
        let took = started.elapsed();
        let result = match compiled {
            Ok(artifact) => Ok(CompiledComponent {
                native_bytes: artifact.bytes().len() as u64,
                compiled_for: None,
            }),
            Err(refusal)
                if refusal.class == ErrorClass::PlatformError && claimed.attempts < ATTEMPTS =>
            {
                let token = claimed.lease_token;
                self.store.release_component(digest, token).await?;
                // Whatever stood in the way may be gone a little later.
                let later = tokio::time::Instant::now() + LOOK;
                tokio::time::sleep_until(later).await;
                return Ok(true);
            }
            Err(refusal) => Err(refusal),
        };
        match &result {
            Ok(compiled) => {
                tracing::info!(component = %digest, took_ms = took.as_millis(), compiled.native_bytes, "compiled a component");
            }
            Err(refusal) => {
                tracing::info!(component = %digest, class = %refusal.class, reason = refusal.message, "refused a component");
            }
        }
        let finished = FinishedComponent {
            digest,
            lease_token: claimed.lease_token,
            finished_at: self.clock.now(),
            compile_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            result,
        };
        if !self.store.finish_component(&finished).await? {
            tracing::warn!(component = %digest, "the claim of a component was over before its compiling");
        }
        Ok(true)
    }

    /// Makes sure that there is native code to run, and that it is ours.
    pub(super) async fn make_sure(&self, digest: Digest) -> Result<(), ComponentRefusal> {
        let cache = self.cache.clone();
        let is_kept = tokio::task::spawn_blocking(move || cache.component(&digest).is_some());
        if is_kept.await.unwrap_or(false) {
            return Ok(());
        }
        self.compile_and_keep(digest).await.map(|_| ())
    }

    async fn compile_and_keep(&self, digest: Digest) -> Result<Artifact, ComponentRefusal> {
        let _turn = self.compiling.lock().await;
        // Somebody may have done it while this waited.
        let cache = self.cache.clone();
        let known = tokio::task::spawn_blocking(move || cache.component(&digest));
        if let Ok(Some(artifact)) = known.await {
            return Ok(artifact);
        }
        let bytes = match self.store.get_component_bytes(digest).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(gone()),
            Err(error) => {
                tracing::error!(%error, component = %digest, "the bytes of a component cannot be used");
                return Err(ComponentRefusal {
                    class: ErrorClass::PlatformError,
                    message: "the platform cannot read the component; \
                              this says nothing about the target"
                        .to_owned(),
                });
            }
        };
        let artifact = compile(&bytes).await?;
        let (cache, kept) = (self.cache.clone(), artifact.clone());
        let keeping = tokio::task::spawn_blocking(move || cache.store_component(&digest, &kept));
        match keeping.await {
            Ok(Ok(())) => Ok(artifact),
            Ok(Err(error)) => {
                tracing::error!(%error, "a compiled component cannot be kept (server.data_dir)");
                Err(gone())
            }
            Err(_) => Err(gone()),
        }
    }
}
