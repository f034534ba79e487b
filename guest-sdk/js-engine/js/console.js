// console: one line of text an entry, bounded before it leaves the engine.

const MAX_LINE = 8192;
const MAX_DEPTH = 4;
const MAX_ENTRIES = 100;

/** A value as people read it: bounded in depth and width, safe against cycles. */
function inspect(value, depth = 0, seen = []) {
  switch (typeof value) {
    case 'string':
      return depth === 0 ? value : JSON.stringify(value.length > MAX_LINE ? value.slice(0, MAX_LINE) : value);
    case 'bigint':
      return `${value}n`;
    case 'symbol':
      return value.toString();
    case 'function':
      return `[function ${value.name || 'anonymous'}]`;
    case 'object':
      break;
    default:
      return String(value);
  }
  if (value === null) return 'null';
  if (value instanceof Error) return value.stack ? `${value.name}: ${value.message}\n${value.stack}`.trimEnd() : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp || value instanceof URL || value instanceof URLSearchParams) return value.toString();
  if (seen.includes(value)) return '[circular]';
  if (depth >= MAX_DEPTH) return Array.isArray(value) ? '[array]' : '[object]';
  const inner = [...seen, value];
  const list = (items, open, close) => {
    const shown = items.slice(0, MAX_ENTRIES);
    if (items.length > MAX_ENTRIES) shown.push(`… ${items.length - MAX_ENTRIES} more`);
    return shown.length === 0 ? open + close : `${open} ${shown.join(', ')} ${close}`;
  };
  const show = (item) => inspect(item, depth + 1, inner);
  if (Array.isArray(value)) {
    const shown = value.slice(0, MAX_ENTRIES).map(show);
    if (value.length > MAX_ENTRIES) shown.push(`… ${value.length - MAX_ENTRIES} more`);
    return shown.length === 0 ? '[]' : `[ ${shown.join(', ')} ]`;
  }
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength} bytes)`;
  if (value instanceof Map || value instanceof Headers) {
    return `${value.constructor.name} ${list([...value].map(([k, v]) => `${show(k)} => ${show(v)}`), '{', '}')}`;
  }
  if (value instanceof Set) return `Set ${list([...value].map(show), '{', '}')}`;
  if (value instanceof Response) return `Response { status: ${value.status}, url: ${show(value.url)} }`;
  return list(Object.keys(value).map((key) => `${/^[\w$]+$/.test(key) ? key : JSON.stringify(key)}: ${show(value[key])}`), '{', '}');
}

function logAt(level) {
  return (...values) => {
    const line = values.map((value) => inspect(value)).join(' ');
    // One more than fits, so that the host sees that the line was cut.
    host.log(level, line.slice(0, MAX_LINE + 1).toWellFormed());
  };
}

const console = { debug: logAt(0), info: logAt(1), log: logAt(1), warn: logAt(2), error: logAt(3) };
