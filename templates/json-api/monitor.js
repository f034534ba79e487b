// A value in the JSON answer of an API equals what it should.

export default async function ({ params }) {
  const { url, path, equals } = params;
  if (typeof url !== 'string') throw new Error('parameter `url` must be a URL');
  if (typeof path !== 'string' || path === '') throw new Error('parameter `path` must be a text such as data.state');
  if (equals === undefined) throw new Error('parameter `equals` is missing');
  if (hasUnsafeInteger(equals)) throw new Error('parameter `equals` has a whole number beyond ±9007199254740991, which JavaScript cannot tell from its neighbours');

  const response = await fetch(url, { headers: { accept: 'application/json' } });
  const latency = response.timings.total;
  const down = (message) => ({ success: false, latency, message, data: { status: response.status } });
  if (!response.ok) return down(`${response.url} answered ${response.status}`);

  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return down(`${response.url} answered something that is not JSON: ${text.slice(0, 80)}`);
  }
  const found = valueAt(body, path);
  const ok = isEqual(found, equals);
  return {
    success: ok,
    latency,
    message: ok ? `${path} is ${show(found)}` : `${path} is ${show(found)}, expected ${show(equals)}`,
    data: { status: response.status, value: bounded(found ?? null) },
  };
}

function valueAt(body, path) {
  return path.split('.').reduce((value, key) => (isOwn(value, key) ? value[key] : undefined), body);
}

function isOwn(value, key) {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key);
}

function isEqual(a, b) {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
}

function hasUnsafeInteger(value) {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeInteger);
}

/** The value as it is, or the beginning of its text when that is longer than 1 KiB. */
function bounded(value) {
  const text = JSON.stringify(value);
  return text.length <= 1024 ? value : `${text.slice(0, 1000)}…`;
}

function show(value) {
  return value === undefined ? 'not there' : JSON.stringify(value).slice(0, 200);
}
