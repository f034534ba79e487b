//! What a run takes from outside besides its inputs: time, chance, and who answers its requests.
//!
//! A guest's world stands still while it computes. Its clocks go on only when it waits on the host,
//! and its random numbers come from one seed, so that a run depends on nothing but its inputs, the
//! seed, the answers, and a reading of the clock for each wait: little enough to record. What a
//! guest cannot time, it cannot spy out by timing either.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    network::Network,
    record::{Replay, Tape},
};

/// A seed of a run's random numbers.
pub(crate) type Seed = [u8; 32];

/// Given to a run at its start.
pub(crate) struct World {
    pub(crate) network: Arc<dyn Network>,
    pub(crate) clock: GuestClock,
    pub(crate) seed: Seed,
    pub(crate) tape: Option<Tape>,
    pub(crate) replay: Option<Replay>,
}

/// A seed from the operating system.
pub(crate) fn new_seed() -> wasmtime::Result<Seed> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// Both clocks of a guest: one reading is enough for the two of them, since a run is short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuestClock {
    started_at: DateTime<Utc>,
    started: Instant,
    /// Whole milliseconds since the start: fine enough for a check.
    elapsed_ms: u64,
}

impl GuestClock {
    pub(crate) fn start(started_at: DateTime<Utc>) -> Self {
        Self {
            started_at,
            started: Instant::now(),
            elapsed_ms: 0,
        }
    }

    pub(crate) const fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    pub(crate) const fn elapsed_ms(&self) -> u64 {
        self.elapsed_ms
    }

    /// The moment that the guest's clocks show.
    pub(crate) fn instant(&self) -> Instant {
        let elapsed = Duration::from_millis(self.elapsed_ms);
        self.started.checked_add(elapsed).unwrap_or(self.started)
    }

    /// The real time since the start, for the host's own measurements.
    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since the Unix epoch; never before it.
    pub(crate) fn wall_ms(&self) -> u64 {
        let elapsed = i64::try_from(self.elapsed_ms).map_or(TimeDelta::MAX, |ms| {
            TimeDelta::try_milliseconds(ms).unwrap_or(TimeDelta::MAX)
        });
        let now = self.started_at.checked_add_signed(elapsed);
        let millis = now.unwrap_or(DateTime::<Utc>::MAX_UTC).timestamp_millis();
        u64::try_from(millis).unwrap_or(0)
    }

    /// Goes on to the real time, and by `at_least_ms` in any case: a timer that the host waited
    /// for is due then, however the milliseconds were cut.
    pub(crate) fn catch_up(&mut self, at_least_ms: u64) {
        let real_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.go_to(real_ms.max(self.elapsed_ms.saturating_add(at_least_ms)));
    }

    /// Goes on to `elapsed_ms` after the start, and never back.
    pub(crate) fn go_to(&mut self, elapsed_ms: u64) {
        self.elapsed_ms = self.elapsed_ms.max(elapsed_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stands_still_until_it_is_moved_and_never_goes_back() {
        let started_at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let mut clock = GuestClock::start(started_at);
        assert_eq!(
            (clock.elapsed_ms(), clock.wall_ms()),
            (0, 1_700_000_000_123)
        );
        clock.catch_up(60_000);
        assert!(clock.elapsed_ms() >= 60_000);
        let before = clock.elapsed_ms();
        clock.go_to(5);
        assert_eq!(clock.elapsed_ms(), before);
        assert_eq!(clock.wall_ms(), 1_700_000_000_123 + before);
        clock.go_to(u64::MAX);
        clock.catch_up(u64::MAX);
        assert!(clock.wall_ms() > 0, "no overflow");
        let clock = GuestClock::start(DateTime::<Utc>::MIN_UTC);
        assert_eq!(clock.wall_ms(), 0);
    }
}
