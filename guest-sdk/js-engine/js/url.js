// URL and URLSearchParams (URL standard), over the host side's own parser.

const URL_PARTS = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash', 'origin'];

class URL {
  #parts;
  #searchParams;

  constructor(url, base) {
    const parts = host.parseUrl(wellFormed(url), base === undefined ? undefined : wellFormed(base));
    if (parts === null) throw new TypeError(`Invalid URL: ${plain(url).slice(0, 200)}`);
    this.#parts = parts;
  }

  static canParse(url, base) {
    return host.parseUrl(wellFormed(url), base === undefined ? undefined : wellFormed(base)) !== null;
  }

  static parse(url, base) {
    return URL.canParse(url, base) ? new URL(url, base) : null;
  }

  get searchParams() {
    this.#searchParams ??= URLSearchParams.of(this.#parts[8].slice(1), (text) => this.#change('search', text));
    return this.#searchParams;
  }

  #change(part, value) {
    const parts = host.changeUrl(this.#parts[0], part, wellFormed(value));
    if (parts === null) throw new TypeError(`Invalid URL: ${plain(value).slice(0, 200)}`);
    this.#parts = parts;
  }

  toString() {
    return this.#parts[0];
  }

  toJSON() {
    return this.#parts[0];
  }

  static {
    URL_PARTS.forEach((part, index) => {
      Object.defineProperty(URL.prototype, part, {
        configurable: true,
        enumerable: true,
        get() {
          return this.#parts[index];
        },
        set: part === 'origin' ? undefined : function (value) {
          this.#change(part, value);
          if (part === 'href' || part === 'search') this.#searchParams?.replace(this.#parts[8].slice(1));
        },
      });
    });
  }
}

function wellFormed(value) {
  return String(value).toWellFormed();
}

class URLSearchParams {
  #pairs = [];
  #changed = () => {};

  constructor(init = '') {
    if (typeof init === 'object' && init !== null) {
      const pairs = typeof init[Symbol.iterator] === 'function' ? [...init] : Object.entries(init);
      for (const pair of pairs) {
        const [name, value, ...more] = pair;
        if (value === undefined || more.length > 0) throw new TypeError('each element must be a pair of name and value');
        this.#pairs.push([wellFormed(name), wellFormed(value)]);
      }
    } else {
      this.#pairs = parseForm(wellFormed(init).replace(/^\?/, ''));
    }
  }

  static of(text, changed) {
    const params = new URLSearchParams(text);
    params.#changed = changed;
    return params;
  }

  replace(text) {
    this.#pairs = parseForm(text);
  }

  #update() {
    this.#changed(this.toString());
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    this.#pairs.push([wellFormed(name), wellFormed(value)]);
    this.#update();
  }

  delete(name, value) {
    this.#pairs = this.#pairs.filter(([n, v]) => n !== String(name) || (value !== undefined && v !== String(value)));
    this.#update();
  }

  get(name) {
    return this.#pairs.find(([n]) => n === String(name))?.[1] ?? null;
  }

  getAll(name) {
    return this.#pairs.filter(([n]) => n === String(name)).map(([, v]) => v);
  }

  has(name, value) {
    return this.#pairs.some(([n, v]) => n === String(name) && (value === undefined || v === String(value)));
  }

  set(name, value) {
    const at = this.#pairs.findIndex(([n]) => n === String(name));
    if (at < 0) return this.append(name, value);
    this.#pairs[at][1] = wellFormed(value);
    this.#pairs = this.#pairs.filter(([n], index) => index <= at || n !== String(name));
    this.#update();
  }

  sort() {
    // By code units, and stable, as the standard says.
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#update();
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this.#pairs) callback.call(thisArg, value, name, this);
  }

  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }

  *keys() {
    for (const [name] of this.#pairs) yield name;
  }

  *values() {
    for (const [, value] of this.#pairs) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this.#pairs.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`).join('&');
  }
}

/** application/x-www-form-urlencoded, reading (URL standard, section 5.1). */
function parseForm(text) {
  return text.split('&').filter((part) => part !== '').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [decodeForm(part), ''] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))];
  });
}

function decodeForm(text) {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  const bytes = [];
  const source = new TextEncoder().encode(spaced);
  for (let i = 0; i < source.length; i++) {
    const hex = source[i] === 0x25 ? String.fromCharCode(source[i + 1], source[i + 2]) : '';
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(parseInt(hex, 16));
      i += 2;
    } else {
      bytes.push(source[i]);
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** application/x-www-form-urlencoded, writing (URL standard, section 5.2). */
function encodeForm(text) {
  return encodeURIComponent(text).replace(/%20/g, '+').replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
