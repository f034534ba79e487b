//! Whether there is a network at all, for an installation that wants to know it of itself.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::{Guard, RedirectMode, Request, SessionLimits};

impl Guard {
    /// Whether at least one of these URLs answers by HTTP in time, with whatever status. All are asked at once (`HEAD`),
    /// each by its name and on a connection of its own, and the first answer is enough. What the guard refuses does
    /// not answer.
    ///
    /// For URLs that the operator names, not for those of tenants. Look-ups of names that hang leave less room for
    /// others of the same guard: use one that makes no other requests.
    pub async fn reaches_any(&self, urls: &[String], patience: Duration) -> bool {
        let limits = SessionLimits {
            max_requests: 1,
            max_concurrent: 1,
            connect_timeout: patience,
            first_byte_timeout: patience,
            request_timeout: patience,
            max_redirects: 0,
            ..SessionLimits::default()
        };
        let mut asked = JoinSet::new();
        for url in urls {
            let session = self.session(limits.clone());
            let request = Request {
                method: "HEAD".to_owned(),
                url: url.clone(),
                redirect: RedirectMode::Manual,
                ..Request::default()
            };
            asked.spawn(async move {
                let answer = match session.fetch(request) {
                    Ok(answer) => answer.await,
                    Err(error) => Err(error),
                };
                answer.inspect_err(|error| tracing::debug!(%error, "a reference does not answer"))
            });
        }
        while let Some(ended) = asked.join_next().await {
            if matches!(ended, Ok(Ok(_))) {
                return true;
            }
        }
        false
    }
}
