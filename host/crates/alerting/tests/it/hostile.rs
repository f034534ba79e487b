//! Hostile texts in every field: no format breaks, nobody is called, nothing becomes markup, limits hold.

use proptest::prelude::*;
use serde_json::{Value, json};
use vedette_alerting::{
    ChannelKind, DigestItem, Event, Notification, RequestRow, Severity, sample,
};

use crate::channels::{SECRET, body, channel, mail, read, request};

const HOSTILE: &[&str] = &[
    "@everyone @here <!channel> <!here> <@U123> <#C123> <!subteam^S1> <@&123> <at>all</at>",
    "<https://evil.example.org|click> [click](https://evil.example.org) ![x](http://e.org/x.png)",
    "</td></table><script>alert(1)</script><img src=x onerror=alert(1)>\"'`><a href='javascript:x'>",
    "\",\"parse_mode\":\"HTML\",\"x\":\"\\",
    "a\r\nBcc: victim@example.com\r\n\r\nbody\n.\nQUIT",
    "{{message}} {{#requests}} {{{link}}} ${7*7} #{7*7} {{DATE(2017-02-14T06:08:39Z,LONG)}} <%= 1 %>",
    "**bold** _it_ ~~s~~ `c` ```\nblock\n``` > q\n# h\n- l\n1. n ||spoiler|| \\*",
    "\u{202e}gnp.exe\u{200b}\u{feff}\u{2028}\0\u{1b}[31m\u{7f}\u{85}",
    "🚒👩\u{200d}🚒\u{10ffff}\u{fffe}\u{e0041}",
    ":smile: <t:1:R> </cmd:1> <a:x:1> https://discord.gg/x ftp://x tel:1 mailto:a@b.c",
    "'; DROP TABLE x;-- $(id) `id` %s %n ${jndi:ldap://x}",
    "",
    "   ",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(HOSTILE).prop_map(ToOwned::to_owned),
        (proptest::sample::select(HOSTILE), 1..60_usize)
            .prop_map(|(text, times)| text.repeat(times)),
        proptest::sample::select(vec![
            "<", "&", "\"", "\\", "{", "*", "\u{1}", "ü", "€", "🚒", "\n"
        ])
        .prop_map(|text| text.repeat(5_000)),
        any::<String>(),
    ]
}

fn notification() -> impl Strategy<Value = Notification> {
    let texts = proptest::collection::vec(text(), 12);
    let event = proptest::sample::select(Event::ALL);
    let severity = proptest::sample::select(Severity::ALL);
    let link = prop_oneof![
        Just(Some(
            "https://vedette.example.com/incidents/1?a=b|c<d>\"'#e".to_owned()
        )),
        text().prop_map(Some),
        Just(Some("javascript:alert(1)".to_owned())),
        Just(None),
    ];
    (texts, event, severity, link, 0..150_usize, any::<f64>()).prop_map(
        |(texts, event, severity, link, many, total_ms)| {
            let text = |index: usize| texts[index].clone();
            let row = RequestRow {
                method: text(0),
                url: text(1),
                status: (many % 2 == 0).then_some(503),
                error: Some(text(2)),
                total_ms,
            };
            let item = DigestItem {
                incident: None,
                event,
                severity,
                project: text(3),
                script: text(4),
                message: text(5),
            };
            Notification {
                event,
                severity,
                organization: text(6),
                project: text(7),
                script: text(8),
                rule: Some(text(9)),
                message: text(10),
                failing_step: Some(text(11)),
                requests: vec![row; many],
                items: vec![item; if event == Event::Digest { many } else { 0 }],
                link,
                ..sample::down()
            }
        },
    )
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// Every object in a value.
fn objects(value: &Value) -> Vec<&serde_json::Map<String, Value>> {
    match value {
        Value::Array(items) => items.iter().flat_map(objects).collect(),
        Value::Object(members) => std::iter::once(members)
            .chain(members.values().flat_map(objects))
            .collect(),
        _ => Vec::new(),
    }
}

fn is_clean(text: &str) -> bool {
    text.chars().all(|character| {
        character == '\n'
            || !(character.is_control()
                || matches!(
                    character,
                    '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{200b}' | '\u{feff}'
                ))
    })
}

/// Whether each punctuation stands behind a backslash.
fn is_literal(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let is_escape =
            character == '\\' && characters.next().is_some_and(|c| c.is_ascii_punctuation());
        if character.is_ascii_punctuation() && !is_escape {
            return false;
        }
    }
    true
}

fn check_slack(notification: &Notification) {
    let body = body("slack", notification);
    assert!(!body["text"].as_str().unwrap().contains(['<', '>']));
    assert_eq!(
        (&body["mrkdwn"], &body["parse"], &body["link_names"]),
        (&json!(false), &json!("none"), &json!(false))
    );
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for object in objects(&body["blocks"]) {
        let Some(text) = object.get("text").and_then(Value::as_str) else {
            continue;
        };
        assert!(!text.is_empty());
        if object["type"] == "mrkdwn" {
            // Only ours: one link to ourselves.
            let inner = text
                .strip_prefix('<')
                .unwrap()
                .strip_suffix("|Open in Vedette>")
                .unwrap();
            assert!(
                inner.starts_with("http") && !inner.contains(['<', '>', '|']),
                "{text}"
            );
        } else {
            assert_eq!(
                (&object["type"], &object["emoji"]),
                (&json!("plain_text"), &json!(false))
            );
            assert!(units(text) <= 3_000);
        }
    }
    assert!(units(blocks[0]["text"]["text"].as_str().unwrap()) <= 150);
    for fields in blocks.iter().filter_map(|block| block["fields"].as_array()) {
        assert!((1..=10).contains(&fields.len()));
        assert!(
            fields
                .iter()
                .all(|field| units(field["text"].as_str().unwrap()) <= 2_000)
        );
    }
}

fn check_discord(notification: &Notification) {
    let body = body("discord", notification);
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    assert!(body.get("content").is_none());
    let embed = &body["embeds"][0];
    let fields = embed["fields"].as_array().unwrap();
    assert!(fields.len() <= 25);
    let mut total = 0;
    let mut check = |text: &Value, most: usize| {
        let text = text.as_str().unwrap();
        assert!(is_literal(text), "{text}");
        assert!(units(text) <= most);
        total += units(text);
    };
    check(&embed["title"], 256);
    check(&embed["description"], 4_096);
    for field in fields {
        check(&field["name"], 256);
        check(&field["value"], 1_024);
        assert!(!field["value"].as_str().unwrap().is_empty());
    }
    assert!(total <= 6_000, "{total}");
}

fn check_teams(notification: &Notification) {
    let request = request(&channel("teams"), notification);
    assert!(request.body.len() < 28_000, "{}", request.body.len());
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let kinds = [
        "message",
        "AdaptiveCard",
        "RichTextBlock",
        "TextRun",
        "Action.OpenUrl",
    ];
    for object in objects(&body) {
        assert!(object.get("msteams").is_none() && object.get("entities").is_none());
        if let Some(kind) = object.get("type").and_then(Value::as_str) {
            assert!(kinds.contains(&kind), "{kind}");
        }
        assert_eq!(
            object.contains_key("text"),
            object.get("type") == Some(&json!("TextRun"))
        );
    }
    assert!(
        texts(&body)
            .iter()
            .all(|text| !text.contains("{{") && !text.contains("${"))
    );
}

fn check_telegram(notification: &Notification) {
    let body = body("telegram", notification);
    assert!(body.get("parse_mode").is_none());
    let text = body["text"].as_str().unwrap();
    assert!((1..=4_096).contains(&units(text)));
    let entities = body["entities"].as_array().unwrap();
    assert_eq!(
        (&entities[0]["type"], &entities[0]["offset"]),
        (&json!("pre"), &json!(0))
    );
    let foreign = usize::try_from(entities[0]["length"].as_u64().unwrap()).unwrap();
    let rest: Vec<u16> = text.encode_utf16().skip(foreign).collect();
    let rest = String::from_utf16(&rest).unwrap();
    if entities.len() == 2 {
        assert_eq!(
            (rest.as_str(), &entities[1]["offset"]),
            ("\nOpen in Vedette", &json!(foreign + 1))
        );
    } else {
        assert_eq!((rest.as_str(), entities.len()), ("", 1));
    }
}

fn check_on_call(notification: &Notification) {
    let pagerduty = body("pagerduty", notification);
    let payload = &pagerduty["payload"];
    assert!((1..=1_024).contains(&units(payload["summary"].as_str().unwrap())));
    assert!(!payload["source"].as_str().unwrap().is_empty());
    assert!(pagerduty["dedup_key"].as_str().unwrap().len() <= 255);
    assert!(pagerduty.to_string().len() < 512 * 1024);

    let opsgenie = body("opsgenie", notification);
    assert!(
        texts(&opsgenie)
            .iter()
            .all(|text| !text.contains(['<', '>', '"']))
    );
    for (field, most) in [
        ("message", 130),
        ("description", 15_000),
        ("entity", 512),
        ("note", 25_000),
    ] {
        assert!(
            units(opsgenie[field].as_str().unwrap_or_default()) <= most,
            "{field}"
        );
    }
    let details = texts(&opsgenie["details"])
        .iter()
        .map(|text| units(text))
        .sum::<usize>();
    assert!(details <= 7_000, "{details}");

    let ntfy = body("ntfy", notification);
    assert!(ntfy["message"].as_str().unwrap().len() <= 4_096);
    assert_eq!(ntfy["markdown"], false);
}

fn check_webhook(notification: &Notification) {
    let standard = body("webhook", notification);
    assert_eq!(
        standard["type"],
        format!("notification.{}", notification.event.as_str())
    );
    let own = json!({
        "url": "https://example.com/", "secret": SECRET,
        "body_template": "{\"m\":\"{{message}}\",\"r\":[{{#requests}}\"{{url}}\",{{/requests}}0]}",
    });
    let request = request(&read("webhook", &own), notification);
    // Larger than a template may give, it is the standard one, which is no error of the texts.
    let own: Value = serde_json::from_str(&request.body).unwrap();
    if request.template_problem.is_none() {
        assert_eq!(own["m"], standard["data"]["message"]);
        assert_eq!(
            own["r"][0],
            standard["data"]["requests"]
                .get(0)
                .map_or(json!(0), |row| row["url"].clone())
        );
    }
}

fn check_mail(notification: &Notification) {
    let mail = mail(notification);
    assert!(!mail.subject().contains(char::is_control) && !mail.subject().is_empty());
    assert!(units(mail.subject()) <= 250);
    assert!(is_clean(mail.text()) && is_clean(mail.html()));
    assert!(!mail.html().is_empty());
    // All tags are those of the template.
    let template = include_str!("../../src/render/email.html");
    let mut rest = mail.html();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap() + 1;
        let tag = &rest[start..end];
        let is_link = tag
            .strip_prefix("<a href=\"http")
            .and_then(|tag| tag.strip_suffix("\">"));
        let is_ours = is_link.map_or(template.contains(tag), |url| {
            !url.contains(['"', '<', '\''])
        });
        assert!(is_ours, "{tag}");
        rest = &rest[end..];
    }
}

fn check_all(notification: &Notification) {
    check_slack(notification);
    check_discord(notification);
    check_teams(notification);
    check_telegram(notification);
    check_on_call(notification);
    check_webhook(notification);
    check_mail(notification);
    for kind in ChannelKind::ALL
        .iter()
        .filter(|kind| **kind != ChannelKind::Email)
    {
        let request = request(&channel(kind.as_str()), notification);
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert!(
            texts(&body).iter().all(|text| is_clean(text)),
            "{kind}: {body}"
        );
        let is_header = |text: &str| {
            text.bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        };
        assert!(request.headers.iter().all(|(_, value)| is_header(value)));
        assert!(
            request.body.len() < 1024 * 1024,
            "{kind}: {}",
            request.body.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_a_format(notification in notification()) {
        check_all(&notification);
    }
}

/// Each text in all fields at once.
#[test]
fn the_worst_texts_are_harmless_everywhere() {
    for text in HOSTILE
        .iter()
        .map(|text| text.repeat(40))
        .chain(["<".repeat(9_000), "€".repeat(9_000)])
    {
        for event in [Event::Down, Event::Up, Event::Digest] {
            let row = RequestRow {
                method: text.clone(),
                url: text.clone(),
                status: None,
                error: Some(text.clone()),
                total_ms: f64::NAN,
            };
            let item = DigestItem {
                incident: None,
                event: Event::Down,
                severity: Severity::Error,
                project: text.clone(),
                script: text.clone(),
                message: text.clone(),
            };
            check_all(&Notification {
                event,
                organization: text.clone(),
                project: text.clone(),
                script: text.clone(),
                rule: Some(text.clone()),
                message: text.clone(),
                failing_step: Some(text.clone()),
                requests: vec![row; 20],
                items: vec![item; if event == Event::Digest { 150 } else { 0 }],
                link: Some(text.clone()),
                ..sample::down()
            });
        }
    }
}
