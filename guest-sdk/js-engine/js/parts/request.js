// Request (Fetch standard, section 5.4). What a browser alone has use for (mode, cache, referrer,
// integrity) keeps its default.

const { AbortSignal, Body, copyHeaders, copySource, newSignal, readRequest } = import.meta.realm;

/** Given for `init` when the facts follow. */
const COPY = {};
let factsOfRequest;

export class Request extends Body {
  #facts;

  constructor(input, init) {
    if (init === COPY) {
      super(input);
      return;
    }
    const facts = readRequest(input, init);
    super(facts.source);
    this.#facts = { ...facts, source: undefined, signal: facts.signal === undefined ? newSignal() : AbortSignal.any([facts.signal]) };
  }

  static {
    // What is no request has no facts.
    factsOfRequest = (value) => (typeof value === 'object' && value !== null && #facts in value ? value.#facts : undefined);
  }

  get method() {
    return this.#facts.verb;
  }

  get url() {
    return this.#facts.url;
  }

  get headers() {
    return this.#facts.headers;
  }

  get redirect() {
    return this.#facts.redirect;
  }

  get credentials() {
    return this.#facts.credentials;
  }

  get signal() {
    return this.#facts.signal;
  }

  get mode() {
    return 'cors';
  }

  get cache() {
    return 'default';
  }

  get referrer() {
    return 'about:client';
  }

  get referrerPolicy() {
    return '';
  }

  get integrity() {
    return '';
  }

  get keepalive() {
    return false;
  }

  get destination() {
    return '';
  }

  get duplex() {
    return 'half';
  }

  clone() {
    const copy = new Request(copySource(this), COPY);
    const { headers, signal } = this.#facts;
    copy.#facts = { ...this.#facts, headers: copyHeaders(headers), signal: AbortSignal.any([signal]) };
    return copy;
  }
}

export const factsOf = factsOfRequest;
