// AbortController and AbortSignal (DOM standard, section 3).

/** Only the realm makes signals. */
const MAKE_SIGNAL = {};
let newSignal;
let abortSignal;
let whenAborted;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  #algorithms = new Set();
  /** The signals that follow this one. */
  #dependents = [];
  /** What this one follows, when `any` made it. */
  #sources;
  #handler = null;

  constructor(token) {
    super();
    if (token !== MAKE_SIGNAL) throw new TypeError('a signal is made by AbortController, AbortSignal.timeout, .any or .abort');
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  // A handler is one more listener, in the place where it was first set.
  get onabort() {
    return this.#handler;
  }

  set onabort(handler) {
    const isFirst = this.#handler === null;
    this.#handler = typeof handler === 'function' ? handler : null;
    if (isFirst && this.#handler !== null) this.addEventListener('abort', (event) => this.#handler?.call(this, event));
  }

  static {
    newSignal = () => new AbortSignal(MAKE_SIGNAL);

    // `algorithm` runs before any listener; the answer takes it back.
    whenAborted = (signal, algorithm) => {
      signal.#algorithms.add(algorithm);
      return () => signal.#algorithms.delete(algorithm);
    };

    // "Signal abort": the dependent signals are aborted too before anybody is told.
    abortSignal = (signal, reason = new DOMException('the operation was aborted', 'AbortError')) => {
      if (signal.#aborted) return;
      const all = [signal, ...signal.#dependents.filter((dependent) => !dependent.#aborted)];
      for (const one of all) {
        one.#aborted = true;
        one.#reason = reason;
      }
      for (const one of all) {
        for (const algorithm of one.#algorithms) algorithm();
        one.#algorithms.clear();
        dispatch(one, new Event('abort'), true);
      }
    };
  }

  static abort(reason) {
    const signal = newSignal();
    abortSignal(signal, reason);
    return signal;
  }

  static timeout(ms) {
    const delay = Number(ms);
    if (!(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER)) throw new TypeError('AbortSignal.timeout takes milliseconds from 0 up');
    const signal = newSignal();
    const reason = new DOMException(`the operation took longer than ${delay} ms`, 'TimeoutError');
    addTimer(() => abortSignal(signal, reason), delay, [], false);
    return signal;
  }

  static any(signals) {
    const joined = newSignal();
    const given = [...signals];
    if (!given.every((signal) => signal instanceof AbortSignal)) throw new TypeError('AbortSignal.any takes signals');
    const aborted = given.find((signal) => signal.#aborted);
    if (aborted !== undefined) {
      joined.#aborted = true;
      joined.#reason = aborted.#reason;
      return joined;
    }
    joined.#sources = new Set(given.flatMap((signal) => (signal.#sources === undefined ? [signal] : [...signal.#sources])));
    for (const source of joined.#sources) source.#dependents.push(joined);
    return joined;
  }
}

class AbortController {
  #signal = newSignal();

  get signal() {
    return this.#signal;
  }

  abort(reason) {
    abortSignal(this.#signal, reason);
  }
}
