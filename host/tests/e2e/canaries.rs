//! A hunt: secrets of every kind are planted, everything is done with them, and then they are looked for
//! in every place that a server writes to or answers from, in every form that they may have there.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    mail::MailServer,
    target::Target,
    vedette::{PASSWORD, Server, wait_for},
};

/// Says every secret that it has in all ways, and ends in each way that leaves something behind.
const CARELESS: &str = "export default async ({ params, env }) => {
    const all = JSON.stringify(env);
    console.log(all, btoa(env.ORG), encodeURIComponent(env.PROJECT));
    const answer = await fetch(`${params.url}?t=${encodeURIComponent(env.SCRIPT)}&s=${env.SEALED}`, {
        method: 'POST', headers: { 'x-token': env.ORG, 'x-sealed': env.SEALED }, body: all });
    const echo = await fetch(params.url, { headers: { 'x-sealed': env.SEALED } });
    console.log(answer.status, await echo.text());
    if (params.end === 'throw') throw new Error(all);
    return { success: params.end === 'well', message: all, data: env };
};";

/// Logs of compilers would be gigabytes.
const TRACE: &str = "trace,cranelift_codegen=info,cranelift_frontend=info,regalloc2=info,\
    wasmtime=info,wasmtime_internal_cranelift=info,wasmtime_internal_fiber=info";

/// Something that must not be found.
struct Canary {
    name: &'static str,
    text: String,
}

impl Canary {
    /// As it is, and as JSON, URLs, base64 (at each of three places in longer text) and hex write it.
    fn forms(&self) -> Vec<Vec<u8>> {
        let bytes = self.text.as_bytes();
        let json = Value::from(self.text.as_str()).to_string();
        let url: String = url::form_urlencoded::byte_serialize(bytes).collect();
        let mut forms = vec![
            bytes.to_vec(),
            json.as_bytes()[1..json.len() - 1].to_vec(),
            url.replace('+', "%20").into_bytes(),
            url.into_bytes(),
            hex::encode(bytes).into_bytes(),
        ];
        for skipped in 0..3 {
            // What the neighbours have no part in.
            let longer = [&vec![0; skipped][..], bytes].concat();
            let text = STANDARD.encode(&longer);
            let whole = longer.len() / 3 * 4;
            let from = if skipped == 0 { 0 } else { 4 };
            forms.push(text.as_bytes()[from..whole].to_vec());
        }
        forms
    }
}

fn has(place: &[u8], form: &[u8]) -> bool {
    place.windows(form.len()).any(|part| part == form)
}

/// All bytes of the files in a folder, but for keys and compiled code.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_file() {
            found.push((name, fs::read(path).unwrap()));
        } else if !["keys", "cache"].contains(&name.as_str()) {
            found.extend(files(&path));
        }
    }
    found
}

fn post(server: &Server, path: &str, body: &Value, expected: u16) -> Value {
    let (status, answer) = server.call("POST", path, Some(body));
    assert_eq!(status, expected, "{path}: {answer}");
    answer
}

fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// Plants variables, and runs a script that says them, by hand and by schedule.
fn run_careless(server: &Server, target: &Target) -> (Vec<Canary>, Vec<String>) {
    let (_, projects) = server.call("GET", "/api/v1/projects", None);
    let project = text(&projects["items"][0]["id"]);
    let mut scripts = Vec::new();
    for end in ["well", "badly", "throw"] {
        let body = json!({
            "name": end, "script_body": CARELESS, "cron_expression": "* * * * * *",
            "parameters": { "url": target.url("/ok"), "end": end }, "is_enabled": false,
        });
        scripts.push((
            text(&post(server, "/api/v1/scripts", &body, 201)["id"]),
            end,
            body,
        ));
    }
    let plant = |query: &str, name: &str, value: &str| {
        let body = json!({ "name": name, "kind": "secret", "value": value });
        post(server, &format!("/api/v1/variables{query}"), &body, 201);
    };
    let value = |name: &str| format!("canary/{name} 5b+\"71e0\"");
    plant("", "ORG", &value("org"));
    plant(
        &format!("?project_id={project}"),
        "PROJECT",
        &value("project"),
    );
    for (id, ..) in &scripts {
        plant(&format!("?script_id={id}"), "SCRIPT", &value("script"));
    }
    let sealed = json!({ "name": "SEALED", "kind": "sealed", "value": value("sealed"),
        "allowed_hosts": [format!("http://{}", target.address)] });
    post(server, "/api/v1/variables", &sealed, 201);
    // A target that repeats what it was sent.
    target.set("/ok", 200, &value("sealed"));
    for (id, _, body) in &scripts {
        post(
            server,
            &format!("/api/v1/scripts/{id}/run"),
            &json!({}),
            200,
        );
        let mut enabled = body.clone();
        enabled["is_enabled"] = json!(true);
        let path = format!("/api/v1/scripts/{id}");
        let (status, answer) = server.call("PUT", &path, Some(&enabled));
        assert_eq!(status, 200, "{answer}");
    }
    for (id, end, _) in &scripts {
        wait_for("runs by schedule", || {
            let runs = server.executions(id);
            let of_slots = runs.iter().filter(|run| run["scheduled_at"].is_string());
            let ended: Vec<_> = of_slots.filter(|run| run["status"] != "missed").collect();
            let expected = match *end {
                "well" => "success",
                "badly" => "failure",
                _ => "error",
            };
            assert!(
                ended.iter().all(|run| run["status"] == expected),
                "{ended:?}"
            );
            (ended.len() >= 2).then_some(())
        });
    }
    let canary = |name| Canary {
        name,
        text: value(name),
    };
    let ids = scripts.into_iter().map(|(id, ..)| id).collect();
    (
        vec![
            canary("org"),
            canary("project"),
            canary("script"),
            canary("sealed"),
        ],
        ids,
    )
}

/// What is shown once, or only ever sent: tokens, keys and passwords.
fn tokens(server: &mut Server) -> Vec<Canary> {
    let canary = |name, value: &Value| Canary {
        name,
        text: text(value),
    };
    let (_, roles) = server.call("GET", "/api/v1/roles", None);
    let invitation = json!({ "role_id": roles["items"][3]["id"] });
    let invited = post(server, "/api/v1/invitations", &invitation, 201);
    let key = json!({ "name": "deploy", "permissions": ["script:read"] });
    let key = post(server, "/api/v1/api-keys", &key, 201);
    let (_, me) = server.call("GET", "/api/v1/users/me", None);
    let reset = format!("/api/v1/admin/users/{}/password-reset", text(&me["id"]));
    let reset = post(server, &reset, &json!({}), 201);
    let totp = json!({ "current_password": PASSWORD });
    let totp = post(server, "/api/v1/users/me/totp", &totp, 201);
    let wrong = json!({ "username": "anna", "password": "canary of a wrong password" });
    post(server, "/api/v1/auth/login", &wrong, 401);
    let login = json!({ "username": "anna", "password": PASSWORD });
    let tokens = post(server, "/api/v1/auth/login", &login, 200);
    vec![
        canary("invitation", &invited["token"]),
        canary("key", &key["key"]),
        canary("reset", &reset["token"]),
        canary("totp", &totp["key"]),
        canary("access token", &tokens["access_token"]),
        canary("refresh token", &tokens["refresh_token"]),
        canary("session", &json!(server.token)),
        canary("password", &json!(PASSWORD)),
        canary("wrong password", &wrong["password"]),
    ]
}

/// Channels whose receivers repeat what they were sent, or speak no TLS, and are tried.
fn channels(server: &Server, target: &Target) -> (Vec<Canary>, Vec<String>) {
    let header = "canary/header 5b+\"71e0\"";
    let key = "Y2FuYXJ5IG9mIGEgd2ViaG9vayAwMTIz";
    let slack = "canary-of-slack-0123456789";
    target.set("/hook", 500, header);
    let hook = json!({ "name": "hook", "type": "webhook", "config": {
        "url": target.url("/hook"), "secret": format!("whsec_{key}"), "headers": { "x-canary": header },
    } });
    let services = format!("https://{}/services/{slack}", target.address);
    let slack_hook = json!({ "name": "slack", "type": "slack", "config": { "url": services } });
    let mut paths = vec![
        "notifications".to_owned(),
        "notification-channels".to_owned(),
    ];
    for channel in [hook, slack_hook] {
        let made = post(server, "/api/v1/notification-channels", &channel, 201);
        let path = format!("notification-channels/{}", text(&made["id"]));
        let tried = post(server, &format!("/api/v1/{path}/test"), &json!({}), 202);
        let notification = format!("notifications/{}", text(&tried["notification_id"]));
        wait_for("an attempt", || {
            let (status, detail) = server.call("GET", &format!("/api/v1/{notification}"), None);
            assert_eq!(status, 200, "{detail}");
            let attempts = detail["attempts"].as_array().unwrap();
            (attempts.first()?["outcome"] == "retry").then_some(())
        });
        paths.extend([path, notification]);
    }
    let canary = |name, text: &str| Canary {
        name,
        text: text.to_owned(),
    };
    let canaries = vec![
        canary("header of a webhook", header),
        canary("key of a webhook", key),
        canary("webhook of Slack", slack),
    ];
    (canaries, paths)
}

/// All that can be read by the API, errors among it.
fn answers(server: &Server, scripts: &[String], more: Vec<String>) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<String> = [
        "users/me",
        "users/me/sessions",
        "users/me/totp",
        "users",
        "organizations",
        "organization",
        "organization/usage",
        "members",
        "invitations",
        "api-keys",
        "roles",
        "projects",
        "scripts",
        "variables",
        "components",
        "component-keys",
        "audit-log?limit=100",
        "audit-log/export",
        "admin/audit-log?limit=100",
        "admin/audit-log/export",
        "scripts/canary",
        "nothing",
    ]
    .map(str::to_owned)
    .into();
    paths.extend(more);
    for script in scripts {
        paths.push(format!("scripts/{script}"));
        paths.push(format!("scripts/{script}/versions"));
        paths.push(format!("scripts/{script}/executions"));
        paths.push(format!("variables?script_id={script}"));
        for run in server.executions(script) {
            paths.push(format!("executions/{}", text(&run["id"])));
            paths.push(format!("executions/{}/recording", text(&run["id"])));
        }
    }
    let mut found: Vec<(String, Vec<u8>)> = paths
        .into_iter()
        .map(|path| {
            let answer = server.raw("GET", &format!("/api/v1/{path}"), &server.token, "");
            (path, answer)
        })
        .collect();
    found.push((
        "metrics".to_owned(),
        server.raw("GET", "/metrics", METRICS, ""),
    ));
    found
}

const METRICS: &str = "canary-metrics-0123456789";
const OF_MAIL: &str = "canary-of-mail";
const OF_REDIS: &str = "canary-of-redis";
const NEW_PASSWORD: &str = "canary of a new password";

#[test]
fn no_secret_is_found_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let target = Target::start();
    let mails = MailServer::start();
    let mail = format!("smtp://user:{OF_MAIL}@{}", mails.address);
    let redis = format!("redis://:{OF_REDIS}@127.0.0.1:1");
    let settings = [
        ("VEDETTE_LOG__LEVEL", TRACE),
        ("VEDETTE_METRICS__TOKEN", METRICS),
        ("VEDETTE_MAIL__URL", mail.as_str()),
        ("VEDETTE_MAIL__FROM", "vedette@example.com"),
        ("VEDETTE_SERVER__PUBLIC_URL", "https://vedette.example.com"),
        ("VEDETTE_REDIS__URL", redis.as_str()),
    ];
    let file = Stdio::from(File::create(&log).unwrap());
    let mut server = Server::start_logging(&data, &settings, file);
    server.sign_in();
    let (mut canaries, scripts) = run_careless(&server, &target);
    let asked = json!({ "username": "anna" });
    post(&server, "/api/v1/auth/password-reset/request", &asked, 202);
    canaries.extend(tokens(&mut server));
    for (name, value) in [
        ("metrics", METRICS),
        ("mail", OF_MAIL),
        ("redis", OF_REDIS),
        ("new password", NEW_PASSWORD),
    ] {
        let text = value.to_owned();
        canaries.push(Canary { name, text });
    }
    let (of_channels, paths) = channels(&server, &target);
    canaries.extend(of_channels);
    let mut places = answers(&server, &scripts, paths);
    assert!(places.len() > 40, "{}", places.len());
    let change = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    let (status, answer) = server.call("PUT", "/api/v1/users/me/password", Some(&change));
    assert_eq!(status, 204, "{answer}");
    // The link that was asked for, and the notice of the change.
    wait_for("mails", || (mails.received().len() == 2).then_some(()));
    // With its log, as a crash would leave it, and as the end leaves it.
    places.extend(files(&data));
    server.signal("TERM");
    assert!(server.ended().success());
    places.extend(files(&data));
    for mail in mails.received() {
        // Long lines were broken for the way (quoted-printable, RFC 2045).
        let text = mail.replace("=\r\n", "").replace("=3D", "=");
        assert!(text.contains("To: anna@example.com"), "{text}");
        places.push(("a mail".to_owned(), text.into_bytes()));
    }
    places.push(("the log".to_owned(), fs::read(&log).unwrap()));

    let log = &places[places.len() - 1].1;
    assert!(has(log, b"TRACE"), "the log has everything");
    let masked = places.iter().filter(|(_, place)| has(place, b"[env:ORG]"));
    assert!(masked.count() > 10, "the search finds what is there");
    for canary in &canaries {
        for form in canary.forms() {
            for (name, place) in &places {
                let form_text = String::from_utf8_lossy(&form);
                assert!(!has(place, &form), "{}: {form_text} in {name}", canary.name);
            }
        }
    }
}
