//! `ReadableStream`, of bodies and of a script's own.

use serde_json::json;

use super::{site::Site, value, value_of};

#[tokio::test]
async fn the_body_of_an_answer_is_a_stream() {
    let site = Site::echo().await;
    let found = value_of(
        &site,
        r"
        const response = await fetch(base, { method: 'POST', body: 'abc' });
        const before = [response.body instanceof ReadableStream, response.body === response.body, response.body.locked, response.bodyUsed];
        const reader = response.body.getReader();
        const locked = [response.body.locked, response.bodyUsed, await fails(() => response.text()), await fails(() => response.body.getReader()),
          await fails(() => response.clone())];
        const first = await reader.read(), second = await reader.read();
        await reader.closed;
        reader.releaseLock();
        return [before, locked, first.value instanceof Uint8Array, new TextDecoder().decode(first.value).endsWith('abc'), first.done, second,
          response.bodyUsed, response.body.locked, await fails(() => response.text()), await fails(() => reader.read())];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [true, true, false, false],
            [true, false, "TypeError", "TypeError", "TypeError"],
            true, true, false, {"done": true}, true, false, "TypeError", "TypeError"
        ])
    );
}

#[tokio::test]
async fn a_body_goes_through_its_stream_once_there_is_one() {
    let found = value(
        r"
        const read = new Response('abc'); read.body;
        const text = await read.text();
        const used = new Response('abc'); await used.text();
        const late = []; for await (const chunk of used.body) late.push(chunk);
        const cancelled = new Response('abc'); await cancelled.body.cancel();
        const copied = new Response('abc'); copied.body; const copy = copied.clone();
        const iterated = []; for await (const chunk of new Response('abc').body) iterated.push(chunk.length);
        return [text, read.bodyUsed, await fails(() => read.text()), late, await fails(() => cancelled.text()), await copied.text(), await copy.text(), iterated,
          new Response().body, new Response('').body !== null];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            "abc",
            true,
            "TypeError",
            [],
            "TypeError",
            "abc",
            "abc",
            [3],
            null,
            true
        ])
    );
}

#[tokio::test]
async fn a_stream_can_be_sent_and_read_as_a_body() {
    let site = Site::echo().await;
    let found = value_of(
        &site,
        r"
        const bytes = (text) => new TextEncoder().encode(text);
        const stream = () => new ReadableStream({ start(c) { c.enqueue(bytes('ab')); c.enqueue(bytes('c')); c.close(); } });
        const sent = await (await fetch(base, { method: 'POST', body: stream(), duplex: 'half' })).text();
        const request = new Request(base, { method: 'POST', body: stream() });
        const copy = request.clone();
        const texts = [await request.text(), await (await fetch(copy)).text()];
        const taken = stream(); taken.getReader();
        const failing = new ReadableStream({ pull() { throw new RangeError('mine'); } });
        return [sent.endsWith('\n\nabc'), texts[0], texts[1].endsWith('\n\nabc'), (await new Response(stream()).bytes()).length,
          await fails(() => new Response(taken)), await fails(() => new Response(new ReadableStream({ start(c) { c.enqueue('text'); c.close(); } })).text()),
          await fails(() => new Response(failing).text())];",
    )
    .await;
    assert_eq!(
        found,
        json!([true, "abc", true, 3, "TypeError", "TypeError", "RangeError"])
    );
}

#[tokio::test]
async fn a_stream_pulls_closes_fails_and_is_cancelled() {
    let found = value(
        r"
        let n = 0, reason;
        const counting = new ReadableStream({ async pull(c) { n += 1; c.enqueue(n); if (n === 4) c.close(); }, cancel(why) { reason = why; } });
        const some = []; for await (const item of counting) { some.push(item); if (item === 2) break; }
        const all = []; for await (const item of ReadableStream.from([1, Promise.resolve(2)])) all.push(item);
        let controller; const held = new ReadableStream({ start(c) { controller = c; } });
        const reader = held.getReader(), waiting = reader.read();
        controller.enqueue('x'); const size = controller.desiredSize; controller.error(new RangeError('mine'));
        const [left, right] = new ReadableStream({ start(c) { c.enqueue('t'); c.close(); } }).tee();
        const kept = ReadableStream.from(['a', 'b']);
        for await (const item of kept.values({ preventCancel: true })) break;
        const stopped = ReadableStream.from(['a']); const own = stopped.getReader(); await own.cancel('enough');
        return [some, n < 5, reason === undefined, all, await waiting, size, await fails(() => reader.read()), await fails(() => reader.closed),
          await left.getReader().read(), await right.getReader().read(), (await kept.getReader().read()).value, await own.read(),
          await fails(() => new ReadableStream({ type: 'bytes' })), await fails(() => new ReadableStream({ start: 5 })), await fails(() => new ReadableStream(null)),
          await fails(() => new ReadableStream().getReader({ mode: 'byob' })), await fails(() => new ReadableStream({ start() { throw new EvalError(); } }))];",
    )
    .await;
    assert_eq!(
        found,
        json!([
            [1, 2], true, true, [1, 2], {"value": "x", "done": false}, 1, "RangeError", "RangeError",
            {"value": "t", "done": false}, {"value": "t", "done": false}, "b", {"done": true},
            "TypeError", "TypeError", "TypeError", "TypeError", "EvalError"
        ])
    );
}
