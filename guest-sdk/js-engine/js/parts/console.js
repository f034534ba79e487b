// Values as people read them, formats, and the rarer methods of the console (Console standard).
//
// A member with a getter is shown as one, and no method of a value is called. What of the script
// can still run, such as the traps of a proxy, costs it its own time, and what it throws is caught.

const { classes, host, parts, plain, writeLine, DOMException, FetchError, MAX_LINE } = import.meta.realm;

const MAX_DEPTH = 4;
const MAX_ENTRIES = 100;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** A value as people read it: bounded in depth, width and length, safe against cycles. */
export function inspect(value) {
  return typeof value === 'string' ? value : show(value, { depth: 0, seen: [], budget: { left: MAX_LINE } });
}

/** `where` says how deep, inside of what, and how many characters may still be written. */
function show(value, where) {
  if (where.budget.left <= 0) return '…';
  let text;
  try {
    text = typeof value === 'object' && value !== null ? showObject(value, where) : showPlain(value);
  } catch {
    text = '[cannot be shown]';
  }
  where.budget.left -= text.length;
  return text;
}

function showPlain(value) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.slice(0, MAX_LINE));
    case 'bigint':
      return `${value}n`;
    case 'symbol':
      return value.toString();
    case 'function':
      return showFunction(value);
    default:
      return String(value);
  }
}

function ownValue(object, key) {
  const found = Object.getOwnPropertyDescriptor(object, key);
  return found !== undefined && 'value' in found ? found.value : undefined;
}

function showFunction(value) {
  const name = ownValue(value, 'name');
  const isClass = ownValue(value, 'prototype') !== undefined && Object.getOwnPropertyDescriptor(value, 'prototype').writable === false;
  const kind = isClass ? 'class' : 'function';
  return `[${kind} ${typeof name === 'string' && name !== '' ? plain(name) : 'anonymous'}]`;
}

/** The name of an object's class, without asking the object. */
function className(value) {
  for (let proto = Object.getPrototypeOf(value); proto !== null; proto = Object.getPrototypeOf(proto)) {
    const made = ownValue(proto, 'constructor');
    const name = typeof made === 'function' ? ownValue(made, 'name') : undefined;
    if (typeof name === 'string' && name !== '') return name.slice(0, 100);
  }
  return null;
}

function showObject(value, where) {
  if (where.seen.includes(value)) return '[circular]';
  if (value instanceof Error) return showError(value, where);
  if (value instanceof Date) {
    const time = Date.prototype.getTime.call(value);
    return Number.isNaN(time) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
  }
  if (value instanceof RegExp) return `/${value.source}/${value.flags}`;
  for (const type of [classes.URL, classes.URLSearchParams]) {
    if (value instanceof type) return type.prototype.toString.call(value);
  }
  const name = className(value);
  if (where.depth >= MAX_DEPTH) return Array.isArray(value) ? '[array]' : name === 'Object' || name === null ? '[object]' : `[${name}]`;
  const inside = { ...where, depth: where.depth + 1, seen: [...where.seen, value] };
  if (Array.isArray(value)) return (name === 'Array' || name === null ? '' : `${name} `) + showArray(value, inside);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return `${name} ${showArray(value, inside)}`;
  if (value instanceof ArrayBuffer || value instanceof DataView) return `${name}(${value.byteLength} bytes)`;
  if (value instanceof Map) return `${name} ${showPairs(Map.prototype.entries.call(value), inside)}`;
  if (value instanceof classes.Headers) return `${name} ${showPairs(classes.Headers.prototype.entries.call(value), inside)}`;
  if (value instanceof Set) return `${name} ${list(take(Set.prototype.values.call(value), (item) => show(item, inside)), '{ ', ' }')}`;
  const known = showKnown(value, name, inside);
  if (known !== undefined) return known;
  const members = showMembers(value, inside);
  return name === 'Object' ? members : `${name ?? '[no prototype]'} ${members}`;
}

/** At most so many of what an iterator has. */
function take(items, toText) {
  const texts = [];
  for (const item of items) {
    if (texts.length === MAX_ENTRIES) {
      texts.push('…');
      break;
    }
    texts.push(toText(item));
  }
  return texts;
}

function list(texts, open, close) {
  return texts.length === 0 ? (open + close).replaceAll(' ', '') : `${open}${texts.join(', ')}${close}`;
}

function showArray(value, inside) {
  const texts = [];
  for (let at = 0; at < Math.min(value.length, MAX_ENTRIES); at++) {
    const found = Object.getOwnPropertyDescriptor(value, at);
    texts.push(found === undefined ? 'empty' : showFound(found, inside));
  }
  if (value.length > MAX_ENTRIES) texts.push(`… ${value.length - MAX_ENTRIES} more`);
  return list(texts, '[ ', ' ]');
}

function showPairs(pairs, inside) {
  return list(take(pairs, ([key, item]) => `${show(key, inside)} => ${show(item, inside)}`), '{ ', ' }');
}

function showFound(found, inside) {
  if ('value' in found) return show(found.value, inside);
  return found.get === undefined ? '[Setter]' : found.set === undefined ? '[Getter]' : '[Getter/Setter]';
}

function showMembers(value, inside) {
  const keys = Object.keys(value);
  const texts = keys.slice(0, MAX_ENTRIES).map((key) => {
    const label = IDENTIFIER.test(key) ? key : JSON.stringify(key.slice(0, MAX_LINE));
    return `${label}: ${showFound(Object.getOwnPropertyDescriptor(value, key) ?? { value: undefined }, inside)}`;
  });
  if (keys.length > MAX_ENTRIES) texts.push(`… ${keys.length - MAX_ENTRIES} more`);
  return list(texts, '{ ', ' }');
}

function showError(value, where) {
  // A class's `name` is on a prototype, and the realm's own classes have it behind a getter.
  const own = (key) => {
    for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
      const found = Object.getOwnPropertyDescriptor(at, key);
      if (found !== undefined) return 'value' in found ? found.value : isOurs(at) ? found.get.call(value) : undefined;
    }
    return undefined;
  };
  const [name, message, stack] = [own('name'), own('message'), own('stack')];
  const head = `${typeof name === 'string' ? plain(name) : 'Error'}${typeof message === 'string' && message !== '' ? `: ${plain(message)}` : ''}`;
  let text = typeof stack === 'string' && where.depth === 0 ? `${head}\n${plain(stack)}`.trimEnd() : head;
  if (where.depth > 0) text = `[${text}]`;
  const cause = ownValue(value, 'cause');
  if (cause !== undefined && where.depth < MAX_DEPTH) {
    text += `${where.depth === 0 ? '\n' : ' '}cause: ${show(cause, { ...where, depth: where.depth + 1, seen: [...where.seen, value] })}`;
  }
  return text;
}

function isOurs(prototype) {
  return prototype === FetchError.prototype || prototype === DOMException.prototype;
}

/** What says most about an instance of the realm's own classes. */
const SHOWN = {
  Response: ['status', 'url'], Request: ['method', 'url'], AbortSignal: ['aborted'], Event: ['type'], Blob: ['size', 'type'],
  File: ['name', 'size', 'type'], ReadableStream: ['locked'],
};

function showKnown(value, name, inside) {
  const all = { ...classes };
  for (const exports of parts().values()) Object.assign(all, exports);
  for (const known of ['File', ...Object.keys(SHOWN)]) {
    if (typeof all[known] !== 'function' || !(value instanceof all[known])) continue;
    const texts = SHOWN[known].map((key) => {
      const { get } = Object.getOwnPropertyDescriptor(all[known].prototype, key) ?? Object.getOwnPropertyDescriptor(all.Blob.prototype, key);
      return `${key}: ${show(get.call(value), inside)}`;
    });
    return `${name} ${list(texts, '{ ', ' }')}`;
  }
  if (typeof all.FormData === 'function' && value instanceof all.FormData) return `${name} ${showPairs(all.FormData.prototype.entries.call(value), inside)}`;
  return undefined;
}

let indent = '';
const counts = new Map();
const timers = new Map();
/** Labels that are kept; a script that makes more has lost count anyway. */
const MAX_LABELS = 1000;

/** A line of several values: the first may have specifiers for those that follow. */
export function format(values) {
  let rest = values;
  let line = '';
  if (values.length > 1 && typeof values[0] === 'string') {
    rest = values.slice(1);
    line = values[0].slice(0, MAX_LINE + 1).replace(/%[sdifjoOc%]/g, (specifier) => {
      if (specifier === '%%') return '%';
      return rest.length === 0 ? specifier : substitute(specifier, rest.shift());
    });
    rest = [line, ...rest];
  }
  line = rest.map(inspect).join(' ');
  return indent === '' ? line : line.replaceAll(/^/gm, indent);
}

function substitute(specifier, value) {
  switch (specifier) {
    case '%s':
      return typeof value === 'string' ? value.slice(0, MAX_LINE) : inspect(value);
    case '%d':
    case '%i':
      return typeof value === 'symbol' || isObject(value) ? 'NaN' : String(typeof value === 'bigint' ? showPlain(value) : parseInt(value, 10));
    case '%f':
      return typeof value === 'symbol' || isObject(value) ? 'NaN' : String(parseFloat(value));
    case '%j':
      return toJson(value);
    case '%c':
      return '';
    default:
      return typeof value === 'string' ? JSON.stringify(value.slice(0, MAX_LINE)) : inspect(value);
  }
}

function isObject(value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function toJson(value) {
  try {
    return String(JSON.stringify(value)).slice(0, MAX_LINE + 1);
  } catch {
    return '[no JSON]';
  }
}

const [DEBUG, INFO, WARN, ERROR] = [0, 1, 2, 3];

function write(level, ...values) {
  writeLine(level, format(values));
}

function labelOf(label) {
  return label === undefined ? 'default' : plain(label).slice(0, 100);
}

function keep(map, label, value) {
  if (map.size < MAX_LABELS || map.has(label)) map.set(label, value);
}

function elapsed(label) {
  return `${label}: ${host.now() - timers.get(label)} ms`;
}

export const rare = {
  assert(condition = false, ...values) {
    if (condition) return;
    const first = typeof values[0] === 'string' ? [`Assertion failed: ${values.shift()}`] : ['Assertion failed'];
    write(ERROR, ...first, ...values);
  },
  count(label) {
    const key = labelOf(label);
    keep(counts, key, (counts.get(key) ?? 0) + 1);
    write(INFO, `${key}: ${counts.get(key) ?? '…'}`);
  },
  countReset(label) {
    const key = labelOf(label);
    if (!counts.delete(key)) write(WARN, `nothing was counted as ${key}`);
  },
  dir(value) {
    write(INFO, value);
  },
  dirxml(...values) {
    write(INFO, ...values);
  },
  group(...values) {
    if (values.length > 0) write(INFO, ...values);
    indent = `${indent}  `.slice(0, 40);
  },
  groupCollapsed(...values) {
    rare.group(...values);
  },
  groupEnd() {
    indent = indent.slice(2);
  },
  table(rows, columns) {
    write(INFO, isObject(rows) ? table(rows, columns) : rows);
  },
  time(label) {
    const key = labelOf(label);
    if (timers.has(key)) write(WARN, `the timer ${key} runs already`);
    else keep(timers, key, host.now());
  },
  timeLog(label, ...values) {
    const key = labelOf(label);
    if (timers.has(key)) write(INFO, elapsed(key), ...values);
    else write(WARN, `there is no timer ${key}`);
  },
  timeEnd(label) {
    const key = labelOf(label);
    rare.timeLog(label);
    timers.delete(key);
  },
  trace(...values) {
    const stack = plain(new Error().stack ?? '').split('\n').filter((line) => /[\w./-]+\.[jt]s:\d/.test(line)).join('\n');
    write(DEBUG, ...['Trace', ...values].slice(0, MAX_ENTRIES), `\n${stack}`);
  },
};

const MAX_CELL = 100;

function cell(value) {
  const text = show(value, { depth: 2, seen: [], budget: { left: MAX_CELL } });
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text;
}

/** Rows and columns as text. */
function table(rows, columns) {
  const entries = rows instanceof Map ? [...rows].map(([key, row]) => [cell(key), row]) : Object.entries(rows);
  const shown = entries.slice(0, MAX_ENTRIES);
  const given = columns === undefined ? shown.flatMap(([, row]) => (isObject(row) ? Object.keys(row).slice(0, MAX_ENTRIES) : [])) : Array.from(columns, plain);
  const names = [...new Set(given)].slice(0, MAX_ENTRIES);
  const hasValues = shown.some(([, row]) => !isObject(row));
  const head = ['(index)', ...names.map((name) => name.slice(0, MAX_CELL)), ...(hasValues ? ['value'] : [])];
  const lines = shown.map(([key, row]) => {
    const cells = names.map((name) => (isObject(row) && Object.hasOwn(row, name) ? cell(ownValue(row, name)) : ''));
    return [key.slice(0, MAX_CELL), ...cells, ...(hasValues ? [isObject(row) ? '' : cell(row)] : [])];
  });
  const widths = head.map((title, at) => Math.max(title.length, ...lines.map((line) => line[at].length)));
  const draw = (line) => line.map((text, at) => text.padEnd(widths[at])).join('  ').trimEnd();
  const more = entries.length > MAX_ENTRIES ? [`… ${entries.length - MAX_ENTRIES} more`] : [];
  return [draw(head), draw(widths.map((width) => '-'.repeat(width))), ...lines.map(draw), ...more].join('\n');
}
