// crypto (Web Cryptography API, section 10): random numbers, and the way to crypto.subtle.

const { host, part, DOMException } = import.meta.realm;

/** The arithmetic, in Rust; parts/subtle.js calls it too. */
export const natives = host.crypto();

const MAX_RANDOM_BYTES = 65536;

const INTEGER_ARRAYS = [
  'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array',
  'BigUint64Array',
];

const typeOfArray = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

export class Crypto {
  constructor() {
    throw new TypeError('there is one Crypto only: crypto');
  }

  get subtle() {
    return part('subtle').subtle;
  }

  getRandomValues(array) {
    if (!ArrayBuffer.isView(array)) throw new TypeError('getRandomValues takes a typed array');
    if (!INTEGER_ARRAYS.includes(typeOfArray.call(array))) {
      throw new DOMException('getRandomValues takes a typed array of integers', 'TypeMismatchError');
    }
    if (array.byteLength > MAX_RANDOM_BYTES) {
      throw new DOMException(`getRandomValues gives at most ${MAX_RANDOM_BYTES} bytes at a time`, 'QuotaExceededError');
    }
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    bytes.set(new Uint8Array(natives.random(bytes.length)));
    return array;
  }

  /** Version 4, random (RFC 9562, section 5.4). */
  randomUUID() {
    const bytes = new Uint8Array(natives.random(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }

  get [Symbol.toStringTag]() {
    return 'Crypto';
  }
}

export const crypto = Object.create(Crypto.prototype);
