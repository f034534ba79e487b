//! The connection to Redis, and doing without it.
//!
//! Nothing waits for Redis: a call has an answer within [`CALL_LIMIT`], or none. After one that has
//! none the connection is dropped, and until there is a new one every call has none at once: that is
//! the breaker. A task of its own connects again, so that no request tries out whether Redis is back.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisError,
    RedisResult, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a call may take. In a network of one's own an answer takes a millisecond; a node that
/// has lost Redis stands still for this long, once.
const CALL_LIMIT: Duration = Duration::from_millis(100);
/// How long connecting may take, TLS and the password included.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Time between two tries to connect.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// The address cannot be one of Redis. It may hold a password, so that nothing of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address such as redis://user:password@host:6379/0, or rediss://… for Redis behind TLS"
)]
pub struct RedisUrlError;

/// A way to Redis that may be down. Cheap to clone.
#[derive(Clone)]
pub struct RedisLink(Arc<Inner>);

struct Inner {
    client: Client,
    call_limit: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None`: the breaker is open.
    connection: Option<MultiplexedConnection>,
    /// Of the connection, so that a late failure of an earlier one does not end this one.
    number: u64,
}

/// The address may hold a password.
impl std::fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisLink { … }")
    }
}

impl RedisLink {
    /// Reads an address; nothing is dialled yet.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        // Without this, small packets wait for each other.
        let settings = TcpSettings::default().set_nodelay(true);
        let info = url.into_connection_info().map_err(|_| RedisUrlError)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(RedisUrlError);
        }
        let client = Client::open(info.set_tcp_settings(settings)).map_err(|_| RedisUrlError)?;
        Ok(Self(Arc::new(Inner {
            client,
            call_limit: CALL_LIMIT,
            state: Mutex::default(),
        })))
    }

    /// The same with another limit of a call: for tests on machines that are busy.
    #[cfg(any(test, feature = "testing"))]
    pub fn patient(url: &str) -> Self {
        let Self(inner) = Self::new(url).expect("an address");
        let mut inner = Arc::into_inner(inner).expect("it was made just now");
        inner.call_limit = Duration::from_secs(20);
        Self(Arc::new(inner))
    }

    /// Connects. Where that fails, it is tried again in the background, for as long as this is
    /// there: a server starts without Redis, too.
    pub async fn connect(&self) {
        match self.0.connect().await {
            Ok(()) => tracing::info!("Redis answers"),
            Err(error) => {
                tracing::warn!(error = %error, "Redis does not answer; this node goes on by itself");
                self.reconnect_later();
            }
        }
    }

    /// Whether calls are made at the moment.
    pub fn is_up(&self) -> bool {
        self.0.state().connection.is_some()
    }

    /// What Redis answers; `None` when it does not, or not in time.
    pub(crate) async fn call<T>(
        &self,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let (mut connection, number) = {
            let state = self.0.state();
            (state.connection.clone()?, state.number)
        };
        let answer = timeout(self.0.call_limit, ask(&mut connection)).await;
        match answer.unwrap_or_else(|_| Err(too_slow())) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.fail(number, &error);
                None
            }
        }
    }

    /// Opens the breaker, unless that has happened since.
    fn fail(&self, number: u64, error: &RedisError) {
        let dropped = {
            let mut state = self.0.state();
            if state.number == number {
                state.connection.take()
            } else {
                None
            }
        };
        if dropped.is_some() {
            tracing::warn!(error = %error, "Redis fails; this node goes on by itself");
            self.reconnect_later();
        }
    }

    fn reconnect_later(&self) {
        let link = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                sleep_until(Instant::now() + RETRY_EVERY).await;
                let Some(link) = link.upgrade() else { return };
                match link.connect().await {
                    Ok(()) => {
                        tracing::info!("Redis answers again");
                        return;
                    }
                    Err(error) => tracing::debug!(error = %error, "Redis does not answer yet"),
                }
            }
        });
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Takes a connection that answers as fast as calls have to be.
    async fn connect(&self) -> RedisResult<()> {
        // Both are bounded here; `None` leaves it to that.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connected = timeout(CONNECT_LIMIT, connecting).await;
        let mut connection = connected.unwrap_or_else(|_| Err(too_slow()))?;
        let ping = redis::cmd("PING");
        let answer = timeout(self.call_limit, ping.query_async::<()>(&mut connection)).await;
        answer.unwrap_or_else(|_| Err(too_slow()))?;
        let mut state = self.state();
        state.number += 1;
        state.connection = Some(connection);
        Ok(())
    }
}

fn too_slow() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_judged_and_not_shown() {
        for url in [
            "redis://127.0.0.1:6379/2",
            "rediss://:pass@redis.example.com",
            "redis+unix:///run/redis.sock",
        ] {
            let link = RedisLink::new(url).unwrap();
            assert_eq!(format!("{link:?}"), "RedisLink { … }");
            assert!(!link.is_up());
        }
        for url in [
            "",
            "x",
            "127.0.0.1:6379",
            "http://localhost",
            "redis://:pass@",
            "rediss://localhost/#insecure",
            "redis://localhost/pass",
        ] {
            let error = RedisLink::new(url).err();
            assert_eq!(error, Some(RedisUrlError), "{url}");
            assert!(!RedisUrlError.to_string().contains("pass@"));
        }
    }
}
