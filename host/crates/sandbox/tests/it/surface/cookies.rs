//! Cookies: `fetch` with `credentials: "include"`.

use serde_json::{Value, json};
use vedette_core::{ErrorClass, Status};

use super::{
    run_at,
    site::{Asked, Site, reply},
    value_of,
};
use crate::{assert_error, assert_success};

/// A login: the form's page sets a cookie, a right answer another one on the redirect, and the home
/// page wants both.
fn login(asked: &Asked) -> Vec<u8> {
    let cookie = asked.header("cookie").unwrap_or_default();
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/login") => reply(
            "200 OK",
            "set-cookie: csrf=t1; Path=/; HttpOnly\r\n",
            b"token=t1",
        ),
        ("POST", "/login") if cookie == "csrf=t1" && asked.body == b"token=t1&user=a" => reply(
            "302 Found",
            "location: /home\r\nset-cookie: session=s1; Path=/; HttpOnly; SameSite=Lax\r\n\
             set-cookie: csrf=; Path=/; Max-Age=0\r\nset-cookie: seen=1\r\n",
            b"",
        ),
        ("GET", "/home") if cookie == "session=s1; seen=1" => reply("200 OK", "", b"welcome"),
        _ => reply("403 Forbidden", "", cookie.as_bytes()),
    }
}

#[tokio::test]
async fn a_login_flow_works() {
    let site = Site::start(|asked| Some(login(asked))).await;
    let outcome = run_at(
        &site.url(""),
        r"
        const credentials = 'include';
        const page = await (await fetch(base + '/login', { credentials })).text();
        const body = new URLSearchParams(page); body.append('user', 'a');
        const response = await fetch(base + '/login', { method: 'POST', body, credentials });
        const text = await response.text();
        return { success: text === 'welcome' && response.redirected && response.url === base + '/home' && response.timings.total >= 0, message: text };",
    )
    .await;
    assert_success(&outcome);
    let paths: Vec<_> = outcome
        .requests
        .iter()
        .map(|request| request.url.clone())
        .collect();
    assert_eq!(
        paths,
        [site.url("/login"), site.url("/login"), site.url("/home")]
    );
    let home = &site.asked()[2];
    assert_eq!(
        (home.method.as_str(), home.header("content-type")),
        ("GET", None)
    );
}

#[tokio::test]
async fn without_include_no_cookie_is_kept_or_sent() {
    let site = Site::start(|asked| {
        let cookie = asked.header("cookie").unwrap_or("none").to_owned();
        Some(reply("200 OK", "set-cookie: a=1\r\n", cookie.as_bytes()))
    })
    .await;
    let found = value_of(
        &site,
        r"
        const ask = async (init) => (await fetch(base, init)).text();
        return [await ask(), await ask({ credentials: 'include' }), await ask(), await ask({ credentials: 'omit' }), await ask({ credentials: 'include' }),
          await ask({ credentials: 'include', headers: { cookie: 'mine=2' } }), await ask(new Request(base, { credentials: 'include' }))];",
    )
    .await;
    assert_eq!(
        found,
        json!(["none", "none", "none", "none", "a=1", "mine=2; a=1", "a=1"])
    );
}

/// The site sets the cookies that the body says, one a line, and answers with those that came.
async fn mirror() -> Site {
    Site::start(|asked| {
        let lines = String::from_utf8_lossy(&asked.body).into_owned();
        let set: Vec<_> = lines
            .lines()
            .map(|line| format!("set-cookie: {line}\r\n"))
            .collect();
        let cookie = asked.header("cookie").unwrap_or_default().to_owned();
        Some(reply("200 OK", &set.concat(), cookie.as_bytes()))
    })
    .await
}

/// What comes back at `/a/b` after `lines` were set at `/a/set`.
async fn after_setting(lines: Value) -> Value {
    let site = mirror().await;
    value_of(
        &site,
        &format!(
            r"
            const credentials = 'include';
            await fetch(base + '/a/set', {{ method: 'POST', body: {lines}.join('\n'), credentials }});
            return (await fetch(base + '/a/b', {{ credentials }})).text();"
        ),
    )
    .await
}

#[tokio::test]
async fn cookies_are_read_as_the_rfc_says() {
    for (lines, expected) in [
        (json!(["a=1", "b=2; Path=/"]), "a=1; b=2"),
        (json!(["a=1; Path=/", "a=2; Path=/a"]), "a=2; a=1"),
        (json!(["a=1", "a=2"]), "a=2"),
        (json!(["a=1; Path=/other"]), ""),
        (json!(["a=1; Path=/a/bc"]), ""),
        (json!(["a=1; Path=relative"]), "a=1"),
        (json!(["  a  =  1 2  ; x"]), "a=1 2"),
        (json!(["alone"]), "alone"),
        (json!(["=", "=v"]), "v"),
        (json!(["a=\"q;x\""]), "a=\"q"),
        (json!(["a=1; Max-Age=0"]), ""),
        (json!(["a=1; Max-Age=-5"]), ""),
        (
            json!(["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]),
            "a=1",
        ),
        (json!(["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]), ""),
        (json!(["a=1; Expires=Thu, 01-Jan-70 00:00:00 GMT"]), ""),
        (json!(["a=1; expires=Wed, 09 Jun 2999 10:18:14 GMT"]), "a=1"),
        (json!(["a=1; expires=Wed, 31 Feb 2000 10:18:14 GMT"]), "a=1"),
        (json!(["a=1; expires=nonsense; max-age=many"]), "a=1"),
        (json!(["a=1", "a=; Max-Age=0"]), ""),
        // Secure ones need https, also to be set.
        (json!(["a=1; Secure"]), ""),
        (
            json!(["__Secure-a=1", "__Host-a=1; Path=/", "__hOsT-b=1; Path=/"]),
            "",
        ),
        (json!(["__Secure-a"]), ""),
        (json!(["a=1; Domain=example.com"]), ""),
        (json!(["a=1; Domain=com"]), ""),
        (json!(["a=1; Domain=0.0.1"]), ""),
        (json!(["a=1; Domain=127.0.0.1"]), "a=1"),
        (json!(["a=1; Domain="]), "a=1"),
        (json!([format!("a={}", "x".repeat(4096))]), ""),
    ] {
        assert_eq!(after_setting(lines.clone()).await, expected, "{lines}");
    }
}

#[tokio::test]
async fn a_jar_has_bounds() {
    let site = mirror().await;
    let found = value_of(
        &site,
        r"
        const credentials = 'include';
        const lines = Array.from({ length: 60 }, (_, i) => `c${i}=${i}`);
        await fetch(base, { method: 'POST', body: lines.join('\n'), credentials });
        const kept = (await (await fetch(base, { credentials })).text()).split('; ');
        return [kept.length, kept[0], kept.at(-1)];",
    )
    .await;
    assert_eq!(found, json!([50, "c10=10", "c59=59"]));
}

#[tokio::test]
async fn another_origin_gets_neither_cookies_nor_secrets() {
    let other = Site::echo().await;
    let site = Site::start(|asked| {
        let port = asked.path.trim_start_matches("/to/");
        // Another host: cookies do not tell ports apart.
        let headers =
            format!("location: http://127.0.0.2:{port}/there\r\nset-cookie: a=1; Path=/\r\n");
        Some(reply("307 Temporary Redirect", &headers, b""))
    })
    .await;
    let outcome = run_at(
        &site.url(""),
        &format!(
            "const response = await fetch(base + '/to/{}', {{ method: 'POST', body: 'kept', credentials: 'include', \
               headers: {{ authorization: 'secret', 'x-key': 'secret', cookie: 'own=1', accept: 'x/y' }} }}); \
             return {{ success: true, message: await response.text() }};",
            other.port()
        ),
    )
    .await;
    // The site listens on 127.0.0.1 only: that the redirect was followed shows in the refusal.
    assert_eq!(outcome.status, Status::Failure, "{outcome:#?}");
    assert!(
        outcome.requests[1].url.contains("127.0.0.2"),
        "{outcome:#?}"
    );
    assert_eq!(other.asked().len(), 0);

    // The same host by another port is another origin, and has the same cookies.
    let same = Site::start(|asked| {
        let port = asked.path.trim_start_matches("/to/");
        let headers =
            format!("location: http://127.0.0.1:{port}/there\r\nset-cookie: a=1; Path=/\r\n");
        Some(reply("307 Temporary Redirect", &headers, b""))
    })
    .await;
    let found = value_of(
        &same,
        &format!(
            "const response = await fetch(base + '/to/{}', {{ method: 'POST', body: 'kept', credentials: 'include', \
               headers: {{ authorization: 'secret', 'x-key': 'secret', cookie: 'own=1', accept: 'x/y' }} }}); \
             return response.text();",
            other.port()
        ),
    )
    .await;
    let echoed = found.as_str().unwrap();
    assert!(
        !echoed.contains("secret") && !echoed.contains("own=1"),
        "{echoed}"
    );
    assert!(
        echoed.starts_with("POST /there\n") && echoed.ends_with("\n\nkept"),
        "{echoed}"
    );
    assert!(
        echoed.contains("cookie: a=1\n") && echoed.contains("accept: x/y\n"),
        "{echoed}"
    );
}

/// `/n` redirects to `/n-1` with a cookie a hop; other paths are odd redirects.
async fn hops() -> Site {
    Site::start(|asked| {
        let cookie = asked.header("cookie").unwrap_or_default().to_owned();
        Some(match asked.path.as_str() {
            "/metadata" => reply("302 Found", "location: http://169.254.169.254/\r\n", b""),
            "/two" => reply("302 Found", "location: /0\r\nlocation: /1\r\n", b""),
            "/bad" => reply("302 Found", "location: http://[\r\n", b""),
            "/file" => reply("302 Found", "location: file:///etc/passwd\r\n", b""),
            "/none" => reply("302 Found", "", b"stays"),
            "/see" => reply("303 See Other", "location: /0\r\n", b""),
            path => match path.trim_start_matches('/').parse::<u32>() {
                Ok(left @ 1..) => {
                    let next = left - 1;
                    let headers = format!("location: /{next}\r\nset-cookie: c{left}=1\r\n");
                    reply("302 Found", &headers, b"")
                }
                _ => reply(
                    "200 OK",
                    "",
                    format!("{} {cookie}", asked.method).as_bytes(),
                ),
            },
        })
    })
    .await
}

#[tokio::test]
async fn redirects_have_the_rules_of_the_host() {
    let site = hops().await;
    let found = value_of(
        &site,
        r"
        const credentials = 'include';
        const ask = async (path, init) => (await fetch(base + path, { credentials, ...init })).text();
        const five = await ask('/5');
        const manual = await fetch(base + '/2', { credentials, redirect: 'manual' });
        const refused = await fails(() => fetch(base + '/1', { credentials, redirect: 'error' }));
        const codes = [];
        for (const path of ['/6', '/metadata', '/two', '/bad', '/file']) {
          try { await ask(path); codes.push('no error'); } catch (error) { codes.push(error.code); }
        }
        return [five, manual.status, manual.headers.get('location'), manual.redirected, refused, codes, await ask('/none'),
          await ask('/see', { method: 'PUT', body: 'x' }), await ask('/1', { method: 'POST', body: 'x' })];",
    )
    .await;
    let cookies = "c5=1; c4=1; c3=1; c2=1; c1=1";
    let more = format!("{cookies}; c6=1");
    assert_eq!(
        found,
        json!([
            format!("GET {cookies}"),
            302,
            "/1",
            false,
            "FetchError",
            ["too-many-redirects", "denied", "denied", "denied", "denied"],
            "stays",
            format!("GET {more}"),
            format!("GET {more}")
        ])
    );
}

#[tokio::test]
async fn a_denied_hop_names_no_address_and_counts() {
    let site = hops().await;
    let denied =
        "await fetch(base + '/metadata', { credentials: 'include' }); return { success: true };";
    let outcome = run_at(&site.url(""), denied).await;
    assert_error(&outcome, ErrorClass::FetchDenied);
    let message = outcome.message.unwrap();
    assert!(
        !message.contains("169.254") && message.contains("/metadata"),
        "{message}"
    );
    let many = "for (let i = 0; i < 20; i++) await fetch(base + '/2', { credentials: 'include' }); return { success: true };";
    let outcome = run_at(&site.url(""), many).await;
    assert_error(&outcome, ErrorClass::FetchLimit);
    assert_eq!(outcome.requests.len(), 50, "each hop is a request");
}

#[tokio::test]
async fn a_jar_does_not_outlive_its_run() {
    let site = mirror().await;
    let ask = "return (await fetch(base, { method: 'POST', body: 'a=1', credentials: 'include' })).text();";
    assert_eq!(value_of(&site, ask).await, "");
    assert_eq!(value_of(&site, ask).await, "");
}

#[tokio::test]
async fn an_abort_ends_a_chain_of_redirects() {
    let site = Site::start(|asked| {
        (asked.path != "/hang").then(|| reply("302 Found", "location: /hang\r\n", b""))
    })
    .await;
    let found = value_of(
        &site,
        r"
        const controller = new AbortController();
        setTimeout(() => controller.abort('enough'), 30);
        try { await fetch(base, { credentials: 'include', signal: controller.signal }); } catch (error) { return error; }",
    )
    .await;
    assert_eq!(found, "enough");
}
