//! Muted minutes of 2027, computed by hand from the published dates of the changes of clocks.
//!
//! Europe/Berlin: on Sunday 28 March at 01:00 UTC clocks go from 02:00 CET (UTC+1) to 03:00 CEST
//! (UTC+2); on Sunday 31 October at 01:00 UTC from 03:00 CEST back to 02:00 CET. (Directive
//! 2000/84/EC: the last Sundays of March and October, at 01:00 UTC.)
//!
//! `America/New_York`: on Sunday 14 March at 07:00 UTC clocks go from 02:00 EST (UTC-5) to 03:00 EDT
//! (UTC-4); on Sunday 7 November at 06:00 UTC from 02:00 EDT back to 01:00 EST. (Energy Policy Act
//! of 2005: the second Sunday of March and the first of November, at 02:00 local time.)
//!
//! 1 January 2027 is a Friday, and the year has 365 days. Local midnight is at 23:00 UTC (Berlin)
//! and 05:00 UTC (New York) in winter, and 22:00 and 04:00 UTC in summer.

use super::*;

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";

/// The local year 2027 in UTC: it begins and ends in winter.
fn year(timezone: &str) -> (&'static str, &'static str) {
    match timezone {
        BERLIN => ("2026-12-31T23:00:00Z", "2027-12-31T23:00:00Z"),
        _ => ("2027-01-01T05:00:00Z", "2028-01-01T05:00:00Z"),
    }
}

/// A local day of 2027 in UTC.
fn spring_day(timezone: &str) -> (&'static str, &'static str) {
    match timezone {
        BERLIN => ("2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"),
        _ => ("2027-03-14T05:00:00Z", "2027-03-15T04:00:00Z"),
    }
}

/// A local day of 2027 in UTC.
fn autumn_day(timezone: &str) -> (&'static str, &'static str) {
    match timezone {
        BERLIN => ("2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z"),
        _ => ("2027-11-07T04:00:00Z", "2027-11-08T05:00:00Z"),
    }
}

/// An ordinary local day, 15 June, in UTC.
fn summer_day(timezone: &str) -> (&'static str, &'static str) {
    match timezone {
        BERLIN => ("2027-06-14T22:00:00Z", "2027-06-15T22:00:00Z"),
        _ => ("2027-06-15T04:00:00Z", "2027-06-16T04:00:00Z"),
    }
}

/// Muted minutes of four local days and of the year.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    summer_day: i64,
    spring_day: i64,
    autumn_day: i64,
    year: i64,
}

fn row(window: &Window, timezone: &str) -> Row {
    let count = |(from, until)| minutes(window, from, until);
    Row {
        summer_day: count(summer_day(timezone)),
        spring_day: count(spring_day(timezone)),
        autumn_day: count(autumn_day(timezone)),
        year: count(year(timezone)),
    }
}

/// Both forms have the same row.
fn check(cron: &str, rule: (&str, &str), duration: u32, timezone: &str, expected: &Row) {
    let of_cron = window(&by_cron(cron, duration, timezone));
    assert_eq!(&row(&of_cron, timezone), expected, "`{cron}` in {timezone}");
    let of_rule = window(&by_rule(rule.0, rule.1, duration, timezone));
    assert_eq!(&row(&of_rule, timezone), expected, "{rule:?} in {timezone}");
}

const DAILY: &str = "FREQ=DAILY";

#[test]
fn each_night_from_2_to_4() {
    let rule = (DAILY, "2026-12-01T02:00");
    // Spring: 02:00 is skipped, so from 03:00 CEST (01:00 UTC) to 04:00 CEST (02:00 UTC): 60.
    // Autumn: from the first 02:00, CEST (00:00 UTC), to 04:00 CET (03:00 UTC): 180.
    // Year: 365 * 120 = 43,800; - 60 + 60 = 43,800.
    let expected = Row {
        summer_day: 120,
        spring_day: 60,
        autumn_day: 180,
        year: 43_800,
    };
    check("0 2 * * *", rule, 120, BERLIN, &expected);
    // Spring: from 03:00 EDT (07:00 UTC) to 04:00 EDT (08:00 UTC): 60.
    // Autumn: what is repeated is 01:00 to 02:00. 02:00 comes once, EST (07:00 UTC), and 04:00
    // is EST too (09:00 UTC): 120.
    // Year: 43,800 - 60 = 43,740.
    let expected = Row {
        summer_day: 120,
        spring_day: 60,
        autumn_day: 120,
        year: 43_740,
    };
    check("0 2 * * *", rule, 120, NEW_YORK, &expected);
}

#[test]
fn each_night_from_half_past_1_to_half_past_2() {
    let rule = (DAILY, "2026-12-01T01:30");
    // Spring: from 01:30 CET (00:30 UTC); 02:30 is skipped, so until 03:00 CEST (01:00 UTC): 30.
    // Autumn: from 01:30 CEST (23:30 UTC) to the first 02:30, CEST (00:30 UTC): 60.
    // Year: 365 * 60 = 21,900; - 30 = 21,870.
    let expected = Row {
        summer_day: 60,
        spring_day: 30,
        autumn_day: 60,
        year: 21_870,
    };
    check("30 1 * * *", rule, 60, BERLIN, &expected);
    // Spring: from 01:30 EST (06:30 UTC) until 03:00 EDT (07:00 UTC): 30.
    // Autumn: from the first 01:30, EDT (05:30 UTC), to 02:30 EST (07:30 UTC): 120.
    // Year: 21,900 - 30 + 60 = 21,930.
    let expected = Row {
        summer_day: 60,
        spring_day: 30,
        autumn_day: 120,
        year: 21_930,
    };
    check("30 1 * * *", rule, 60, NEW_YORK, &expected);
}

#[test]
fn each_night_within_the_hour_that_berlin_repeats() {
    let rule = (DAILY, "2026-12-01T02:15");
    // Spring, in both zones: 02:15 to 02:45 is skipped as a whole: 0.
    // Autumn, Berlin: the first 02:15 to the first 02:45, CEST (00:15 to 00:45 UTC), and not a
    // second time: 30. New York: 02:15 to 02:45 comes once: 30.
    // Year: 365 * 30 = 10,950; - 30 = 10,920.
    let expected = Row {
        summer_day: 30,
        spring_day: 0,
        autumn_day: 30,
        year: 10_920,
    };
    check("15 2 * * *", rule, 30, BERLIN, &expected);
    check("15 2 * * *", rule, 30, NEW_YORK, &expected);
}

#[test]
fn each_night_within_the_hour_that_new_york_repeats() {
    let rule = (DAILY, "2026-12-01T01:15");
    // No zone skips it, and it comes once in both: 365 * 30 = 10,950.
    let expected = Row {
        summer_day: 30,
        spring_day: 30,
        autumn_day: 30,
        year: 10_950,
    };
    check("15 1 * * *", rule, 30, BERLIN, &expected);
    check("15 1 * * *", rule, 30, NEW_YORK, &expected);
}

#[test]
fn over_midnight_from_23_to_4() {
    let rule = (DAILY, "2026-12-01T23:00");
    // Each local day has 00:00 to 04:00 (240) of the night before and 23:00 to 24:00 (60): 300.
    // Spring: an hour of the first part is skipped: 300 - 60 = 240.
    // Autumn: an hour of the first part is repeated: 300 + 60 = 360, in both zones, because both
    // repeat an hour between 01:00 and 03:00.
    // Year: 365 * 300 = 109,500; - 60 + 60 = 109,500.
    let expected = Row {
        summer_day: 300,
        spring_day: 240,
        autumn_day: 360,
        year: 109_500,
    };
    check("0 23 * * *", rule, 300, BERLIN, &expected);
    check("0 23 * * *", rule, 300, NEW_YORK, &expected);
}

#[test]
fn a_whole_day_is_as_long_as_the_day() {
    // Sundays of 2027: 3 January is the first, 26 December the last: 52.
    // Spring 23 h = 1,380; autumn 25 h = 1,500; 15 June is a Tuesday: 0.
    // Year: 52 * 1,440 = 74,880; - 60 + 60 = 74,880.
    let expected = Row {
        summer_day: 0,
        spring_day: 1_380,
        autumn_day: 1_500,
        year: 74_880,
    };
    let rule = ("FREQ=WEEKLY;BYDAY=SU", "2026-12-06T00:00");
    check("0 0 * * SUN", rule, 1_440, BERLIN, &expected);
    check("0 0 * * SUN", rule, 1_440, NEW_YORK, &expected);
}

#[test]
fn each_sunday_from_2_to_4() {
    // 52 * 120 = 6,240. Both changes are on Sundays. Berlin: - 60 + 60.
    let rule = ("FREQ=WEEKLY;BYDAY=SU", "2026-12-06T02:00");
    let expected = Row {
        summer_day: 0,
        spring_day: 60,
        autumn_day: 180,
        year: 6_240,
    };
    check("0 2 * * SUN", rule, 120, BERLIN, &expected);
    // New York: - 60.
    let expected = Row {
        summer_day: 0,
        spring_day: 60,
        autumn_day: 120,
        year: 6_180,
    };
    check("0 2 * * SUN", rule, 120, NEW_YORK, &expected);
}

#[test]
fn the_last_sunday_of_each_month_from_2_to_4() {
    // 12 * 120 = 1,440. Both changes of Berlin are on last Sundays: - 60 + 60.
    let rule = ("FREQ=MONTHLY;BYDAY=-1SU", "2026-12-27T02:00");
    let expected = Row {
        summer_day: 0,
        spring_day: 60,
        autumn_day: 180,
        year: 1_440,
    };
    check("0 2 * * SUN#L", rule, 120, BERLIN, &expected);
}

#[test]
fn the_second_sunday_of_each_month_from_2_to_4() {
    // 12 * 120 = 1,440. 14 March is a second Sunday: - 60. 7 November is a first one.
    let rule = ("FREQ=MONTHLY;BYDAY=2SU", "2026-12-13T02:00");
    let expected = Row {
        summer_day: 0,
        spring_day: 60,
        autumn_day: 0,
        year: 1_380,
    };
    check("0 2 * * SUN#2", rule, 120, NEW_YORK, &expected);
}

#[test]
fn a_week_from_the_first_of_the_month() {
    // From the 1st at 00:00 to the 8th at 00:00: 7 * 1,440 = 10,080. The changes of 28 March, 31
    // October and 14 March lie outside; 7 November lies in it, and is 25 h long. Year: 12 * 10,080
    // = 120,960; in New York + 60.
    let rule = ("FREQ=MONTHLY", "2026-12-01T00:00");
    let expected = Row {
        summer_day: 0,
        spring_day: 0,
        autumn_day: 0,
        year: 120_960,
    };
    check("0 0 1 * *", rule, MAX_DURATION_MINUTES, BERLIN, &expected);
    let expected = Row {
        autumn_day: 1_500,
        year: 121_020,
        ..expected
    };
    check("0 0 1 * *", rule, MAX_DURATION_MINUTES, NEW_YORK, &expected);
}

#[test]
fn each_hour_without_a_pause_covers_the_repeated_hour() {
    // The whole of each day: 23 h, 25 h and 24 h; 365 * 1,440 = 525,600.
    let expected = Row {
        summer_day: 1_440,
        spring_day: 1_380,
        autumn_day: 1_500,
        year: 525_600,
    };
    for timezone in [BERLIN, NEW_YORK] {
        let all = window(&by_cron("0 * * * *", 60, timezone));
        assert_eq!(row(&all, timezone), expected, "{timezone}");
    }
}

#[test]
fn the_changes_themselves_are_at_the_instants_of_the_table() {
    let night = window(&by_cron("0 2 * * *", 120, BERLIN));
    assert_eq!(
        active(&night, "2027-03-27T12:00:00Z", "2027-03-29T12:00:00Z"),
        ["28 01:00/28 02:00", "29 00:00/29 02:00"]
    );
    assert_eq!(
        active(&night, "2027-10-30T12:00:00Z", "2027-11-01T12:00:00Z"),
        ["31 00:00/31 03:00", "01 01:00/01 03:00"]
    );
    let night = window(&by_rule(DAILY, "2026-12-01T01:30", 60, NEW_YORK));
    assert_eq!(
        active(&night, "2027-03-13T12:00:00Z", "2027-03-15T12:00:00Z"),
        ["14 06:30/14 07:00", "15 05:30/15 06:30"]
    );
    assert_eq!(
        active(&night, "2027-11-06T12:00:00Z", "2027-11-08T12:00:00Z"),
        ["07 05:30/07 07:30", "08 06:30/08 07:30"]
    );
}

#[test]
fn zones_that_change_at_midnight_and_by_other_amounts() {
    // Beirut: on 28 March 2027 at 00:00 EET (22:00 UTC) clocks go to 01:00 EEST; on 31 October at
    // 00:00 EEST (21:00 UTC of the 30th) back to 23:00. From midnight to 02:00: the gap leaves
    // 01:00 to 02:00 EEST (22:00 to 23:00 UTC). In autumn the first midnight is the very moment of
    // the change and does not come; the one that comes is EET (22:00 UTC).
    let night = window(&by_cron("0 0 * * *", 120, "Asia/Beirut"));
    assert_eq!(
        active(&night, "2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z"),
        ["27 22:00/27 23:00"]
    );
    assert_eq!(
        active(&night, "2027-10-30T12:00:00Z", "2027-10-31T12:00:00Z"),
        ["30 22:00/31 00:00"]
    );
    // Lord Howe changes by half an hour: on 3 October 2027 at 02:00 +10:30 (15:30 UTC of the 2nd)
    // to 02:30 +11. From 02:00 to 03:00: 02:30 to 03:00 +11 (15:30 to 16:00 UTC).
    let night = window(&by_cron("0 2 * * *", 60, "Australia/Lord_Howe"));
    assert_eq!(
        active(&night, "2027-10-02T12:00:00Z", "2027-10-03T12:00:00Z"),
        ["02 15:30/02 16:00"]
    );
    // Samoa left out 30 December 2011 as a whole. From the 29th at 22:00 (UTC-10: 08:00 UTC of the
    // 30th) four hours later is 02:00 of the 30th, which is skipped: until the 31st, 00:00 +14
    // (10:00 UTC of the 30th). What would start on the 30th lies in the gap but for its last two
    // hours, 00:00 to 02:00 of the 31st.
    let night = window(&by_cron("0 22 * * *", 240, "Pacific/Apia"));
    assert_eq!(
        active(&night, "2011-12-30T00:00:00Z", "2011-12-31T00:00:00Z"),
        ["30 08:00/30 12:00"]
    );
}
