//! Tests of the schedule arithmetic: both changes of clocks, impossible dates, hidden gaps,
//! and the phase of intervals.

use std::{collections::HashMap, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time in RFC 3339")
}

fn cron(text: &str, timezone: &str) -> Schedule {
    Schedule::cron(text, timezone).expect("a cron text that parses")
}

/// The slots after `from` and until `until`.
fn slots(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    let until = at(until);
    std::iter::successors(schedule.next_after(at(from)), |last| {
        schedule.next_after(*last)
    })
    .take_while(|slot| *slot <= until)
    .map(|slot| slot.format("%d %H:%M:%S").to_string())
    .collect()
}

fn script_ids() -> impl Strategy<Value = ScriptId> {
    any::<u128>().prop_map(|bits| ScriptId::from_uuid(Uuid::from_u128(bits)))
}

#[test]
fn five_and_six_fields_are_read() {
    let now = at("2026-11-24T12:00:00Z");
    assert_eq!(
        cron("*/5 * * * *", "UTC").next_after(now),
        Some(at("2026-11-24T12:05:00Z"))
    );
    assert_eq!(
        cron("30 */5 * * * *", "UTC").next_after(now),
        Some(at("2026-11-24T12:00:30Z"))
    );
    assert_eq!(
        cron("@hourly", "UTC").next_after(now),
        Some(at("2026-11-24T13:00:00Z"))
    );
}

#[test]
fn next_after_is_strict_also_between_seconds() {
    let schedule = cron("* * * * * *", "UTC");
    let next = |text| schedule.next_after(at(text));
    assert_eq!(
        next("2026-11-24T12:00:00Z"),
        Some(at("2026-11-24T12:00:01Z"))
    );
    assert_eq!(
        next("2026-11-24T12:00:00.999999Z"),
        Some(at("2026-11-24T12:00:01Z"))
    );
    assert_eq!(
        next("2026-11-24T12:00:01.000001Z"),
        Some(at("2026-11-24T12:00:02Z"))
    );
}

#[test]
fn a_time_that_spring_skips_runs_once_right_after_the_gap() {
    let daily = cron("30 2 * * *", "Europe/Paris");
    let run = slots(&daily, "2027-03-26T12:00:00Z", "2027-03-30T12:00:00Z");
    // 02:30 is 01:30 UTC in winter; on the 28th 03:00 CEST is 01:00 UTC; then 00:30 UTC.
    assert_eq!(
        run,
        ["27 01:30:00", "28 01:00:00", "29 00:30:00", "30 00:30:00"]
    );
}

#[test]
fn a_fixed_time_that_autumn_repeats_runs_once() {
    let daily = cron("30 2 * * *", "Europe/Paris");
    let run = slots(&daily, "2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(run, ["24 00:30:00", "25 00:30:00", "26 01:30:00"]);
}

#[test]
fn a_repeating_time_runs_in_both_hours_of_autumn() {
    let half_hourly = cron("*/30 2 * * *", "Europe/Paris");
    let run = slots(&half_hourly, "2026-10-25T00:00:00Z", "2026-10-25T12:00:00Z");
    // The first slot of the day is at 00:00 UTC itself, which is not after the start.
    assert_eq!(run, ["25 00:30:00", "25 01:00:00", "25 01:30:00"]);
    assert_eq!(
        half_hourly.next_after(at("2026-10-24T23:59:59Z")),
        Some(at("2026-10-25T00:00:00Z"))
    );
}

/// Neither run is moved nor held back: only a single time of day counts as fixed.
#[test]
fn of_two_hours_the_skipped_one_is_left_out_and_the_repeated_one_runs_twice() {
    let twice_a_day = cron("0 2,14 * * *", "Europe/Paris");
    let spring = slots(&twice_a_day, "2027-03-27T12:00:00Z", "2027-03-29T12:00:00Z");
    // 14:00 CET; on the 28th there is no 02:00, then 14:00 CEST; 02:00 and 14:00 CEST.
    assert_eq!(
        spring,
        ["27 13:00:00", "28 12:00:00", "29 00:00:00", "29 12:00:00"]
    );
    let autumn = slots(&twice_a_day, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    // 02:00 CEST, 02:00 CET, 14:00 CET; 02:00 CET.
    assert_eq!(
        autumn,
        ["25 00:00:00", "25 01:00:00", "25 13:00:00", "26 01:00:00"]
    );
}

#[test]
fn every_ten_minutes_is_unmoved_by_both_changes_of_clocks() {
    let schedule = cron("*/10 * * * *", "America/New_York");
    for (from, until) in [
        ("2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z"),
        ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
    ] {
        assert_eq!(slots(&schedule, from, until).len(), 144, "from {from}");
    }
}

#[test]
fn unclear_schedules_are_refused_at_the_field_at_fault() {
    let id = ScriptId::from_uuid(Uuid::nil());
    let parse = |cron: Option<&str>, seconds, zone: &str| {
        let error = Schedule::parse(id, cron, seconds, zone).expect_err("a refusal");
        error.pointer(cron.is_some()).to_owned()
    };
    assert_eq!(parse(Some("* * *"), None, "UTC"), "/cron_expression");
    assert_eq!(parse(Some("61 * * * *"), None, "UTC"), "/cron_expression");
    assert_eq!(parse(Some("5/5 * * * *"), None, "UTC"), "/cron_expression");
    assert_eq!(
        parse(Some("0 0 12 1 1 * 2030"), None, "UTC"),
        "/cron_expression"
    );
    assert_eq!(
        parse(Some(&"*".repeat(257)), None, "UTC"),
        "/cron_expression"
    );
    assert_eq!(parse(Some("* * * * *"), None, "Mars/Olympus"), "/timezone");
    assert_eq!(
        parse(Some("* * * * *"), Some(60), "UTC"),
        "/cron_expression"
    );
    assert_eq!(parse(None, None, "UTC"), "/cron_expression");
    assert!(Schedule::check_timezone("Mars/Olympus").is_err());
    assert_eq!(Schedule::check_timezone("Europe/Paris"), Ok(()));
    assert_eq!(parse(None, Some(0), "UTC"), "/interval_seconds");
    assert_eq!(
        parse(None, Some(MAX_INTERVAL_SECONDS + 1), "UTC"),
        "/interval_seconds"
    );
}

#[test]
fn a_refused_text_is_not_repeated_at_full_length() {
    let error = Schedule::cron(&"é".repeat(100_000), "UTC").expect_err("a refusal");
    assert!(
        error.to_string().len() < 1_000,
        "{} bytes",
        error.to_string().len()
    );
}

#[test]
fn dates_that_never_come_are_refused() {
    let now = at("2026-11-24T12:00:00Z");
    let started = Instant::now();
    let texts = [
        "0 0 30 2 *",
        "* * * 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 29 2 +MON#1",
        "0 0 29 * +MON#1",
        "0 0 LW 2 +SUN",
        "0 0 31W 2,4,6,9,11 *",
    ];
    for text in texts {
        let schedule = cron(text, "Europe/Paris");
        assert_eq!(schedule.next_after(now), None, "{text}");
        let refused = schedule.check_frequency(text, now, 10);
        assert_eq!(refused, Err(ScheduleError::NeverDue(text.to_owned())));
    }
    let each = started.elapsed() / u32::try_from(texts.len()).expect("a short list");
    // For people who read the output: croner's own search takes 40 to 220 ms each.
    println!("refusing a date that never comes: {each:?} each");
}

#[test]
fn rare_dates_are_found() {
    let now = at("2026-11-24T12:00:00Z");
    let next = |text| cron(text, "UTC").next_after(now);
    assert_eq!(next("0 0 29 2 *"), Some(at("2028-02-29T00:00:00Z")));
    assert_eq!(next("0 0 29 2 +FRI"), Some(at("2036-02-29T00:00:00Z")));
    assert_eq!(
        cron("0 0 29 2 *", "UTC").check_frequency("", now, 3_600),
        Ok(())
    );
}

#[test]
fn gaps_are_found_wherever_they_hide() {
    let now = at("2026-11-24T12:00:00Z");
    let gap = |text: &str| match cron(text, "UTC").check_frequency(text, now, u32::MAX) {
        Err(ScheduleError::TooFrequent { found, .. }) => found,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(gap("* * * * * *"), 1);
    assert_eq!(gap("* * * * *"), 60);
    assert_eq!(gap("0,7 * * * * *"), 7);
    assert_eq!(gap("0,58 * * * * *"), 2);
    assert_eq!(gap("0 0,59 * * * *"), 60);
    assert_eq!(gap("0 0 12 * * *"), 86_400);
    assert_eq!(gap("0 0 12 * * MON"), 7 * 86_400);
    assert_eq!(gap("0 0 12 1,2 * *"), 86_400);
    // 23:59:55 on the 31st and 00:00:00 on the 1st meet only where a month of 31 days ends,
    // after more than 8,000 other fires in each month.
    assert_eq!(gap("0,55 0-56/2,59 0-20/2,23 1-27/2,31 * *"), 5);
    // The same times on days that never follow each other.
    assert_eq!(gap("0,55 0-56/2,59 0-20/2,23 2-26/2 * *"), 55);
}

#[test]
fn the_least_gap_itself_is_allowed() {
    let now = at("2026-11-24T12:00:00Z");
    let schedule = cron("*/10 * * * * *", "UTC");
    assert_eq!(schedule.check_frequency("", now, 10), Ok(()));
    let refused = Err(ScheduleError::TooFrequent {
        found: 10,
        least: 11,
    });
    assert_eq!(schedule.check_frequency("", now, 11), refused);
}

#[test]
fn phases_are_spread_over_the_interval() {
    let start = at("2026-11-24T12:00:00Z");
    let mut by_second: HashMap<i64, u32> = HashMap::new();
    for n in 0..6_000_u64 {
        // The same ids each time, their low half spread by the golden ratio as chance would do it.
        let id = Uuid::from_u64_pair(0, n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let schedule = Schedule::interval(ScriptId::from_uuid(id), 60).expect("in range");
        let next = schedule
            .next_after(start)
            .expect("intervals always come due");
        *by_second.entry((next - start).num_seconds()).or_default() += 1;
    }
    // 100 are expected in each second.
    assert!((0..60).all(|second| by_second.get(&second).is_some_and(|count| *count > 40)));
}

proptest! {
    #[test]
    fn the_phase_of_an_interval_is_stable(
        id in script_ids(), seconds in 1..=MAX_INTERVAL_SECONDS, micros in 0..4_000_000_000_000_000_i64,
    ) {
        let schedule = Schedule::interval(id, seconds).expect("in range");
        let again = Schedule::interval(id, seconds).expect("in range");
        let now = DateTime::from_timestamp_micros(micros).expect("in range");
        let first = schedule.next_after(now).expect("intervals always come due");
        let every = TimeDelta::seconds(seconds.into());
        prop_assert!(first > now && first - now <= every);
        prop_assert_eq!(again.next_after(now), Some(first));
        prop_assert_eq!(schedule.next_after(first), Some(first + every));
        prop_assert_eq!(schedule.next_after(first - TimeDelta::microseconds(1)), Some(first));
    }

    #[test]
    fn cron_times_move_forward_and_none_is_jumped_over(
        text in cron_texts(), zone in zones(), micros in 1_700_000_000_000_000..2_000_000_000_000_000_i64,
        ahead in 0.0..1.0_f64,
    ) {
        let schedule = cron(&text, zone);
        let now = DateTime::from_timestamp_micros(micros).expect("in range");
        let Some(next) = schedule.next_after(now) else { return Ok(()) };
        prop_assert!(next > now, "{next} is not after {now}");
        // Asked at any moment before it, the answer is the same slot.
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of the distance")]
        #[expect(clippy::cast_precision_loss, reason = "any moment between the two will do")]
        let step = ((next - now).num_microseconds().unwrap_or(0) as f64 * ahead) as i64;
        prop_assert_eq!(schedule.next_after(now + TimeDelta::microseconds(step)), Some(next));
    }

    #[test]
    fn no_two_fires_in_utc_are_closer_than_the_smallest_gap(text in cron_texts()) {
        let schedule = cron(&text, "UTC");
        let Schedule::Cron { pattern, .. } = &schedule else { unreachable!() };
        let smallest = calendar::smallest_gap(&pattern.pattern);
        let start = at("2027-12-30T00:00:00Z");
        let fires: Vec<_> =
            std::iter::successors(schedule.next_after(start), |last| schedule.next_after(*last))
                .take(300)
                .collect();
        for pair in fires.windows(2) {
            prop_assert!(smallest.is_some_and(|gap| pair[1] - pair[0] >= gap), "{text}: {pair:?}");
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,40}", zone in "[A-Za-z/_]{0,20}") {
        let _ = Schedule::cron(&text, &zone);
        let _ = Schedule::cron(&text, "UTC");
    }
}

/// Cron texts of six fields, from every second to a few times a year.
fn cron_texts() -> impl Strategy<Value = String> {
    let field = |end: u32| {
        prop_oneof![
            Just("*".to_owned()),
            (0..end).prop_map(|value| value.to_string()),
            (1..end).prop_map(|step| format!("*/{step}")),
            (0..end, 0..end).prop_map(|(one, other)| format!("{one},{other}")),
        ]
    };
    let days = prop_oneof![
        3 => Just("*".to_owned()),
        1 => (1..32_u32).prop_map(|day| day.to_string()),
        1 => Just("L".to_owned()),
    ];
    let months = prop_oneof![
        3 => Just("*".to_owned()),
        1 => (1..13_u32).prop_map(|month| month.to_string()),
    ];
    let weekdays = prop_oneof![3 => Just("*"), 1 => Just("MON-FRI"), 1 => Just("SUN#2")];
    (field(60), field(60), field(24), days, months, weekdays)
        .prop_map(|(s, m, h, d, month, w)| format!("{s} {m} {h} {d} {month} {w}"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Casablanca",
    ])
}
