// What a script sees, and what it must not find.

/** The constructors behind function literals would compile text, which a check never needs. */
function refuseCode() {
  throw new EvalError('eval and new Function are not available: code comes from the script only');
}

for (const literal of [function () {}, async function () {}, function* () {}, async function* () {}]) {
  Object.defineProperty(Object.getPrototypeOf(literal), 'constructor', { value: refuseCode, writable: false, configurable: false });
}

Math.random = () => host.random();

const performance = Object.freeze({
  now: () => host.now(),
  get timeOrigin() {
    return Date.now() - host.now();
  },
});

for (const name of ['Javy', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];

const visible = {
  AbortController, AbortSignal, DOMException, Headers, Response, URL, URLSearchParams,
  atob, btoa, clearInterval: clearTimeout, clearTimeout, console, eval: refuseCode, fetch,
  Function: refuseCode, performance, setInterval, setTimeout,
};
for (const name in visible) {
  Object.defineProperty(globalThis, name, { value: visible[name], writable: true, enumerable: false, configurable: true });
}

/** The globals that come with a part, loaded when a script first reads one of them. */
const LAZY_GLOBALS = {};

/** What the parts of `parts/` find as `import.meta.realm`. */
const shared = { host, part, DOMException, FetchError, Headers, Response, URL, URLSearchParams, encodeText, inspect, plain };

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
    const become = (value) => Object.defineProperty(globalThis, key, { value, writable: true, enumerable: false, configurable: true });
    Object.defineProperty(globalThis, key, {
      enumerable: false,
      configurable: true,
      get() {
        const value = part(name)[key];
        become(value);
        return value;
      },
      set: become,
    });
  }
}

return { invoke, settle, fireTimer, explain, warmUp, shared };
