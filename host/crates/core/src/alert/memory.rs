//! What rules about a stretch of time remember: bounded, whatever the length of the stretch.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::rule::{MAX_CHANGES, Window};

/// Parts of a window that verdicts are counted in. The window is exact to one part.
const BUCKETS: i64 = 60;
/// A window that began less than its length ago is judged from this many verdicts on.
pub const LEAST_VERDICTS: u64 = 10;

/// What is remembered beside the phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Memory {
    #[default]
    Nothing,
    /// The end of the certificate that ends first.
    Certificate {
        expires_at: DateTime<Utc>,
    },
    Uptime(Verdicts),
    Flapping(Changes),
}

impl Memory {
    pub(super) const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Nothing | Self::Certificate { .. } => Ok(()),
            Self::Uptime(verdicts) => verdicts.check(),
            Self::Flapping(changes) => changes.check(),
        }
    }

    /// The verdicts of this window; none if something else was remembered.
    pub(super) fn verdicts(&mut self, window: Window, at: DateTime<Utc>) -> &mut Verdicts {
        let width_seconds = bucket_seconds(window);
        let is_same = matches!(self, Self::Uptime(known) if known.width_seconds == width_seconds);
        if !is_same {
            *self = Self::Uptime(Verdicts {
                since: at,
                width_seconds,
                buckets: Vec::new(),
            });
        }
        match self {
            Self::Uptime(verdicts) => verdicts,
            _ => unreachable!("it was set just now"),
        }
    }

    /// The changes; none if something else was remembered.
    pub(super) fn changes(&mut self) -> &mut Changes {
        if !matches!(self, Self::Flapping(_)) {
            *self = Self::Flapping(Changes::default());
        }
        match self {
            Self::Flapping(changes) => changes,
            _ => unreachable!("it was set just now"),
        }
    }
}

/// The verdicts of a window, counted by parts of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdicts {
    /// The first one.
    since: DateTime<Utc>,
    width_seconds: i64,
    /// Number of the part since 1970, how many were up, how many down. Rising; none is empty.
    buckets: Vec<(i64, u32, u32)>,
}

impl Verdicts {
    fn check(&self) -> Result<(), &'static str> {
        let is_rising = self.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let is_bounded = self.buckets.len() <= usize::try_from(BUCKETS).unwrap_or(0);
        if is_rising && is_bounded && self.width_seconds > 0 {
            Ok(())
        } else {
            Err("the verdicts of the window are out of order")
        }
    }

    fn bucket_of(&self, at: DateTime<Utc>) -> i64 {
        at.timestamp().div_euclid(self.width_seconds)
    }

    /// Counts a verdict that is newer than all before.
    pub(super) fn count(&mut self, at: DateTime<Utc>, is_up: bool) {
        let number = self.bucket_of(at);
        self.buckets.retain(|bucket| bucket.0 > number - BUCKETS);
        if self.buckets.last().is_none_or(|last| last.0 < number) {
            self.buckets.push((number, 0, 0));
        }
        let (_, up, down) = self.buckets.last_mut().expect("one was pushed if need be");
        let counted = if is_up { up } else { down };
        *counted = counted.saturating_add(1);
    }

    /// Percent of the window's verdicts that are up; `None`: too few to say.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a window are far below 2^52"
    )]
    pub(super) fn percent_up(&self, now: DateTime<Utc>) -> Option<f64> {
        let number = self.bucket_of(now);
        let (mut up, mut total) = (0_u64, 0_u64);
        for bucket in self
            .buckets
            .iter()
            .filter(|b| b.0 > number.saturating_sub(BUCKETS))
        {
            up += u64::from(bucket.1);
            total += u64::from(bucket.1) + u64::from(bucket.2);
        }
        let is_full =
            (now - self.since).num_seconds() >= self.width_seconds.saturating_mul(BUCKETS);
        let is_enough = total >= LEAST_VERDICTS || (is_full && total > 0);
        is_enough.then(|| up as f64 * 100.0 / total as f64)
    }

    /// When the next part falls out of the window.
    pub(super) fn next_loss(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.buckets.iter().find_map(|bucket| {
            let seconds = bucket
                .0
                .saturating_add(BUCKETS)
                .saturating_mul(self.width_seconds);
            DateTime::from_timestamp(seconds, 0).filter(|time| *time > after)
        })
    }
}

fn bucket_seconds(window: Window) -> i64 {
    window.length().num_seconds() / BUCKETS
}

/// The last verdict, and the last times that it was another than the one before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    is_up: Option<bool>,
    /// Rising, the last [`MAX_CHANGES`].
    times: Vec<DateTime<Utc>>,
}

impl Changes {
    fn check(&self) -> Result<(), &'static str> {
        let is_rising = self.times.windows(2).all(|pair| pair[0] < pair[1]);
        if is_rising && self.times.len() <= MAX_CHANGES as usize {
            Ok(())
        } else {
            Err("the changes are out of order")
        }
    }

    /// Takes a verdict that is newer than all before.
    pub(super) fn take(&mut self, at: DateTime<Utc>, is_up: bool) {
        if self.is_up.is_some_and(|was_up| was_up != is_up) {
            if self.times.len() >= MAX_CHANGES as usize {
                self.times.remove(0);
            }
            self.times.push(at);
        }
        self.is_up = Some(is_up);
    }

    /// How many lie less than `length` before `now`.
    pub(super) fn within(&self, length: TimeDelta, now: DateTime<Utc>) -> usize {
        self.times
            .iter()
            .filter(|time| now - **time < length)
            .count()
    }

    /// When the next one falls out of the window.
    pub(super) fn next_loss(
        &self,
        length: TimeDelta,
        after: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        self.times
            .iter()
            .find_map(|time| time.checked_add_signed(length).filter(|loss| *loss > after))
    }
}
