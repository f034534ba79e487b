// Blob, File and FormData (File API; XMLHttpRequest standard, section 5), and the two encodings of
// forms as bodies.

const { host, part, encodeText, parseForm, wellFormed } = import.meta.realm;

const ASCII_PRINTABLE = /^[\x20-\x7e]*$/;
let bytesIn;

export class Blob {
  // Never written to, so that slices share it.
  #bytes;
  #type;

  constructor(pieces = [], options) {
    if (typeof pieces !== 'object' || pieces === null || typeof pieces[Symbol.iterator] !== 'function') {
      throw new TypeError('a Blob is made of a list of pieces');
    }
    const { type = '', endings = 'transparent' } = options ?? {};
    if (endings !== 'transparent' && endings !== 'native') throw new TypeError('endings must be "transparent" or "native"');
    const isNative = endings === 'native';
    this.#bytes = joined(Array.from(pieces, (piece) => (
      copyOf(piece) ?? new Uint8Array(encodeText(isNative ? wellFormed(piece).replace(/\r\n?/g, '\n') : wellFormed(piece)))
    )));
    this.#type = mimeType(type);
  }

  static {
    bytesIn = (blob) => blob.#bytes;
  }

  get size() {
    return this.#bytes.length;
  }

  get type() {
    return this.#type;
  }

  slice(start = 0, end = this.size, type = '') {
    const part = new Blob([], { type });
    part.#bytes = this.#bytes.subarray(Number(start), Math.max(at(start, this.size), at(end, this.size)));
    return part;
  }

  async bytes() {
    return this.#bytes.slice();
  }

  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }

  async text() {
    return host.decodeBody(this.#bytes.slice().buffer);
  }

  stream() {
    return part('streams').streamOf(this.#bytes.slice().buffer);
  }
}

/** A position that counts from the end when it is negative. */
function at(position, size) {
  const whole = Math.trunc(Number(position)) || 0;
  return whole < 0 ? Math.max(size + whole, 0) : Math.min(whole, size);
}

function mimeType(type) {
  const text = String(type);
  return ASCII_PRINTABLE.test(text) ? text.toLowerCase() : '';
}

function copyOf(piece) {
  if (piece instanceof Blob) return bytesIn(piece);
  if (piece instanceof ArrayBuffer) return new Uint8Array(piece.slice(0));
  if (ArrayBuffer.isView(piece)) return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength).slice();
  return undefined;
}

function joined(chunks) {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

export class File extends Blob {
  #name;
  #lastModified;

  constructor(pieces, name, options) {
    if (name === undefined) throw new TypeError('a File needs pieces and a name');
    super(pieces, options);
    this.#name = wellFormed(name);
    this.#lastModified = Math.trunc(Number(options?.lastModified ?? Date.now())) || 0;
  }

  get name() {
    return this.#name;
  }

  get lastModified() {
    return this.#lastModified;
  }

  get webkitRelativePath() {
    return '';
  }
}

export class FormData {
  #entries = [];

  constructor(form) {
    if (form !== undefined) throw new TypeError('there is no page with a form to read');
  }

  append(name, value, filename) {
    this.#entries.push(entryOf(name, value, filename));
  }

  set(name, value, filename) {
    const entry = entryOf(name, value, filename);
    const first = this.#entries.findIndex(([key]) => key === entry[0]);
    if (first < 0) {
      this.#entries.push(entry);
      return;
    }
    this.#entries[first] = entry;
    this.#entries = this.#entries.filter(([key], index) => index <= first || key !== entry[0]);
  }

  delete(name) {
    const wanted = wellFormed(name);
    this.#entries = this.#entries.filter(([key]) => key !== wanted);
  }

  get(name) {
    return this.getAll(name)[0] ?? null;
  }

  getAll(name) {
    const wanted = wellFormed(name);
    return this.#entries.filter(([key]) => key === wanted).map(([, value]) => value);
  }

  has(name) {
    return this.getAll(name).length > 0;
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this);
  }

  *entries() {
    for (let i = 0; i < this.#entries.length; i++) yield [...this.#entries[i]];
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

function entryOf(name, value, filename) {
  const key = wellFormed(name);
  if (!(value instanceof Blob)) {
    if (filename !== undefined) throw new TypeError('only a Blob has a file name');
    return [key, wellFormed(value)];
  }
  if (value instanceof File && filename === undefined) return [key, value];
  const { type, lastModified } = value;
  return [key, new File([value], filename ?? 'blob', { type, lastModified })];
}

/** A Blob or a FormData as a body; `undefined` when it is neither. */
export function extract(body) {
  if (body instanceof Blob) return [bytesIn(body).slice().buffer, body.type === '' ? undefined : body.type];
  if (!(body instanceof FormData)) return undefined;
  const boundary = `----vedette${Array.from({ length: 4 }, () => Math.floor(host.random() * 2 ** 32).toString(16).padStart(8, '0')).join('')}`;
  return [writeMultipart(body, boundary).buffer, `multipart/form-data; boundary=${boundary}`];
}

/** "multipart/form-data encoding algorithm" (HTML standard, section 4.10.21.8). */
function writeMultipart(form, boundary) {
  const lines = (text) => text.replace(/\r\n?|\n/g, '\r\n');
  const quoted = (text) => text.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22');
  const bytes = (text) => new Uint8Array(encodeText(text));
  const chunks = [];
  for (const [name, value] of form.entries()) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`;
    if (typeof value === 'string') {
      chunks.push(bytes(`${head}\r\n\r\n${lines(value)}\r\n`));
    } else {
      chunks.push(bytes(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`));
      chunks.push(bytesIn(value), bytes('\r\n'));
    }
  }
  chunks.push(bytes(`--${boundary}--\r\n`));
  return joined(chunks);
}

export function blobOf(buffer, contentType) {
  return new Blob([buffer], { type: contentType });
}

/** A body as the form that its content type says it is. */
export function readForm(buffer, contentType) {
  const [essence] = contentType.split(';');
  const form = new FormData();
  switch (essence.trim().toLowerCase()) {
    case 'application/x-www-form-urlencoded':
      for (const [name, value] of parseForm(host.decodeText('utf-8', new Uint8Array(buffer), false, false)[0])) form.append(name, value);
      return form;
    case 'multipart/form-data':
      readMultipart(new Uint8Array(buffer), parameter(contentType, 'boundary'), form);
      return form;
    default:
      throw new TypeError(`the content type \`${contentType.slice(0, 100)}\` is not one of a form`);
  }
}

/** A parameter of a header's value, with or without quotes. */
function parameter(value, name) {
  for (const [, key, quoted, token] of value.matchAll(/;[\t ]*([^=;"\s]+)=(?:"((?:[^"\\]|\\.)*)"|([^;"]*))/g)) {
    if (key.toLowerCase() === name) return quoted?.replace(/\\(.)/g, '$1') ?? token.trim();
  }
  return undefined;
}

const MALFORMED = 'the body is not valid multipart/form-data';

/** RFC 7578, as strictly as the Fetch standard asks. */
function readMultipart(bytes, boundary, form) {
  if (boundary === undefined || boundary === '') throw new TypeError('the content type names no boundary');
  const text = (from, to) => host.decodeText('utf-8', bytes.subarray(from, to), false, false)[0];
  const delimiter = new Uint8Array(encodeText(`\r\n--${wellFormed(boundary)}`));
  // The first delimiter has no line break before it.
  let start = find(bytes, delimiter.subarray(2), 0);
  if (start !== 0) throw new TypeError(MALFORMED);
  start += delimiter.length - 2;
  for (;;) {
    if (text(start, start + 2) === '--') return;
    if (text(start, start + 2) !== '\r\n') throw new TypeError(MALFORMED);
    const end = find(bytes, delimiter, start);
    const headEnd = find(bytes, new Uint8Array([13, 10, 13, 10]), start);
    if (end < 0 || headEnd < 0 || headEnd > end) throw new TypeError(MALFORMED);
    appendPart(form, text(start + 2, headEnd).split('\r\n'), bytes.subarray(Math.min(headEnd + 4, end), end));
    start = end + delimiter.length;
  }
}

function appendPart(form, headers, content) {
  const header = (name) => headers.find((line) => line.slice(0, name.length).toLowerCase() === name)?.slice(name.length);
  const disposition = header('content-disposition:') ?? '';
  const unquoted = (text) => text?.replace(/%0A/gi, '\n').replace(/%0D/gi, '\r').replace(/%22/g, '"');
  const name = unquoted(parameter(disposition, 'name'));
  if (!/^\s*form-data\s*;/i.test(disposition) || name === undefined) throw new TypeError(MALFORMED);
  const filename = unquoted(parameter(disposition, 'filename'));
  if (filename === undefined) form.append(name, host.decodeBody(content.slice().buffer));
  else form.append(name, new File([content], filename, { type: header('content-type:')?.trim() ?? 'text/plain' }));
}

/** Where `needle` begins in `bytes` from `from` on, or -1. */
function find(bytes, needle, from) {
  for (let start = bytes.indexOf(needle[0], from); start >= 0; start = bytes.indexOf(needle[0], start + 1)) {
    let matched = 1;
    while (matched < needle.length && bytes[start + matched] === needle[matched]) matched += 1;
    if (matched === needle.length) return start;
  }
  return -1;
}
