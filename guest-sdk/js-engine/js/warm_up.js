// What a run needs first, done once before the snapshot.
//
// QuickJS makes a builtin function when it is first asked for, and grows tables as they fill. What
// was made before the snapshot is there for every run, and lies close together, so that a run
// writes to fewer pages.

/** Resolves when done; throws when one of the pieces does not work. Calls nothing of the host. */
async function warmUp() {
  const variables = ['NAME', 'value'];
  const script = async ({ params, env }) => {
    const body = await warmRequest(params.url);
    const sum = body.items.map((item) => item + 1).filter((item) => item > 1).reduce((total, item) => total + item, 0);
    const line = ['warm', sum, body.state, env.NAME, null];
    plainLine(line).slice(0, MAX_LINE + 1).toWellFormed();
    return { success: sum > 0, latency: 1.5, message: `sum ${sum}`, data: { sum, state: body.state, list: [1] } };
  };
  const verdict = await invoke(script, '{"url":"https://example.com/a?b=c","list":[1]}', variables);
  if (verdict[0] !== true) throw new Error('the warm-up failed');
  for (const error of [new Error('warm'), new TypeError('warm'), new FetchError('dns', 'warm'), new DOMException('warm', 'TimeoutError')]) {
    explain(error);
  }
  await Promise.all([1, Promise.resolve(2)]).finally(() => {});
  await new Promise((resolve, reject) => reject(new Error('warm'))).catch(() => {});
  clearTimeout(setTimeout(() => {}, 1));
  const signal = new AbortController().signal;
  whenAborted(signal, touchBuiltins)();
  signal.addEventListener('abort', touchBuiltins, { once: true });
  signal.removeEventListener('abort', touchBuiltins);
  touchBuiltins();
  globalThis.params = undefined;
  globalThis.env = undefined;
}

/** All of `fetch` but the host's part. */
async function warmRequest(input) {
  const url = new URL(input);
  url.searchParams.get('b');
  const headers = new Headers({ accept: 'application/json', 'content-type': 'text/plain' });
  headers.set('x-warm', 'yes');
  [...headers].flat();
  extractBody('warm');
  readRequest(url, { method: 'POST', headers: { accept: '*/*' }, body: 'warm' });
  fetchError(['dns', 'warm'], 'GET', url.href);
  const answer = () => ({
    status: 200,
    headers: ['content-type', 'application/json'],
    body: encodeText('{"items":[1,2,3],"state":"ok"}'),
    url: url.href,
    redirected: false,
    httpVersion: 'HTTP/1.1',
    remoteAddress: '192.0.2.1:443',
    timings: [1, 2, undefined, 3, 4, 5],
    tls: { version: 'TLSv1.3', subject: 'a', issuer: 'b', not_before: 0, not_after: 0, chain_not_after: 0 },
  });
  await receivedResponse(answer(), 'GET').text();
  const response = receivedResponse(answer(), 'GET');
  response.headers.get('content-type');
  return response.ok ? response.json() : undefined;
}

/** Reading a member makes it. */
function touchBuiltins() {
  const [list, text, number, map, set, date] = [[], 'text', 1, new Map(), new Set(), new Date(0)];
  return [
    list.concat, list.every, list.find, list.findIndex, list.flat, list.flatMap, list.forEach, list.includes, list.indexOf,
    list.join, list.map, list.pop, list.push, list.shift, list.slice, list.some, list.sort, list.entries, list[Symbol.iterator],
    text.charCodeAt, text.endsWith, text.includes, text.indexOf, text.match, text.matchAll, text.padStart, text.replace,
    text.replaceAll, text.slice, text.split, text.startsWith, text.substring, text.toLowerCase, text.toUpperCase, text.trim,
    number.toFixed, number.toString, map.get, map.set, map.has, map.delete, map[Symbol.iterator], set.add, set.has,
    date.getTime, date.toISOString, Date.now, Date.parse, JSON.parse, JSON.stringify,
    Object.assign, Object.entries, Object.freeze, Object.fromEntries, Object.keys, Object.values, Array.from, Array.isArray,
    Math.abs, Math.ceil, Math.floor, Math.max, Math.min, Math.round, Number.isFinite, Number.isInteger, Number.isNaN,
    Number.parseFloat, Number.parseInt, parseFloat, parseInt, encodeURIComponent, decodeURIComponent,
    Promise.all, Promise.allSettled, Promise.any, Promise.race, Promise.reject, Promise.resolve, /a/.exec('a'), /a/.test('a'),
    new Uint8Array(1).slice, String.fromCharCode,
  ];
}
