//! When the next attempt comes, as a function of what is known: how many there were, how long ago the first was,
//! what the other side asked for, and a random number.

use std::time::Duration;

/// After the first attempt.
pub const FIRST_DELAY: Duration = Duration::from_secs(10);
/// Longest delay of the schedule itself.
pub const MAX_DELAY: Duration = Duration::from_hours(1);
/// Longest delay that another side can ask for: an alert that waits longer is of little use, and one header must not
/// silence a channel for a day.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(2);
/// From the first attempt to the last.
pub const TOTAL: Duration = Duration::from_hours(24);

/// What comes after an attempt that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, so long after the end of this one.
    After(Duration),
    /// None: the time is over. The notification is kept as undelivered.
    DeadLetter,
}

/// The delay after the `attempts`th attempt (from 1), `elapsed` after the start of the first one. `retry_after` is
/// what the other side asked for. `random` is from 0 to 1, evenly; what is outside counts as the nearer end.
///
/// Delays double from [`FIRST_DELAY`] to [`MAX_DELAY`]; of each, a random part of up to a half is left out, so that
/// what failed together does not come back together. What the other side asks for is the least, within
/// [`MAX_RETRY_AFTER`], with a random tenth more. The last attempt is made when [`TOTAL`] has passed.
pub fn next(attempts: u32, elapsed: Duration, retry_after: Option<Duration>, random: f64) -> Next {
    let random = if random.is_nan() {
        0.0
    } else {
        random.clamp(0.0, 1.0)
    };
    let left = TOTAL.saturating_sub(elapsed);
    if left.is_zero() {
        return Next::DeadLetter;
    }
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = FIRST_DELAY.saturating_mul(1 << doublings).min(MAX_DELAY);
    let own = whole.mul_f64(1.0 - random / 2.0);
    let asked = retry_after.map_or(Duration::ZERO, |asked| {
        asked.min(MAX_RETRY_AFTER).mul_f64(1.0 + random / 10.0)
    });
    Next::After(own.max(asked).min(left))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delays_double_to_an_hour_and_end_after_a_day() {
        let mut elapsed = Duration::ZERO;
        let mut delays = Vec::new();
        for attempt in 1..1_000 {
            match next(attempt, elapsed, None, 0.0) {
                Next::After(delay) => {
                    delays.push(delay.as_secs());
                    elapsed += delay;
                }
                Next::DeadLetter => break,
            }
        }
        assert_eq!(
            delays[..10],
            [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]
        );
        assert_eq!(
            elapsed, TOTAL,
            "the last attempt is made when the time is over"
        );
        assert_eq!(delays.len(), 32);
    }

    #[test]
    fn a_wish_is_granted_within_bounds() {
        assert_eq!(next(1, secs(1), Some(secs(60)), 0.0), Next::After(secs(60)));
        assert_eq!(next(1, secs(1), Some(secs(60)), 1.0), Next::After(secs(66)));
        assert_eq!(
            next(1, secs(1), Some(secs(1)), 0.0),
            Next::After(FIRST_DELAY)
        );
        assert_eq!(
            next(1, secs(1), Some(Duration::MAX), 0.0),
            Next::After(MAX_RETRY_AFTER)
        );
        let late = TOTAL.saturating_sub(secs(5));
        assert_eq!(next(30, late, Some(secs(600)), 0.5), Next::After(secs(5)));
        assert_eq!(next(1, TOTAL, Some(secs(600)), 0.5), Next::DeadLetter);
    }

    proptest! {
        #[test]
        fn every_delay_is_within_its_bounds(
            attempts: u32,
            elapsed in 0..100_000_u64,
            asked in proptest::option::of(any::<u64>()),
            random: f64,
        ) {
            let asked = asked.map(Duration::from_millis);
            match next(attempts, secs(elapsed), asked, random) {
                Next::DeadLetter => prop_assert!(secs(elapsed) >= TOTAL),
                Next::After(delay) => {
                    prop_assert!(secs(elapsed) + delay <= TOTAL);
                    let left = TOTAL.saturating_sub(secs(elapsed));
                    prop_assert!(delay >= (FIRST_DELAY / 2).min(left));
                    prop_assert!(delay <= MAX_RETRY_AFTER.mul_f64(1.1));
                    if let Some(asked) = asked {
                        prop_assert!(delay >= asked.min(MAX_RETRY_AFTER).min(left));
                    }
                }
            }
        }
    }
}
