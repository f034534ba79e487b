//! What an answer means: whether the notification has arrived, and if not, whether another attempt may help.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use vedette_egress::{FetchError, Response};

use crate::{ChannelKind, text::clean_line};

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has taken it.
    Delivered,
    /// It has not, and may later.
    Retry {
        /// How long the other side asks to be left alone; not bounded yet, see [`crate::backoff`].
        after: Option<Duration>,
        /// What went wrong, without secrets.
        reason: String,
    },
    /// The channel is no more: it should be disabled, and its owner told.
    Gone {
        /// How that is known.
        reason: String,
    },
    /// It has not been taken and will not be: the settings are wrong, or the guard refuses the address.
    Refused {
        /// What is wrong, without secrets.
        reason: String,
    },
}

/// Reads an answer that came.
pub(crate) fn judge(kind: ChannelKind, response: &Response, now: DateTime<Utc>) -> Outcome {
    let status = response.status;
    let after = retry_after(kind, response, now);
    let retry = |reason: String| Outcome::Retry { after, reason };
    match status {
        200..=299 => Outcome::Delivered,
        410 => Outcome::Gone {
            reason: "the other side answered 410, which says that nobody listens there any more"
                .to_owned(),
        },
        404 if is_deleted(kind, &response.body) => Outcome::Gone {
            reason: "the service does not know this webhook any more".to_owned(),
        },
        // For good, so that it will not be otherwise tomorrow.
        301 | 308 => Outcome::Refused {
            reason: format!(
                "answered {status}: the address has changed, and redirects are not followed"
            ),
        },
        300..=399 => retry(format!("answered {status}, and redirects are not followed")),
        429 => retry("answered 429: too many messages".to_owned()),
        // Request Timeout and Too Early (RFC 9110 section 15.5.9, RFC 8470).
        408 | 425 => retry(format!("answered {status}")),
        400..=499 => Outcome::Refused {
            reason: format!("answered {status}: {}", meaning(status)),
        },
        _ => retry(format!("answered {status}")),
    }
}

/// What a refusal says about the settings.
const fn meaning(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => "it does not accept the key, token or URL",
        404 | 405 => "there is nothing at this address that takes notifications",
        413 => "the message is too large for it",
        _ => "it does not accept the message",
    }
}

/// Why no answer came.
pub(crate) fn judge_error(error: &FetchError) -> Outcome {
    let retry = |reason: String| Outcome::Retry {
        after: None,
        reason,
    };
    match error {
        FetchError::Denied { rule, .. } => Outcome::Refused {
            reason: format!("the address is not allowed: {rule}"),
        },
        FetchError::InvalidRequest(why) => Outcome::Refused {
            reason: why.clone(),
        },
        // Whether it was taken is not known; the id is the same the next time.
        FetchError::BodyTooLarge(most) => retry(format!("the answer has more than {most} bytes")),
        FetchError::Timeout => retry("there was no answer in time".to_owned()),
        FetchError::Platform(_) => retry("a fault of this installation".to_owned()),
        other => retry(other.to_string()),
    }
}

/// Discord says 404 with a code for a webhook that was deleted
/// (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>), Slack 404 with a word
/// (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
fn is_deleted(kind: ChannelKind, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        code: u64,
    }
    match kind {
        ChannelKind::Discord => {
            serde_json::from_slice(body).is_ok_and(|answer: Answer| answer.code == 10_015)
        }
        ChannelKind::Slack => body.trim_ascii() == b"no_service",
        _ => false,
    }
}

/// How long to wait, in the words of the service or of HTTP.
fn retry_after(kind: ChannelKind, response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    own_retry_after(kind, &response.body).or_else(|| {
        let mut values = response.headers.iter();
        let (_, value) = values.find(|(name, _)| name == "retry-after")?;
        parse_retry_after(std::str::from_utf8(value).ok()?, now)
    })
}

/// `parameters.retry_after` of Telegram (<https://core.telegram.org/bots/api#responseparameters>), `retry_after` of
/// Discord (<https://discord.com/developers/docs/topics/rate-limits#exceeding-a-rate-limit>), both in seconds.
fn own_retry_after(kind: ChannelKind, body: &[u8]) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Parameters {
        retry_after: f64,
    }
    #[derive(Deserialize)]
    struct Wrapped {
        parameters: Parameters,
    }
    let seconds = match kind {
        ChannelKind::Telegram => {
            serde_json::from_slice::<Wrapped>(body)
                .ok()?
                .parameters
                .retry_after
        }
        ChannelKind::Discord => serde_json::from_slice::<Parameters>(body).ok()?.retry_after,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Seconds, or a date in any of its three forms (RFC 9110 section 10.2.3). One that is over: no wait.
fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?);
    Some((at - now).to_std().unwrap_or_default())
}

/// Longest excerpt of an answer, in UTF-16 units.
const EXCERPT: usize = 300;

/// The beginning of an answer, for whoever looks for what is wrong. `redact` gets it cleaned and whole: a secret
/// that is cut, or that has something invisible in it, would not be found.
pub(crate) fn excerpt(body: &[u8], redact: impl Fn(&str) -> String) -> Option<String> {
    let text = clean_line(&String::from_utf8_lossy(body), usize::MAX);
    let text = clean_line(&redact(&text), EXCERPT);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter();
        Response {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: body.as_bytes().to_vec(),
            url: String::new(),
            redirected: false,
            http_version: String::new(),
            remote_address: None,
            timings: vedette_egress::Timings::default(),
            tls: None,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("1994-11-06T08:49:00Z")
            .unwrap()
            .to_utc()
    }

    fn judged(kind: ChannelKind, status: u16, headers: &[(&str, &str)], body: &str) -> Outcome {
        judge(kind, &response(status, headers, body), now())
    }

    fn word(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Retry { .. } => "retry",
            Outcome::Gone { .. } => "gone",
            Outcome::Refused { .. } => "refused",
        }
    }

    #[test]
    fn a_status_means_the_same_everywhere() {
        for (status, expected) in [
            (200, "delivered"),
            (202, "delivered"),
            (204, "delivered"),
            (301, "refused"),
            (302, "retry"),
            (304, "retry"),
            (307, "retry"),
            (308, "refused"),
            (400, "refused"),
            (401, "refused"),
            (403, "refused"),
            (404, "refused"),
            (408, "retry"),
            (410, "gone"),
            (413, "refused"),
            (425, "retry"),
            (429, "retry"),
            (500, "retry"),
            (503, "retry"),
            (999, "retry"),
        ] {
            for kind in ChannelKind::ALL {
                assert_eq!(
                    word(&judged(*kind, status, &[], "")),
                    expected,
                    "{kind} {status}"
                );
            }
        }
    }

    #[test]
    fn webhooks_that_were_deleted_are_gone() {
        use ChannelKind as K;
        let unknown = r#"{"message": "Unknown Webhook", "code": 10015}"#;
        assert_eq!(word(&judged(K::Discord, 404, &[], unknown)), "gone");
        assert_eq!(
            word(&judged(K::Discord, 404, &[], r#"{"code": 0}"#)),
            "refused"
        );
        assert_eq!(word(&judged(K::Slack, 404, &[], "no_service")), "gone");
        assert_eq!(word(&judged(K::Webhook, 404, &[], "no_service")), "refused");
    }

    #[test]
    fn who_asks_for_time_is_understood() {
        use ChannelKind as K;
        let after = |kind, headers: &[(&str, &str)], body| match judged(kind, 429, headers, body) {
            Outcome::Retry { after, .. } => after.map(|after| after.as_secs_f64()),
            other => panic!("{other:?}"),
        };
        let header = |value| after(K::Slack, &[("retry-after", value)], "");
        assert_eq!(header("30"), Some(30.0));
        assert_eq!(header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37.0));
        assert_eq!(header("Sunday, 06-Nov-94 08:49:37 GMT"), Some(37.0));
        assert_eq!(header("Sun Nov  6 08:49:37 1994"), Some(37.0));
        assert_eq!(header("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0.0));
        for wrong in [
            "",
            "-1",
            "soon",
            "1e9",
            "99999999999999999999",
            "Sun, 99 Nov 1994",
        ] {
            assert_eq!(header(wrong), None, "{wrong}");
        }
        let telegram = r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 8}}"#;
        assert_eq!(
            after(K::Telegram, &[("retry-after", "3")], telegram),
            Some(8.0)
        );
        let discord =
            r#"{"message": "You are being rate limited.", "retry_after": 1.5, "global": false}"#;
        assert_eq!(after(K::Discord, &[], discord), Some(1.5));
        assert_eq!(after(K::Webhook, &[], discord), None);
        for wrong in [
            r#"{"retry_after": -1}"#,
            r#"{"retry_after": 1e300}"#,
            "{",
            "[]",
        ] {
            assert_eq!(after(K::Discord, &[], wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_excerpt_is_clean_and_has_no_secret() {
        let redact = |text: &str| text.replace("hidden", "[redacted]");
        let body = format!("a hid\0den\r\nb {} hidden", "x".repeat(1_000));
        let text = excerpt(body.as_bytes(), redact).unwrap();
        assert!(
            text.starts_with("a [redacted] b xxx") && text.ends_with('…'),
            "{text}"
        );
        assert_eq!(crate::text::units_of(&text), EXCERPT);
        // Where it would be cut in two.
        let body = format!("{}hidden", "x".repeat(EXCERPT - 3));
        assert!(!excerpt(body.as_bytes(), redact).unwrap().contains("hid"));
        assert_eq!(excerpt(b" \n\0", redact), None);
        assert!(excerpt(&[0xff, 0xfe, b'x'], redact).unwrap().contains('x'));
    }
}
