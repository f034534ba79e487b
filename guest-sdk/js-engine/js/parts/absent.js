// What other runtimes have and a check does not, and what to use instead.

const INSTEAD = {
  'use `env` for variables and `params` for parameters': ['process', 'Deno', 'Bun'],
  'a check is one file, and imports nothing but the built-in vedette:* modules': ['require', 'module', 'exports', 'importScripts', '__dirname', '__filename'],
  'use Uint8Array, TextEncoder, TextDecoder, atob and btoa': ['Buffer'],
  'use fetch': ['XMLHttpRequest', 'axios'],
  'a check speaks HTTP by fetch only': ['WebSocket', 'EventSource', 'WebTransport', 'RTCPeerConnection'],
  'a run is one thread; await several promises at once with Promise.all': ['Worker', 'SharedWorker', 'SharedArrayBuffer', 'Atomics'],
  'a run keeps nothing for the next one; return what should be kept as `data`': ['localStorage', 'sessionStorage', 'indexedDB', 'caches'],
  'there is no page; read what a server answers as text': ['window', 'document', 'location', 'DOMParser', 'XMLSerializer', 'HTMLElement', 'alert'],
  'use setTimeout or queueMicrotask': ['setImmediate', 'requestAnimationFrame', 'requestIdleCallback'],
  'there are no files; put texts into the script or into `params`': ['fs', 'FileReader'],
  'scripts are JavaScript only': ['WebAssembly'],
  'format with toFixed, padStart and toISOString': ['Intl'],
  'read a body with getReader(), `for await` or text()': ['WritableStream', 'TransformStream', 'CompressionStream', 'DecompressionStream'],
};

/** A sentence to follow "X is not defined"; empty where there is nothing to say. */
export function explain(name) {
  for (const instead in INSTEAD) {
    if (INSTEAD[instead].includes(name)) return `. ${name} is not available in a check, by design: ${instead}`;
  }
  return '';
}
