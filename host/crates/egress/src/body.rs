//! Reading a body: counted as it is decoded, never allocated ahead.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{FetchError, SessionLimits};

/// Bytes of all bodies of a session.
#[derive(Debug, Default)]
pub(crate) struct Received(AtomicU64);

/// Reads to the end, or to the first limit.
pub(crate) async fn read(
    response: &mut reqwest::Response,
    received: &Received,
    limits: &SessionLimits,
) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| crate::session::classify(&error))?
    {
        // Widening: a chunk is in memory already.
        let length = chunk.len() as u64;
        if body.len() as u64 + length > limits.max_body_bytes {
            return Err(FetchError::BodyTooLarge(limits.max_body_bytes));
        }
        if received.0.fetch_add(length, Ordering::Relaxed) + length > limits.max_total_bytes {
            let most = limits.max_total_bytes;
            return Err(FetchError::Limit(format!(
                "more than {most} bytes of bodies in one run"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
