//! Which days a rule has, by the examples of RFC 5545 where it has them, and what is refused.

use std::time::Instant;

use super::*;
use crate::ScriptError;

/// The days on which a window of one hour starts, within a range in UTC.
fn days(rule: &str, dtstart: &str, from: &str, until: &str) -> Vec<String> {
    let window = window(&by_rule(rule, dtstart, 60, "UTC"));
    window
        .active_within(at(from), at(until))
        .iter()
        .map(|one| one.from.format("%y%m%d").to_string())
        .collect()
}

/// All days from `dtstart` on, for rules that end soon.
fn all_days(rule: &str, dtstart: &str) -> Vec<String> {
    days(
        rule,
        dtstart,
        "1970-01-01T00:00:00Z",
        "1998-01-01T00:00:00Z",
    )
}

fn error(rule: &str) -> ScriptError {
    let text = by_rule(rule, "2027-01-03T02:00", 60, "Europe/Berlin");
    let errors = Window::parse(&text).expect_err("a refusal");
    assert_eq!(errors.len(), 1, "{rule}: {errors:?}");
    errors.into_iter().next().expect("one")
}

/// Section 3.8.5.3, with `DTSTART` in 1997 at 09:00.
#[test]
fn examples_of_the_rfc() {
    let start = "1997-09-02T09:00";
    assert_eq!(
        all_days("FREQ=DAILY;COUNT=3", start),
        ["970902", "970903", "970904"]
    );
    assert_eq!(
        all_days("FREQ=DAILY;INTERVAL=10;COUNT=5", start),
        ["970902", "970912", "970922", "971002", "971012"]
    );
    assert_eq!(
        all_days(
            "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
            start
        ),
        [
            "970902", "970904", "970909", "970911", "970916", "970918", "970923", "970925",
            "970930", "971002"
        ]
    );
    assert_eq!(
        all_days("FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", start),
        [
            "970902", "970904", "970916", "970918", "970930", "971002", "971014", "971016"
        ]
    );
    assert_eq!(
        all_days("FREQ=MONTHLY;COUNT=4;BYDAY=1FR", "1997-09-05T09:00"),
        ["970905", "971003", "971107", "971205"]
    );
    assert_eq!(
        all_days(
            "FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU",
            "1997-09-07T09:00"
        ),
        ["970907", "970928", "971102", "971130"]
    );
    assert_eq!(
        all_days("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "1997-09-22T09:00"),
        ["970922", "971020", "971117"]
    );
    assert_eq!(
        all_days("FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", "1997-09-28T09:00"),
        ["970928", "971029", "971128"]
    );
    assert_eq!(
        all_days("FREQ=MONTHLY;COUNT=6;BYMONTHDAY=1,-1", "1997-09-30T09:00"),
        ["970930", "971001", "971031", "971101", "971130", "971201"]
    );
    // Friday the 13th.
    assert_eq!(
        days(
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            start,
            "1998-01-01T00:00:00Z",
            "1999-12-31T00:00:00Z"
        ),
        ["980213", "980313", "981113", "990813"]
    );
    // The difference that the first day of the week makes.
    let start = "1997-08-05T09:00";
    assert_eq!(
        all_days("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", start),
        ["970805", "970810", "970819", "970824"]
    );
    assert_eq!(
        all_days("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", start),
        ["970805", "970817", "970819", "970831"]
    );
}

#[test]
fn what_a_rule_does_not_name_comes_from_the_first_start() {
    assert_eq!(
        all_days("FREQ=WEEKLY;COUNT=2", "1997-09-02T09:00"),
        ["970902", "970909"]
    );
    // A month without the day is passed over: it is not the last day instead.
    assert_eq!(
        all_days("FREQ=MONTHLY;COUNT=3", "1997-08-31T09:00"),
        ["970831", "971031", "971231"]
    );
    // A first start that the rule does not have is no start, and does not count.
    assert_eq!(
        all_days("FREQ=WEEKLY;BYDAY=SU;COUNT=2", "1997-09-02T09:00"),
        ["970907", "970914"]
    );
    // Once a year, also where that is a leap day.
    let leap = days(
        "FREQ=MONTHLY;INTERVAL=12",
        "2024-02-29T09:00",
        "2024-01-01T00:00:00Z",
        "2034-01-01T00:00:00Z",
    );
    assert_eq!(leap, ["240229", "280229", "320229"]);
}

#[test]
fn until_is_a_day_a_time_on_the_wall_or_one_in_utc() {
    let last = |until: &str| {
        let rule = format!("FREQ=DAILY;UNTIL={until}");
        let window = window(&by_rule(&rule, "2027-06-01T02:00", 60, "Europe/Berlin"));
        let all = window.active_within(at("2027-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
        all.last().expect("an active time").from
    };
    // 02:00 CEST is at 00:00 UTC. The day is in it, and so is the time itself (RFC 5545:
    // "inclusive").
    assert_eq!(last("20270610"), at("2027-06-10T00:00:00Z"));
    assert_eq!(last("20270610T020000"), at("2027-06-10T00:00:00Z"));
    assert_eq!(last("20270610T015959"), at("2027-06-09T00:00:00Z"));
    assert_eq!(last("20270610T000000Z"), at("2027-06-10T00:00:00Z"));
    assert_eq!(last("20270609T235959Z"), at("2027-06-09T00:00:00Z"));
    // Where the date in UTC is another one than on the wall.
    let rule = "FREQ=DAILY;UNTIL=20270610T033000Z";
    let evening = window(&by_rule(rule, "2027-06-01T23:00", 60, "America/New_York"));
    assert_eq!(
        evening.next_change(at("2027-06-09T12:00:00Z")),
        Some((at("2027-06-10T03:00:00Z"), true))
    );
    assert_eq!(evening.next_change(at("2027-06-10T12:00:00Z")), None);
}

#[test]
fn case_and_the_property_name_do_not_matter() {
    let days = all_days(" rrule:freq=weekly;byday=tu;count=2", "1997-09-02T09:00");
    assert_eq!(days, ["970902", "970909"]);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let refused = [
        ("", "not a part of a rule"),
        ("FREQ", "not a part of a rule"),
        ("INTERVAL=2", "needs `FREQ`"),
        ("FREQ=DAILY;FREQ=WEEKLY", "`FREQ` is there twice"),
        ("FREQ=DAILY;", "not a part of a rule"),
        ("FREQ=HOURLY", "`DAILY`, `WEEKLY` or `MONTHLY`"),
        ("FREQ=YEARLY", "`FREQ=MONTHLY;INTERVAL=12`"),
        ("FREQ=DAILY;BYHOUR=3", "that of `dtstart`"),
        ("FREQ=DAILY;BYMONTH=3", "`BYMONTH` is not supported"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1", "`BYSETPOS` is not"),
        ("FREQ=DAILY;INTERVAL=0", "from 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=+2", "from 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=99999999999", "from 1 to 1000"),
        ("FREQ=DAILY;COUNT=5000000", "`UNTIL` ends a longer one"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20280101", "either `COUNT` or"),
        ("FREQ=DAILY;UNTIL=2028-01-01", "`UNTIL` is a day"),
        ("FREQ=DAILY;UNTIL=20280231", "`UNTIL` is a day"),
        ("FREQ=WEEKLY;BYDAY=2SU", "`FREQ=MONTHLY` only"),
        ("FREQ=MONTHLY;BYDAY=6SU", "not a weekday"),
        ("FREQ=MONTHLY;BYDAY=0SU", "not a weekday"),
        ("FREQ=MONTHLY;BYDAY=SU,", "not a weekday"),
        ("FREQ=MONTHLY;BYDAY=é", "not a weekday"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "not a day from 1 to 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=--1", "not a day from 1 to 31"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "does not go with"),
        ("FREQ=WEEKLY;WKST=XX", "`WKST` is a weekday"),
    ];
    for (rule, reason) in refused {
        let error = error(rule);
        assert_eq!(error.pointer, "/rrule", "{rule}");
        assert!(error.reason.contains(reason), "{rule}: {error}");
    }
    let long = format!("FREQ=MONTHLY;BYMONTHDAY=1{}", ",1".repeat(200));
    assert!(error(&long).reason.contains("at most 256"));
}

#[test]
fn a_rule_that_never_comes_is_refused_and_soon() {
    let started = Instant::now();
    let never = [
        // 30 February: each twelfth month from a February on.
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=30", "2027-02-01T02:00"),
        (
            "FREQ=MONTHLY;INTERVAL=996;BYMONTHDAY=30;COUNT=10000",
            "2027-02-01T02:00",
        ),
        ("FREQ=MONTHLY;BYDAY=5SU;BYMONTHDAY=1", "2027-02-01T02:00"),
        ("FREQ=DAILY;UNTIL=20261231", "2027-01-01T02:00"),
        ("FREQ=DAILY;UNTIL=20270101T015959", "2027-01-01T02:00"),
        ("FREQ=DAILY;UNTIL=00010101T000000Z", "2027-01-01T02:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=30", "2199-12-31T02:00"),
    ];
    for (rule, dtstart) in never {
        let errors =
            Window::parse(&by_rule(rule, dtstart, 60, "Europe/Berlin")).expect_err("a refusal");
        assert_eq!(errors[0].pointer, "/rrule", "{rule}");
        assert!(errors[0].reason.contains("never comes"), "{rule}");
    }
    // Each looks at no more than the days until 2199: some milliseconds. A minute is for a machine
    // that does much else.
    let elapsed = started.elapsed();
    println!(
        "refusing {} rules that never come: {elapsed:?}",
        never.len()
    );
    assert!(elapsed.as_secs() < 60, "{elapsed:?}");
}

#[test]
fn a_rule_with_a_large_count_goes_on_until_the_calendar_ends() {
    let rule = "FREQ=MONTHLY;INTERVAL=120;COUNT=10000";
    let window = window(&by_rule(rule, "2027-01-01T02:00", 60, "UTC"));
    assert_eq!(
        window.next_change(at("2160-01-01T00:00:00Z")),
        Some((at("2167-01-01T02:00:00Z"), true))
    );
}
