// Response (Fetch standard, section 5.5), with what a monitor needs besides.

const RECEIVED = Symbol('received');
const DAY_SECONDS = 86400;

class Response extends Body {
  #facts;

  constructor(body, init = {}) {
    if (init[RECEIVED] !== undefined) {
      super(body);
      this.#facts = init[RECEIVED];
      return;
    }
    const [bytes, type] = extractBody(body);
    super(bytes);
    const headers = new Headers(init.headers);
    if (type !== undefined && !headers.has('content-type')) headers.set('content-type', type);
    const status = init.status ?? 200;
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError('status must be from 200 to 599');
    this.#facts = { status, headers, url: '', redirected: false, httpVersion: '', remoteAddress: null, timings: null, tls: null };
  }

  /** From the host's answer. */
  static received(answer) {
    const [dns, connect, tls, ttfb, download, total] = answer.timings.map((ms) => ms ?? null);
    return new Response(answer.body, {
      [RECEIVED]: {
        status: answer.status,
        headers: Headers.received(answer.headers),
        url: answer.url,
        redirected: answer.redirected,
        httpVersion: answer.httpVersion,
        remoteAddress: answer.remoteAddress ?? null,
        timings: { dns, connect, tls, ttfb, download, total },
        tls: answer.tls === undefined ? null : tlsFacts(answer.tls),
      },
    });
  }

  get status() {
    return this.#facts.status;
  }

  get ok() {
    return this.#facts.status >= 200 && this.#facts.status <= 299;
  }

  get statusText() {
    return '';
  }

  get type() {
    return 'basic';
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
    const facts = { ...this.#facts, headers: new Headers(this.#facts.headers) };
    return new Response(Body.bytesOf(this), { [RECEIVED]: facts });
  }
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
