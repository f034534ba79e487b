// What a script sees, and what it must not find.

/** The constructors behind function literals would compile text, which a check never needs. */
function refuseCode() {
  throw new EvalError('eval and new Function are not available: code comes from the script only');
}

for (const literal of [function () {}, async function () {}, function* () {}, async function* () {}]) {
  Object.defineProperty(Object.getPrototypeOf(literal), 'constructor', { value: refuseCode, writable: false, configurable: false });
}

Math.random = () => host.random();

let timeOrigin;
const performance = Object.freeze({
  now: () => host.now(),
  get timeOrigin() {
    timeOrigin ??= Date.now() - host.now();
    return timeOrigin;
  },
});

for (const name of ['Javy', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];

// So that `f instanceof Function` goes on telling the truth.
refuseCode.prototype = Object.getPrototypeOf(refuseCode);

const classes = {
  AbortController, AbortSignal, CustomEvent, DOMException, Event, EventTarget, Headers, Response, URL, URLSearchParams,
};
const others = {
  atob, btoa, clearInterval: clearTimeout, clearTimeout, console, eval: refuseCode, fetch, Function: refuseCode,
  navigator: Object.freeze({ userAgent: 'Vedette' }), performance, reportError, self: globalThis, setInterval, setTimeout,
};
for (const name in classes) showClass(name, classes[name]);
for (const name in others) show(name, others[name]);

function show(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

/** A class has a name by which `Object.prototype.toString` calls its instances. */
function showClass(name, value) {
  show(name, value);
  Object.defineProperty(value.prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/** The globals that come with a part, loaded when a script first reads one of them. */
const LAZY_GLOBALS = {
  blobs: ['Blob', 'File', 'FormData'],
  clone: ['structuredClone'],
  crypto: ['crypto', 'Crypto'],
  encoding: ['TextDecoder', 'TextEncoder'],
  request: ['Request'],
  streams: ['ReadableStream', 'ReadableStreamDefaultController', 'ReadableStreamDefaultReader'],
  subtle: ['CryptoKey', 'SubtleCrypto'],
};

/** What the parts of `parts/` find as `import.meta.realm`. */
const shared = {
  classes, host, part, parts: () => parts, AssertionError, Body, DOMException, FetchError, Headers, Response, URL, URLSearchParams,
  MAX_LINE, REDIRECTS, AbortSignal, asserted, brief, copyHeaders, copySource, encodeText, exchange, explain, fetchError,
  headerValues, inspect, need, newSignal, parseForm, passThroughStep, plain, readRequest, receivedHeaders, receivedResponse,
  untilDone, wellFormed, writeLine,
};

const parts = new Map();

/** What a part exports. */
function part(name) {
  let exported = parts.get(name);
  if (exported === undefined) {
    exported = host.loadPart(name);
    parts.set(name, exported);
  }
  return exported;
}

for (const name in LAZY_GLOBALS) {
  for (const key of LAZY_GLOBALS[name]) {
    Object.defineProperty(globalThis, key, {
      enumerable: false,
      configurable: true,
      get() {
        const value = part(name)[key];
        if (value.prototype === undefined) show(key, value);
        else showClass(key, value);
        return value;
      },
      set: (value) => show(key, value),
    });
  }
}

return { invoke, settle, fireTimer, explain, warmUp, shared };
