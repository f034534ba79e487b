//! When rules fire and recover, found by looking at whole series at once: run lengths and sums
//! instead of states and steps.

use super::*;

/// When a rule fires and recovers, in turn, beginning with a fire.
pub(super) type Told = Vec<DateTime<Utc>>;

/// Whether it is flapping since it last fired.
fn is_held(told: &Told) -> bool {
    let fires: Vec<_> = told.iter().step_by(2).collect();
    fires.len() >= 3 && *fires[fires.len() - 1] - *fires[fires.len() - 3] <= TimeDelta::hours(6)
}

/// `series`: when, and whether it is well. Fires after `bad` in a row, recovers after `good`.
pub(super) fn of_runs(series: &[(DateTime<Utc>, bool)], bad: usize, good: usize) -> Told {
    let mut told = Told::new();
    let mut end_of_last_run = None;
    for run in series.chunk_by(|left, right| left.1 == right.1) {
        let is_well = run[0].1;
        let is_firing = told.len() % 2 == 1;
        if !is_well && !is_firing && run.len() >= bad {
            told.push(run[bad - 1].0);
        }
        if is_well && is_firing {
            let (least, quiet) = if is_held(&told) {
                (good.max(3), TimeDelta::minutes(30))
            } else {
                (good, TimeDelta::zero())
            };
            // The run before this one was not well to its end.
            let since = end_of_last_run.expect("it fired in a run before this one");
            let recovery = run
                .iter()
                .skip(least - 1)
                .find(|(at, _)| *at - since >= quiet);
            told.extend(recovery.map(|(at, _)| *at));
        }
        end_of_last_run = run.last().map(|(at, _)| *at);
    }
    told
}

/// `levels`: when, and whether the level is well; `None`: between the two.
fn of_levels(levels: &[(DateTime<Utc>, Option<bool>)]) -> Told {
    let mut told = Told::new();
    for (index, (at, level)) in levels.iter().enumerate() {
        let is_firing = told.len() % 2 == 1;
        let last_bad = levels[..index]
            .iter()
            .rfind(|(_, level)| *level == Some(false));
        let is_quiet = last_bad.is_none_or(|(bad_at, _)| *at - *bad_at >= TimeDelta::minutes(30));
        match level {
            Some(false) if !is_firing => told.push(*at),
            Some(true) if is_firing && (is_quiet || !is_held(&told)) => told.push(*at),
            _ => {}
        }
    }
    told
}

fn share(part: usize, whole: usize) -> f64 {
    let float = |count| u32::try_from(count).map(f64::from).expect("a short series");
    float(part) * 100.0 / float(whole)
}

/// Fires below `percent` of the verdicts of a window that has `parts` of `part` seconds.
pub(super) fn of_uptime(series: &[(DateTime<Utc>, bool)], percent: f64, part: i64) -> Told {
    let part_of = |at: &DateTime<Utc>| at.timestamp().div_euclid(part);
    let levels: Vec<_> = (0..series.len())
        .map(|index| {
            let (now, _) = series[index];
            let window: Vec<_> = series[..=index]
                .iter()
                .filter(|(at, _)| part_of(&now) - part_of(at) < 60)
                .collect();
            let well = window.iter().filter(|(_, is_well)| *is_well).count();
            let is_long = (now - series[0].0).num_seconds() >= 60 * part;
            let is_well = share(well, window.len()) >= percent;
            (now, (window.len() >= 10 || is_long).then_some(is_well))
        })
        .collect();
    of_levels(&levels)
}

/// Fires with `changes` within `length`, recovers with half of them.
pub(super) fn of_changes(
    series: &[(DateTime<Utc>, bool)],
    changes: usize,
    length: TimeDelta,
) -> Told {
    let levels: Vec<_> = (0..series.len())
        .map(|index| {
            let (now, _) = series[index];
            let count = series[..=index]
                .windows(2)
                .filter(|pair| pair[0].1 != pair[1].1 && now - pair[1].0 < length)
                .count();
            let level = if count >= changes {
                Some(false)
            } else if count <= changes / 2 {
                Some(true)
            } else {
                None
            };
            (now, level)
        })
        .collect();
    of_levels(&levels)
}
