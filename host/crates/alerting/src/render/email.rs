//! Mail: a text, and the same as HTML.

use std::sync::LazyLock;

use crate::{
    Notification, OutgoingMail, Target, Template,
    channel::Email,
    render::LINK_TEXT,
    told::{Told, ToldItem, ToldRequest},
};

/// Written in the language that users have, so that values are escaped as theirs are.
static HTML: LazyLock<Template> = LazyLock::new(|| {
    Template::parse(include_str!("email.html"), Target::Html).expect("a test fills it in")
});

pub(super) fn render(email: &Email, notification: &Notification, told: &Told) -> OutgoingMail {
    let subject = match told.project.as_str() {
        "" => told.headline.clone(),
        project => format!("[{project}] {}", told.headline),
    };
    let mut text = format!("{}\n\n{}\n", told.headline, told.plain());
    if let Some(link) = &told.link {
        text = format!("{text}\n{LINK_TEXT}: {link}\n");
    }
    OutgoingMail {
        notification: notification.id,
        incident: notification.incident,
        to: email.recipients().to_vec(),
        subject: crate::text::cut(&subject, 250),
        html: html(told),
        text,
    }
}

fn html(told: &Told) -> String {
    if let Ok(html) = HTML.fill_told(told) {
        return html;
    }
    // A digest of the longest texts, in which every character needs an escape.
    let mut shorter = told.clone();
    let short = |text: &mut String| *text = crate::text::cut(text, 20);
    for ToldItem {
        project,
        script,
        message,
        ..
    } in &mut shorter.items
    {
        [project, script, message].into_iter().for_each(short);
    }
    for ToldRequest { url, error, .. } in &mut shorter.requests {
        short(url);
        error.iter_mut().for_each(short);
    }
    HTML.fill_told(&shorter).unwrap_or_default()
}
