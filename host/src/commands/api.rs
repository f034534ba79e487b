//! `vedette api`: one call of the API, as whoever signed in.

use std::process::ExitCode;

use anyhow::Context as _;
use axum::http::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::{
    cli::{complain, say},
    credentials::{self, Credentials},
    remote::Remote,
};

/// Prints the answer. Exit code 0 for 2xx, 1 for everything else.
pub(crate) fn api(method: &str, path: &str, data: Option<&str>) -> anyhow::Result<ExitCode> {
    let credentials = Credentials::read(&credentials::path()?)?;
    let credentials = credentials.context("nobody is signed in: run `vedette login URL` first")?;
    let method = Method::from_bytes(method.to_uppercase().as_bytes())
        .with_context(|| format!("`{method}` is not a method"))?;
    let body: Option<Value> = data
        .map(serde_json::from_str)
        .transpose()
        .context("--data is not JSON")?;
    let remote = Remote::new(&credentials.server)?;
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/api/v1/{path}")
    };
    let key = Some(credentials.key.expose_secret());
    let runtime = tokio::runtime::Runtime::new()?;
    let answer = runtime.block_on(remote.call(method, &path, key, body.as_ref()))?;
    if !answer.text.is_empty() {
        say(&answer.text);
    }
    if (200..300).contains(&answer.status) {
        Ok(ExitCode::SUCCESS)
    } else {
        complain(&format!("the server answered {}", answer.status));
        Ok(ExitCode::FAILURE)
    }
}
