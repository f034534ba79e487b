//! Who is told when nobody acknowledges: what a user sends of it, what can be wrong, and how it is shown.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{
    ChannelId,
    alert::follow_up::{
        ESCALATION_MINUTES, EscalationStep, FollowUp, MAX_STEP_CHANNELS, MAX_STEPS,
        REMINDER_MINUTES,
    },
};

use crate::problem::{FieldError, Problem};

/// Further people who are told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EscalationStepBody {
    /// So many minutes after the rule fired, if nobody has acknowledged by then.
    #[schema(minimum = 1, maximum = 10_080, example = 15)]
    after_minutes: u32,
    /// Where they are told.
    #[schema(min_items = 1, max_items = 10)]
    channel_ids: Vec<Uuid>,
}

/// Further people who are told.
#[derive(Serialize, ToSchema)]
pub(crate) struct EscalationStepView {
    after_minutes: u32,
    channel_ids: Vec<Uuid>,
}

impl From<EscalationStep> for EscalationStepView {
    fn from(step: EscalationStep) -> Self {
        let channels = step.channel_ids.into_iter().map(ChannelId::as_uuid);
        Self {
            after_minutes: step.after_minutes,
            channel_ids: channels.collect(),
        }
    }
}

/// Checks everything, and adds all that is wrong to `errors`.
pub(super) fn check(
    remind_after_minutes: Option<u32>,
    escalation: Vec<EscalationStepBody>,
    errors: &mut Vec<FieldError>,
) -> FollowUp {
    if let Some(minutes) = remind_after_minutes {
        check_minutes(minutes, &REMINDER_MINUTES, "/remind_after_minutes", errors);
    }
    if escalation.len() > MAX_STEPS {
        let detail = format!("give at most {MAX_STEPS} steps");
        errors.push(FieldError::new("/escalation", detail));
    }
    let mut before = 0;
    for (index, step) in escalation.iter().enumerate() {
        check_step(step, before, &format!("/escalation/{index}"), errors);
        before = step.after_minutes;
    }
    let steps = escalation.into_iter().map(|step| {
        let channels = step.channel_ids.into_iter().map(ChannelId::from_uuid);
        EscalationStep {
            after_minutes: step.after_minutes,
            channel_ids: channels.collect(),
        }
    });
    FollowUp {
        remind_after_minutes,
        escalation: steps.collect(),
    }
}

fn check_step(step: &EscalationStepBody, before: u32, at: &str, errors: &mut Vec<FieldError>) {
    let minutes = format!("{at}/after_minutes");
    let is_good = check_minutes(step.after_minutes, &ESCALATION_MINUTES, &minutes, errors);
    if is_good && step.after_minutes <= before {
        let detail = format!("give more than the {before} of the step before");
        errors.push(FieldError::new(minutes, detail));
    }
    if !(1..=MAX_STEP_CHANNELS).contains(&step.channel_ids.len()) {
        let detail = format!("give 1 to {MAX_STEP_CHANNELS} channels");
        errors.push(FieldError::new(format!("{at}/channel_ids"), detail));
    }
    let mut seen = BTreeSet::new();
    for (index, id) in step.channel_ids.iter().enumerate() {
        if !seen.insert(id) {
            let detail = "this step names the channel already; leave it out";
            errors.push(FieldError::new(format!("{at}/channel_ids/{index}"), detail));
        }
    }
}

fn check_minutes(
    minutes: u32,
    allowed: &RangeInclusive<u32>,
    at: &str,
    errors: &mut Vec<FieldError>,
) -> bool {
    let is_good = allowed.contains(&minutes);
    if !is_good {
        let (least, most) = (allowed.start(), allowed.end());
        let detail = format!("give a whole number of minutes from {least} to {most}");
        errors.push(FieldError::new(at, detail));
    }
    is_good
}

/// What is said of a channel that the organization does not have.
pub(crate) const NO_CHANNEL: &str = "there is no such channel in this organization";

/// Where steps name a channel.
pub(crate) fn places(steps: &[EscalationStep], channel: ChannelId) -> impl Iterator<Item = String> {
    steps.iter().enumerate().flat_map(move |(index, step)| {
        let channels = step.channel_ids.iter().enumerate();
        let its = channels.filter(move |(_, id)| **id == channel);
        its.map(move |(place, _)| format!("/escalation/{index}/channel_ids/{place}"))
    })
}

/// The organization has no such channel.
pub(super) fn no_channel(steps: &[EscalationStep], missing: ChannelId) -> Problem {
    let errors = places(steps, missing).map(|place| FieldError::new(place, NO_CHANNEL));
    Problem::invalid(errors.collect())
}
