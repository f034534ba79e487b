//! Windows: what is refused and at which field, bounds, and changes.

use super::*;

fn pointers(text: &WindowText) -> Vec<String> {
    let errors = Window::parse(text).expect_err("a refusal");
    errors.into_iter().map(|error| error.pointer).collect()
}

fn once(from: &str, until: &str) -> WindowText {
    WindowText {
        from: Some(at(from)),
        until: Some(at(until)),
        ..WindowText::default()
    }
}

const NIGHT: &str = "0 2 * * *";

#[test]
fn starts_by_cron_are_on_full_minutes_and_an_hour_apart() {
    for cron in [
        "",
        "* * *",
        "61 * * * *",
        "0 0 30 2 *",
        "30 0 2 * * *",
        "* 0 2 * * *",
        "*/30 * * * *",
        "15,45 2 * * *",
        // 23:45 on the 1st and 00:15 on the 2nd.
        "15,45 0,23 1,2 * *",
        &"*".repeat(300),
    ] {
        let text = by_cron(cron, 120, "Europe/Berlin");
        assert_eq!(pointers(&text), ["/cron_expression"], "{cron:?}");
    }
    for cron in [
        "0 2 * * *",
        "0 0 2 * * *",
        "@daily",
        "30 0,23 1,2 * *",
        "0 * * * *",
    ] {
        let text = by_cron(cron, 120, "Europe/Berlin");
        assert!(Window::parse(&text).is_ok(), "{cron:?}");
    }
}

#[test]
fn all_errors_are_said_at_once() {
    let text = WindowText {
        cron_expression: Some("nonsense".to_owned()),
        dtstart: Some("2027-01-03T02:00".to_owned()),
        duration_minutes: Some(0),
        timezone: Some("Mars/Olympus".to_owned()),
        from: Some(at("2027-01-02T00:00:00Z")),
        until: Some(at("2027-01-01T00:00:00Z")),
        ..WindowText::default()
    };
    let expected = [
        "/until",
        "/timezone",
        "/dtstart",
        "/duration_minutes",
        "/cron_expression",
    ];
    assert_eq!(pointers(&text), expected);
}

#[test]
fn fields_go_together_or_not() {
    let rule = by_rule("FREQ=DAILY", "2027-01-03T02:00", 60, "UTC");
    let without = |change: &dyn Fn(&mut WindowText)| {
        let mut text = rule.clone();
        change(&mut text);
        pointers(&text)
    };
    assert_eq!(without(&|text| text.dtstart = None), ["/dtstart"]);
    assert_eq!(
        without(&|text| text.duration_minutes = None),
        ["/duration_minutes"]
    );
    assert_eq!(
        without(&|text| text.duration_minutes = Some(MAX_DURATION_MINUTES + 1)),
        ["/duration_minutes"]
    );
    assert_eq!(
        without(&|text| text.cron_expression = Some(NIGHT.to_owned())),
        ["/rrule"]
    );
    for dtstart in [
        "2027-01-03",
        "2027-01-03T02:00Z",
        "2027-01-03T02:00+01:00",
        "2027-01-03T02:00:30",
        "2027-02-30T02:00",
        "1969-12-31T02:00",
        "2200-01-01T02:00",
        "99999-01-01T02:00",
        "",
    ] {
        let wrong = without(&|text| text.dtstart = Some(dtstart.to_owned()));
        assert_eq!(wrong, ["/dtstart"], "{dtstart}");
    }
    let mut with_seconds = rule.clone();
    with_seconds.dtstart = Some("2027-01-03T02:00:00".to_owned());
    assert!(Window::parse(&with_seconds).is_ok());
}

#[test]
fn one_that_is_given_once_has_both_ends() {
    assert_eq!(pointers(&WindowText::default()), ["/from"]);
    let mut text = once("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z");
    assert!(Window::parse(&text).is_ok());
    text.duration_minutes = Some(60);
    assert_eq!(pointers(&text), ["/duration_minutes"]);
    text.duration_minutes = None;
    text.until = None;
    assert_eq!(pointers(&text), ["/until"]);
    for until in [
        "2027-01-01T00:00:00Z",
        "2026-12-31T00:00:00Z",
        "2028-01-02T00:00:01Z",
    ] {
        let text = once("2027-01-01T00:00:00Z", until);
        assert_eq!(pointers(&text), ["/until"], "{until}");
    }
    // 366 days.
    let text = once("2027-01-01T00:00:00Z", "2028-01-02T00:00:00Z");
    assert!(Window::parse(&text).is_ok());
    let text = once("1969-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
    assert_eq!(pointers(&text), ["/from"]);
}

#[test]
fn json_is_strict_and_short() {
    let text = by_cron(NIGHT, 120, "Europe/Berlin");
    let json = serde_json::to_string(&text).expect("JSON");
    assert_eq!(
        json,
        r#"{"cron_expression":"0 2 * * *","duration_minutes":120,"timezone":"Europe/Berlin"}"#
    );
    assert_eq!(
        serde_json::from_str::<WindowText>(&json).expect("the same"),
        text
    );
    assert!(serde_json::from_str::<WindowText>(r#"{"duration": 120}"#).is_err());
}

#[test]
fn the_start_is_in_it_and_the_end_is_not() {
    let (from, until) = (at("2027-01-01T00:00:00Z"), at("2027-01-02T00:00:00Z"));
    let window = Window::once(from, until).expect("accepted");
    let moment = TimeDelta::nanoseconds(1);
    assert!(!window.is_active(from - moment));
    assert!(window.is_active(from));
    assert!(window.is_active(until - moment));
    assert!(!window.is_active(until));
    assert_eq!(window.next_change(from - moment), Some((from, true)));
    assert_eq!(window.next_change(from), Some((until, false)));
    assert_eq!(window.next_change(until), None);
}

#[test]
fn a_recurrence_is_cut_at_its_bounds() {
    let window = window(&WindowText {
        from: Some(at("2027-06-02T03:00:00Z")),
        until: Some(at("2027-06-04T02:30:00Z")),
        ..by_cron(NIGHT, 120, "UTC")
    });
    assert_eq!(
        active(&window, "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        [
            "02 03:00/02 04:00",
            "03 02:00/03 04:00",
            "04 02:00/04 02:30"
        ]
    );
    assert_eq!(window.next_change(at("2027-06-04T02:30:00Z")), None);
    assert_eq!(
        window.next_change(at("2027-06-04T02:15:00Z")),
        Some((at("2027-06-04T02:30:00Z"), false))
    );
}

#[test]
fn changes_go_by_the_wall_clock_too() {
    let night = window(&by_cron(NIGHT, 120, "Europe/Berlin"));
    let next = |text: &str| night.next_change(at(text));
    // The night of spring, and the one of autumn with its repeated hour.
    assert_eq!(
        next("2027-03-27T12:00:00Z"),
        Some((at("2027-03-28T01:00:00Z"), true))
    );
    assert_eq!(
        next("2027-03-28T01:00:00Z"),
        Some((at("2027-03-28T02:00:00Z"), false))
    );
    assert_eq!(
        next("2027-10-31T00:00:00Z"),
        Some((at("2027-10-31T03:00:00Z"), false))
    );
    for (instant, is_active) in [
        ("2027-10-30T23:59:59Z", false),
        ("2027-10-31T00:00:00Z", true),
        ("2027-10-31T01:00:00Z", true),
        ("2027-10-31T02:59:59Z", true),
        ("2027-10-31T03:00:00Z", false),
    ] {
        assert_eq!(night.is_active(at(instant)), is_active, "{instant}");
    }
    // 02:15 to 02:45 is over before the repetition, and does not come back in it; in spring it
    // does not come at all.
    let short = window(&by_cron("15 2 * * *", 30, "Europe/Berlin"));
    assert!(short.is_active(at("2027-10-31T00:15:00Z")));
    assert!(!short.is_active(at("2027-10-31T01:15:00Z")));
    assert_eq!(
        short.next_change(at("2027-03-27T12:00:00Z")),
        Some((at("2027-03-29T00:15:00Z"), true))
    );
}

#[test]
fn windows_without_a_pause_are_one() {
    let weekdays = window(&by_cron("0 0 * * MON-FRI", 1_440, "UTC"));
    // Monday 4 January 2027 to Saturday the 9th.
    assert_eq!(
        active(&weekdays, "2027-01-02T00:00:00Z", "2027-01-11T00:00:00Z"),
        ["04 00:00/09 00:00"]
    );
    assert_eq!(
        weekdays.next_change(at("2027-01-05T12:00:00Z")),
        Some((at("2027-01-09T00:00:00Z"), false))
    );
    let always = window(&by_cron("0 * * * *", 60, "Europe/Berlin"));
    assert_eq!(always.next_change(at("2027-01-01T00:00:00Z")), None);
    // Overlapping ones: each day for two days.
    let overlapping = window(&by_cron(NIGHT, 2 * 1_440, "America/New_York"));
    assert_eq!(overlapping.next_change(at("2027-01-01T00:00:00Z")), None);
    assert_eq!(
        minutes(&overlapping, "2027-01-01T00:00:00Z", "2027-01-03T00:00:00Z"),
        2 * 1_440
    );
}

#[test]
fn rare_starts_are_found_and_extreme_instants_are_no_trouble() {
    let rare = window(&by_cron("0 0 29 2 +FRI", 60, "UTC"));
    assert_eq!(
        rare.next_change(at("2027-01-01T00:00:00Z")),
        Some((at("2036-02-29T00:00:00Z"), true))
    );
    let night = window(&by_cron(NIGHT, 120, "Pacific/Apia"));
    let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    assert!(!night.is_active(first));
    assert!(!night.is_active(last));
    assert_eq!(night.next_change(first), None);
    assert_eq!(night.next_change(last), None);
    assert_eq!(night.active_within(first, last), []);
    assert_eq!(night.active_within(last, first), []);
}

#[test]
fn the_time_of_several_windows_counts_once() {
    let windows = [
        window(&by_cron(NIGHT, 120, "UTC")),
        window(&by_cron("0 3 * * *", 120, "UTC")),
        window(&by_cron("0 5 * * *", 30, "UTC")),
        window(&once("2027-01-01T02:30:00Z", "2027-01-01T03:30:00Z")),
    ];
    let (from, until) = (at("2027-01-01T00:00:00Z"), at("2027-01-03T00:00:00Z"));
    // 02:00 to 05:30 on two days.
    assert_eq!(muted_time(&windows, from, until).num_minutes(), 2 * 210);
    assert_eq!(union_within(&windows, from, until).len(), 2);
    let change = |text: &str| next_change_of_any(&windows, at(text));
    assert_eq!(
        change("2027-01-01T00:00:00Z"),
        Some((at("2027-01-01T02:00:00Z"), true))
    );
    assert_eq!(
        change("2027-01-01T02:00:00Z"),
        Some((at("2027-01-01T05:30:00Z"), false))
    );
    assert!(any_active(&windows, at("2027-01-01T05:00:00Z")));
    assert!(!any_active(&windows, at("2027-01-01T05:30:00Z")));
    assert_eq!(muted_time(&[], from, until), TimeDelta::zero());
    assert_eq!(next_change_of_any(&[], from), None);
}

fn shown(intervals: &[Interval]) -> Vec<String> {
    let show =
        |one: &Interval| format!("{}/{}", one.from.format("%F %R"), one.until.format("%F %R"));
    intervals.iter().map(show).collect()
}

#[test]
fn what_comes_is_shown_as_it_will_be() {
    let nights = window(&by_cron(NIGHT, 120, "Europe/Berlin"));
    let coming = nights.coming(at("2027-03-27T02:00:00Z"), 3);
    assert_eq!(
        shown(&coming),
        [
            "2027-03-27 02:00/2027-03-27 03:00",
            "2027-03-28 01:00/2027-03-28 02:00",
            "2027-03-29 00:00/2027-03-29 02:00",
        ],
        "what is left of the first, and the night that is short"
    );
    // Far away, and still found.
    let leap = window(&by_cron("0 2 29 2 *", 60, "UTC"));
    let coming = leap.coming(at("2027-01-01T00:00:00Z"), 3);
    assert_eq!(shown(&coming), ["2028-02-29 02:00/2028-02-29 03:00"]);
    // Without a pause: there is no end to be seen.
    let always = window(&by_cron("0 * * * *", 60, "UTC"));
    assert_eq!(always.coming(at("2027-01-01T00:00:00Z"), 3), []);
    assert!(always.is_active(at("2027-01-01T00:00:00Z")));
    let bounded = WindowText {
        until: Some(at("2027-01-05T00:30:00Z")),
        ..by_cron("0 * * * *", 60, "UTC")
    };
    let coming = window(&bounded).coming(at("2027-01-01T00:00:00Z"), 3);
    assert_eq!(shown(&coming), ["2027-01-01 00:00/2027-01-05 00:30"]);
}

#[test]
fn nothing_is_active_after_the_end() {
    let (start, never) = (at("2027-01-01T00:00:00Z"), at("2199-12-01T00:00:00Z"));
    for (text, end) in [
        (
            once("2027-01-16T22:00:00Z", "2027-01-17T04:00:00Z"),
            Some("2027-01-17T04:00:00Z"),
        ),
        (
            WindowText {
                until: Some(at("2027-02-01T00:00:00Z")),
                ..by_cron(NIGHT, 120, "Europe/Berlin")
            },
            // Four o'clock in the last night before the bound.
            Some("2027-01-31T03:00:00Z"),
        ),
        (
            by_rule(
                "FREQ=DAILY;COUNT=3",
                "2027-01-03T02:00",
                120,
                "America/New_York",
            ),
            Some("2027-01-05T09:00:00Z"),
        ),
        (by_cron(NIGHT, 120, "Europe/Berlin"), None),
    ] {
        let window = window(&text);
        let ends_at = window.ends_at();
        assert_eq!(window.active_within(ends_at, never), [], "{text:?}");
        match end {
            None => assert!(ends_at > never),
            Some(end) => {
                let last = window.active_within(start, ends_at).pop();
                let last = last.expect("it is active before").until;
                assert_eq!(last, at(end));
                assert!(ends_at - last <= TimeDelta::days(5), "{ends_at} {text:?}");
            }
        }
    }
}
