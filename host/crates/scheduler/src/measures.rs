//! What the scheduler tells about itself in numbers, to whoever installed a recorder. Never by script or by
//! organization: of those there are any number. `docs/operations.md` says what each series means.

use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{counter, gauge, histogram};
use vedette_core::{Outcome, Status};
use vedette_store::Trigger;

/// An execution that was recorded, or, by hand, that ended.
pub(crate) fn execution(
    trigger: Trigger,
    scheduled_at: Option<DateTime<Utc>>,
    executed_at: DateTime<Utc>,
    outcome: &Outcome,
) {
    let status = outcome.status.as_str();
    counter!("script_execution_total", "status" => status, "trigger" => trigger.as_str())
        .increment(1);
    if outcome.status == Status::Missed {
        return;
    }
    histogram!("script_execution_duration_seconds").record(outcome.duration_ms / 1_000.0);
    if let Some(scheduled_at) = scheduled_at {
        // A clock that was set back in between makes it early, which is not late.
        let late = (executed_at - scheduled_at).to_std().unwrap_or_default();
        histogram!("script_execution_lateness_seconds").record(late.as_secs_f64());
    }
}

/// Slots that were claimed too late and recorded with the claim.
pub(crate) fn missed(slots: usize) {
    let (status, trigger) = (Status::Missed.as_str(), Trigger::Schedule.as_str());
    let slots = u64::try_from(slots).unwrap_or(u64::MAX);
    counter!("script_execution_total", "status" => status, "trigger" => trigger).increment(slots);
}

/// A claim of slots: of those that are due first, or of a few of each organization.
pub(crate) fn claim(is_of_few: bool, took: Duration) {
    let kind = if is_of_few { "few" } else { "first" };
    histogram!("scheduler_claim_duration_seconds", "kind" => kind).record(took.as_secs_f64());
}

/// How many wait for a place, and how many places are taken of how many.
pub(crate) fn places(waiting: usize, in_use: usize, all: usize) {
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    gauge!("scheduler_queue_length").set(number(waiting));
    gauge!("scheduler_places_in_use").set(number(in_use));
    gauge!("scheduler_places").set(number(all));
}

/// Whether this installation has no network.
pub(crate) fn network(is_offline: bool) {
    gauge!("self_health_offline").set(if is_offline { 1.0 } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use vedette_core::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn runs_claims_and_places_are_told_by_their_names() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let now = SystemClock.now();
        metrics::with_local_recorder(&recorder, || {
            let mut outcome = Outcome::missed("no place");
            execution(Trigger::Schedule, Some(now), now, &outcome);
            missed(3);
            outcome.status = Status::Success;
            outcome.duration_ms = 1_500.0;
            let due = now - TimeDelta::milliseconds(250);
            execution(Trigger::Schedule, Some(due), now, &outcome);
            // Early, after the clock was set back.
            execution(Trigger::Schedule, Some(now), due, &outcome);
            execution(Trigger::Manual, None, now, &outcome);
            claim(true, Duration::from_millis(20));
            places(7, 3, 16);
            network(true);
        });
        let text = recorder.handle().render();
        for line in [
            r#"script_execution_total{status="missed",trigger="schedule"} 4"#,
            r#"script_execution_total{status="success",trigger="schedule"} 2"#,
            r#"script_execution_total{status="success",trigger="manual"} 1"#,
            "script_execution_duration_seconds_sum 4.5",
            "script_execution_duration_seconds_count 3",
            "script_execution_lateness_seconds_sum 0.25",
            "script_execution_lateness_seconds_count 2",
            r#"scheduler_claim_duration_seconds_sum{kind="few"} 0.02"#,
            "scheduler_queue_length 7",
            "scheduler_places_in_use 3",
            "scheduler_places 16",
            "self_health_offline 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in:\n{text}");
        }
    }
}
