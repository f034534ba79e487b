//! What is known of the network of this installation: pure, from one look at the reference targets to the next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// Looks in a row that have to say otherwise before the network counts as gone, or as back.
const LOOKS: u32 = 2;

/// Least time between the beginnings of two looks: the references belong to others.
pub(super) const LEAST_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks while the network is there and no run says otherwise.
const PAUSE: Duration = Duration::from_secs(30);
/// The same while it is gone.
const PAUSE_OFFLINE: Duration = Duration::from_secs(5);

/// A time without network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When the look began that was the first without an answer.
    pub since: DateTime<Utc>,
    /// When the look began that was the first with an answer again; `None` as long as it goes on.
    pub until: Option<DateTime<Utc>>,
}

/// One look at the reference targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// When it began, by the clock on the wall.
    pub(super) began_at: DateTime<Utc>,
    /// One is enough: then neither our resolver nor our uplink is gone.
    pub(super) any_answered: bool,
}

/// What the looks so far have shown.
#[derive(Debug, Default)]
pub(super) struct Network {
    last: Option<Look>,
    last_silent: Option<Look>,
    /// The first of the looks in a row that say otherwise than `outage`, and how many they are.
    otherwise: Option<(Look, u32)>,
    /// The newest.
    outage: Option<Outage>,
}

impl Network {
    /// Takes in a look. Answers the outage that begins or ends with it.
    pub(super) fn note(&mut self, look: Look) -> Option<Outage> {
        self.last = Some(look);
        if !look.any_answered {
            self.last_silent = Some(look);
        }
        if look.any_answered != self.is_offline() {
            self.otherwise = None;
            return None;
        }
        let (first, before) = self.otherwise.unwrap_or((look, 0));
        if before + 1 < LOOKS {
            self.otherwise = Some((first, before + 1));
            return None;
        }
        self.otherwise = None;
        let outage = match self.outage {
            Some(Outage { since, until: None }) => Outage {
                since,
                until: Some(first.began_at),
            },
            _ => Outage {
                since: first.began_at,
                until: None,
            },
        };
        self.outage = Some(outage);
        Some(outage)
    }

    /// Whether the network counts as gone.
    pub(super) fn is_offline(&self) -> bool {
        self.outage.is_some_and(|outage| outage.until.is_none())
    }

    /// The newest outage, over or not.
    pub(super) const fn outage(&self) -> Option<Outage> {
        self.outage
    }

    /// Whether a look that ended since then got no answer. One is enough to doubt what runs of that time say: the
    /// network may have been gone for less than two looks.
    pub(super) fn was_silent_since(&self, time: Instant) -> bool {
        self.last_silent.is_some_and(|look| look.ended >= time)
    }

    /// When the last look without an answer began.
    pub(super) fn silent_at(&self) -> Option<DateTime<Utc>> {
        self.last_silent.map(|look| look.began_at)
    }

    /// Whether a look that began since then has ended.
    pub(super) fn was_looked_at_since(&self, time: Instant) -> bool {
        self.last.is_some_and(|look| look.began >= time)
    }

    /// From the beginning of one look to that of the next, if nobody asks for it.
    pub(super) fn pause(&self) -> Duration {
        match self.otherwise {
            Some(_) => LEAST_PAUSE,
            None if self.is_offline() => PAUSE_OFFLINE,
            None => PAUSE,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// Looks of a second each, five seconds apart; `#` got no answer.
    fn note_all(
        network: &mut Network,
        from: Instant,
        looks: &str,
    ) -> Vec<Option<(u32, Option<u32>)>> {
        let seconds = |time: DateTime<Utc>| u32::try_from(time.timestamp()).expect("in range");
        let looks = looks.bytes().zip(0_u32..).map(|(look, number)| {
            let began = from + Duration::from_secs(5) * number;
            let outage = network.note(Look {
                began,
                ended: began + Duration::from_secs(1),
                began_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::from(5 * number)),
                any_answered: look != b'#',
            });
            outage.map(|outage| (seconds(outage.since), outage.until.map(seconds)))
        });
        looks.collect()
    }

    #[test]
    fn one_look_is_not_enough_to_begin_or_to_end_an_outage() {
        let mut network = Network::default();
        let told = note_all(&mut network, Instant::now(), ".#.#.##.#..#");
        let mut expected = vec![None; 12];
        expected[6] = Some((25, None));
        expected[10] = Some((25, Some(45)));
        assert_eq!(told, expected);
        assert!(!network.is_offline(), "the last one is one only");
        let outage = network.outage().expect("there was one");
        assert!(outage.until.is_some());
    }

    #[test]
    fn a_second_outage_is_another_one() {
        let mut network = Network::default();
        let told = note_all(&mut network, Instant::now(), "##..##");
        let told: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!(told, [(0, None), (0, Some(10)), (20, None)]);
        assert!(network.is_offline());
    }

    #[test]
    fn a_single_look_without_an_answer_puts_its_time_in_doubt() {
        let began = Instant::now();
        let second = |seconds| began + Duration::from_secs(seconds);
        let mut network = Network::default();
        assert!(!network.was_silent_since(began) && !network.was_looked_at_since(began));
        note_all(&mut network, began, ".#.");
        assert!(network.was_silent_since(second(0)));
        assert!(network.was_silent_since(second(6)), "it ended then");
        assert!(!network.was_silent_since(second(7)));
        assert_eq!(network.silent_at().map(|at| at.timestamp()), Some(5));
        assert!(network.was_looked_at_since(second(10)));
        assert!(!network.was_looked_at_since(second(11)));
    }

    #[test]
    fn what_is_in_doubt_is_looked_at_again_soon() {
        for (looks, pause) in [
            ("", PAUSE),
            (".", PAUSE),
            ("#", LEAST_PAUSE),
            ("##", PAUSE_OFFLINE),
            ("##.", LEAST_PAUSE),
            ("##.#", PAUSE_OFFLINE),
            ("##..", PAUSE),
        ] {
            let mut network = Network::default();
            note_all(&mut network, Instant::now(), looks);
            assert_eq!(network.pause(), pause, "{looks}");
        }
    }
}
