//! A notification as it is told: clean, bounded, in words. All formats are made of this, so that no text reaches
//! one as it came.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::{
    Event, Notification, Resolution, Severity,
    text::{clean_block, clean_line, cut},
};

/// Longest name of anything, in UTF-16 units.
const NAME: usize = 200;
/// Longest message.
const MESSAGE: usize = 2_000;
/// Longest message of an incident in a digest.
const ITEM_MESSAGE: usize = 200;
/// Longest URL and longest error of a request.
const URL: usize = 500;
const ERROR: usize = 300;
const METHOD: usize = 32;
/// Longest headline.
const HEADLINE: usize = 250;
/// Most requests and most incidents that are told one by one.
pub(crate) const MAX_REQUESTS: usize = 10;
pub(crate) const MAX_ITEMS: usize = vedette_store::MOST_OF_DIGEST as usize;

/// The values that templates know, by these names; it is also `data` of a webhook.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) event: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) headline: String,
    pub(crate) organization: String,
    pub(crate) project: String,
    pub(crate) script: String,
    pub(crate) rule: Option<String>,
    pub(crate) incident: Option<String>,
    pub(crate) occurred_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    pub(crate) duration_seconds: Option<i64>,
    pub(crate) message: String,
    pub(crate) failing_step: Option<String>,
    pub(crate) last_good_id: Option<String>,
    pub(crate) last_good_at: Option<String>,
    pub(crate) first_bad_id: Option<String>,
    pub(crate) first_bad_at: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) requests: Vec<ToldRequest>,
    pub(crate) requests_omitted: usize,
    pub(crate) items: Vec<ToldItem>,
    pub(crate) items_omitted: usize,
    #[serde(skip)]
    pub(crate) kind: Event,
    #[serde(skip)]
    pub(crate) level: Severity,
}

/// A row of the request table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToldRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) total_ms: u64,
}

impl ToldRequest {
    /// As a line of plain text.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} {} → {} in {} ms",
            self.method,
            self.url,
            self.result(),
            self.total_ms
        )
    }

    /// What came of it.
    pub(crate) fn result(&self) -> String {
        match (self.status, &self.error) {
            (Some(status), None) => status.to_string(),
            (Some(status), Some(error)) => format!("{status}, {error}"),
            (None, Some(error)) => error.clone(),
            (None, None) => "no response".to_owned(),
        }
    }
}

/// An incident of a digest.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToldItem {
    pub(crate) incident: Option<String>,
    pub(crate) event: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) project: String,
    pub(crate) script: String,
    pub(crate) message: String,
}

impl ToldItem {
    /// As a line of plain text.
    pub(crate) fn line(&self) -> String {
        let what = format!("{}: {} / {}", self.event, self.project, self.script);
        match self.message.as_str() {
            "" => what,
            message => format!("{what} – {message}"),
        }
    }
}

impl Told {
    pub(crate) fn new(notification: &Notification) -> Self {
        let name = |text: &str| clean_line(text, NAME);
        let optional =
            |text: &Option<String>| text.as_deref().map(name).filter(|text| !text.is_empty());
        let ended = notification.ended_at.or(Some(notification.occurred_at));
        let duration = notification
            .started_at
            .zip(ended)
            .map(|(from, to)| to - from);
        let items = notification
            .items
            .iter()
            .take(MAX_ITEMS)
            .map(|item| ToldItem {
                incident: item.incident.map(|id| id.to_string()),
                event: item.event.as_str(),
                severity: item.severity.as_str(),
                project: name(&item.project),
                script: name(&item.script),
                message: clean_line(&item.message, ITEM_MESSAGE),
            });
        let requests = notification
            .requests
            .iter()
            .take(MAX_REQUESTS)
            .map(|row| ToldRequest {
                method: clean_line(&row.method, METHOD),
                url: clean_line(&row.url, URL),
                status: row.status,
                error: row.error.as_deref().map(|text| clean_line(text, ERROR)),
                total_ms: whole_ms(row.total_ms),
            });
        Self {
            id: notification.id.to_string(),
            event: notification.event.as_str(),
            severity: notification.severity.as_str(),
            headline: headline(notification),
            organization: name(&notification.organization),
            project: name(&notification.project),
            script: name(&notification.script),
            rule: optional(&notification.rule),
            incident: notification.incident.map(|id| id.to_string()),
            occurred_at: rfc3339(notification.occurred_at),
            started_at: notification.started_at.map(rfc3339),
            ended_at: notification.ended_at.map(rfc3339),
            duration_seconds: duration.map(|duration| duration.num_seconds().max(0)),
            message: clean_block(&notification.message, MESSAGE),
            failing_step: optional(&notification.failing_step),
            last_good_id: notification.last_good.map(|run| run.id.to_string()),
            last_good_at: notification.last_good.map(|run| rfc3339(run.at)),
            first_bad_id: notification.first_bad.map(|run| run.id.to_string()),
            first_bad_at: notification.first_bad.map(|run| rfc3339(run.at)),
            link: notification.checked_link(),
            requests: requests.collect(),
            requests_omitted: notification.requests.len().saturating_sub(MAX_REQUESTS),
            items: items.collect(),
            items_omitted: notification.items.len().saturating_sub(MAX_ITEMS),
            kind: notification.event,
            level: notification.severity,
        }
    }

    /// Names and values for people, each value at most `most` units.
    pub(crate) fn facts(&self, most: usize) -> Vec<(&'static str, String)> {
        let run = |at: &Option<String>, id: &Option<String>| {
            Some(format!("{} ({})", at.as_deref()?, id.as_deref()?))
        };
        let rule = self
            .rule
            .as_ref()
            .map(|rule| format!("{rule} ({})", self.severity));
        let severity = self.rule.is_none().then(|| self.severity.to_owned());
        let facts = [
            ("Organization", Some(self.organization.clone())),
            ("Project", Some(self.project.clone())),
            ("Script", Some(self.script.clone())),
            ("Rule", rule),
            ("Severity", severity),
            ("Began", self.started_at.clone()),
            ("Ended", self.ended_at.clone()),
            ("Failing step", self.failing_step.clone()),
            ("Last good run", run(&self.last_good_at, &self.last_good_id)),
            ("First bad run", run(&self.first_bad_at, &self.first_bad_id)),
        ];
        facts
            .into_iter()
            .filter_map(|(label, value)| Some((label, value.filter(|value| !value.is_empty())?)))
            .map(|(label, value)| (label, cut(&value, most)))
            .collect()
    }

    /// Lines of the request table.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        self.requests.iter().map(ToldRequest::line).collect()
    }

    /// Lines of a digest.
    pub(crate) fn item_lines(&self) -> Vec<String> {
        self.items.iter().map(ToldItem::line).collect()
    }

    /// All of it but the headline and the link, as plain text.
    pub(crate) fn plain(&self) -> String {
        let mut parts = Vec::new();
        if !self.message.is_empty() {
            parts.push(self.message.clone());
        }
        let items = crate::text::fit_lines(&self.item_lines(), self.items_omitted, usize::MAX);
        parts.push(items);
        let facts = self.facts(usize::MAX).into_iter();
        let facts: Vec<String> = facts
            .map(|(label, value)| format!("{label}: {value}"))
            .collect();
        parts.push(facts.join("\n"));
        if !self.requests.is_empty() {
            let lines = self.request_lines();
            let lines = crate::text::fit_lines(&lines, self.requests_omitted, usize::MAX);
            parts.push(format!("Requests:\n{lines}"));
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }
}

/// The whole of it in a line.
fn headline(notification: &Notification) -> String {
    let script = match clean_line(&notification.script, NAME) {
        empty if empty.is_empty() => "a script".to_owned(),
        script => script,
    };
    let text = match notification.event {
        Event::Down => format!("{script} is down"),
        Event::Up => match notification.resolution {
            None | Some(Resolution::Recovered) => format!("{script} is up again"),
            // Whether it is well is not known.
            Some(Resolution::RuleRemoved) => {
                format!("{script}: the incident is over, its rule is gone")
            }
            Some(Resolution::ScriptPaused) => {
                format!("{script}: the incident is over, nobody looks any more")
            }
            Some(Resolution::Person) => {
                format!("{script}: the incident is over, somebody said so")
            }
        },
        Event::Acknowledged => format!("{script}: somebody looks after it"),
        Event::Reminder => format!("{script} is still down"),
        Event::Escalated => format!("{script} is still down, escalated"),
        Event::Test => "Test: this channel works".to_owned(),
        Event::Digest if notification.items.len() == 1 => "1 change at once".to_owned(),
        Event::Digest => format!("{} changes at once", notification.items.len()),
    };
    cut(&text, HEADLINE)
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and NaN becomes 0"
)]
fn whole_ms(ms: f64) -> u64 {
    ms.round() as u64
}
