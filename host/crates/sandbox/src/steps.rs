//! The steps and checks of a run, bounded in number and size as they come.

use std::time::Duration;

use vedette_core::{Flag, Step, StepKind};

use crate::{
    limits::{STEP_MESSAGE_BYTES, STEP_NAME_BYTES, STEPS, STEPS_FOR_FAILED},
    verdict::clean_text,
};

/// The number of a step that found no room; the largest that JavaScript engines hold as an integer.
const NOT_KEPT: u32 = i32::MAX.cast_unsigned();

/// Why a step that never ended did not pass.
const UNFINISHED: &str = "not finished when the run ended";

/// Steps and checks in the order of their start.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    kept: Vec<Step>,
    truncated: bool,
}

impl Steps {
    /// Begins a step: its number for [`Steps::end`].
    pub(crate) fn begin(&mut self, name: &str, at: Duration) -> u32 {
        if !self.has_room(STEPS - STEPS_FOR_FAILED) {
            return NOT_KEPT;
        }
        let number = u32::try_from(self.kept.len()).unwrap_or(NOT_KEPT);
        self.kept.push(Step {
            passed: false,
            message: Some(UNFINISHED.to_owned()),
            ..entry(name, StepKind::Step, at)
        });
        number
    }

    /// Ends a step. A number that is none of an open step changes nothing.
    pub(crate) fn end(&mut self, number: u32, failed: Option<&str>, at: Duration) {
        let step = usize::try_from(number)
            .ok()
            .and_then(|number| self.kept.get_mut(number));
        let Some(step) = step else { return };
        if step.kind == StepKind::Step && step.duration_ms.is_none() {
            step.passed = failed.is_none();
            step.message = failed.map(|why| clean_text(why, STEP_MESSAGE_BYTES));
            step.duration_ms = Some((millis(at) - step.started_at_ms).max(0.0));
        }
    }

    /// Notes a check.
    pub(crate) fn check(&mut self, name: &str, passed: bool, at: Duration) {
        let most = if passed {
            STEPS - STEPS_FOR_FAILED
        } else {
            STEPS
        };
        if self.has_room(most) {
            self.kept.push(Step {
                passed,
                ..entry(name, StepKind::Check, at)
            });
        }
    }

    /// Steps of another process, which may lie: cut to what a run may have, within its time.
    #[cfg(target_os = "linux")]
    pub(crate) fn accept(steps: Vec<Step>, longest_ms: f64) -> Vec<Step> {
        let within = |ms: f64| {
            if ms.is_finite() {
                ms.clamp(0.0, longest_ms)
            } else {
                0.0
            }
        };
        let steps = steps.into_iter().take(STEPS);
        steps
            .map(|step| Step {
                name: clean_text(&step.name, STEP_NAME_BYTES),
                kind: step.kind,
                passed: step.passed,
                started_at_ms: within(step.started_at_ms),
                duration_ms: step.duration_ms.map(within),
                message: step
                    .message
                    .map(|message| clean_text(&message, STEP_MESSAGE_BYTES)),
            })
            .collect()
    }

    fn has_room(&mut self, most: usize) -> bool {
        let has_room = self.kept.len() < most;
        self.truncated |= !has_room;
        has_room
    }

    pub(crate) fn finish(self) -> (Vec<Step>, Option<Flag>) {
        (self.kept, self.truncated.then_some(Flag::StepsTruncated))
    }
}

fn entry(name: &str, kind: StepKind, at: Duration) -> Step {
    Step {
        name: clean_text(name, STEP_NAME_BYTES),
        kind,
        passed: false,
        started_at_ms: millis(at),
        duration_ms: None,
        message: None,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_millis(10);
    const END: Duration = Duration::from_millis(25);

    #[test]
    fn a_step_is_timed_and_ends_once() {
        let mut steps = Steps::default();
        let outer = steps.begin("outer", START);
        let inner = steps.begin("inner", END);
        steps.end(outer, Some("why"), END);
        steps.end(outer, None, Duration::from_secs(1));
        let (kept, flag) = steps.finish();
        assert_eq!((kept.len(), flag), (2, None));
        assert_eq!(
            (kept[0].started_at_ms, kept[0].duration_ms),
            (10.0, Some(15.0))
        );
        assert_eq!(
            (kept[0].passed, kept[0].message.as_deref()),
            (false, Some("why"))
        );
        assert_eq!(inner, 1);
        assert_eq!((kept[1].passed, kept[1].duration_ms), (false, None));
        assert_eq!(kept[1].message.as_deref(), Some(UNFINISHED));
    }

    #[test]
    fn numbers_that_were_never_given_change_nothing() {
        let mut steps = Steps::default();
        steps.check("a check", false, START);
        for number in [0, 1, NOT_KEPT] {
            steps.end(number, None, END);
        }
        let (kept, _) = steps.finish();
        assert_eq!(
            (kept.len(), kept[0].passed, kept[0].duration_ms),
            (1, false, None)
        );
    }

    #[test]
    fn what_failed_finds_room_when_the_rest_does_not() {
        let mut steps = Steps::default();
        for _ in 0..10_000 {
            steps.check("passed", true, START);
            let number = steps.begin("step", START);
            steps.end(number, None, END);
        }
        for number in 0..1_000 {
            steps.check(&format!("failed {number}"), false, START);
        }
        let (kept, flag) = steps.finish();
        assert_eq!((kept.len(), flag), (STEPS, Some(Flag::StepsTruncated)));
        assert_eq!(kept[STEPS - STEPS_FOR_FAILED].name, "failed 0");
    }

    #[test]
    fn texts_are_cut_and_cleaned() {
        let mut steps = Steps::default();
        let number = steps.begin(&"ä\0".repeat(1_000_000), START);
        steps.end(number, Some(&"x\0".repeat(1_000_000)), END);
        let (kept, _) = steps.finish();
        let message = kept[0].message.as_deref().unwrap_or_default();
        assert!(kept[0].name.len() <= STEP_NAME_BYTES && message.len() <= STEP_MESSAGE_BYTES);
        assert!(!kept[0].name.contains('\0') && !message.contains('\0'));
    }
}
