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
    this.#searchParams ??= paramsOf(this.#parts[8].slice(1), (text) => this.#change('search', text));
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
          if (this.#searchParams !== undefined && (part === 'href' || part === 'search')) {
            replaceParams(this.#searchParams, this.#parts[8].slice(1));
          }
        },
      });
    });
  }
}

function wellFormed(value) {
  return String(value).toWellFormed();
}

/** The pairs of a "sequence or record" (Web IDL, section 3.2.24). */
function pairsOf(init) {
  if (typeof init[Symbol.iterator] !== 'function') return Object.entries(init);
  return Array.from(init, (item) => {
    const pair = typeof item === 'object' && item !== null ? [...item] : [];
    if (pair.length !== 2) throw new TypeError('each element must be a pair of name and value');
    return pair;
  });
}

/** The parameters of a URL, which hears of changes; and what happens when the URL changes. */
let paramsOf;
let replaceParams;

class URLSearchParams {
  #pairs = [];
  #changed = () => {};

  constructor(init = '') {
    if (typeof init === 'object' && init !== null) {
      for (const [name, value] of pairsOf(init)) this.#pairs.push([wellFormed(name), wellFormed(value)]);
    } else {
      this.#pairs = parseForm(wellFormed(init).replace(/^\?/, ''));
    }
  }

  static {
    paramsOf = (text, changed) => {
      const params = new URLSearchParams();
      params.#pairs = parseForm(text);
      params.#changed = changed;
      return params;
    };

    replaceParams = (params, text) => {
      params.#pairs = parseForm(text);
    };
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
    const [key, only] = [wellFormed(name), value === undefined ? undefined : wellFormed(value)];
    this.#pairs = this.#pairs.filter(([n, v]) => n !== key || (only !== undefined && v !== only));
    this.#update();
  }

  get(name) {
    const key = wellFormed(name);
    return this.#pairs.find(([n]) => n === key)?.[1] ?? null;
  }

  getAll(name) {
    const key = wellFormed(name);
    return this.#pairs.filter(([n]) => n === key).map(([, v]) => v);
  }

  has(name, value) {
    const [key, only] = [wellFormed(name), value === undefined ? undefined : wellFormed(value)];
    return this.#pairs.some(([n, v]) => n === key && (only === undefined || v === only));
  }

  set(name, value) {
    const [key, text] = [wellFormed(name), wellFormed(value)];
    const at = this.#pairs.findIndex(([n]) => n === key);
    if (at < 0) return this.append(key, text);
    this.#pairs[at][1] = text;
    this.#pairs = this.#pairs.filter(([n], index) => index <= at || n !== key);
    this.#update();
  }

  sort() {
    // By code units, and stable, as the standard says.
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#update();
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this);
  }

  // By position, so that an iteration sees what is changed during it.
  *entries() {
    for (let i = 0; i < this.#pairs.length; i++) yield [...this.#pairs[i]];
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

  toString() {
    return host.writeForm(this.#pairs.flat());
  }
}

/** application/x-www-form-urlencoded as pairs. */
function parseForm(text) {
  const flat = host.parseForm(text);
  const pairs = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]]);
  return pairs;
}
