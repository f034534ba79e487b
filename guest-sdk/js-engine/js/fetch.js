// fetch: the host starts the request at once; the event loop calls `settle`.

const METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);
const FORBIDDEN_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK']);
const REDIRECT_MODES = new Set(['follow', 'manual', 'error']);
const CREDENTIALS = new Set(['omit', 'same-origin', 'include']);
const inFlight = new Map();

/** What `new Request(input, init)` and `fetch(input, init)` are asked for. */
function readRequest(input, init) {
  if (init !== undefined && init !== null && typeof init !== 'object') throw new TypeError('the second argument must be an object');
  // Each member is read once, so that a getter cannot show two faces.
  const { method, headers: givenHeaders, body, redirect, signal, credentials } = init ?? {};
  const base = parts.get('request')?.factsOf(input);
  const facts = {
    verb: method === undefined ? base?.verb ?? 'GET' : checkMethod(method),
    url: base?.url ?? new URL(input).href,
    headers: new Headers(givenHeaders === undefined ? base?.headers : givenHeaders),
    redirect: oneOf('redirect', REDIRECT_MODES, redirect ?? base?.redirect ?? 'follow'),
    credentials: oneOf('credentials', CREDENTIALS, credentials ?? base?.credentials ?? 'same-origin'),
    signal: (signal === undefined ? base?.signal : signal) ?? undefined,
    source: undefined,
  };
  if (facts.signal !== undefined && !(facts.signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
  const [source, type] = extractBody(body);
  const hasBody = source !== undefined || (base !== undefined && hasSource(input));
  if (hasBody && (facts.verb === 'GET' || facts.verb === 'HEAD')) throw new TypeError(`a ${facts.verb} request has no body`);
  if (type !== undefined && !facts.headers.has('content-type')) facts.headers.set('content-type', type);
  facts.source = source ?? (hasBody ? takeSource(input) : undefined);
  return facts;
}

function checkMethod(method) {
  const text = String(method);
  const upper = text.toUpperCase();
  if (METHODS.has(upper)) return upper;
  if (!HEADER_NAME.test(text)) throw new TypeError(`\`${plain(text).slice(0, 100)}\` is not a method`);
  if (FORBIDDEN_METHODS.has(upper)) throw new FetchError('denied', `method ${upper} is not allowed`);
  return text;
}

function oneOf(member, known, value) {
  const text = String(value);
  if (!known.has(text)) throw new TypeError(`${member} must be one of ${[...known].join(', ')}`);
  return text;
}

async function fetch(input, init) {
  const request = readRequest(input, init);
  const { source, signal, verb } = request;
  signal?.throwIfAborted();
  const bytes = source === undefined || source instanceof ArrayBuffer ? source : await part('streams').collect(source);
  if (request.credentials === 'include') return part('cookies').fetchWithCookies(request, bytes);
  return exchange(request, bytes, (answer) => receivedResponse(answer, verb));
}

/** One request of the host: a promise of what `read` makes of the answer. An error names `shownUrl`. */
function exchange({ verb, url, headers, redirect, signal, shownUrl = url }, bytes, read) {
  signal?.throwIfAborted();
  const started = host.start(verb, url, [...headers].flat(), redirect, bytes);
  if (typeof started !== 'number') throw fetchError(started, verb, shownUrl);
  return new Promise((resolve, reject) => {
    const forget = signal === undefined ? undefined : whenAborted(signal, () => {
      if (!inFlight.delete(started)) return;
      host.cancel(started);
      reject(signal.reason);
    });
    inFlight.set(started, { resolve, reject, read, verb, url: shownUrl, forget });
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
  request.forget?.();
  if (error !== undefined) request.reject(fetchError(error, request.verb, request.url));
  else request.resolve(request.read(answer));
}
