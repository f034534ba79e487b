// AbortController and AbortSignal (DOM standard, section 3).

const ABORT = Symbol('abort');

class AbortSignal {
  #aborted = false;
  #reason;
  #listeners = new Set();
  onabort = null;

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  addEventListener(type, listener, options) {
    if (type !== 'abort') return;
    this.#listeners.add({ listener, once: options === true ? false : options?.once === true });
  }

  removeEventListener(type, listener) {
    for (const entry of this.#listeners) {
      if (type === 'abort' && entry.listener === listener) this.#listeners.delete(entry);
    }
  }

  [ABORT](reason) {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason === undefined ? new DOMException('the operation was aborted', 'AbortError') : reason;
    const event = { type: 'abort', target: this };
    const listeners = [...this.#listeners];
    if (typeof this.onabort === 'function') this.onabort(event);
    for (const entry of listeners) {
      if (entry.once) this.#listeners.delete(entry);
      if (typeof entry.listener === 'function') entry.listener.call(this, event);
      else entry.listener?.handleEvent?.(event);
    }
  }

  static abort(reason) {
    const signal = new AbortSignal();
    signal[ABORT](reason);
    return signal;
  }

  static timeout(ms) {
    const signal = new AbortSignal();
    const reason = new DOMException(`the operation took longer than ${Number(ms)} ms`, 'TimeoutError');
    setTimeout(() => signal[ABORT](reason), ms);
    return signal;
  }

  static any(signals) {
    const joined = new AbortSignal();
    for (const signal of signals) {
      if (signal.aborted) {
        joined[ABORT](signal.reason);
        break;
      }
      signal.addEventListener('abort', () => joined[ABORT](signal.reason), { once: true });
    }
    return joined;
  }
}

class AbortController {
  signal = new AbortSignal();

  abort(reason) {
    this.signal[ABORT](reason);
  }
}
