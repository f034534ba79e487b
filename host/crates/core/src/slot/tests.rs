//! Tests of catching up: no slot is lost, none is taken twice, and the work is bounded.

use chrono::TimeDelta;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ScriptId;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time in RFC 3339")
}

fn every_minute() -> Schedule {
    Schedule::cron("* * * * *", "UTC").expect("a cron text that parses")
}

#[test]
fn a_run_that_ends_in_time_leaves_nothing_behind() {
    let caught = catch_up(
        &every_minute(),
        at("2026-11-24T12:00:00Z"),
        at("2026-11-24T12:00:30Z"),
        10,
    );
    assert_eq!(
        caught,
        CatchUp {
            missed: Vec::new(),
            next: Some(at("2026-11-24T12:01:00Z"))
        }
    );
}

#[test]
fn the_latest_slot_due_runs_late_and_older_ones_are_missed() {
    let caught = catch_up(
        &every_minute(),
        at("2026-11-24T12:00:00Z"),
        at("2026-11-24T12:03:30Z"),
        10,
    );
    let missed = vec![at("2026-11-24T12:01:00Z"), at("2026-11-24T12:02:00Z")];
    assert_eq!(
        caught,
        CatchUp {
            missed,
            next: Some(at("2026-11-24T12:03:00Z"))
        }
    );
}

#[test]
fn a_slot_due_at_this_very_moment_is_due() {
    let caught = catch_up(
        &every_minute(),
        at("2026-11-24T12:00:00Z"),
        at("2026-11-24T12:02:00Z"),
        10,
    );
    let missed = vec![at("2026-11-24T12:01:00Z")];
    assert_eq!(
        caught,
        CatchUp {
            missed,
            next: Some(at("2026-11-24T12:02:00Z"))
        }
    );
}

#[test]
fn a_month_of_downtime_is_caught_up_in_bounded_steps() {
    let now = at("2026-11-24T12:00:30Z");
    let caught = catch_up(&every_minute(), at("2026-10-24T12:00:00Z"), now, 1_000);
    assert_eq!(caught.missed.len(), 1_000);
    assert_eq!(caught.next, Some(at("2026-10-25T04:41:00Z")));
}

#[test]
fn a_clock_that_went_back_repeats_nothing() {
    let caught = catch_up(
        &every_minute(),
        at("2026-11-24T12:00:00Z"),
        at("2026-11-24T11:00:00Z"),
        10,
    );
    assert_eq!(
        caught,
        CatchUp {
            missed: Vec::new(),
            next: Some(at("2026-11-24T12:01:00Z"))
        }
    );
}

#[test]
fn a_schedule_without_end_is_not_assumed() {
    let never = Schedule::cron("0 0 30 2 *", "UTC").expect("a cron text that parses");
    let caught = catch_up(
        &never,
        at("2026-11-24T12:00:00Z"),
        at("2026-11-24T12:00:30Z"),
        10,
    );
    assert_eq!(
        caught,
        CatchUp {
            missed: Vec::new(),
            next: None
        }
    );
}

#[test]
fn reasons_are_read_as_they_are_written() {
    for reason in MissedReason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(*reason));
        assert!(!reason.message().is_empty());
    }
    assert!("late".parse::<MissedReason>().is_err());
}

proptest! {
    /// Slots run or missed, taken together and in order, are exactly the schedule's own, whatever
    /// the delays, the limit and the steps of the clock.
    #[test]
    fn every_slot_is_taken_once(
        low in any::<u64>(),
        seconds in 1..120_u32,
        delays in prop::collection::vec((-200_i64..2_000, 0..20_usize), 1..40),
    ) {
        let id = ScriptId::from_uuid(Uuid::from_u64_pair(0, low));
        let schedule = Schedule::interval(id, seconds).expect("in range");
        let first = schedule.next_after(at("2026-11-24T12:00:00Z")).expect("always due");
        let mut taken = vec![first];
        let mut last = first;
        for (delay, limit) in delays {
            // A slot is taken up at its time at the earliest, and ends `delay` later by a clock
            // that may have been set back meanwhile.
            let now = last + TimeDelta::seconds(delay);
            let caught = catch_up(&schedule, last, now, limit);
            prop_assert!(caught.missed.len() <= limit);
            prop_assert!(caught.missed.iter().all(|slot| *slot <= now));
            let next = caught.next.expect("intervals always come due");
            if caught.missed.len() < limit {
                // Not stopped by the limit, so nothing but the latest due slot may be left.
                let successor = schedule.next_after(next).expect("intervals always come due");
                prop_assert!(successor > now);
            }
            taken.extend(caught.missed);
            taken.push(next);
            last = next;
        }
        for pair in taken.windows(2) {
            prop_assert_eq!(schedule.next_after(pair[0]), Some(pair[1]));
        }
    }
}

#[test]
fn a_recheck_comes_where_the_schedule_does_not_come_as_soon() {
    let last = at("2026-11-24T12:00:00Z");
    let now = at("2026-11-24T12:00:02.5Z");
    let soon = at("2026-11-24T12:00:07.5Z");
    let later = soon + TimeDelta::microseconds(1);
    assert_eq!(recheck_at(last, Some(later), now), Some(soon));
    assert_eq!(recheck_at(last, Some(soon), now), None);
    assert_eq!(recheck_at(last, Some(now), now), None, "it is late already");
    assert_eq!(recheck_at(last, None, now), None);
    // The clock was set back.
    let early = at("2026-11-24T11:30:00Z");
    let soon = at("2026-11-24T12:00:05Z");
    assert_eq!(recheck_at(last, Some(later), early), Some(soon));
}
