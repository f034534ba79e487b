//! `fetch`, `Request`, `Response` and `Headers` by the Fetch standard.

use serde_json::json;
use vedette_core::{ErrorClass, Status};

use super::{
    run_at,
    site::{Site, reply},
    value, value_of,
};
use crate::assert_error;

#[tokio::test]
async fn a_request_is_made_of_a_url_or_another_request() {
    let found = value(
        r"
        const first = new Request('https://a.test/x#f', { method: 'post', headers: { 'X-A': '1' }, body: 'text',
          redirect: 'manual', credentials: 'include' });
        const second = new Request(first, { headers: { 'X-B': '2' } });
        return [first.method, first.url, [...first.headers], first.redirect, first.credentials, first.bodyUsed,
          [...second.headers], second.method, await second.text(), second.bodyUsed,
          first.signal instanceof AbortSignal, String(first), new Request('https://a.test').method];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            "POST",
            "https://a.test/x#f",
            [["content-type", "text/plain;charset=UTF-8"], ["x-a", "1"]],
            "manual",
            "include",
            true,
            [["x-b", "2"]],
            "POST",
            "text",
            true,
            true,
            "[object Request]",
            "GET"
        ])
    );
}

#[tokio::test]
async fn a_request_can_be_cloned_and_sent() {
    let site = Site::echo().await;
    let found = value_of(
        &site,
        r"
        const request = new Request(base + '/sent', { method: 'PATCH', headers: { 'x-a': '1' }, body: 'once' });
        const copy = request.clone();
        const sent = await (await fetch(request)).text();
        const again = await (await fetch(copy, { method: 'PUT' })).text();
        return [sent.startsWith('PATCH /sent\n'), sent.includes('\nx-a: 1\n'), sent.endsWith('\n\nonce'),
          again.startsWith('PUT /sent\n'), again.endsWith('\n\nonce'), request.bodyUsed,
          await fails(() => fetch(request)), await fails(() => request.clone()), await fails(() => request.text())];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            true,
            true,
            true,
            true,
            true,
            true,
            "TypeError",
            "TypeError",
            "TypeError"
        ])
    );
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let found = value(
        r"
        const url = 'https://a.test/';
        const init = (init) => fails(() => new Request(url, init));
        return [await fails(() => new Request('nope')), await init({ method: 'A B' }), await init({ method: '' }),
          await init({ body: '' }), await init({ method: 'HEAD', body: 'x' }), await init({ redirect: 'never' }),
          await init({ credentials: 'all' }), await init({ signal: {} }), await init({ headers: { 'a b': '1' } }),
          await init(5), await init({ method: 'TRACE' }), await init({ method: 'connect' }), await init({ method: 'Track' }),
          await init({ method: 'patch', signal: null, body: null }), await init(null), new Request(url, { method: 'patch' }).method];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "FetchError",
            "FetchError",
            "FetchError",
            "no error",
            "no error",
            "patch"
        ])
    );
}

#[tokio::test]
async fn a_method_that_is_not_allowed_is_denied() {
    let site = Site::echo().await;
    let outcome = run_at(
        &site.url(""),
        "await fetch(base, { method: 'TRACE' }); return { success: true };",
    )
    .await;
    assert_error(&outcome, ErrorClass::FetchDenied);
    assert_eq!(site.asked().len(), 0);
}

#[tokio::test]
async fn a_response_can_be_made() {
    let found = value(
        r"
        const facts = (r) => [r.status, r.ok, r.type, r.url, r.redirected, r.statusText, [...r.headers]];
        const made = new Response('x', { status: 201, statusText: 'Made', headers: { 'X-A': '1' } });
        const json = Response.json({ a: [1] }, { status: 400, headers: { 'x-b': '2' } });
        return [facts(made), facts(json), await json.json(), facts(Response.error()), facts(Response.redirect('https://a.test/b', 307)),
          facts(new Response(null, { status: 204 })), await new Response().text()];",
    )
    .await;
    let text = ["content-type", "text/plain;charset=UTF-8"];
    assert_eq!(
        found,
        json!([
            [201, true, "default", "", false, "Made", [text, ["x-a", "1"]]],
            [400, false, "default", "", false, "", [["content-type", "application/json"], ["x-b", "2"]]],
            {"a": [1]},
            [0, false, "error", "", false, "", []],
            [307, false, "default", "", false, "", [["location", "https://a.test/b"]]],
            [204, true, "default", "", false, "", []],
            ""
        ])
    );
}

#[tokio::test]
async fn what_is_no_response_is_refused() {
    let found = value(
        r"
        const init = (init, body) => fails(() => new Response(body, init));
        return [await init({ status: 99 }), await init({ status: 600 }), await init({ status: 'x' }), await init({ status: 204 }, 'x'),
          await init({ statusText: 'a\nb' }), await init({ statusText: '\u0100' }), await fails(() => Response.json(undefined)),
          await fails(() => Response.json(5n)), await fails(() => Response.redirect('https://a.test/', 200)),
          await fails(() => Response.redirect('nope')), await fails(() => Response.error().headers.set('a', 'b'))];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            "RangeError",
            "RangeError",
            "RangeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "TypeError",
            "RangeError",
            "TypeError",
            "TypeError"
        ])
    );
}

#[tokio::test]
async fn a_status_has_its_phrase() {
    let site = Site::start(|asked| {
        let status = asked.path.trim_start_matches('/').to_owned() + " whatever";
        Some(reply(&status, "", b""))
    })
    .await;
    let found = value_of(
        &site,
        r"
        const texts = [];
        for (const status of [200, 404, 503, 599]) texts.push((await fetch(`${base}/${status}`)).statusText);
        return texts;",
    )
    .await;
    assert_eq!(found, json!(["OK", "Not Found", "Service Unavailable", ""]));
}

#[tokio::test]
async fn what_has_no_body_has_none() {
    let site = Site::start(|asked| {
        let status = if asked.path == "/204" {
            "204 No Content"
        } else {
            "200 OK"
        };
        // The length of an answer to HEAD is that of what is left out.
        Some(match asked.method.as_str() {
            "HEAD" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec(),
            _ if asked.path == "/204" => format!("HTTP/1.1 {status}\r\n\r\n").into_bytes(),
            _ => reply(status, "", b""),
        })
    })
    .await;
    let found = value_of(
        &site,
        r"
        const seen = [];
        for (const [path, method] of [['/204', 'GET'], ['/', 'HEAD'], ['/', 'GET']]) {
          const response = await fetch(base + path, { method });
          seen.push([response.body === null, await response.text(), response.bodyUsed]);
        }
        return seen;",
    )
    .await;
    assert_eq!(
        found,
        json!([[true, "", false], [true, "", false], [false, "", true]])
    );
}

#[tokio::test]
async fn headers_are_what_the_standard_says() {
    let found = value(
        r"
        const h = new Headers([['B', ' 1\t'], ['a', '2'], ['b', '3'], ['Set-Cookie', 'x=1'], ['set-cookie', 'y=2']]);
        const all = [...h];
        const from = new Headers(h);
        h.set('B', '4'); h.delete('A');
        const each = []; h.forEach((value, name) => each.push(`${name}=${value}`));
        return [all, h.get('b'), h.get('a'), h.has('SET-COOKIE'), h.getSetCookie(), h.get('set-cookie'), [...h.keys()], [...h.values()],
          each, [...from].length, new Headers({ a: '' }).get('a'), new Headers(new Map([['m', '1']])).get('m'), String(h)];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [
                ["a", "2"],
                ["b", "1, 3"],
                ["set-cookie", "x=1"],
                ["set-cookie", "y=2"]
            ],
            "4",
            null,
            true,
            ["x=1", "y=2"],
            "x=1, y=2",
            ["b", "set-cookie", "set-cookie"],
            ["4", "x=1", "y=2"],
            ["b=4", "set-cookie=x=1", "set-cookie=y=2"],
            4,
            "",
            "1",
            "[object Headers]"
        ])
    );
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let found = value(
        r"
        const h = new Headers();
        const names = ['', 'a b', 'a:', 'a\n', '\u00e4', 'a\0', '(a)'].map((name) => fails(() => h.append(name, 'x')));
        const values = ['a\nb', 'a\rb', 'a\0b', '\u0100', '\ud83d\ude00'].map((value) => fails(() => h.set('x', value)));
        const inits = [[['a']], [['a', 'b', 'c']], ['ab', 5], 'text', 5].map((init) => fails(() => new Headers(init)));
        return [await Promise.all(names), await Promise.all(values), await Promise.all(inits), [...h].length,
          new Headers({ x: '\r\n a \t' }).get('x'), new Headers({ x: '\u00ff' }).get('x')];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            vec!["TypeError"; 7],
            vec!["TypeError"; 5],
            vec!["TypeError"; 5],
            0,
            "a",
            "\u{ff}"
        ])
    );
}

#[tokio::test]
async fn the_headers_of_an_answer_cannot_be_changed() {
    let site = Site::start(|_| {
        Some(reply(
            "200 OK",
            "set-cookie: a=1\r\nset-cookie: b=2\r\nx-latin: \u{e4}\r\n",
            b"ok",
        ))
    })
    .await;
    let found = value_of(
        &site,
        r"
        const { headers } = await fetch(base);
        const copy = new Headers(headers); copy.set('x-new', '1');
        return [headers.getSetCookie(), copy.get('x-new'), await fails(() => headers.set('a', '1')),
          await fails(() => headers.append('a', '1')), await fails(() => headers.delete('x-latin'))];",
    )
    .await;
    assert_eq!(
        found,
        json!([["a=1", "b=2"], "1", "TypeError", "TypeError", "TypeError"])
    );
}

/// `/n` redirects to `/n-1`, and `/0` is the end.
async fn redirects() -> Site {
    Site::start(|asked| {
        let left: u32 = asked.path.trim_start_matches('/').parse().unwrap_or(0);
        Some(if left == 0 {
            reply("200 OK", "", b"end")
        } else {
            reply("302 Found", &format!("location: /{}\r\n", left - 1), b"")
        })
    })
    .await
}

#[tokio::test]
async fn redirects_are_followed_given_or_refused() {
    let site = redirects().await;
    let found = value_of(
        &site,
        r"
        const followed = await fetch(base + '/2');
        const manual = await fetch(new Request(base + '/2', { redirect: 'manual' }));
        let refused; try { await fetch(base + '/2', { redirect: 'error' }); } catch (error) { refused = error; }
        return [followed.redirected, followed.url === base + '/0', await followed.text(), manual.status, manual.redirected,
          manual.headers.get('location'), manual.type, refused.name, refused.code];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            true,
            true,
            "end",
            302,
            false,
            "/1",
            "basic",
            "FetchError",
            "protocol"
        ])
    );
}

#[tokio::test]
async fn an_abort_gives_its_reason() {
    let site =
        Site::start(|asked| (asked.path != "/hang").then(|| reply("200 OK", "", b"ok"))).await;
    let found = value_of(
        &site,
        r"
        const reason = { why: 'mine' };
        const caught = async (f) => { try { await f(); return 'no error'; } catch (error) { return error; } };
        const before = await caught(() => fetch(base, { signal: AbortSignal.abort(reason) }));
        const controller = new AbortController();
        setTimeout(() => controller.abort(reason), 5);
        const during = await caught(() => fetch(new Request(base + '/hang', { signal: controller.signal })));
        const late = new AbortController();
        const response = await fetch(base, { signal: late.signal });
        late.abort(reason);
        const plain = new AbortController(); plain.abort();
        const standard = await caught(() => fetch(base, { signal: plain.signal }));
        return [before === reason, during === reason, await response.text(), standard.name, standard instanceof DOMException, standard.code];",
    )
    .await;
    assert_eq!(found, json!([true, true, "ok", "AbortError", true, 20]));
    let asked = site.asked();
    assert_eq!(
        asked.len(),
        2,
        "what was aborted before was never sent: {asked:?}"
    );
}

#[tokio::test]
async fn a_failed_request_stays_a_failure_of_the_target() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for body in [
        "await fetch(new Request(base)); return { success: true };",
        "await fetch(base, { credentials: 'include' }); return { success: true };",
    ] {
        let outcome = run_at(&base, body).await;
        assert_eq!(
            (outcome.status, outcome.error_class),
            (Status::Failure, None),
            "{outcome:#?}"
        );
    }
    let denied = "await fetch(new Request('http://10.0.0.1/')); return { success: true };";
    assert_error(&run_at(&base, denied).await, ErrorClass::FetchDenied);
}
