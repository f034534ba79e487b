//! `vedette login` and `vedette logout`: a key for the commands that talk to a server.

use std::{
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::Url;
use vedette_core::{Clock as _, SystemClock};

use crate::{
    cli::{complain, say},
    credentials::{self, Credentials},
    remote::{Answer, Remote},
};

const SECOND_FACTOR: &str = "urn:vedette:problem:second-factor-required";

/// Who signs in, and for how long.
pub(crate) struct Login {
    /// Where.
    pub(crate) server: Url,
    /// Asked for if it is not given.
    pub(crate) username: Option<String>,
    /// The password, and after it a code if there is a second factor, are lines of standard input.
    pub(crate) from_stdin: bool,
    /// The key is good for so many days.
    pub(crate) days: u16,
}

/// Signs in once, makes a key with all that the user may do, keeps it and signs out.
pub(crate) fn login(wanted: &Login) -> anyhow::Result<ExitCode> {
    let path = credentials::path()?;
    let remote = Remote::new(wanted.server.as_str())?;
    let username = match &wanted.username {
        Some(username) => username.clone(),
        None => ask("Username: ")?,
    };
    let password = wanted.secret("Password: ")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let credentials = runtime.block_on(async {
        let token = sign_in(&remote, wanted, &username, &password).await?;
        let made = make_key(&remote, wanted, &username, token.expose_secret()).await;
        // The session was for the key only.
        let token = Some(token.expose_secret());
        let ended = remote
            .call(Method::POST, "/api/v1/auth/logout", token, None)
            .await;
        if !ended.is_ok_and(|answer| answer.status == 204) {
            complain("the session could not be ended; it ends by itself");
        }
        made
    })?;
    credentials.write(&path)?;
    say(&format!(
        "signed in to {} as {}; the key is in {} until {}",
        credentials.server,
        credentials.username,
        path.display(),
        credentials.expires_at.format("%Y-%m-%d")
    ));
    Ok(ExitCode::SUCCESS)
}

/// Ends the key and forgets it.
pub(crate) fn logout() -> anyhow::Result<ExitCode> {
    let path = credentials::path()?;
    let Some(credentials) = Credentials::read(&path)? else {
        say("nobody is signed in");
        return Ok(ExitCode::SUCCESS);
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async {
        let remote = Remote::new(&credentials.server)?;
        let path = format!("/api/v1/api-keys/{}", credentials.key_id);
        let key = Some(credentials.key.expose_secret());
        remote.call(Method::DELETE, &path, key, None).await
    });
    std::fs::remove_file(&path)?;
    match ended {
        // It may have been ended before.
        Ok(Answer {
            status: 204 | 401, ..
        }) => {
            say(&format!("signed out of {}", credentials.server));
            Ok(ExitCode::SUCCESS)
        }
        Ok(answer) => bail!(
            "the key is forgotten here, but not ended: {}",
            answer.detail()
        ),
        Err(error) => Err(error.context(
            "the key is forgotten here, but good on the server until it is ended there or expires",
        )),
    }
}

impl Login {
    fn secret(&self, prompt: &str) -> anyhow::Result<SecretString> {
        let text = if self.from_stdin {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        } else {
            rpassword::prompt_password(prompt)
                .context("there is no terminal to ask on; see --password-stdin")?
        };
        Ok(text.into())
    }
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    let mut terminal = io::stderr();
    terminal.write_all(prompt.as_bytes())?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

async fn sign_in(
    remote: &Remote,
    wanted: &Login,
    username: &str,
    password: &SecretString,
) -> anyhow::Result<SecretString> {
    let mut body = json!({ "username": username, "password": password.expose_secret() });
    let mut answer = log_in(remote, &body).await?;
    if answer.status == 401 && answer.json()["type"] == SECOND_FACTOR {
        let code = wanted.secret("Code of the second factor: ")?;
        body["totp_code"] = code.expose_secret().into();
        answer = log_in(remote, &body).await?;
    }
    if answer.status != 200 {
        bail!("{}", answer.detail());
    }
    let tokens = answer.json();
    let token = tokens["access_token"].as_str();
    Ok(token.context("the server gave no token")?.into())
}

async fn log_in(remote: &Remote, body: &Value) -> anyhow::Result<Answer> {
    let path = "/api/v1/auth/login";
    remote.call(Method::POST, path, None, Some(body)).await
}

async fn make_key(
    remote: &Remote,
    wanted: &Login,
    username: &str,
    token: &str,
) -> anyhow::Result<Credentials> {
    let token = Some(token);
    let me = remote
        .call(Method::GET, "/api/v1/users/me", token, None)
        .await?;
    if me.status != 200 {
        bail!("{}", me.detail());
    }
    let expires_at: DateTime<Utc> = SystemClock.now() + TimeDelta::days(wanted.days.into());
    let body = json!({
        "name": "vedette login",
        "permissions": me.json()["permissions"],
        "expires_at": expires_at,
    });
    let made = remote
        .call(Method::POST, "/api/v1/api-keys", token, Some(&body))
        .await?;
    if made.status != 201 {
        bail!("no key could be made: {}", made.detail());
    }
    let made = made.json();
    let text = |name: &str| {
        let text = made[name].as_str();
        text.with_context(|| format!("the server gave no `{name}`"))
    };
    Ok(Credentials {
        server: wanted.server.to_string(),
        username: username.to_owned(),
        key_id: text("id")?.to_owned(),
        key: text("key")?.into(),
        expires_at,
    })
}
