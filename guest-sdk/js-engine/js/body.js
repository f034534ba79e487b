// The bodies of requests and responses: whole byte arrays, read once.

/** `[bytes | undefined, content type | undefined]` of what a script gives as a body. */
function extractBody(body) {
  if (body === undefined || body === null) return [undefined, undefined];
  if (body instanceof URLSearchParams) {
    return [encodeText(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8'];
  }
  if (body instanceof ArrayBuffer) return [body, undefined];
  if (ArrayBuffer.isView(body)) {
    return [body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength), undefined];
  }
  return [encodeText(String(body).toWellFormed()), 'text/plain;charset=UTF-8'];
}

function encodeText(text) {
  const bytes = new TextEncoder().encode(text);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

class Body {
  #bytes;
  #used = false;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  get bodyUsed() {
    return this.#used;
  }

  #take() {
    if (this.#used) throw new TypeError('the body was read before; keep what you read, or clone() first');
    this.#used = this.#bytes !== undefined;
    return this.#bytes ?? new ArrayBuffer(0);
  }

  /** The bytes for a copy, while the body is still unread. */
  static bytesOf(body) {
    if (body.#used) throw new TypeError('the body was read before');
    return body.#bytes?.slice(0);
  }

  async arrayBuffer() {
    return this.#take();
  }

  async bytes() {
    return new Uint8Array(this.#take());
  }

  async text() {
    return new TextDecoder().decode(new Uint8Array(this.#take()));
  }

  async json() {
    return JSON.parse(new TextDecoder().decode(new Uint8Array(this.#take())));
  }
}
