//! The values of secrets are given to a script and are in nothing that it leaves.

use serde_json::{Value, json};
use vedette_core::{ErrorClass, Flag, Outcome, Status};
use vedette_sandbox::RunInputs;

use crate::{data, inputs, run_with, server::Server};

const CANARY: &str = "cänary-\"9f\"+31/x";
const PLAIN: &str = "plain-value-77";

fn with_secret(params: Value) -> RunInputs {
    RunInputs {
        secrets: ["TOKEN".to_owned()].into(),
        ..inputs(params, &[("TOKEN", CANARY), ("REGION", PLAIN)])
    }
}

/// What a database or a reader would be given of an outcome.
fn everything(outcome: &Outcome) -> String {
    let data = data(outcome);
    format!("{outcome:?} {data}")
}

/// The value in every form that is promised.
fn forms() -> Vec<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let json = serde_json::to_string(CANARY).unwrap();
    let url: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    vec![
        CANARY.to_owned(),
        json[1..json.len() - 1].to_owned(),
        hex::encode(CANARY),
        STANDARD.encode(CANARY),
        url,
    ]
}

/// Gives the forms to a script as it would make them itself.
const MAKE_FORMS: &str = "const bytes = new TextEncoder().encode(env.TOKEN);
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const forms = [env.TOKEN, JSON.stringify(env.TOKEN), hex, btoa(String.fromCharCode(...bytes)),
        encodeURIComponent(env.TOKEN), new URLSearchParams({ token: env.TOKEN }).toString()];";

#[track_caller]
fn assert_masked(outcome: &Outcome) {
    let text = everything(outcome);
    // Debug escapes quotes, so that the text is searched without them too.
    let bare = text.replace('\\', "");
    for form in forms() {
        assert!(
            !text.contains(&form) && !bare.contains(&form),
            "{form}: {text}"
        );
    }
    for part in ["9f\"+31", "9f\\\"+31", "9f%22%2B31"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("[env:TOKEN]"), "{text}");
    assert_eq!(outcome.flags, [Flag::Redacted]);
}

#[tokio::test]
async fn logs_results_and_messages_are_masked() {
    let source = format!(
        "export default ({{ env }}) => {{ {MAKE_FORMS}
            for (const form of forms) console.log('got', form, env.REGION);
            return {{ success: env.TOKEN.length === {}, message: forms.join(' '),
                data: {{ forms, [env.TOKEN]: {{ deep: [`x${{env.TOKEN}}y`] }}, region: env.REGION }} }};
        }};",
        CANARY.encode_utf16().count()
    );
    let outcome = run_with(&source, with_secret(json!({}))).await;
    assert_eq!(outcome.status, Status::Success, "{outcome:#?}");
    assert_masked(&outcome);
    assert_eq!(outcome.logs.len(), 6);
    assert!(outcome.logs[0].message.starts_with("got [env:TOKEN]"));
    // A plain variable is no secret.
    assert!(outcome.logs[0].message.ends_with(PLAIN));
    assert_eq!(data(&outcome)["region"], PLAIN);
    assert_eq!(data(&outcome)["[env:TOKEN]"]["deep"][0], "x[env:TOKEN]y");
}

#[tokio::test]
async fn errors_are_masked() {
    let source = format!(
        "export default ({{ env }}) => {{ {MAKE_FORMS} throw new Error(forms.join(' | ')); }};"
    );
    let outcome = run_with(&source, with_secret(json!({}))).await;
    assert_eq!(outcome.error_class, Some(ErrorClass::ScriptError));
    assert_masked(&outcome);
    let message = outcome.message.unwrap();
    assert_eq!(message.matches("[env:TOKEN]").count(), 6, "{message}");
}

#[tokio::test]
async fn requests_and_steps_are_masked() {
    let server = Server::start().await;
    let source = "import { step } from 'vedette:assert';
    export default async ({ params, env }) => {
        const url = `${params.base}/${encodeURIComponent(env.TOKEN)}?t=${encodeURIComponent(env.TOKEN)}`;
        const response = await step(`log in with ${env.TOKEN}`, () => fetch(url));
        await step('fail', () => { throw new Error(env.TOKEN); }).catch(() => {});
        return { success: response.ok };
    };";
    let outcome = run_with(source, with_secret(json!({ "base": server.url("") }))).await;
    assert_eq!(outcome.requests.len(), 1, "{outcome:#?}");
    assert!(
        outcome.requests[0]
            .url
            .ends_with("/[env:TOKEN]?t=[env:TOKEN]")
    );
    assert_eq!(outcome.requests[0].status, Some(200));
    assert_eq!(outcome.steps[0].name, "log in with [env:TOKEN]");
    assert_masked(&outcome);
}

#[tokio::test]
async fn a_line_that_is_cut_keeps_no_half_of_it() {
    let source = "export default ({ params, env }) => {
        console.log('x'.repeat(params.before) + env.TOKEN.repeat(200));
        console.log('after');
        return { success: true };
    };";
    for before in 0..CANARY.len() {
        let outcome = run_with(source, with_secret(json!({ "before": before + 8_000 }))).await;
        let line = outcome.logs[0].message.trim_start_matches('x');
        let rest = line.replace("[env:TOKEN]", "");
        // Less than the four bytes from which on a value is told from chance, or our own words cut.
        assert!(
            rest.len() < 4 || "[env:TOKEN]".starts_with(&rest),
            "{before}: {rest}"
        );
        assert!(outcome.flags.contains(&Flag::Redacted));
    }
}

#[tokio::test]
async fn without_secrets_nothing_is_touched() {
    let source = "export default ({ env }) => { console.log(env.TOKEN);
        return { success: true, data: env }; };";
    let values = [("TOKEN", CANARY), ("REGION", PLAIN)];
    let outcome = run_with(source, inputs(json!({}), &values)).await;
    assert_eq!(outcome.logs[0].message, CANARY);
    assert_eq!(data(&outcome), json!({ "TOKEN": CANARY, "REGION": PLAIN }));
    assert_eq!(outcome.flags, []);
}
