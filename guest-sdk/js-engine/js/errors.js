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

/** What a thrown value means for the outcome: a request that failed counts also as a cause. */
function kindOf(error, depth = 0) {
  if (depth >= MAX_CAUSES || typeof error !== 'object' || error === null) return 'thrown';
  const code = FetchError.codeOf(error);
  if (code !== undefined) return FETCH_KINDS[code] ?? 'target-failed';
  if (DOMException.isTimeout(error)) return 'target-failed';
  const kind = VerdictError.kindOf(error);
  if (kind !== undefined) return kind;
  if (error instanceof InternalError && MEMORY_MESSAGES.has(error.message)) return 'memory-limit';
  if (!(error instanceof AggregateError)) return kindOf(error.cause, depth + 1);
  // Only what failed because of the target in every part failed because of the target.
  const kinds = Array.from(error.errors).slice(0, MAX_CAUSES).map((part) => kindOf(part, depth + 1));
  return kinds.find((part) => part !== 'target-failed') ?? kinds[0] ?? 'thrown';
}

/** `name: message (file:line:column)`, from any value, whatever its getters do. */
function textOf(error) {
  if (typeof error !== 'object' || error === null) return `thrown: ${plain(error)}`;
  const message = error.message;
  const name = error.name;
  let text;
  if (typeof message === 'string' || typeof name === 'string') {
    text = message ? `${plain(name ?? 'Error')}: ${plain(message)}` : plain(name ?? 'Error');
  } else {
    text = `thrown: ${inspect(error)}`;
  }
  const absent = error instanceof ReferenceError ? /^([\w$]+) is not defined$/.exec(plain(message)) : null;
  if (absent !== null) text += part('absent').explain(absent[1]);
  const place = /\(?([\w./-]+\.[jt]s:\d+:\d+)\)?/.exec(typeof error.stack === 'string' ? error.stack.slice(0, 4096) : '');
  return place ? `${text} (${place[1]})` : text;
}

function plain(value) {
  return String(value).slice(0, 8192).toWellFormed();
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
