//! `POST /api/v1/notification-channels/preview`

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use vedette_alerting::{Event, Preview, preview};

use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::{FieldError, Problem},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewBody {
    /// As in `POST /api/v1/notification-channels`.
    #[serde(rename = "type")]
    #[schema(
        pattern = "^(webhook|email|slack|discord|teams|telegram|pagerduty|opsgenie|ntfy)$",
        example = "webhook"
    )]
    kind: String,
    /// Settings. What is left out, secrets above all, is replaced by examples.
    #[schema(value_type = Option<Object>,
        example = json!({ "body_template": "{\"text\": \"{{headline}}\"}" }))]
    config: Option<Value>,
    /// `down`, which is the default, `up`, `acknowledged`, `reminder`, `escalated`, `test` or `digest`.
    #[schema(
        pattern = "^(down|up|acknowledged|reminder|escalated|test|digest)$",
        example = "up"
    )]
    event: Option<String>,
}

/// What a channel would get.
#[derive(Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// Of all types but `email`.
    request: Option<RequestView>,
    /// Of the type `email`.
    mail: Option<MailView>,
}

/// A request as it would be sent.
#[derive(Serialize, ToSchema)]
struct RequestView {
    /// Always `POST`.
    method: &'static str,
    /// Of the URL, which may be a secret, no more than this.
    host: String,
    /// The names of the headers.
    headers: Vec<String>,
    /// In the place of a secret there is `[redacted]`.
    body: String,
}

/// A mail as it would be sent.
#[derive(Serialize, ToSchema)]
struct MailView {
    to: Vec<String>,
    subject: String,
    text: String,
    html: String,
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        match preview {
            Preview::Request {
                host,
                headers,
                body,
            } => Self {
                request: Some(RequestView {
                    method: "POST",
                    host,
                    headers,
                    body,
                }),
                mail: None,
            },
            Preview::Mail {
                to,
                subject,
                text,
                html,
            } => Self {
                request: None,
                mail: Some(MailView {
                    to,
                    subject,
                    text,
                    html,
                }),
            },
        }
    }
}

/// Shows what a notification channel would get
///
/// An example of an event is written in the format of the type, with the template if there is one. Nothing
/// is kept or sent. Settings that are given are checked as if they were to be saved.
#[utoipa::path(post, path = "/api/v1/notification-channels/preview", tag = "notifications",
    security(("bearer" = [])), request_body = PreviewBody,
    responses((status = 200, body = PreviewView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn preview_channel(
    State(state): State<ApiState>,
    _: May<need::ChannelRead>,
    JsonBody(body): JsonBody<PreviewBody>,
) -> Result<Json<PreviewView>, Problem> {
    let config = body.config.unwrap_or_else(|| Map::new().into());
    let mut known = Event::ALL.iter().copied();
    let event = match body.event.as_deref() {
        None => Some(Event::Down),
        Some(name) => known.find(|event| event.as_str() == name),
    };
    let shown = preview(
        &body.kind,
        &config,
        &state.channel_policy,
        event.unwrap_or(Event::Down),
    );
    match (shown, event) {
        (Ok(shown), Some(_)) => Ok(Json(shown.into())),
        (shown, event) => {
            let errors = shown.err().into_iter().flat_map(|errors| errors.0);
            let mut errors: Vec<FieldError> = errors.map(Into::into).collect();
            if event.is_none() {
                let known: Vec<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
                let detail = format!("give one of `{}`", known.join("`, `"));
                errors.push(FieldError::new("/event", detail));
            }
            Err(Problem::invalid(errors))
        }
    }
}
