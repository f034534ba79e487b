// Headers (Fetch standard, section 5.1).

// RFC 9110 section 5.6.2 and section 5.5.
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[^\0\r\n]*$/;
const MAX_CHAR = /^[\0-\xff]*$/;

class Headers {
  // Lower-case name to the values in order.
  #values = new Map();

  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== 'object') throw new TypeError('headers must be an object, an array of pairs, or Headers');
    const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
    for (const pair of pairs) {
      const [name, value, ...more] = pair;
      if (value === undefined || more.length > 0) throw new TypeError('each header must be a pair of name and value');
      this.append(name, value);
    }
  }

  /** From the host: alternating names and values, not checked again. */
  static received(flat) {
    const headers = new Headers();
    for (let i = 0; i < flat.length; i += 2) headers.#add(flat[i].toLowerCase(), flat[i + 1]);
    return headers;
  }

  #add(key, value) {
    const values = this.#values.get(key);
    if (values === undefined) this.#values.set(key, [value]);
    else values.push(value);
  }

  append(name, value) {
    const [key, text] = checkHeader(name, value);
    this.#add(key, text);
  }

  set(name, value) {
    const [key, text] = checkHeader(name, value);
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
    this.#values.delete(checkHeaderName(name));
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  // Sorted by name; several cookies stay several (Fetch standard, "sort and combine").
  *entries() {
    for (const name of [...this.#values.keys()].sort()) {
      const values = this.#values.get(name);
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
