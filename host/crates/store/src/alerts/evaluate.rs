//! What an execution, or time, does to the rules and the incident of a script. Pure.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use vedette_core::{
    AlertHistoryId, AlertRuleId, Clock, ExecutionId, IncidentEventId, IncidentId, OrgId, Outcome,
    Schedule, ScriptId, UserId,
    alert::{
        Severity,
        follow_up::FollowUps,
        incident::{Event, IncidentState, Notice, Parent, Resolution},
        machine::{self, Change, Signal, Step, Transition},
        observation::Observation,
        rule::RuleDefinition,
        state::RuleState,
    },
};

use super::{
    AlertTransition, IncidentEventKind,
    follow_ups::FollowUpRow,
    look::{next_look, next_look_if_held},
    notices::{Down, NoticeRow, Tell, message_of_time},
};
use crate::maintenance::Mutes;

/// Requests that evidence keeps, the last ones.
const EVIDENCE_REQUESTS: usize = 10;

/// The alerting of one script, as it lies in the database.
#[derive(Debug)]
pub(crate) struct ScriptAlerts {
    pub(crate) org: OrgId,
    pub(crate) script: ScriptId,
    /// `None`: it does not read, or the script is paused. Then time brings nothing.
    pub(crate) schedule: Option<Schedule>,
    /// Those that are enabled.
    pub(crate) rules: Vec<RuleInUse>,
    pub(crate) incident: IncidentState,
    /// When the last incident was over.
    pub(crate) quiet_since: Option<DateTime<Utc>>,
    /// How the script is doing that this one depends on.
    pub(crate) parent: Parent,
    pub(crate) open: Option<OpenIncident>,
    /// An incident that goes on, and whose state is lost: it ends with the next turn, and the rules begin anew.
    pub(crate) orphan: Option<OpenIncident>,
    /// What was told again of the incident that goes on.
    pub(crate) follow_ups: FollowUps,
    /// What keeps notifications back.
    pub(crate) mutes: Mutes,
}

#[derive(Debug)]
pub(crate) struct RuleInUse {
    pub(crate) id: AlertRuleId,
    pub(crate) name: String,
    pub(crate) severity: Severity,
    pub(crate) definition: RuleDefinition,
    pub(crate) state: RuleState,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenIncident {
    pub(crate) id: IncidentId,
    pub(crate) severity: Severity,
    pub(crate) since: DateTime<Utc>,
}

/// An execution as it is recorded.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) script: ScriptId,
    pub(crate) id: ExecutionId,
    pub(crate) observation: Observation,
    pub(crate) evidence: Value,
}

/// What somebody sees at three in the morning: what was said, which step, which requests.
pub(crate) fn evidence_of(execution: ExecutionId, outcome: &Outcome) -> Value {
    let step = outcome.steps.iter().find(|step| !step.passed);
    let skipped = outcome.requests.len().saturating_sub(EVIDENCE_REQUESTS);
    let requests = outcome.requests[skipped..].iter().map(|request| {
        json!({
            "method": request.method,
            "url": request.url,
            "status": request.status,
            "error": request.error,
            "total_ms": request.total_ms,
        })
    });
    json!({
        "execution_id": execution,
        "status": outcome.status,
        "error_class": outcome.error_class,
        "message": outcome.message,
        "failing_step": step.map(|step| json!({ "name": step.name, "message": step.message })),
        "requests": requests.collect::<Vec<_>>(),
    })
}

/// Rows to be written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) states: Vec<StateRow>,
    pub(crate) incident_states: Vec<IncidentStateRow>,
    pub(crate) opened: Vec<OpenedRow>,
    pub(crate) touched: Vec<TouchedRow>,
    pub(crate) follow_ups: Vec<FollowUpRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) history: Vec<HistoryRow>,
    /// Who is to be told, in the order in which it happened.
    pub(crate) notices: Vec<NoticeRow>,
    /// Who is to run again soon: a rule asks for it.
    pub(crate) rechecks: Vec<ScriptId>,
}

impl Changes {
    /// Entries of one moment get ids in their order: lists are sorted by id, and ids of one millisecond come in
    /// any order.
    pub(crate) fn in_order(mut self) -> Self {
        let mut ids: Vec<_> = self.events.iter().map(|event| event.id).collect();
        ids.sort_unstable();
        for (event, id) in self.events.iter_mut().zip(ids) {
            event.id = id;
        }
        let mut ids: Vec<_> = self.history.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        for (row, id) in self.history.iter_mut().zip(ids) {
            row.id = id;
        }
        self
    }
}

#[derive(Debug)]
pub(crate) struct IncidentStateRow {
    pub(crate) script: ScriptId,
    pub(crate) org: OrgId,
    pub(crate) state: String,
    pub(crate) quiet_since: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub(crate) struct StateRow {
    pub(crate) rule: AlertRuleId,
    pub(crate) state: String,
    pub(crate) next_tick_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub(crate) struct OpenedRow {
    pub(crate) id: IncidentId,
    pub(crate) org: OrgId,
    pub(crate) script: ScriptId,
    pub(crate) severity: Severity,
    pub(crate) at: DateTime<Utc>,
    pub(crate) evidence: Value,
}

/// An incident that goes on, or ends.
#[derive(Debug)]
pub(crate) struct TouchedRow {
    pub(crate) id: IncidentId,
    pub(crate) org: OrgId,
    pub(crate) at: DateTime<Utc>,
    pub(crate) what: Touch,
}

#[derive(Debug)]
pub(crate) enum Touch {
    Severity(Severity),
    Acknowledged(Option<UserId>),
    Resolved(Resolution, Option<UserId>),
}

#[derive(Debug)]
pub(crate) struct EventRow {
    pub(crate) id: IncidentEventId,
    pub(crate) org: OrgId,
    pub(crate) incident: IncidentId,
    pub(crate) at: DateTime<Utc>,
    pub(crate) kind: IncidentEventKind,
    pub(crate) user: Option<UserId>,
    pub(crate) rule: Option<AlertRuleId>,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) message: Option<String>,
}

#[derive(Debug)]
pub(crate) struct HistoryRow {
    pub(crate) id: AlertHistoryId,
    pub(crate) org: OrgId,
    pub(crate) script: ScriptId,
    pub(crate) rule: AlertRuleId,
    pub(crate) incident: Option<IncidentId>,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) transition: AlertTransition,
    pub(crate) at: DateTime<Utc>,
    pub(crate) details: Value,
}

/// What brings a change: when, by which execution or by whom.
#[derive(Clone, Copy)]
pub(crate) struct Cause<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) executed: Option<&'a Executed>,
    pub(crate) user: Option<UserId>,
    pub(crate) comment: Option<&'a str>,
}

impl<'a> Cause<'a> {
    pub(crate) const fn time(now: DateTime<Utc>, clock: &'a dyn Clock) -> Self {
        Self {
            now,
            clock,
            executed: None,
            user: None,
            comment: None,
        }
    }
}

impl ScriptAlerts {
    /// Takes up an execution.
    pub(crate) fn observe(&mut self, cause: Cause<'_>, executed: &Executed, changes: &mut Changes) {
        let cause = Cause {
            executed: Some(executed),
            ..cause
        };
        self.turn(cause, changes, |rule, state, _| {
            Some(machine::step(rule, state, &executed.observation))
        });
    }

    /// Does what time does.
    pub(crate) fn tick(&mut self, cause: Cause<'_>, changes: &mut Changes) {
        let now = cause.now;
        self.turn(cause, changes, |rule, state, schedule| {
            schedule.map(|schedule| machine::tick(rule, state, schedule, now))
        });
    }

    /// Says anew when time may change the rules; `anew`: they begin anew too.
    pub(crate) fn look_again(&mut self, now: DateTime<Utc>, anew: bool, changes: &mut Changes) {
        for rule in &mut self.rules {
            if anew {
                rule.state = RuleState::new(now);
            }
            rule.state.await_from(now);
        }
        let rows = self.rules.iter().map(|rule| self.state_row(rule, now));
        changes.states.extend(rows);
    }

    fn state_row(&self, rule: &RuleInUse, now: DateTime<Utc>) -> StateRow {
        let next_look = if self.incident.held().contains(&rule.id) {
            next_look_if_held
        } else {
            next_look
        };
        let schedule = self.schedule.as_ref();
        StateRow {
            rule: rule.id,
            state: rule.state.to_json(),
            next_tick_at: schedule
                .and_then(|schedule| next_look(&rule.definition, &rule.state, schedule, now)),
        }
    }

    /// A turn of each rule, and then of the incident.
    fn turn(
        &mut self,
        cause: Cause<'_>,
        changes: &mut Changes,
        turn: impl Fn(&RuleDefinition, RuleState, Option<&Schedule>) -> Option<Step>,
    ) {
        self.end_orphan(cause, changes);
        if let Some(event) = self.incident.event_of_parent(self.parent, cause.now) {
            self.apply(event, cause, changes);
        }
        let mut events = Vec::new();
        let mut transitions = Vec::new();
        let mut turned = Vec::new();
        for (index, rule) in self.rules.iter_mut().enumerate() {
            let schedule = self.schedule.as_ref();
            let Some(step) = turn(&rule.definition, rule.state.clone(), schedule) else {
                continue;
            };
            let at = cause
                .executed
                .map_or(cause.now, |executed| executed.observation.at);
            let is_muted = self.mutes.is_muted(at, rule.severity, &rule.definition);
            match step.transition {
                Some(transition) => {
                    events.push(event_of(rule.id, transition, is_muted));
                    transitions.push((index, transition));
                }
                None if step.state.is_firing() && step.signal == Some(Signal::Breach) => {
                    let rule = rule.id;
                    events.push(Event::RuleStillFiring { rule, at, is_muted });
                }
                None => {}
            }
            if step.wants_recheck {
                changes.rechecks.push(self.script);
            }
            rule.state = step.state;
            turned.push(index);
        }
        // What fires goes before what recovers: an incident that passes from one rule to another is one.
        events.sort_by_key(|event| matches!(event, Event::RuleRecovered { .. }));
        let before = self.open;
        for event in events {
            self.apply(event, cause, changes);
        }
        let turned = turned.iter().map(|index| &self.rules[*index]);
        let rows = turned.map(|rule| self.state_row(rule, cause.now));
        changes.states.extend(rows);
        let incident = self.open.or(before).map(|open| open.id);
        for (index, transition) in transitions {
            let rule = &self.rules[index];
            changes.history.push(HistoryRow {
                id: AlertHistoryId::generate(cause.clock),
                org: self.org,
                script: self.script,
                rule: rule.id,
                incident,
                execution: cause.executed.map(|executed| executed.id),
                transition: match transition.change {
                    Change::Fired => AlertTransition::Fired,
                    Change::Recovered => AlertTransition::Recovered,
                },
                at: transition.at,
                details: json!({
                    "rule": { "name": rule.name, "severity": rule.severity, "definition": rule.definition.to_json() },
                    "is_flapping": rule.state.is_flapping(),
                    "evidence": cause.executed.map(|executed| &executed.evidence),
                }),
            });
        }
    }

    fn end_orphan(&mut self, cause: Cause<'_>, changes: &mut Changes) {
        let Some(orphan) = self.orphan.take() else {
            return;
        };
        let (id, at, why) = (orphan.id, cause.now, Resolution::RuleRemoved);
        self.tell(id, at, Tell::Up(why), cause, changes);
        self.touch(id, Touch::Resolved(why, None), at, changes);
        self.event(id, IncidentEventKind::Resolved, None, at, cause, changes);
    }

    /// Takes an event to the incident.
    pub(crate) fn apply(&mut self, event: Event, cause: Cause<'_>, changes: &mut Changes) {
        let was_down = self.incident.is_down();
        let (after, notice) = std::mem::take(&mut self.incident).apply(event);
        self.incident = after;
        if self.incident.is_down() {
            self.quiet_since = None;
        } else if was_down {
            // Of those that depend on this one, what was due until now proves nothing: when the target came up
            // before now is not known so exactly.
            self.quiet_since = Some(cause.now);
        }
        changes
            .incident_states
            .retain(|row| row.script != self.script);
        changes.incident_states.push(IncidentStateRow {
            script: self.script,
            org: self.org,
            state: self.incident.to_json(),
            quiet_since: self.quiet_since,
        });
        let at = match event {
            Event::RuleFired { at, .. } | Event::RuleStillFiring { at, .. } => at,
            _ => cause.now,
        };
        if notice == Some(Notice::Down) {
            self.open(at, cause, changes);
        }
        let Some(open) = self.open else { return };
        let kind = match (event, notice) {
            (_, Some(Notice::Down | Notice::Up(_) | Notice::Acknowledged)) => None,
            (Event::RuleFired { .. }, _) => Some(IncidentEventKind::RuleFired),
            (Event::RuleRecovered { .. }, _) => Some(IncidentEventKind::RuleRecovered),
            (Event::Comment, _) => Some(IncidentEventKind::Comment),
            _ => None,
        };
        if let Some(kind) = kind {
            self.event(open.id, kind, rule_of(event), at, cause, changes);
        }
        match notice {
            Some(Notice::Acknowledged) => {
                self.tell(open.id, at, Tell::Acknowledged, cause, changes);
                let what = Touch::Acknowledged(cause.user);
                self.touch(open.id, what, at, changes);
                let kind = IncidentEventKind::Acknowledged;
                self.event(open.id, kind, None, at, cause, changes);
            }
            Some(Notice::Up(why)) => {
                self.tell(open.id, at, Tell::Up(why), cause, changes);
                let what = Touch::Resolved(why, cause.user);
                self.touch(open.id, what, at, changes);
                let kind = IncidentEventKind::Resolved;
                self.event(open.id, kind, rule_of(event), at, cause, changes);
                self.open = None;
                self.follow_ups = FollowUps::default();
            }
            Some(Notice::Update) => {
                self.raise(open, at, changes);
                self.tell_down(rule_of(event), at, cause, changes);
            }
            Some(Notice::Down) => self.tell_down(rule_of(event), at, cause, changes),
            None => {}
        }
        debug_assert_eq!(self.open.is_some(), self.incident.is_told());
    }

    fn open(&mut self, at: DateTime<Utc>, cause: Cause<'_>, changes: &mut Changes) {
        let open = OpenIncident {
            id: IncidentId::generate(cause.clock),
            severity: self.severity(),
            since: at,
        };
        let evidence = cause.executed.map(|executed| executed.evidence.clone());
        changes.opened.push(OpenedRow {
            id: open.id,
            org: self.org,
            script: self.script,
            severity: open.severity,
            at,
            evidence: evidence.unwrap_or_else(|| json!({})),
        });
        self.open = Some(open);
        let kind = IncidentEventKind::Opened;
        self.event(open.id, kind, None, at, cause, changes);
        // Those that are held fire too. That they are told of later is no entry of its own.
        let kind = IncidentEventKind::RuleFired;
        for rule in self.incident.causes() {
            self.event(open.id, kind, Some(*rule), at, cause, changes);
        }
    }

    /// Tells the channels of a rule that the incident goes on. Rules that fire together tell it once, by the name
    /// of the worst.
    fn tell_down(
        &mut self,
        rule: Option<AlertRuleId>,
        at: DateTime<Utc>,
        cause: Cause<'_>,
        changes: &mut Changes,
    ) {
        // A comment goes to nobody.
        let (Some(open), Some(rule)) = (self.open, rule) else {
            return;
        };
        self.follow_ups.fire(rule, at);
        // The next tick knows what the rules ask for.
        self.look_at(open, Some(cause.now), changes);
        let told = self.down(open, rule);
        let execution = cause.executed.map(|executed| executed.id);
        let together = changes.notices.iter_mut().rev().find_map(|notice| {
            let is_same = notice.incident == open.id && notice.execution == execution;
            match &mut notice.what {
                Tell::Down(down) if is_same => Some(down),
                _ => None,
            }
        });
        if let Some(down) = together {
            down.rules.push(rule);
            if open.severity > down.severity {
                (down.severity, down.rule) = (open.severity, told.rule);
            }
            return;
        }
        self.tell(open.id, at, Tell::Down(told), cause, changes);
    }

    pub(super) fn down(&self, open: OpenIncident, rule: AlertRuleId) -> Down {
        let known = self.rules.iter().find(|known| known.id == rule);
        Down {
            rules: vec![rule],
            rule: known.map(|known| known.name.clone()),
            severity: open.severity,
            started_at: open.since,
            message: known.map(|known| message_of_time(&known.definition)),
        }
    }

    pub(super) fn tell(
        &self,
        incident: IncidentId,
        at: DateTime<Utc>,
        what: Tell,
        cause: Cause<'_>,
        changes: &mut Changes,
    ) {
        changes.notices.push(NoticeRow {
            org: self.org,
            script: self.script,
            incident,
            at,
            now: cause.now,
            execution: cause.executed.map(|executed| executed.id),
            evidence: cause.executed.map(|executed| executed.evidence.clone()),
            user: cause.user,
            what,
        });
    }

    /// The highest of the rules that fire and that people were told of.
    fn severity(&self) -> Severity {
        let told = self.incident.told();
        told.filter_map(|id| self.rules.iter().find(|rule| rule.id == id))
            .map(|rule| rule.severity)
            .max()
            .unwrap_or(Severity::Warning)
    }

    /// An incident matters as much as the worst that it has had.
    fn raise(&mut self, open: OpenIncident, at: DateTime<Utc>, changes: &mut Changes) {
        let severity = self.severity().max(open.severity);
        if severity > open.severity {
            self.open = Some(OpenIncident { severity, ..open });
            // One that begins in this turn has no row yet.
            match changes.opened.iter_mut().find(|row| row.id == open.id) {
                Some(row) => row.severity = severity,
                None => self.touch(open.id, Touch::Severity(severity), at, changes),
            }
        }
    }

    fn touch(&self, id: IncidentId, what: Touch, at: DateTime<Utc>, changes: &mut Changes) {
        let org = self.org;
        changes.touched.push(TouchedRow { id, org, at, what });
    }

    fn event(
        &self,
        incident: IncidentId,
        kind: IncidentEventKind,
        rule: Option<AlertRuleId>,
        at: DateTime<Utc>,
        cause: Cause<'_>,
        changes: &mut Changes,
    ) {
        changes.events.push(EventRow {
            id: IncidentEventId::generate(cause.clock),
            org: self.org,
            incident,
            at,
            kind,
            user: cause.user,
            rule,
            execution: cause.executed.map(|executed| executed.id),
            message: cause.comment.map(str::to_owned),
        });
    }
}

const fn event_of(rule: AlertRuleId, transition: Transition, is_muted: bool) -> Event {
    match transition.change {
        Change::Fired => Event::RuleFired {
            rule,
            at: transition.at,
            is_muted,
        },
        Change::Recovered => Event::RuleRecovered { rule },
    }
}

const fn rule_of(event: Event) -> Option<AlertRuleId> {
    match event {
        Event::RuleFired { rule, .. }
        | Event::RuleStillFiring { rule, .. }
        | Event::RuleRecovered { rule }
        | Event::RuleRemoved { rule } => Some(rule),
        _ => None,
    }
}
