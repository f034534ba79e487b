// Event, CustomEvent and EventTarget (DOM standard, section 2), for targets without a tree.

const queueTask = queueMicrotask;

/** "Report an exception" (HTML standard): nobody catches it, so that it ends the run. */
function reportError(error) {
  queueTask(() => {
    throw error;
  });
}

// What the realm does with the private parts of a class, and a script cannot.
let callListeners;
let dispatch;

class Event {
  #type;
  #init;
  #target = null;
  #isDispatched = false;
  #isStopped = false;
  #isCanceled = false;
  #isTrusted = false;
  timeStamp = host.now();

  constructor(type, init) {
    this.#type = wellFormed(type);
    this.#init = { bubbles: Boolean(init?.bubbles), cancelable: Boolean(init?.cancelable), composed: Boolean(init?.composed) };
  }

  get type() {
    return this.#type;
  }

  get target() {
    return this.#target;
  }

  get currentTarget() {
    return this.#isDispatched ? this.#target : null;
  }

  get eventPhase() {
    return this.#isDispatched ? 2 : 0;
  }

  get bubbles() {
    return this.#init.bubbles;
  }

  get cancelable() {
    return this.#init.cancelable;
  }

  get composed() {
    return this.#init.composed;
  }

  get defaultPrevented() {
    return this.#isCanceled;
  }

  get isTrusted() {
    return this.#isTrusted;
  }

  composedPath() {
    return this.#isDispatched ? [this.#target] : [];
  }

  preventDefault() {
    this.#isCanceled = this.#init.cancelable;
  }

  // There is no tree to go up.
  stopPropagation() {}

  stopImmediatePropagation() {
    this.#isStopped = true;
  }

  static {
    callListeners = (event, target, listeners, isTrusted) => {
      if (event.#isDispatched) throw new DOMException('the event is being dispatched', 'InvalidStateError');
      event.#isDispatched = true;
      event.#isTrusted = isTrusted;
      event.#target = target;
      for (const listener of listeners) {
        if (event.#isStopped) break;
        try {
          listener(event);
        } catch (error) {
          reportError(error);
        }
      }
      event.#isDispatched = false;
      event.#isStopped = false;
      return !event.#isCanceled;
    };
  }
}

class CustomEvent extends Event {
  #detail;

  constructor(type, init) {
    super(type, init);
    this.#detail = init?.detail ?? null;
  }

  get detail() {
    return this.#detail;
  }
}

/** More at one target are a leak in the script. */
const MAX_LISTENERS = 10000;

class EventTarget {
  #listeners = [];

  addEventListener(type, callback, options) {
    const { capture, once, signal } = typeof options === 'object' && options !== null ? options : { capture: options };
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
    if (callback === null || callback === undefined) return;
    if (typeof callback !== 'function' && typeof callback !== 'object') throw new TypeError('a listener is a function or an object');
    const entry = { type: wellFormed(type), callback, capture: Boolean(capture), once: Boolean(once), isRemoved: false };
    if (signal?.aborted || this.#find(entry) >= 0) return;
    if (this.#listeners.length >= MAX_LISTENERS) throw new RangeError(`more than ${MAX_LISTENERS} listeners at one target`);
    this.#listeners.push(entry);
    if (signal !== undefined) whenAborted(signal, () => this.#remove(this.#listeners.indexOf(entry)));
  }

  removeEventListener(type, callback, options) {
    const capture = Boolean(typeof options === 'object' && options !== null ? options.capture : options);
    this.#remove(this.#find({ type: wellFormed(type), callback, capture }));
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError('dispatchEvent takes an Event');
    return dispatch(this, event, false);
  }

  #find({ type, callback, capture }) {
    return this.#listeners.findIndex((entry) => entry.type === type && entry.callback === callback && entry.capture === capture);
  }

  #remove(at) {
    if (at >= 0) this.#listeners.splice(at, 1)[0].isRemoved = true;
  }

  static {
    dispatch = (target, event, isTrusted) => {
      const calls = target.#listeners.filter((entry) => entry.type === event.type).map((entry) => () => {
        if (entry.isRemoved) return;
        if (entry.once) target.#remove(target.#listeners.indexOf(entry));
        if (typeof entry.callback === 'function') entry.callback.call(target, event);
        else entry.callback.handleEvent(event);
      });
      return callListeners(event, target, calls, isTrusted);
    };
  }
}
