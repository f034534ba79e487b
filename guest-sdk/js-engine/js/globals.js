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

return { invoke, settle, fireTimer, explain, warmUp };
