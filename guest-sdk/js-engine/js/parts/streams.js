// ReadableStream (Streams standard, section 4), as far as bodies need it: whole chunks, no byte
// streams and nothing to pipe into.

const { wellFormed } = import.meta.realm;

let state;

/** What a stream is behind its back. `queue` holds chunks; `pending` the reads that wait for one. */
function newState(source, highWaterMark) {
  return {
    source, highWaterMark, phase: 'readable', error: undefined, queue: [], pending: [], reader: undefined,
    isDisturbed: false, isEnding: false, isStarted: false, isPulling: false, pullAgain: false, onEnd: [],
  };
}

export class ReadableStreamDefaultController {
  #stream;

  constructor(stream) {
    if (!stream?.queue) throw new TypeError('a controller is made by its stream');
    this.#stream = stream;
  }

  get desiredSize() {
    const { phase, highWaterMark, queue } = this.#stream;
    if (phase === 'errored') return null;
    return phase === 'closed' ? 0 : highWaterMark - queue.length;
  }

  #open() {
    if (this.#stream.phase !== 'readable' || this.#stream.isEnding) throw new TypeError('the stream has ended');
  }

  enqueue(chunk) {
    this.#open();
    const waiting = this.#stream.pending.shift();
    if (waiting === undefined) this.#stream.queue.push(chunk);
    else waiting.resolve({ value: chunk, done: false });
    pullIfWanted(this.#stream);
  }

  close() {
    this.#open();
    this.#stream.isEnding = true;
    if (this.#stream.queue.length === 0) end(this.#stream);
  }

  error(reason) {
    fail(this.#stream, reason);
  }
}

function end(stream) {
  stream.phase = 'closed';
  for (const { resolve } of stream.pending.splice(0)) resolve({ value: undefined, done: true });
  for (const { resolve } of stream.onEnd.splice(0)) resolve();
}

function fail(stream, reason) {
  if (stream.phase !== 'readable') return;
  stream.phase = 'errored';
  stream.error = reason;
  stream.queue = [];
  for (const { reject } of stream.pending.splice(0)) reject(reason);
  for (const { reject } of stream.onEnd.splice(0)) reject(reason);
}

function start(stream) {
  const controller = new ReadableStreamDefaultController(stream);
  stream.controller = controller;
  const started = stream.source.start?.call(stream.source.self, controller);
  Promise.resolve(started).then(() => {
    stream.isStarted = true;
    pullIfWanted(stream);
  }, (reason) => fail(stream, reason));
}

function pullIfWanted(stream) {
  if (!stream.isStarted || stream.isEnding || stream.phase !== 'readable' || stream.source.pull === undefined) return;
  if (stream.pending.length === 0 && stream.queue.length >= stream.highWaterMark) return;
  if (stream.isPulling) {
    stream.pullAgain = true;
    return;
  }
  stream.isPulling = true;
  new Promise((resolve) => resolve(stream.source.pull.call(stream.source.self, stream.controller))).then(() => {
    stream.isPulling = false;
    if (!stream.pullAgain) return;
    stream.pullAgain = false;
    pullIfWanted(stream);
  }, (reason) => fail(stream, reason));
}

/** One chunk, as the iterator protocol has it. */
function readFrom(stream) {
  stream.isDisturbed = true;
  if (stream.phase === 'errored') return Promise.reject(stream.error);
  if (stream.queue.length > 0) {
    const value = stream.queue.shift();
    if (stream.isEnding && stream.queue.length === 0) end(stream);
    else pullIfWanted(stream);
    return Promise.resolve({ value, done: false });
  }
  if (stream.phase === 'closed') return Promise.resolve({ value: undefined, done: true });
  return new Promise((resolve, reject) => {
    stream.pending.push({ resolve, reject });
    pullIfWanted(stream);
  });
}

async function cancelStream(stream, reason) {
  stream.isDisturbed = true;
  if (stream.phase === 'closed') return;
  if (stream.phase === 'errored') throw stream.error;
  stream.queue = [];
  end(stream);
  await stream.source.cancel?.call(stream.source.self, reason);
}

export class ReadableStreamDefaultReader {
  #stream;
  #closed;

  constructor(stream) {
    const inner = state(stream);
    if (inner.reader !== undefined) throw new TypeError('the stream is locked to another reader');
    inner.reader = this;
    this.#stream = inner;
    this.#closed = this.#untilEnd();
    this.#closed.catch(() => {});
  }

  #untilEnd() {
    const { phase, error, onEnd } = this.#stream;
    if (phase === 'errored') return Promise.reject(error);
    return phase === 'closed' ? Promise.resolve() : new Promise((resolve, reject) => onEnd.push({ resolve, reject }));
  }

  #held() {
    if (this.#stream === undefined) throw new TypeError('the reader was released');
    return this.#stream;
  }

  get closed() {
    return this.#closed;
  }

  async read() {
    return readFrom(this.#held());
  }

  async cancel(reason) {
    return cancelStream(this.#held(), reason);
  }

  releaseLock() {
    if (this.#stream === undefined) return;
    const released = new TypeError('the reader was released');
    const { pending, onEnd, phase } = this.#stream;
    for (const { reject } of [...pending.splice(0), ...onEnd.splice(0)]) reject(released);
    this.#stream.reader = undefined;
    this.#stream = undefined;
    if (phase === 'readable') return;
    this.#closed = Promise.reject(released);
    this.#closed.catch(() => {});
  }
}

export class ReadableStream {
  #state;

  constructor(source = {}, strategy = {}) {
    if (source === null || typeof source !== 'object') throw new TypeError('a stream is made of an object with start, pull and cancel');
    const { type, start: onStart, pull, cancel } = source;
    if (type !== undefined) throw new TypeError('byte streams are not available: leave `type` out');
    for (const method of [onStart, pull, cancel]) {
      if (method !== undefined && typeof method !== 'function') throw new TypeError('start, pull and cancel must be functions');
    }
    const highWaterMark = Number(strategy?.highWaterMark ?? 1);
    if (!(highWaterMark >= 0)) throw new RangeError('highWaterMark must be a number from 0 up');
    this.#state = newState({ self: source, start: onStart, pull, cancel }, highWaterMark);
    start(this.#state);
  }

  static {
    state = (stream) => stream.#state;
  }

  static from(items) {
    const iterator = items[Symbol.asyncIterator]?.() ?? items[Symbol.iterator]();
    return new ReadableStream({
      async pull(controller) {
        const { value, done } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(await value);
      },
      async cancel(reason) {
        await iterator.return?.(reason);
      },
    }, { highWaterMark: 0 });
  }

  get locked() {
    return this.#state.reader !== undefined;
  }

  getReader(options) {
    if (options?.mode !== undefined) throw new TypeError('byte streams are not available: leave `mode` out');
    return new ReadableStreamDefaultReader(this);
  }

  async cancel(reason) {
    if (this.locked) throw new TypeError('the stream is locked to a reader');
    return cancelStream(this.#state, reason);
  }

  /** Two streams of the same chunks. */
  tee() {
    return tee(this);
  }

  async *values(options) {
    const reader = this.getReader();
    let isWhole = false;
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) {
          isWhole = true;
          return;
        }
        yield value;
      }
    } catch (error) {
      isWhole = true;
      throw error;
    } finally {
      if (!isWhole && !options?.preventCancel) await reader.cancel();
      reader.releaseLock();
    }
  }

  [Symbol.asyncIterator](options) {
    return this.values(options);
  }
}

function tee(stream) {
  const reader = stream.getReader();
  const controllers = [];
  const cancelled = [];
  let reading;
  const readOnce = () => {
    reading ??= reader.read().then(({ value, done }) => {
      reading = undefined;
      for (const [at, controller] of controllers.entries()) {
        if (cancelled[at] !== undefined) continue;
        if (done) controller.close();
        else controller.enqueue(at === 0 || !(value instanceof Uint8Array) ? value : value.slice());
      }
    }, (reason) => controllers.forEach((controller) => controller.error(reason)));
    return reading;
  };
  const branch = (at) => new ReadableStream({
    start: (controller) => void controllers.push(controller),
    pull: readOnce,
    async cancel(reason) {
      cancelled[at] = [reason];
      if (cancelled[0] !== undefined && cancelled[1] !== undefined) await reader.cancel([cancelled[0][0], cancelled[1][0]]);
    },
  }, { highWaterMark: 0 });
  return [branch(0), branch(1)];
}

/** Two bodies of one that is unread. */
export function split(stream) {
  if (isDisturbed(stream)) throw new TypeError('the body was read before');
  return tee(stream);
}

/** A stream of one buffer. */
export function streamOf(buffer, isRead = false) {
  const stream = new ReadableStream({
    start(controller) {
      if (buffer.byteLength > 0 && !isRead) controller.enqueue(new Uint8Array(buffer));
      controller.close();
    },
  });
  state(stream).isDisturbed = isRead;
  return stream;
}

export function isDisturbed(stream) {
  return state(stream).isDisturbed;
}

/** A stream as a body; `undefined` when it is none. */
export function extract(value) {
  if (!(value instanceof ReadableStream)) return undefined;
  if (value.locked || isDisturbed(value)) throw new TypeError('the stream is locked or was read before');
  return [value, undefined];
}

/** All bytes of a stream, which is then locked for good. */
export async function collect(stream) {
  if (stream.locked || isDisturbed(stream)) throw new TypeError('the body was read before, or is being read');
  const reader = stream.getReader();
  const chunks = [];
  let length = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) throw new TypeError(`a body is a stream of Uint8Array, and this one gave ${wellFormed(typeof value)}`);
    chunks.push(value);
    length += value.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.buffer;
}
