// Errors that carry a meaning for the outcome, and how a thrown value is read.

/** What `fetch` rejects with. `code` follows the names of the contract's `fetch-error`. */
class FetchError extends TypeError {
  #code;

  constructor(code, message) {
    super(message);
    this.#code = code;
  }

  get name() {
    return 'FetchError';
  }

  get code() {
    return this.#code;
  }

  /** The code of a value that this class made, else undefined. A look-alike has none. */
  static codeOf(value) {
    return #code in value ? value.#code : undefined;
  }
}

/** The old numbers of the names that a script can meet (Web IDL, section 2.8.1). */
const DOM_CODES = {
  InvalidCharacterError: 5, NotSupportedError: 9, InvalidStateError: 11, SyntaxError: 12, InvalidAccessError: 15,
  NetworkError: 19, AbortError: 20, QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25,
};

/** The reason of an aborted signal, and what web interfaces throw. */
class DOMException extends Error {
  #name;

  constructor(message = '', name = 'Error') {
    super(message);
    this.#name = String(name);
  }

  get name() {
    return this.#name;
  }

  get code() {
    return Object.hasOwn(DOM_CODES, this.#name) ? DOM_CODES[this.#name] : 0;
  }

  static isTimeout(value) {
    return #name in value && value.#name === 'TimeoutError';
  }
}

/** An expectation that was not met. */
class AssertionError extends Error {
  #brand;

  get name() {
    return 'AssertionError';
  }

  static is(value) {
    return #brand in value;
  }
}

/** A verdict that is none. */
class VerdictError extends TypeError {
  #kind;

  constructor(kind, message) {
    super(message);
    this.#kind = kind;
  }

  static kindOf(value) {
    return #kind in value ? value.#kind : undefined;
  }
}

const FETCH_KINDS = {
  denied: 'fetch-denied',
  limit: 'fetch-limit',
  'body-too-large': 'fetch-limit',
  'invalid-request': 'thrown',
};

const MAX_CAUSES = 8;

/** QuickJS has a limit of its own for texts, above all the memory that there is. */
const MEMORY_MESSAGES = new Set(['out of memory', 'string too long']);

/** The kinds that say that the target is not well; the others say that nobody knows. */
const AGAINST_TARGET = ['target-failed', 'assertion-failed'];

/** The steps that an error went through on its way out, the outermost first. */
const stepsOf = new WeakMap();
const MAX_STEPS_SHOWN = 5;

function passThroughStep(error, name) {
  if (typeof error !== 'object' || error === null) return;
  stepsOf.set(error, [name, ...(stepsOf.get(error) ?? [])].slice(0, MAX_STEPS_SHOWN));
}

/** What a thrown value means for the outcome: a request that failed counts also as a cause. */
function kindOf(error, depth = 0) {
  if (depth >= MAX_CAUSES || typeof error !== 'object' || error === null) return 'thrown';
  const code = FetchError.codeOf(error);
  if (code !== undefined) return FETCH_KINDS[code] ?? 'target-failed';
  if (DOMException.isTimeout(error)) return 'target-failed';
  if (AssertionError.is(error)) return 'assertion-failed';
  const kind = VerdictError.kindOf(error);
  if (kind !== undefined) return kind;
  if (error instanceof InternalError && MEMORY_MESSAGES.has(error.message)) return 'memory-limit';
  if (!(error instanceof AggregateError)) return kindOf(error.cause, depth + 1);
  // Only what failed because of the target in every part failed because of the target.
  const kinds = Array.from(error.errors).slice(0, MAX_CAUSES).map((part) => kindOf(part, depth + 1));
  return kinds.find((part) => !AGAINST_TARGET.includes(part)) ?? kinds[0] ?? 'thrown';
}

/** `step "name": name: message (file:line:column)`, from any value, whatever its getters do. */
function textOf(error) {
  if (typeof error !== 'object' || error === null) return `thrown: ${plain(error)}`;
  const message = error.message;
  const name = error.name;
  let text;
  if (AssertionError.is(error)) {
    text = plain(message);
  } else if (typeof message === 'string' || typeof name === 'string') {
    text = message ? `${plain(name ?? 'Error')}: ${plain(message)}` : plain(name ?? 'Error');
  } else {
    text = `thrown: ${inspect(error)}`;
  }
  const absent = error instanceof ReferenceError ? /^([\w$]+) is not defined$/.exec(plain(message)) : null;
  if (absent !== null) text += part('absent').explain(absent[1]);
  const place = /\(?([\w./-]+\.[jt]s:\d+:\d+)\)?/.exec(typeof error.stack === 'string' ? error.stack.slice(0, 4096) : '');
  const steps = (stepsOf.get(error) ?? []).map((step) => `step ${JSON.stringify(step)}: `).join('');
  return steps + (place ? `${text} (${place[1]})` : text);
}

function plain(value) {
  return String(value).slice(0, 8192).toWellFormed();
}

const MAX_BRIEF = 300;

/** A value within a message: one line, bounded. */
function brief(value) {
  let text;
  if (typeof value === 'string') text = JSON.stringify(value.slice(0, MAX_BRIEF + 1));
  else if (value instanceof Error) text = `${value.name}: ${value.message}`;
  else text = inspect(value);
  if (text.length > MAX_BRIEF) text = `${text.slice(0, MAX_BRIEF)}…`;
  return plain(text.replace(/\s*\n\s*/g, ' '));
}

/** A wrong use of what we offer is the script's mistake and says nothing about the target. */
function need(holds, what, given) {
  if (holds) return;
  throw new TypeError(given instanceof Promise ? `${what}, not a promise: is an \`await\` missing?` : `${what}, not ${brief(given)}`);
}

/** `[kind, text]` of what ended the run. Never throws. */
function explain(error) {
  let kind = 'thrown';
  try {
    kind = kindOf(error);
    return [kind, textOf(error)];
  } catch {
    return [kind, 'an error whose text could not be read'];
  }
}
