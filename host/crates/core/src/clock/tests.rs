//! Tests of the clocks: whole microseconds, and a manual clock that moves only when moved.

use super::*;

#[test]
fn the_system_clock_is_cut_to_microseconds() {
    // A clock that kept nanoseconds would pass one such look by chance, not a hundred.
    assert!((0..100).all(|_| {
        SystemClock
            .now()
            .timestamp_subsec_nanos()
            .is_multiple_of(1_000)
    }));
}

#[test]
fn times_are_cut_downwards_on_both_sides_of_1970() {
    let cut = |secs, nanos| {
        whole_micros(DateTime::from_timestamp(secs, nanos).expect("in range")).timestamp_nanos_opt()
    };
    assert_eq!(cut(5, 1_999), Some(5_000_001_000));
    assert_eq!(cut(-1, 999_999_999), Some(-1_000));
}

#[test]
fn a_manual_clock_moves_both_ways_and_not_by_itself() {
    let start = DateTime::from_timestamp(1_795_000_000, 123_456_789).expect("in range");
    let clock = ManualClock::at(start);
    let shown = clock.now();
    assert_eq!(shown.timestamp_subsec_nanos(), 123_456_000);
    clock.advance(TimeDelta::seconds(-90));
    assert_eq!(clock.now(), shown - TimeDelta::seconds(90));
    clock.advance(TimeDelta::seconds(100));
    assert_eq!(clock.now(), shown + TimeDelta::seconds(10));
}
