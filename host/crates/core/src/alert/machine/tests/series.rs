//! The machine against the references, over very many series.

use super::{reference::Told, *};

/// A small generator (splitmix64), so that a hundred thousand series cost seconds.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("an index")]
    }
}

/// Executions at steady or uneven distances, with long and short runs of up and down and any share
/// of executions that say nothing.
fn some_series(random: &mut Random) -> Vec<Observation> {
    let interval = random.pick(&[10, 60, 60, 300, 1_800, 3_600, 86_400]);
    let change_in = random.pick(&[1, 2, 3, 6, 20]);
    let silent_in = random.pick(&[2, 4, 50]);
    let mut is_up = true;
    let mut at = secs(0);
    (0..random.pick(&[5, 20, 40, 60]))
        .map(|_| {
            at += TimeDelta::seconds(interval);
            if random.below(10) == 0 {
                at += TimeDelta::seconds(i64::try_from(random.below(9_999)).expect("small"));
            }
            if random.below(change_in) == 0 {
                is_up = !is_up;
            }
            let verdict = if is_up { Seen::Up } else { Seen::Down };
            let seen = match random.below(silent_in) {
                0 => random.pick(&[Seen::Broken, Seen::Nothing]),
                _ => verdict,
            };
            observation(at, seen)
        })
        .collect()
}

fn verdicts(series: &[Observation]) -> Vec<(DateTime<Utc>, bool)> {
    let verdicts = series
        .iter()
        .filter(|observation| observation.seen.is_verdict());
    verdicts
        .map(|verdict| (verdict.at, verdict.seen == Seen::Up))
        .collect()
}

fn told_by_machine(rule: &RuleDefinition, series: &[Observation]) -> Told {
    let mut state = RuleState::new(secs(0));
    let mut told = Told::new();
    for observation in series {
        let step = step(rule, state, observation);
        if let Some(transition) = step.transition {
            let is_fire = told.len().is_multiple_of(2);
            assert_eq!(
                transition.change == Change::Fired,
                is_fire,
                "they take turns"
            );
            told.push(transition.at);
        }
        state = step.state;
    }
    assert_eq!(state.is_firing(), told.len() % 2 == 1);
    told
}

/// The notices that an incident of this one rule sends, after the script was paused at the end.
fn notices(told: &Told) -> Vec<Notice> {
    let rule = AlertRuleId::from_uuid(uuid::Uuid::nil());
    let events = told.iter().enumerate().map(|(index, at)| match index % 2 {
        0 => Event::RuleFired {
            rule,
            at: *at,
            is_muted: false,
        },
        _ => Event::RuleRecovered { rule },
    });
    let mut incident = IncidentState::default();
    let mut sent = Vec::new();
    for event in events.chain([Event::ScriptPaused]) {
        let (next, notice) = incident.apply(event);
        incident = next;
        sent.extend(notice);
    }
    sent
}

#[test]
fn in_a_hundred_thousand_series_no_incident_is_missed_and_none_is_told_twice() {
    let mut random = Random(6);
    let mut incidents = 0;
    for number in 0..100_000 {
        let series = some_series(&mut random);
        let bad = random.pick(&[1, 1, 2, 3, 5]);
        let good = random.pick(&[1, 1, 2, 3, 5]);
        let rule = RuleDefinition::StatusChange {
            consecutive_failures: bad,
            consecutive_successes: good,
            recheck: false,
        };
        let expected = reference::of_runs(&verdicts(&series), bad as usize, good as usize);
        let told = told_by_machine(&rule, &series);
        assert_eq!(told, expected, "series {number}: {rule:?} {series:?}");

        let sent = notices(&told);
        for (index, pair) in sent.chunks(2).enumerate() {
            let is_paused = told.len() == 2 * index + 1;
            let why = if is_paused {
                Resolution::ScriptPaused
            } else {
                Resolution::Recovered
            };
            assert_eq!(pair, [Notice::Down, Notice::Up(why)], "series {number}");
        }
        assert_eq!(sent.len() / 2, told.len().div_ceil(2), "series {number}");
        incidents += sent.len() / 2;
    }
    assert!(
        incidents > 100_000,
        "the series are of use: {incidents} incidents"
    );
}

#[test]
fn the_other_kinds_agree_with_their_references() {
    let mut random = Random(7);
    let mut fires = [0; 4];
    for number in 0..5_000 {
        let mut series = some_series(&mut random);
        for observation in &mut series {
            observation.latency_ms = random.pick(&[None, Some(50.0), Some(100.0), Some(150.0)]);
        }
        let consecutive = random.pick(&[1, 2, 3]);
        let slow: Vec<_> = series
            .iter()
            .filter(|seen| seen.seen.is_verdict())
            .filter_map(|seen| Some((seen.at, seen.latency_ms? <= 100.0, seen.seen)))
            .filter(|(_, is_fast, seen)| !is_fast || *seen == Seen::Up)
            .map(|(at, is_fast, _)| (at, is_fast))
            .collect();
        let whole: Vec<_> = series
            .iter()
            .filter(|seen| seen.seen != Seen::Nothing)
            .map(|seen| (seen.at, seen.seen != Seen::Broken))
            .collect();
        let verdicts = verdicts(&series);
        let percent = random.pick(&[50.0, 90.0, 100.0]);
        let window = random
            .pick(&["10m", "1h", "2d"])
            .parse::<Window>()
            .expect("a window");
        let changes = random.pick(&[2, 4, 5]);
        let of_series =
            |series: &[_]| reference::of_runs(series, consecutive as usize, consecutive as usize);
        let part = window.length().num_seconds() / 60;
        for (index, (rule, expected)) in [
            (
                RuleDefinition::Latency {
                    threshold_ms: 100.0,
                    operator: Operator::Greater,
                    consecutive,
                },
                of_series(&slow),
            ),
            (RuleDefinition::Error { consecutive }, of_series(&whole)),
            (
                RuleDefinition::Uptime {
                    below_percent: percent,
                    window,
                },
                reference::of_uptime(&verdicts, percent, part),
            ),
            (
                RuleDefinition::Flapping { changes, window },
                reference::of_changes(&verdicts, changes as usize, window.length()),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            fires[index] += expected.len();
            let told = told_by_machine(&rule, &series);
            assert_eq!(told, expected, "series {number}: {rule:?} {series:?}");
        }
    }
    assert!(fires.iter().all(|count| *count > 1_000), "{fires:?}");
}

/// Any rule, also with the largest numbers.
fn any_rule() -> impl Strategy<Value = RuleDefinition> {
    let windows = prop::sample::select(vec!["5m", "1h", "99h", "30d"]);
    let window = windows.prop_map(|text| text.parse::<Window>().expect("a window"));
    let count = || prop_oneof![1..4_u32, Just(100)];
    prop_oneof![
        (count(), count(), any::<bool>()).prop_map(|(bad, good, recheck)| {
            RuleDefinition::StatusChange {
                consecutive_failures: bad,
                consecutive_successes: good,
                recheck,
            }
        }),
        count().prop_map(|consecutive| RuleDefinition::Latency {
            threshold_ms: 100.0,
            operator: Operator::Greater,
            consecutive,
        }),
        count().prop_map(|consecutive| RuleDefinition::Error { consecutive }),
        count().prop_map(|intervals| RuleDefinition::NoData { intervals }),
        (1..=365_u32).prop_map(|days| RuleDefinition::CertificateExpiry { days }),
        (1.0..=100.0_f64, window.clone()).prop_map(|(below_percent, window)| {
            RuleDefinition::Uptime {
                below_percent,
                window,
            }
        }),
        (2..=20_u32, window)
            .prop_map(|(changes, window)| RuleDefinition::Flapping { changes, window }),
    ]
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let extremes = prop::sample::select(vec![DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]);
    let at = prop_oneof![
        60 => (0..4_000_i64).prop_map(|minutes| secs(minutes * 60)),
        20 => any::<i32>().prop_map(|seconds| secs(seconds.into())),
        1 => extremes,
    ];
    let seen = prop::sample::select(vec![Seen::Up, Seen::Down, Seen::Broken, Seen::Nothing]);
    let latency_ms = prop::option::of(prop_oneof![0.0..200.0_f64, any::<f64>()]);
    let expires = prop::option::of(at.clone());
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (at, seen, latency_ms, expires, flags).prop_map(
        |(at, seen, latency_ms, certificate_expires_at, (is_recheck, is_in_maintenance))| {
            Observation {
                at,
                location: String::new(),
                seen,
                latency_ms,
                certificate_expires_at,
                is_recheck,
                is_in_maintenance,
            }
        },
    )
}

proptest! {
    /// Whatever comes, in whatever order, and through edits: no panic, changes take turns, the
    /// state is written and read as it is, and it is small.
    #[test]
    fn a_state_is_small_and_is_read_as_it_was_written(
        rules in prop::collection::vec(any_rule(), 1..4),
        observations in prop::collection::vec((any_observation(), any::<prop::sample::Index>()), 1..150),
        is_sorted in any::<bool>(),
    ) {
        let schedule = every(60);
        let mut observations = observations;
        if is_sorted {
            observations.sort_by_key(|(observation, _)| observation.at);
        }
        let mut current = rules[0].clone();
        let mut state = RuleState::new(secs(0));
        for (number, (observation, index)) in observations.into_iter().enumerate() {
            let was_firing = state.is_firing();
            let next = match number % 3 {
                0 => tick(&current, state, &schedule, observation.at),
                _ => step(&current, state, &observation),
            };
            state = next.state;
            let change = next.transition.map(|transition| transition.change);
            let expected = match (was_firing, state.is_firing()) {
                (false, true) => Some(Change::Fired),
                (true, false) => Some(Change::Recovered),
                _ => None,
            };
            prop_assert_eq!(change, expected);
            let later = next_tick(&current, &state, &schedule, observation.at, DateTime::<Utc>::MAX_UTC);
            prop_assert!(later.is_none_or(|later| later > observation.at));
            if number % 20 == 19 {
                let new = index.get(&rules).clone();
                state = match edit(&current, &new, state) {
                    Edit::Kept(state) => state,
                    Edit::Anew => RuleState::new(observation.at),
                };
                current = new;
            }
            let json = state.to_json();
            prop_assert!(json.len() <= MAX_STATE_BYTES, "{}", json);
            let read = RuleState::from_json(&json);
            prop_assert_eq!(read.expect("it was written just now"), state.clone());
        }
    }

    /// What comes twice, or after what is newer, changes nothing; nor does what says nothing.
    #[test]
    fn repeated_late_and_empty_executions_change_nothing(
        rule in any_rule(),
        observations in prop::collection::vec(any_observation(), 1..60),
        extra in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        seed in any::<u64>(),
    ) {
        let mut in_order: Vec<_> = observations
            .into_iter()
            .filter(|observation| !observation.is_recheck)
            .collect();
        in_order.sort_by_key(|observation| observation.at);
        in_order.dedup_by_key(|observation| observation.at);
        let mut state = RuleState::new(secs(0));
        let mut random = Random(seed);
        for (number, observation) in in_order.iter().enumerate() {
            state = step(&rule, state, observation).state;
            if observation.seen == Seen::Nothing {
                continue;
            }
            let again = extra[number % extra.len()].index(number + 1);
            let mut late = in_order[again].clone();
            late.seen = random.pick(&[Seen::Up, Seen::Down, Seen::Broken, Seen::Nothing]);
            prop_assert_eq!(step(&rule, state.clone(), &late), Step::nothing(state.clone()));
            let nothing = self::observation(observation.at.max(secs(0)), Seen::Nothing);
            prop_assert_eq!(step(&rule, state.clone(), &nothing), Step::nothing(state.clone()));
        }
    }

    /// `next_tick` skips nothing: ticks at any times in between change nothing.
    #[test]
    fn between_ticks_nothing_happens(
        rule in any_rule(),
        observations in prop::collection::vec(any_observation(), 1..60),
        minutes in prop::collection::vec(0..20_000_i64, 1..40),
    ) {
        let schedule = every(60);
        let mut observations = observations;
        observations.sort_by_key(|observation| observation.at);
        let mut state = RuleState::new(secs(0));
        let mut now = secs(0);
        for observation in observations {
            if observation.at > days(60) {
                break;
            }
            state = step(&rule, state, &observation).state;
            now = now.max(observation.at);
        }
        state = tick(&rule, state, &schedule, now).state;
        let next = next_tick(&rule, &state, &schedule, now, now + TimeDelta::minutes(20_000));
        for minute in minutes {
            let at = now + TimeDelta::minutes(minute);
            if next.is_none_or(|next| at < next) {
                prop_assert_eq!(tick(&rule, state.clone(), &schedule, at).transition, None);
            }
        }
    }
}
