// Headers (Fetch standard, section 5.1).

// RFC 9110 section 5.6.2 and section 5.5.
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[^\0\r\n]*$/;
const MAX_CHAR = /^[\0-\xff]*$/;

/** From the host: alternating names and values, not checked again. */
let receivedHeaders;
let freezeHeaders;
let copyHeaders;
/** The values of one name, not joined. */
let headerValues;

class Headers {
  // Lower-case name to the values in order.
  #values = new Map();
  /** Those of a response that was received stay as they came. */
  #isImmutable = false;

  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== 'object') throw new TypeError('headers must be an object, an array of pairs, or Headers');
    for (const [name, value] of pairsOf(init)) this.append(name, value);
  }

  static {
    receivedHeaders = (flat) => {
      const headers = new Headers();
      for (let i = 0; i < flat.length; i += 2) headers.#add(flat[i].toLowerCase(), flat[i + 1]);
      return freezeHeaders(headers);
    };

    freezeHeaders = (headers) => {
      headers.#isImmutable = true;
      return headers;
    };

    copyHeaders = (headers) => {
      const copy = new Headers();
      for (const [name, values] of headers.#values) copy.#values.set(name, [...values]);
      copy.#isImmutable = headers.#isImmutable;
      return copy;
    };

    headerValues = (headers, name) => headers.#values.get(name) ?? [];
  }

  #change() {
    if (this.#isImmutable) throw new TypeError('these headers cannot be changed; copy them: new Headers(response.headers)');
  }

  #add(key, value) {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
  }

  append(name, value) {
    const [key, text] = checkHeader(name, value);
    this.#change();
    this.#add(key, text);
  }

  set(name, value) {
    const [key, text] = checkHeader(name, value);
    this.#change();
    this.#values.set(key, [text]);
  }

  get(name) {
    return this.#values.get(checkHeaderName(name))?.join(', ') ?? null;
  }

  getSetCookie() {
    return [...(this.#values.get('set-cookie') ?? [])];
  }

  has(name) {
    return this.#values.has(checkHeaderName(name));
  }

  delete(name) {
    const key = checkHeaderName(name);
    this.#change();
    this.#values.delete(key);
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  // Sorted by name; several cookies stay several (Fetch standard, "sort and combine").
  *entries() {
    for (const name of [...this.#values.keys()].sort()) {
      const values = this.#values.get(name) ?? [];
      if (name === 'set-cookie') yield* values.map((value) => [name, value]);
      else yield [name, values.join(', ')];
    }
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

function checkHeaderName(name) {
  const text = String(name);
  if (!HEADER_NAME.test(text)) throw new TypeError(`\`${plain(text).slice(0, 100)}\` is not a header name`);
  return text.toLowerCase();
}

function checkHeader(name, value) {
  const key = checkHeaderName(name);
  const text = String(value).replace(/^[\t\r\n ]+|[\t\r\n ]+$/g, '');
  if (!HEADER_VALUE.test(text) || !MAX_CHAR.test(text)) {
    throw new TypeError(`the value of header \`${key}\` has a character that no header can carry`);
  }
  return [key, text];
}
