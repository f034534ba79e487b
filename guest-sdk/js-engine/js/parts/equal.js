// Deep equality with the path of the first difference. Nothing here recurses: how deep the values
// go is up to the target, and a value may contain itself.

const { Headers, URL, URLSearchParams, brief, need, plain } = import.meta.realm;

/** Characters shown on each side of the place where two long texts part. */
const AROUND = 40;

/**
 * Undefined if they are equal, else where and how they differ. `equal`: a member that is undefined
 * counts as absent. `strict`: it does not, and prototypes count. `subset`: members that are not
 * expected are let pass.
 */
export function difference(actual, expected, mode) {
  // What is still to be compared. Each knows the pair that it is a member of, which gives its path.
  const open = [{ a: actual, b: expected, key: undefined, outer: undefined }];
  const met = new Pairs();
  while (open.length > 0) {
    const pair = open.pop();
    const { a, b } = pair;
    if (Object.is(a, b)) continue;
    if (typeof a === 'string' && typeof b === 'string') return located(pair, differentTexts(a, b));
    if (!isObject(a) || !isObject(b)) return located(pair, `${brief(a)} instead of ${brief(b)}`);
    if (met.has(a, b)) continue;
    const inner = [];
    const why = compare(a, b, mode, (x, y, key) => {
      if (!Object.is(x, y)) inner.push({ a: x, b: y, key, outer: pair });
    });
    if (why !== undefined) return located(pair, why);
    // The first member is to be the first that is looked at.
    while (inner.length > 0) open.push(inner.pop());
  }
  return undefined;
}

/** Pairs of objects that were met: meeting one again adds nothing. */
class Pairs {
  #first = new Map();
  /** Almost every object has one partner; a set for each would be most of the memory. */
  #others = new Map();

  /** Whether this pair was met before. From now on it was. */
  has(a, b) {
    const first = this.#first.get(a);
    if (first === undefined) {
      this.#first.set(a, b);
      return false;
    }
    if (first === b) return true;
    const others = this.#others.get(a) ?? new Set();
    if (others.has(b)) return true;
    this.#others.set(a, others.add(b));
    return false;
  }
}

/** `toHaveProperty`: the path is `a.b[0]`, or an array of keys. */
export function hasProperty(actual, path, values) {
  const isPath = typeof path === 'string' ? path !== '' : Array.isArray(path) && path.length > 0;
  need(isPath, 'toHaveProperty takes a path such as "a.b[0]" or an array of keys', path);
  if (actual === undefined || actual === null) return `it is ${actual}`;
  const keys = typeof path === 'string' ? path.split(/[.[\]]+/).filter((key) => key !== '') : path;
  let value = actual;
  let place;
  for (const key of keys) {
    if (!has(value, key)) return { why: located(place, `there is no ${brief(key)}`) };
    value = value[key];
    place = { key, outer: place };
  }
  const why = values.length === 0 ? undefined : difference(value, values[0], 'equal');
  return why === undefined || { why: located(place, why) };
}

/** Members of its class count, such as `status` of a response; those that every object has do not. */
function has(value, key) {
  if (value === undefined || value === null) return false;
  for (let at = Object(value); at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, key)) return true;
  }
  return false;
}

function isObject(value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Kinds of objects: what they are called, and how two of them are compared. */
const MEMBERS = { name: 'an object', compare: members };
const LIST = { name: 'an array', compare: lists };
const KINDS = [
  { name: 'a function', isOne: (value) => typeof value === 'function', compare: () => 'they are two functions' },
  { name: 'a Date', isOne: (value) => value instanceof Date, compare: (a, b) => inText(a.getTime(), b.getTime()) },
  { name: 'a regular expression', isOne: (value) => value instanceof RegExp, compare: inText },
  { name: 'a Map', isOne: (value) => value instanceof Map, compare: maps },
  { name: 'a Set', isOne: (value) => value instanceof Set, compare: sets },
  { name: 'bytes', isOne: (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value), compare: bytes },
  { name: 'an error', isOne: (value) => value instanceof Error, compare: (a, b) => inText(`${a.name}: ${a.message}`, `${b.name}: ${b.message}`) },
  { name: 'a URL', isOne: (value) => value instanceof URL || value instanceof URLSearchParams, compare: inText },
  { name: 'headers', isOne: (value) => value instanceof Headers, compare: (a, b) => inText([...a].join('\n'), [...b].join('\n')) },
];

function kindOf(value) {
  if (Array.isArray(value)) return LIST;
  // Almost everything is one of these two.
  if (isPlain(value)) return MEMBERS;
  return KINDS.find((kind) => kind.isOne(value)) ?? MEMBERS;
}

function compare(a, b, mode, pair) {
  const kind = kindOf(a);
  const other = kindOf(b);
  if (kind !== other) return `${kind.name} instead of ${other.name}`;
  if (mode === 'strict' && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return 'they are of different classes';
  return kind.compare(a, b, pair, mode);
}

function inText(a, b) {
  const [one, other] = [String(a), String(b)];
  return one === other ? undefined : differentTexts(one, other);
}

function differentTexts(a, b) {
  if (a.length <= AROUND && b.length <= AROUND) return `${brief(a)} instead of ${brief(b)}`;
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  const around = (text) => brief(text.slice(Math.max(0, at - AROUND / 2), at + AROUND / 2));
  return `the texts differ from character ${at + 1}: ${around(a)} instead of ${around(b)}`;
}

function lists(a, b, pair) {
  if (a.length !== b.length) return `${a.length} elements instead of ${b.length}`;
  for (let i = 0; i < a.length; i++) pair(a[i], b[i], i);
  return undefined;
}

function maps(a, b, pair) {
  if (a.size !== b.size) return `${a.size} entries instead of ${b.size}`;
  for (const [key, value] of b) {
    if (!a.has(key)) return `${brief(key)} is missing`;
    pair(a.get(key), value, key);
  }
  return undefined;
}

/** Objects in sets are compared in the order in which they were added. */
function sets(a, b, pair) {
  if (a.size !== b.size) return `${a.size} elements instead of ${b.size}`;
  for (const value of b) {
    if (!isObject(value) && !a.has(value)) return `${brief(value)} is missing`;
  }
  return lists([...a].filter(isObject), [...b].filter(isObject), pair);
}

function bytes(a, b) {
  const view = (value) => (ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value));
  const [one, other] = [view(a), view(b)];
  if (one.length !== other.length) return `${one.length} bytes instead of ${other.length}`;
  const at = one.findIndex((byte, i) => byte !== other[i]);
  return at < 0 ? undefined : `byte ${at} is ${one[at]} instead of ${other[at]}`;
}

function members(a, b, pair, mode) {
  const isSubset = mode === 'subset';
  const keys = keysOf(b, mode);
  for (const key of keys) {
    if (!(isSubset ? has(a, key) : Object.hasOwn(a, key))) return `${brief(key)} is missing`;
    pair(a[key], b[key], key);
  }
  if (isSubset) return undefined;
  const own = keysOf(a, mode);
  if (own.length > keys.length) {
    const known = new Set(keys);
    return `${brief(own.find((key) => !known.has(key)))} is not expected`;
  }
  // What an object of a class keeps to itself cannot be compared.
  const canCompare = keys.length > 0 || (isPlain(a) && isPlain(b));
  return canCompare ? undefined : 'they are two objects without members to compare';
}

/** In the mode `equal`, what is undefined is not there. */
function keysOf(value, mode) {
  const keys = Object.keys(value);
  for (const symbol of Object.getOwnPropertySymbols(value)) {
    if (Object.prototype.propertyIsEnumerable.call(value, symbol)) keys.push(symbol);
  }
  return mode === 'equal' && keys.some((key) => value[key] === undefined) ? keys.filter((key) => value[key] !== undefined) : keys;
}

function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const MAX_PATH = 200;

/** `at items[3].price: …` */
function located(place, why) {
  let path = '';
  for (let at = place; at?.key !== undefined; at = at.outer) {
    const isIndex = typeof at.key === 'number' || /^\d+$/.test(String(at.key));
    const isName = typeof at.key === 'string' && /^[\w$]+$/.test(at.key);
    path = isIndex ? `[${at.key}]${path}` : isName ? `.${at.key}${path}` : `[${brief(at.key)}]${path}`;
    if (path.length > MAX_PATH) {
      path = `…${path.slice(-MAX_PATH)}`;
      break;
    }
  }
  return path === '' ? why : `at ${plain(path.replace(/^\./, ''))}: ${why}`;
}
