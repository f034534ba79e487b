//! Whether an upload is taken: its signature, then the quotas, then what it is.

use bytes::Bytes;
use vedette_core::{ComponentFacts, Digest, ErrorClass, OrgId, Quota};
use vedette_store::NewSignature;

use crate::{
    ApiState,
    problem::{FieldError, Problem},
    signature::{self, Signature},
};

/// Seconds after which to try again, by what is used up: an hour's quota frees itself bit by
/// bit, a queue in a while, a store by deleting.
const RETRY_COMPILING: u16 = 600;
const RETRY_QUEUE: u16 = 60;
const RETRY_STORED: u16 = 3_600;

const MIB: u64 = 1024 * 1024;

fn wrong_signature(detail: &str) -> Problem {
    Problem::invalid(vec![FieldError::new(signature::HEADER, detail)])
}

/// Before the body is read.
pub(super) async fn check_declared_signature(
    state: &ApiState,
    org: OrgId,
    signature: Option<&Signature>,
) -> Result<(), Problem> {
    if signature.is_none() && state.store.requires_component_signature(org).await? {
        return Err(wrong_signature(
            "the organization takes only components that one of its keys has signed",
        ));
    }
    Ok(())
}

/// One text for every reason: which keys there are, and since when not, is seen at the keys.
pub(super) async fn verify_signature(
    state: &ApiState,
    org: OrgId,
    signature: Option<Signature>,
    bytes: &Bytes,
) -> Result<Option<NewSignature>, Problem> {
    let Some(signature) = signature else {
        return Ok(None);
    };
    let now = state.clock.now();
    let keys = state.store.list_valid_component_keys(org, now).await?;
    let bytes = bytes.clone();
    let verifying =
        tokio::task::spawn_blocking(move || signature::verify(&bytes, &signature, &keys));
    let verified = verifying.await.map_err(|_| Problem::panicked())?;
    verified.map(Some).ok_or_else(|| {
        wrong_signature(
            "no key of the organization that is valid now has signed exactly these bytes",
        )
    })
}

/// What the organization has already costs nothing more.
pub(super) async fn check_quotas(
    state: &ApiState,
    org: OrgId,
    digest: Digest,
    size: usize,
) -> Result<(), Problem> {
    let (store, config, now) = (&state.store, &state.config, state.clock.now());
    if store.get_component(org, digest, now).await?.is_some() {
        return Ok(());
    }
    let usage = store.component_usage(org, now).await?;
    let quotas = store.quotas_of(org).await?;
    let most = quotas.limit(Quota::StoredBytes);
    if let Some(most) = most.filter(|most| usage.stored_bytes.saturating_add(size as u64) > *most) {
        let (used, most) = (usage.stored_bytes / MIB, most / MIB);
        return Err(Problem::quota_exceeded(
            format!(
                "the organization's components have {used} MiB of {most} MiB (quota `stored_bytes`); \
                 delete some"
            ),
            RETRY_STORED,
        ));
    }
    let most = config.component_queue;
    if usage.queued >= most {
        return Err(Problem::quota_exceeded(
            format!("{most} components of the organization wait to be compiled already"),
            RETRY_QUEUE,
        ));
    }
    let most = config.component_compile_ms_per_hour;
    if usage.compile_ms_last_hour >= most {
        let seconds = most / 1_000;
        return Err(Problem::quota_exceeded(
            format!(
                "compiling for the organization took more than {seconds} s within the last hour"
            ),
            RETRY_COMPILING,
        ));
    }
    Ok(())
}

pub(super) async fn inspect(state: &ApiState, bytes: &Bytes) -> Result<ComponentFacts, Problem> {
    let inspected = state.engine.inspect(bytes.clone()).await;
    inspected.map_err(|refusal| {
        if refusal.class == ErrorClass::PlatformError {
            tracing::error!(error = %refusal, "a component could not be judged");
            return Problem::unavailable("the component could not be checked just now");
        }
        Problem::refused(refusal)
    })
}
