// fetch: the host starts the request at once; the event loop calls `settle`.

const METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);
const REDIRECT_MODES = new Set(['follow', 'manual', 'error']);
const inFlight = new Map();

async function fetch(input, init = {}) {
  if (init === null || typeof init !== 'object') throw new TypeError('the second argument of fetch must be an object');
  // Each member is read once, so that a getter cannot show two faces.
  const { method = 'GET', headers: givenHeaders, body, redirect = 'follow', signal } = init;
  const url = new URL(input).href;
  const upper = String(method).toUpperCase();
  const verb = METHODS.has(upper) ? upper : String(method);
  if (!REDIRECT_MODES.has(redirect)) throw new TypeError('redirect must be "follow", "manual" or "error"');
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) {
    throw new TypeError('signal must be an AbortSignal');
  }
  const headers = new Headers(givenHeaders);
  const [bytes, type] = extractBody(body);
  if (bytes !== undefined && (verb === 'GET' || verb === 'HEAD')) throw new TypeError(`a ${verb} request has no body`);
  if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
  signal?.throwIfAborted();

  const started = host.start(verb, url, [...headers].flat(), redirect, bytes);
  if (typeof started !== 'number') throw fetchError(started, verb, url);
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      if (!inFlight.delete(started)) return;
      host.cancel(started);
      reject(signal.reason);
    };
    inFlight.set(started, { resolve, reject, verb, url, done: () => signal?.removeEventListener('abort', onAbort) });
    signal?.addEventListener('abort', onAbort);
  });
}

function fetchError([code, message], verb, url) {
  const shown = url.length > 200 ? `${url.slice(0, 200)}…` : url;
  return new FetchError(code, `${verb} ${shown}: ${message}`);
}

/** The end of a request: an error as `[code, message]`, or the host's answer. */
function settle(id, error, answer) {
  const request = inFlight.get(id);
  if (request === undefined) return;
  inFlight.delete(id);
  request.done();
  if (error !== undefined) request.reject(fetchError(error, request.verb, request.url));
  else request.resolve(Response.received(answer));
}
