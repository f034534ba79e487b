//! Bodies: what they are made of, how they are read, forms and blobs.

use serde_json::json;

use super::{
    site::{Site, reply},
    value, value_of,
};

#[tokio::test]
async fn a_body_is_made_of_many_things() {
    let site = Site::echo().await;
    let found = value_of(
        &site,
        r"
        const bytes = new Uint8Array([120, 97, 98, 99, 120]);
        const bodies = ['abc', new URLSearchParams({ a: 'b c' }), bytes.slice(1, 4).buffer, bytes.subarray(1, 4),
          new DataView(bytes.buffer, 1, 3), new Uint16Array(bytes.slice(1, 3).buffer), new Blob(['a', 'bc'], { type: 'Text/X' }),
          new Blob(['abc']), 5, { toString: () => 'abc' }];
        const seen = [];
        for (const body of bodies) {
          const text = await (await fetch(base, { method: 'POST', body })).text();
          seen.push([/\ncontent-type: (.*)\n/.exec(text)?.[1] ?? null, text.split('\n\n')[1]]);
        }
        return seen;",
    )
    .await;
    let text = "text/plain;charset=UTF-8";
    assert_eq!(
        found,
        json!([
            [text, "abc"],
            ["application/x-www-form-urlencoded;charset=UTF-8", "a=b+c"],
            [null, "abc"],
            [null, "abc"],
            [null, "abc"],
            [null, "ab"],
            ["text/x", "abc"],
            [null, "abc"],
            [text, "5"],
            [text, "abc"]
        ])
    );
}

#[tokio::test]
async fn a_content_type_that_is_given_stays() {
    let found = value(
        r"
        const type = (body, headers) => new Response(body, { headers }).headers.get('content-type');
        return [type('x', { 'Content-Type': 'a/b' }), type(new FormData(), { 'content-type': 'c/d' }), type(null), type(undefined)];",
    )
    .await;
    assert_eq!(found, json!(["a/b", "c/d", null, null]));
}

#[tokio::test]
async fn a_body_is_read_once_in_any_way() {
    let found = value(
        r#"
        const make = () => new Response('{"a":1}', { headers: { 'content-type': 'application/json' } });
        const text = await make().text(), json = await make().json(), bytes = await make().bytes();
        const buffer = await make().arrayBuffer(), blob = await make().blob();
        const twice = [];
        for (const reader of ['text', 'json', 'bytes', 'arrayBuffer', 'blob', 'formData']) {
          const response = make(); await response.text(); twice.push(await fails(() => response[reader]()));
        }
        const broken = new Response('{');
        const kept = make(), copy = kept.clone(); await kept.text();
        return [text, json, bytes instanceof Uint8Array, bytes.length, buffer.byteLength, [blob.size, blob.type], twice,
          await fails(() => broken.json()), broken.bodyUsed, await copy.text(), await fails(() => kept.clone()),
          await new Response('\ufeffa').text(), await new Response(new Uint8Array([0xff, 97])).text()];"#,
    )
    .await;
    assert_eq!(
        found,
        json!([
            "{\"a\":1}", {"a": 1}, true, 7, 7, [7, "application/json"], vec!["TypeError"; 6],
            "SyntaxError", true, "{\"a\":1}", "TypeError", "a", "\u{fffd}a"
        ])
    );
}

#[tokio::test]
async fn what_a_script_changes_later_is_not_in_the_body() {
    let found = value(
        r"
        const bytes = new Uint8Array([97, 97]);
        const bodies = [new Response(bytes), new Response(bytes.buffer), new Response(new Blob([bytes]))];
        bytes.fill(98);
        return Promise.all(bodies.map((body) => body.text()));",
    )
    .await;
    assert_eq!(found, json!(["aa", "aa", "aa"]));
}

#[tokio::test]
async fn a_blob_has_a_size_a_type_and_slices() {
    let found = value(
        r"
        const blob = new Blob(['ab', new Uint8Array([99, 100]), new Blob(['ef']), 7], { type: 'Text/PLAIN' });
        const file = new File(['x\r\ny\nz'], 'n\u00e4me.txt', { type: 'text/plain', lastModified: 5, endings: 'native' });
        const chunks = []; for await (const chunk of blob.stream()) chunks.push(chunk.length);
        const texts = [blob.slice(1, 3), blob.slice(-2), blob.slice(2, -1), blob.slice(5, 2), blob.slice(0, 99), blob.slice()].map((b) => b.text());
        return [blob.size, blob.type, await blob.text(), await Promise.all(texts), blob.slice(0, 1, 'A/B').type, (await blob.arrayBuffer()).byteLength,
          (await blob.bytes())[2], chunks, file.name, file.lastModified, file.type, await file.text(), file instanceof Blob,
          new Blob([], { type: '\u00e4' }).type, await fails(() => new Blob('text')), await fails(() => new File([])),
          await fails(() => new Blob([], { endings: 'x' }))];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            7,
            "text/plain",
            "abcdef7",
            ["bc", "f7", "cdef", "", "abcdef7", "abcdef7"],
            "a/b",
            7,
            99,
            [7],
            "n\u{e4}me.txt",
            5,
            "text/plain",
            "x\ny\nz",
            true,
            "",
            "TypeError",
            "TypeError",
            "TypeError"
        ])
    );
}

#[tokio::test]
async fn a_form_keeps_its_entries() {
    let found = value(
        r"
        const form = new FormData();
        form.append('a', '1'); form.append('b', new Blob(['x'], { type: 't/x' })); form.append('a', 2); form.append('c', new Blob([]), 'c.bin');
        const all = [...form].map(([name, value]) => [name, typeof value === 'string' ? value : value.name]);
        form.set('a', '3'); form.delete('b');
        return [all, [...form.keys()], form.getAll('a'), form.get('b'), form.has('c'), form.get('c') instanceof File,
          await fails(() => form.append('d', 'text', 'name')), await fails(() => new FormData({}))];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [["a", "1"], ["b", "blob"], ["a", "2"], ["c", "c.bin"]],
            ["a", "c"],
            ["3"],
            null,
            true,
            true,
            "TypeError",
            "TypeError"
        ])
    );
}

#[tokio::test]
async fn a_form_is_sent_as_multipart() {
    let site = Site::echo().await;
    value_of(
        &site,
        r#"
        const form = new FormData();
        form.append('a\n"b"', 'one\ntwo');
        form.append('file', new File([new Uint8Array([0, 255, 13, 10])], 'n"\u00e4.bin', { type: 'x/y' }));
        await fetch(base, { method: 'POST', body: form });"#,
    )
    .await;
    let asked = &site.asked()[0];
    let boundary = asked
        .header("content-type")
        .and_then(|value| value.strip_prefix("multipart/form-data; boundary="))
        .unwrap();
    let mut expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"a%0D%0A%22b%22\"\r\n\r\none\r\ntwo\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"n%22\u{e4}.bin\"\r\n\
         Content-Type: x/y\r\n\r\n"
    )
    .into_bytes();
    expected.extend_from_slice(&[0, 255, 13, 10]);
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn a_form_is_read_back() {
    let site = Site::start(|asked| {
        // Back as it came.
        let kind = asked.header("content-type").unwrap_or_default();
        Some(reply(
            "200 OK",
            &format!("content-type: {kind}\r\n"),
            &asked.body,
        ))
    })
    .await;
    let found = value_of(
        &site,
        r#"
        const form = new FormData();
        form.append('a "q"', '1\r\n2'); form.append('f', new Blob([new Uint8Array([1, 13, 10, 45, 45, 2])], { type: 'x/y' }), 'f.bin'); form.append('empty', '');
        const sent = (body) => fetch(base, { method: 'POST', body }).then((response) => response.formData());
        const parts = await sent(form);
        const pairs = await sent(new URLSearchParams([['a', '1 2'], ['a', '&'], ['\u00e4', '']]));
        const file = parts.get('f');
        return [parts.get('a "q"'), parts.get('empty'), file.name, file.type, [...await file.bytes()], [...pairs]];"#,
    )
    .await;
    assert_eq!(
        found,
        json!([
            "1\r\n2",
            "",
            "f.bin",
            "x/y",
            [1, 13, 10, 45, 45, 2],
            [["a", "1 2"], ["a", "&"], ["\u{e4}", ""]]
        ])
    );
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let found = value(
        r#"
        const read = (body, type) => fails(() => new Response(body, { headers: { 'content-type': type } }).formData());
        const multipart = 'multipart/form-data; boundary=b';
        const part = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n';
        return Promise.all([read('a=1', 'text/plain'), read('x', 'multipart/form-data'), read('x', multipart), read('--b', multipart), read(part, multipart),
          read('--b\r\n\r\n\r\n1\r\n--b--', multipart), read('--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--', multipart),
          read(part + '--b--\r\n', multipart), read(part + '--b--', 'multipart/form-data; boundary="b"'), fails(() => new Response('x').formData())]);"#,
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
            "no error",
            "no error",
            "TypeError"
        ])
    );
}
