// TextEncoder and TextDecoder (Encoding standard, section 7).

const { host, encodeText, wellFormed } = import.meta.realm;

/** By the encoding's name: its labels (section 4.2), of the encodings that the engine has. */
const LABELS = {
  'utf-8': ['unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'utf-8', 'utf8', 'x-unicode20utf8'],
  'utf-16le': ['csunicode', 'iso-10646-ucs-2', 'ucs-2', 'unicode', 'unicodefeff', 'utf-16', 'utf-16le'],
  'utf-16be': ['unicodefffe', 'utf-16be'],
  'windows-1252': [
    'ansi_x3.4-1968', 'ascii', 'cp1252', 'cp819', 'csisolatin1', 'ibm819', 'iso-8859-1', 'iso-ir-100', 'iso8859-1', 'iso88591',
    'iso_8859-1', 'iso_8859-1:1987', 'l1', 'latin1', 'us-ascii', 'windows-1252', 'x-cp1252',
  ],
};

export class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    return new Uint8Array(encodeText(wellFormed(text)));
  }

  encodeInto(source, target) {
    if (!(target instanceof Uint8Array)) throw new TypeError('encodeInto writes into a Uint8Array');
    // Each unit of the text takes a byte at least.
    const bytes = this.encode(String(source).slice(0, target.length));
    let written = Math.min(bytes.length, target.length);
    while (written < bytes.length && (bytes[written] & 0xc0) === 0x80) written -= 1;
    const fitting = bytes.subarray(0, written);
    target.set(fitting);
    return { read: host.decodeText('utf-8', fitting, false, false)[0].length, written };
  }
}

export class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  /** Bytes of a character that has not ended. */
  #waiting = new Uint8Array(0);
  #isInside = false;

  constructor(label = 'utf-8', options) {
    const wanted = String(label).replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase();
    this.#encoding = Object.keys(LABELS).find((name) => LABELS[name].includes(wanted));
    if (this.#encoding === undefined) {
      throw new RangeError(`\`${wellFormed(label).slice(0, 100)}\` is not an encoding that can be read here: ${Object.keys(LABELS).join(', ')}`);
    }
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }

  get encoding() {
    return this.#encoding;
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  decode(input, options) {
    const hasMore = Boolean(options?.stream);
    const bytes = this.#join(bytesOf(input));
    const decoded = host.decodeText(this.#encoding, bytes, this.#fatal, hasMore);
    if (decoded === null) {
      this.#waiting = new Uint8Array(0);
      this.#isInside = false;
      throw new TypeError(`the bytes are not ${this.#encoding}`);
    }
    const [text, waiting] = decoded;
    this.#waiting = bytes.slice(bytes.length - waiting);
    const isStart = !this.#isInside;
    this.#isInside = hasMore && (this.#isInside || text !== '');
    const hasMark = isStart && !this.#ignoreBOM && text[0] === '\ufeff' && this.#encoding !== 'windows-1252';
    return hasMark ? text.slice(1) : text;
  }

  #join(bytes) {
    if (this.#waiting.length === 0) return bytes;
    const joined = new Uint8Array(this.#waiting.length + bytes.length);
    joined.set(this.#waiting);
    joined.set(bytes, this.#waiting.length);
    return joined;
  }
}

function bytesOf(input) {
  if (input === undefined) return new Uint8Array(0);
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  throw new TypeError('decode takes an ArrayBuffer or a view of one');
}
