// structuredClone (HTML standard, section 2.7). Without recursion: the depth is the script's.

const { classes, parts, Body, DOMException } = import.meta.realm;

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const BOXES = [Boolean, Number, String, BigInt].map((type) => type.prototype.valueOf);
const getter = (of, name) => Object.getOwnPropertyDescriptor(of, name).get;
const mapSize = getter(Map.prototype, 'size');
const setSize = getter(Set.prototype, 'size');
const bufferLength = getter(ArrayBuffer.prototype, 'byteLength');
const typedName = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const TYPED = {
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
  BigInt64Array, BigUint64Array,
};
/** What has insides that a copy of its members would miss. */
const OPAQUE = [Promise, WeakMap, WeakSet, WeakRef, Symbol, Body, ...Object.values(classes)];

export function structuredClone(value, options) {
  if (arguments.length === 0) throw new TypeError('structuredClone takes a value');
  const transfer = [...(options?.transfer ?? [])];
  if (new Set(transfer).size !== transfer.length) throw refused('an object is transferred twice');
  for (const buffer of transfer) {
    if (!is(bufferLength, buffer)) throw refused('only an ArrayBuffer can be transferred');
    if (buffer.detached) throw refused('the buffer was transferred before');
  }
  const copies = new Map();
  const todo = [];
  const copy = (item) => copyOne(item, copies, todo);
  const whole = copy(value);
  for (let fill = todo.pop(); fill !== undefined; fill = todo.pop()) fill(copy);
  // Last, so that a value that cannot be copied leaves everything as it was.
  for (const buffer of transfer) buffer.transfer(0);
  return whole;
}

function refused(what) {
  return new DOMException(`${what}: it cannot be cloned`, 'DataCloneError');
}

/** Whether a method finds what it needs in `value`. */
function is(method, value) {
  try {
    method.call(value);
    return true;
  } catch {
    return false;
  }
}

/** A copy that may still be hollow; what fills it goes to `todo`. */
function copyOne(value, copies, todo) {
  if (typeof value === 'symbol' || typeof value === 'function') throw refused(`a ${typeof value}`);
  if (typeof value !== 'object' || value === null) return value;
  let copy = copies.get(value);
  if (copy === undefined) {
    const isOrdinary = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
    copy = isOrdinary ? copyMembers(value, todo) : copyLeaf(value) ?? copyView(value, copies, todo) ?? copyNode(value, todo);
    copies.set(value, copy);
  }
  return copy;
}

function copyLeaf(value) {
  if (is(Date.prototype.getTime, value)) return new Date(Date.prototype.getTime.call(value));
  const box = BOXES.find((valueOf) => is(valueOf, value));
  if (box !== undefined) return Object(box.call(value));
  if (value instanceof RegExp) return new RegExp(value.source, value.flags);
  if (is(bufferLength, value)) return value.slice(0);
  const blobs = parts().get('blobs');
  if (blobs !== undefined && value instanceof blobs.File) return new blobs.File([value], value.name, value);
  if (blobs !== undefined && value instanceof blobs.Blob) return new blobs.Blob([value], value);
  return undefined;
}

function copyView(value, copies, todo) {
  if (!ArrayBuffer.isView(value)) return undefined;
  const buffer = copyOne(value.buffer, copies, todo);
  const name = typedName.call(value);
  if (name === undefined) return new DataView(buffer, value.byteOffset, value.byteLength);
  if (TYPED[name] === undefined) throw refused(`a ${name}`);
  return new TYPED[name](buffer, value.byteOffset, value.length);
}

function copyNode(value, todo) {
  if (is(mapSize, value)) {
    const map = new Map();
    const pairs = [...Map.prototype.entries.call(value)];
    todo.push((copy) => pairs.forEach(([key, item]) => map.set(copy(key), copy(item))));
    return map;
  }
  if (is(setSize, value)) {
    const set = new Set();
    const items = [...Set.prototype.values.call(value)];
    todo.push((copy) => items.forEach((item) => set.add(copy(item))));
    return set;
  }
  if (value instanceof Error) return copyError(value, todo);
  const loaded = [...parts().values()].flatMap((exports) => Object.values(exports)).filter((item) => typeof item === 'function' && item.prototype);
  if ([...OPAQUE, ...loaded].some((type) => value instanceof type)) throw refused(Object.prototype.toString.call(value));
  return copyMembers(value, todo);
}

function copyMembers(value, todo) {
  const target = Array.isArray(value) ? new Array(value.length) : {};
  todo.push((copy) => {
    for (const key of Object.keys(value)) {
      Object.defineProperty(target, key, { value: copy(value[key]), writable: true, enumerable: true, configurable: true });
    }
  });
  return target;
}

function copyError(error, todo) {
  if (error instanceof DOMException) return new DOMException(error.message, error.name);
  const type = Object.hasOwn(ERRORS, error.name) ? ERRORS[error.name] : Error;
  const target = Object.create(type.prototype);
  const define = (name, value) => Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });
  for (const name of ['message', 'stack']) {
    const own = Object.getOwnPropertyDescriptor(error, name);
    if (own !== undefined && 'value' in own) define(name, String(own.value));
  }
  if (Object.hasOwn(error, 'cause')) todo.push((copy) => define('cause', copy(error.cause)));
  return target;
}
