//! How many requests a run may start, and how many bytes of them. Without I/O, so that whoever
//! passes requests on to a session can refuse them by the same rule.

use crate::{FetchError, Request, SessionLimits};

/// What is left of a run's requests.
#[derive(Debug)]
pub struct Allowance {
    max_requests: u32,
    requests: u32,
    max_bytes: usize,
    bytes: usize,
}

impl Allowance {
    /// All that `limits` give.
    pub fn new(limits: &SessionLimits) -> Self {
        Self {
            max_requests: limits.max_requests,
            requests: 0,
            max_bytes: limits.max_total_request_bytes,
            bytes: 0,
        }
    }

    /// Takes what a request needs.
    ///
    /// # Errors
    /// [`FetchError::Limit`] when that is more than is left.
    pub fn take(&mut self, request: &Request) -> Result<(), FetchError> {
        let most = self.max_requests;
        if self.requests >= most {
            return Err(FetchError::Limit(format!(
                "more than {most} requests in one run"
            )));
        }
        let headers = request.headers.iter();
        let bytes = request.url.len()
            + request.body.as_ref().map_or(0, Vec::len)
            + headers
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>();
        self.bytes = self.bytes.saturating_add(bytes);
        let most = self.max_bytes;
        if self.bytes > most {
            return Err(FetchError::Limit(format!(
                "more than {most} bytes of requests in one run"
            )));
        }
        self.requests += 1;
        Ok(())
    }
}
