// Response (Fetch standard, section 5.5), with what a monitor needs besides.

/** Given for `init` when the facts follow. */
const RECEIVED = {};
const DAY_SECONDS = 86400;
/** Statuses whose responses have no body (Fetch standard, section 2.2.3). */
const NULL_BODY = new Set([101, 103, 204, 205, 304]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** From the host's answer to a request with method `verb`. */
let receivedResponse;

class Response extends Body {
  #facts;

  constructor(body, init) {
    if (init === RECEIVED) {
      super(body);
      return;
    }
    const { status: givenStatus = 200, statusText = '', headers: givenHeaders } = init ?? {};
    const status = Number(givenStatus);
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError('status must be from 200 to 599');
    const reason = String(statusText);
    if (!REASON_PHRASE.test(reason)) throw new TypeError('statusText has a character that no status line can carry');
    const headers = new Headers(givenHeaders);
    const [source, type] = extractBody(body);
    if (source !== undefined && NULL_BODY.has(status)) throw new TypeError(`a response with status ${status} has no body`);
    super(source);
    if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
    this.#facts = madeFacts({ status, statusText: reason, headers });
  }

  static {
    receivedResponse = (answer, verb) => {
      const { status } = answer;
      const hasBody = verb !== 'HEAD' && !NULL_BODY.has(status);
      const response = new Response(hasBody ? answer.body : undefined, RECEIVED);
      const [dns, connect, tls, ttfb, download, total] = answer.timings.map((ms) => ms ?? null);
      response.#facts = {
        type: 'basic',
        status,
        headers: receivedHeaders(answer.headers),
        url: answer.url,
        redirected: answer.redirected,
        httpVersion: answer.httpVersion,
        remoteAddress: answer.remoteAddress ?? null,
        timings: { dns, connect, tls, ttfb, download, total },
        tls: answer.tls === undefined ? null : tlsFacts(answer.tls),
      };
      return response;
    };
  }

  static json(data, init) {
    const json = JSON.stringify(data);
    if (json === undefined) throw new TypeError(`a value of type ${typeof data} cannot be written as JSON`);
    const response = new Response(json, init);
    const given = new Headers(init?.headers);
    if (!given.has('content-type')) response.headers.set('content-type', 'application/json');
    return response;
  }

  static error() {
    const response = new Response(undefined, RECEIVED);
    response.#facts = madeFacts({ type: 'error', status: 0, headers: freezeHeaders(new Headers()) });
    return response;
  }

  static redirect(url, status = 302) {
    const location = new URL(url).href;
    if (!REDIRECTS.has(Number(status))) throw new RangeError('status must be 301, 302, 303, 307 or 308');
    const response = new Response(undefined, RECEIVED);
    response.#facts = madeFacts({ status: Number(status), headers: freezeHeaders(new Headers({ location })) });
    return response;
  }

  get status() {
    return this.#facts.status;
  }

  get ok() {
    return this.#facts.status >= 200 && this.#facts.status <= 299;
  }

  /** HTTP's own phrase for the status: the host does not pass on what the server wrote there. */
  get statusText() {
    return this.#facts.statusText ?? part('reasons').reasonOf(this.#facts.status);
  }

  get type() {
    return this.#facts.type;
  }

  get headers() {
    return this.#facts.headers;
  }

  get url() {
    return this.#facts.url;
  }

  get redirected() {
    return this.#facts.redirected;
  }

  get httpVersion() {
    return this.#facts.httpVersion;
  }

  /** `address:port` that answered. */
  get remoteAddress() {
    return this.#facts.remoteAddress;
  }

  /** Milliseconds: dns, connect, tls, ttfb, download, total. Null: the phase did not happen. */
  get timings() {
    return this.#facts.timings;
  }

  /** Facts about the certificate, or null without TLS. */
  get tls() {
    return this.#facts.tls;
  }

  clone() {
    const copy = new Response(copySource(this), RECEIVED);
    copy.#facts = { ...this.#facts, headers: copyHeaders(this.#facts.headers) };
    return copy;
  }
}

/** The facts of a response that a script made. */
function madeFacts(facts) {
  return {
    type: 'default', statusText: '', url: '', redirected: false,
    httpVersion: '', remoteAddress: null, timings: null, tls: null, ...facts,
  };
}

function tlsFacts(tls) {
  const iso = (seconds) => new Date(seconds * 1000).toISOString();
  return {
    version: tls.version,
    subject: tls.subject,
    issuer: tls.issuer,
    not_before: iso(tls.not_before),
    not_after: iso(tls.not_after),
    chain_not_after: iso(tls.chain_not_after),
    // Of the certificate in the chain that expires first: that is the day the site breaks.
    days_remaining: Math.floor((tls.chain_not_after - Date.now() / 1000) / DAY_SECONDS),
  };
}
