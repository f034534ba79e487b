// The bodies of requests and responses: whole byte arrays, read once.
//
// A body becomes a stream only when a script asks for one. From then on whatever reads it goes
// through the stream, so that there is one place that knows what was read.

/** `[source | undefined, content type | undefined]`; a source is an ArrayBuffer or a ReadableStream. */
function extractBody(body) {
  if (body === undefined || body === null) return [undefined, undefined];
  if (typeof body === 'object') {
    if (body instanceof URLSearchParams) {
      return [encodeText(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8'];
    }
    if (body instanceof ArrayBuffer) return [body.slice(0), undefined];
    if (ArrayBuffer.isView(body)) {
      return [body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength), undefined];
    }
    // Where the part was never asked for, there is nothing of its classes.
    const extracted = parts.get('blobs')?.extract(body) ?? parts.get('streams')?.extract(body);
    if (extracted !== undefined) return extracted;
  }
  return [encodeText(wellFormed(body)), 'text/plain;charset=UTF-8'];
}

function encodeText(text) {
  return host.encodeText(text);
}

/** Whether there is a body, read or not. */
let hasSource;
/** Takes the source of a body that a request sends, as if it were read. */
let takeSource;
/** A second body like one that is unread. */
let copySource;

class Body {
  #source;
  #stream;
  #used = false;

  constructor(source) {
    if (source === undefined || source instanceof ArrayBuffer) this.#source = source;
    else this.#stream = source;
  }

  get bodyUsed() {
    return this.#stream === undefined ? this.#used : part('streams').isDisturbed(this.#stream);
  }

  /** A stream of the bytes, or null when there is no body. */
  get body() {
    if (this.#source !== undefined) {
      this.#stream = part('streams').streamOf(this.#source, this.#used);
      this.#source = undefined;
    }
    return this.#stream ?? null;
  }

  /** The bytes, or a promise of them. */
  #take() {
    if (this.#stream !== undefined) return part('streams').collect(this.#stream);
    if (this.#used) throw new TypeError('the body was read before; keep what you read, or clone() first');
    this.#used = this.#source !== undefined;
    return this.#source ?? new ArrayBuffer(0);
  }

  #read(convert) {
    const bytes = this.#take();
    return bytes instanceof ArrayBuffer ? convert(bytes) : bytes.then(convert);
  }

  static {
    hasSource = (body) => body.#source !== undefined || body.#stream !== undefined;

    takeSource = (body) => {
      if (body.#stream !== undefined) return body.#stream;
      if (body.#used) throw new TypeError('the body was read before');
      body.#used = true;
      return body.#source;
    };

    copySource = (body) => {
      if (body.#stream !== undefined) {
        const [mine, other] = part('streams').split(body.#stream);
        body.#stream = mine;
        return other;
      }
      if (body.#used) throw new TypeError('the body was read before');
      return body.#source?.slice(0);
    };
  }

  async arrayBuffer() {
    return this.#take();
  }

  async bytes() {
    return this.#read((bytes) => new Uint8Array(bytes));
  }

  async text() {
    return this.#read(host.decodeBody);
  }

  async json() {
    return this.#read((bytes) => JSON.parse(host.decodeBody(bytes)));
  }

  async blob() {
    return this.#read((bytes) => part('blobs').blobOf(bytes, this.headers.get('content-type') ?? ''));
  }

  async formData() {
    return this.#read((bytes) => part('blobs').readForm(bytes, this.headers.get('content-type') ?? ''));
  }
}
