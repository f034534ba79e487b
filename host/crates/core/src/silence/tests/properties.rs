//! Properties, against an oracle that knows nothing of intervals: it walks along real time minute
//! by minute, and keeps the latest time that the wall clock has shown.

use std::time::Instant;

use chrono::{Datelike, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/Havana",
    "Africa/Casablanca",
];

/// A few minutes and hours of a day, each on some weekdays: small enough to ask of a minute.
#[derive(Debug, Clone)]
struct Starts {
    minute: u32,
    hours: Vec<u32>,
    weekdays: Vec<u32>,
    duration: u32,
    timezone: &'static str,
}

impl Starts {
    fn text(&self) -> WindowText {
        let list = |values: &[u32]| {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            texts.join(",")
        };
        let (hours, weekdays) = (list(&self.hours), list(&self.weekdays));
        let cron = format!("{} {hours} * * {weekdays}", self.minute);
        by_cron(&cron, self.duration, self.timezone)
    }

    fn is_start(&self, wall: NaiveDateTime) -> bool {
        let weekday = wall.weekday().num_days_from_sunday();
        wall.minute() == self.minute
            && self.hours.contains(&wall.hour())
            && self.weekdays.contains(&weekday)
    }

    /// Whether each minute from `from` on is active.
    fn oracle(&self, from: DateTime<Utc>, minutes: i64) -> Vec<bool> {
        let timezone: Tz = self.timezone.parse().expect("a zone");
        let wall = |instant: DateTime<Utc>| timezone.from_utc_datetime(&instant.naive_utc());
        let duration = TimeDelta::minutes(self.duration.into());
        // Two days before, so that a repeated hour and a start there are known of.
        let before = from - TimeDelta::days(2);
        let mut latest = wall(before).naive_local();
        let mut last_start = NaiveDateTime::MIN;
        let mut active = Vec::new();
        for minute in 0..2 * 1_440 + minutes {
            let instant = before + TimeDelta::minutes(minute);
            let shown = wall(instant).naive_local();
            // What the clock jumps over comes too, at the end of the jump.
            while latest < shown {
                latest += TimeDelta::minutes(1);
                if self.is_start(latest) {
                    last_start = latest;
                }
            }
            if instant >= from {
                active.push(latest - last_start < duration);
            }
        }
        active
    }
}

fn starts() -> impl Strategy<Value = Starts> {
    (
        0..60_u32,
        prop::collection::btree_set(0..24_u32, 1..4),
        prop::collection::btree_set(0..7_u32, 1..7),
        1..400_u32,
        prop::sample::select(ZONES.to_vec()),
    )
        .prop_map(|(minute, hours, weekdays, duration, timezone)| Starts {
            minute,
            hours: hours.into_iter().collect(),
            weekdays: weekdays.into_iter().collect(),
            duration,
            timezone,
        })
}

/// Days of 2027 in UTC, most of them near a change of clocks of one of the zones.
fn days() -> impl Strategy<Value = DateTime<Utc>> {
    let changes = [
        "2027-03-14",
        "2027-03-28",
        "2027-10-31",
        "2027-11-07",
        "2027-10-03",
    ];
    prop_oneof![
        3 => (prop::sample::select(changes.to_vec()), -1..2_i64)
            .prop_map(|(day, off)| at(&format!("{day}T00:00:00Z")) + TimeDelta::days(off)),
        1 => (0..365_i64).prop_map(|day| at("2027-01-01T00:00:00Z") + TimeDelta::days(day)),
    ]
}

/// Rules from the grammar, most of which are accepted.
fn rules() -> impl Strategy<Value = String> {
    let by = prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            ";BYDAY=SU",
            ";BYDAY=MO,WE,FR",
            ";BYDAY=-1SU",
            ";BYDAY=2TU"
        ])
        .prop_map(ToOwned::to_owned),
        (-31..32_i32).prop_map(|day| format!(";BYMONTHDAY={day}")),
    ];
    let end = prop_oneof![
        Just(String::new()),
        (1..40_u32).prop_map(|count| format!(";COUNT={count}")),
        (1..29_u32).prop_map(|day| format!(";UNTIL=202706{day:02}T001500Z")),
    ];
    let frequency = prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY"]);
    (frequency, 1..5_u32, by, end).prop_map(|(frequency, interval, by, end)| {
        format!("FREQ={frequency};INTERVAL={interval}{by}{end}")
    })
}

fn windows() -> impl Strategy<Value = Window> {
    let rule = (
        rules(),
        0..24_u32,
        1..=MAX_DURATION_MINUTES,
        prop::sample::select(ZONES.to_vec()),
    );
    let rule = rule.prop_filter_map("a rule that is accepted", |(rule, hour, duration, zone)| {
        let dtstart = format!("2027-01-03T{hour:02}:30");
        Window::parse(&by_rule(&rule, &dtstart, duration, zone)).ok()
    });
    let once = (0..365_i64, 1..2_000_i64).prop_map(|(day, minutes)| {
        let from = at("2027-01-01T00:30:00Z") + TimeDelta::days(day);
        Window::once(from, from + TimeDelta::minutes(minutes)).expect("accepted")
    });
    prop_oneof![
        2 => starts().prop_map(|starts| window(&starts.text())),
        2 => rule,
        1 => once,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_window_is_what_the_oracle_says(starts in starts(), day in days()) {
        let window = window(&starts.text());
        let minutes = 1_440;
        let expected = starts.oracle(day, minutes);
        let active = window.active_within(day, day + TimeDelta::minutes(minutes));
        for (minute, expected) in (0..minutes).zip(expected) {
            let instant = day + TimeDelta::minutes(minute);
            let is_within = active.iter().any(|one| one.contains(instant));
            prop_assert_eq!(is_within, expected, "within: {} of {:?}", instant, &starts);
            if minute % 15 == 0 || minute % 15 == i64::from(starts.minute) % 15 {
                let is_active = window.is_active(instant);
                prop_assert_eq!(is_active, expected, "active: {} of {:?}", instant, &starts);
            }
        }
    }

    #[test]
    fn changes_and_intervals_are_the_same_story(window in windows(), day in days()) {
        let end = day + TimeDelta::days(9);
        let active = window.active_within(day, end);
        for pair in active.windows(2) {
            prop_assert!(pair[0].until < pair[1].from, "{pair:?}");
        }
        let inside = |one: &Interval| day <= one.from && one.from < one.until && one.until <= end;
        prop_assert!(active.iter().all(inside), "{active:?}");
        // The changes, one after the other, are the ends of the intervals.
        let mut expected: Vec<(DateTime<Utc>, bool)> = active
            .iter()
            .flat_map(|one| [(one.from, true), (one.until, false)])
            .collect();
        expected.retain(|(instant, _)| day < *instant && *instant < end);
        let changes = std::iter::successors(window.next_change(day), |(last, _)| {
            window.next_change(*last)
        });
        let changes: Vec<_> = changes
            .take(1_000)
            .take_while(|(instant, _)| *instant < end)
            .collect();
        prop_assert_eq!(&changes, &expected);
        for (instant, became_active) in changes {
            prop_assert_eq!(window.is_active(instant), became_active, "at {}", instant);
            let before = instant - TimeDelta::nanoseconds(1);
            prop_assert_eq!(window.is_active(before), !became_active, "before {}", instant);
        }
    }

    #[test]
    fn a_range_in_two_parts_is_the_same_range(
        window in windows(), day in days(), minute in 0..10_000_i64,
    ) {
        let end = day + TimeDelta::minutes(10_000);
        let middle = day + TimeDelta::minutes(minute);
        let mut parts = window.active_within(day, middle);
        parts.extend(window.active_within(middle, end));
        prop_assert_eq!(merge(parts), window.active_within(day, end));
    }

    #[test]
    fn a_union_counts_each_minute_once(
        windows in prop::collection::vec(windows(), 0..4), day in days(),
    ) {
        let minutes = 2 * 1_440;
        let end = day + TimeDelta::minutes(minutes);
        let instants = (0..minutes).map(|minute| day + TimeDelta::minutes(minute));
        let each: Vec<Vec<Interval>> =
            windows.iter().map(|window| window.active_within(day, end)).collect();
        let is_muted = |instant| each.iter().flatten().any(|one| one.contains(instant));
        let counted = instants.filter(|instant| is_muted(*instant)).count();
        let muted = muted_time(&windows, day, end).num_minutes();
        prop_assert_eq!(usize::try_from(muted), Ok(counted));
        let sum: TimeDelta = each.iter().flatten().map(|one| one.until - one.from).sum();
        prop_assert!(muted <= sum.num_minutes());
        if let Some((instant, became_active)) = next_change_of_any(&windows, day) {
            prop_assert_eq!(any_active(&windows, instant), became_active);
            prop_assert_eq!(any_active(&windows, day), !became_active);
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_anything_panic(
        rule in "(FREQ=|BYDAY=|BYMONTHDAY=|UNTIL=|COUNT=|[A-Z0-9;=,+-]|.){0,12}",
        cron in "([0-9*/,# LW-]|.){0,20}", dtstart in "([0-9T:-]|.){0,20}", zone in ".{0,20}",
        minutes in any::<u32>(),
    ) {
        let _ = Window::parse(&by_cron(&cron, minutes, "UTC"));
        let _ = Window::parse(&by_rule(&rule, &dtstart, minutes, &zone));
        let _ = Window::parse(&by_rule(&rule, "2027-01-03T02:00", 60, "UTC"));
    }

    #[test]
    fn no_instant_makes_anything_panic(
        window in windows(), from in any::<i64>(), until in any::<i64>(),
    ) {
        let instant = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default();
        let _ = window.is_active(instant(from));
        let _ = window.next_change(instant(from));
        let _ = window.active_within(instant(from), instant(until));
    }
}

/// The most expensive windows: starts each hour for ever without a pause, and rules that come
/// almost never.
#[test]
fn the_work_is_bounded() {
    let day = at("2027-01-01T00:00:00Z");
    let timed = |name: &str, work: &dyn Fn()| {
        let started = Instant::now();
        work();
        let elapsed = started.elapsed();
        println!("{name}: {elapsed:?}");
        // Not optimised, and on a machine that does much else.
        assert!(elapsed.as_secs() < 60, "{name}: {elapsed:?}");
    };
    let hourly = window(&by_cron("0 * * * *", 60, "Europe/Berlin"));
    timed("the next change of a window that never ends", &|| {
        assert_eq!(hourly.next_change(day), None);
    });
    timed("is_active, 1,000 times, of a window of a week", &|| {
        let long = window(&by_cron("0 * * * *", MAX_DURATION_MINUTES, "Europe/Berlin"));
        for minute in 0..1_000 {
            assert!(long.is_active(day + TimeDelta::minutes(minute)));
        }
    });
    timed("all of time", &|| {
        let found = hourly.active_within(day, DateTime::<Utc>::MAX_UTC);
        assert_eq!(found.len(), 1);
    });
    timed("a year of 50 windows", &|| {
        let windows = vec![hourly.clone(); 50];
        let year = muted_time(&windows, day, at("2028-01-01T00:00:00Z"));
        assert_eq!(year, TimeDelta::days(365));
    });
    timed("a rule that came once", &|| {
        let rule = "FREQ=MONTHLY;INTERVAL=1000;BYDAY=1SU;BYMONTHDAY=3;COUNT=1";
        let rare = window(&by_rule(rule, "2027-01-03T02:00", 60, "UTC"));
        assert_eq!(rare.next_change(at("2027-01-03T03:00:00Z")), None);
    });
}
