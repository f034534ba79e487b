//! Notifications for whoever tries a channel or writes a template, and for tests.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use vedette_core::{ExecutionId, IncidentId, NotificationId};

use crate::{DigestItem, Event, ExecutionRef, Notification, RequestRow, Severity};

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("a time of this century")
}

fn run(number: u128, minutes: i64) -> ExecutionRef {
    ExecutionRef {
        id: ExecutionId::from_uuid(Uuid::from_u128(number)),
        at: at() - TimeDelta::minutes(minutes),
    }
}

/// A script that is down, with two requests.
pub fn down() -> Notification {
    let request = |method: &str, path: &str, status, error: Option<&str>, total_ms| RequestRow {
        method: method.to_owned(),
        url: format!("https://shop.example.com{path}"),
        status,
        error: error.map(ToOwned::to_owned),
        total_ms,
    };
    Notification {
        id: NotificationId::from_uuid(Uuid::from_u128(1)),
        event: Event::Down,
        severity: Severity::Critical,
        organization: "Acme".to_owned(),
        project: "shop".to_owned(),
        script: "checkout".to_owned(),
        rule: Some("three failures in a row".to_owned()),
        incident: Some(IncidentId::from_uuid(Uuid::from_u128(2))),
        occurred_at: at(),
        started_at: Some(at() - TimeDelta::minutes(2)),
        ended_at: None,
        resolution: None,
        message: "POST /orders was refused, expected 201".to_owned(),
        failing_step: Some("create an order".to_owned()),
        requests: vec![
            request("GET", "/cart", Some(200), None, 81.4),
            request("POST", "/orders", None, Some("connection refused"), 3.2),
        ],
        last_good: Some(run(3, 4)),
        first_bad: Some(run(4, 2)),
        link: Some("https://vedette.example.com/incidents/1".to_owned()),
        items: Vec::new(),
    }
}

/// The same script, well again.
pub fn up() -> Notification {
    Notification {
        id: NotificationId::from_uuid(Uuid::from_u128(5)),
        event: Event::Up,
        occurred_at: at() + TimeDelta::minutes(10),
        ended_at: Some(at() + TimeDelta::minutes(10)),
        message: "the order was taken".to_owned(),
        failing_step: None,
        ..down()
    }
}

/// Three scripts at once.
pub fn digest() -> Notification {
    let item = |number: u128, event, severity, script: &str, message: &str| DigestItem {
        incident: Some(IncidentId::from_uuid(Uuid::from_u128(number))),
        event,
        severity,
        project: "shop".to_owned(),
        script: script.to_owned(),
        message: message.to_owned(),
    };
    Notification {
        id: NotificationId::from_uuid(Uuid::from_u128(9)),
        event: Event::Digest,
        project: String::new(),
        script: String::new(),
        rule: None,
        incident: None,
        started_at: None,
        message: String::new(),
        failing_step: None,
        requests: Vec::new(),
        last_good: None,
        first_bad: None,
        items: vec![
            item(
                2,
                Event::Down,
                Severity::Critical,
                "checkout",
                "POST /orders was refused",
            ),
            item(
                6,
                Event::Down,
                Severity::Error,
                "login",
                "answered 503, expected 200",
            ),
            item(7, Event::Up, Severity::Warning, "search", ""),
        ],
        ..down()
    }
}

/// An example of each event.
pub fn of(event: Event) -> Notification {
    match event {
        Event::Down => down(),
        Event::Up => up(),
        Event::Digest => digest(),
        Event::Test => test(down().id, "Acme", at()),
        Event::Acknowledged => Notification {
            event,
            occurred_at: at() + TimeDelta::minutes(1),
            message: "anna sees to it.".to_owned(),
            ..down()
        },
        Event::Reminder | Event::Escalated => Notification {
            event,
            occurred_at: at() + TimeDelta::minutes(30),
            ..down()
        },
    }
}

/// What a channel is tried with. The id is the caller's, so that two tries are two notifications.
pub fn test(id: NotificationId, organization: &str, occurred_at: DateTime<Utc>) -> Notification {
    Notification {
        id,
        event: Event::Test,
        severity: Severity::Info,
        organization: organization.to_owned(),
        project: String::new(),
        script: String::new(),
        rule: None,
        incident: None,
        occurred_at,
        started_at: None,
        ended_at: None,
        resolution: None,
        message: "Somebody has tried this notification channel. Nothing is down.".to_owned(),
        failing_step: None,
        requests: Vec::new(),
        last_good: None,
        first_bad: None,
        link: None,
        items: Vec::new(),
    }
}
