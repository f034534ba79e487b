//! What a script finds of the web's interfaces (the Minimum Common API of `WinterTC`), by area.

mod bodies;
mod console;
mod cookies;
mod fetch_api;
mod globals;
mod site;
mod streams;
mod url_wpt;

use serde_json::{Value, json};
use vedette_core::Outcome;

use crate::{assert_success, data, inputs, run_with};
use site::Site;

/// Functions that the scripts of these tests use: `fails` gives the name of what a function throws.
const HELPERS: &str = "const fails = async (f) => { \
    try { await f(); return 'no error'; } catch (e) { return e.name; } };";

/// Runs the body of a check with `base`, the address of a server.
async fn run_at(base: &str, body: &str) -> Outcome {
    let source = format!(
        "{HELPERS} export default async function ({{ params }}) {{ const {{ base }} = params; {body} }}"
    );
    run_with(&source, inputs(json!({ "base": base }), &[])).await
}

/// What the body of a function returns, which must not throw.
async fn value_at(base: &str, body: &str) -> Value {
    let body = format!(
        "const data = await (async () => {{ {body} }})(); return {{ success: true, data }};"
    );
    let outcome = run_at(base, &body).await;
    assert_success(&outcome);
    data(&outcome)
}

/// [`value_at`], without a server.
async fn value(body: &str) -> Value {
    value_at("", body).await
}

/// [`value_at`], at a site.
async fn value_of(site: &Site, body: &str) -> Value {
    value_at(&site.url(""), body).await
}
