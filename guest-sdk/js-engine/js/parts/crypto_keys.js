// The keys of crypto.subtle: what each algorithm takes in and gives out (Web Cryptography API,
// sections 13 and 20 to 34).
//
// Inside a key its material is one buffer: a secret's bytes; the point of an elliptic curve, in a
// private key behind the scalar; the 32 bytes of Ed25519; the SPKI or PKCS #8 of RSA.

const { part, DOMException } = import.meta.realm;
const { natives } = part('crypto');

export function fail(name, why) {
  throw new DOMException(why, name);
}

/** Calls into Rust, where a text is a refusal. */
export function ask(name, ...values) {
  const answer = natives[name](...values);
  if (typeof answer !== 'string') return answer;
  const space = answer.indexOf(' ');
  return fail(answer.slice(0, space), answer.slice(space + 1));
}

/** The buffer of a `BufferSource`; not a copy where a whole buffer is given. One that was transferred is empty. */
export function bytesOf(source, what = 'data') {
  const isView = ArrayBuffer.isView(source);
  if (isView || source instanceof ArrayBuffer) {
    const { buffer, byteOffset, byteLength } = isView ? source : { buffer: source, byteOffset: 0, byteLength: source.byteLength };
    if (buffer.detached) return new ArrayBuffer(0);
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  }
  throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
}

/** In the order in which `usages` shows them. */
const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];

export function usagesOf(given) {
  if (Object(given) !== given || typeof given[Symbol.iterator] !== 'function') throw new TypeError('the usages of a key are a list');
  const wanted = Array.from(given, String);
  for (const usage of wanted) {
    if (!USAGES.includes(usage)) throw new TypeError(`"${usage.slice(0, 50)}" is not a usage of a key`);
  }
  return USAGES.filter((usage) => wanted.includes(usage));
}

const INSIDE = Symbol('inside');
let materialOf;
let isKey;

export class CryptoKey {
  #fields;

  constructor(inside, fields) {
    if (inside !== INSIDE) throw new TypeError('a key is made by crypto.subtle: importKey, generateKey or deriveKey');
    this.#fields = fields;
  }

  get type() {
    return this.#fields.type;
  }

  get extractable() {
    return this.#fields.extractable;
  }

  get algorithm() {
    return this.#fields.algorithm;
  }

  get usages() {
    return this.#fields.usages;
  }

  get [Symbol.toStringTag]() {
    return 'CryptoKey';
  }

  static {
    materialOf = (key) => key.#fields.material;
    isKey = (value) => typeof value === 'object' && value !== null && #fields in value;
  }
}

export { isKey, materialOf };

/** Frozen, unlike in the standard, so that what a key says about itself is what it is. */
function makeKey(type, extractable, algorithm, usages, material) {
  if (algorithm.hash !== undefined) Object.freeze(algorithm.hash);
  const fields = { type, extractable: Boolean(extractable), algorithm: Object.freeze(algorithm), usages: Object.freeze(usages), material };
  return new CryptoKey(INSIDE, fields);
}

function random(bits) {
  return ask('random', bits / 8);
}

const HASH_BITS = { 'SHA-1': 160, 'SHA-256': 256, 'SHA-384': 384, 'SHA-512': 512 };

/** `SHA-256` as the algorithms of JOSE name it. */
function joseBits(hash) {
  return hash === 'SHA-1' ? '1' : hash.slice(4);
}

function wholeBytes(bits) {
  if (bits % 8 !== 0) fail('NotSupportedError', 'a length is a multiple of 8 bits');
  return bits;
}

function toBase64url(buffer) {
  let text = '';
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The bytes of a JWK's member. */
function fromBase64url(jwk, name) {
  const text = jwk[name];
  if (typeof text !== 'string' || !/^[\w-]*$/.test(text) || text.length % 4 === 1) {
    fail('DataError', `the member "${name}" of the JWK is not base64url`);
  }
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0)).buffer;
}

/** What every JWK must agree with; `names` are the values that `alg` may have. */
function checkJwk(jwk, { kty, use, names }, usages, extractable) {
  if (jwk.kty !== kty) fail('DataError', `the "kty" of the JWK is not ${kty}`);
  if (jwk.alg !== undefined && names !== undefined && !names.includes(jwk.alg)) {
    fail('DataError', `the "alg" of the JWK is not ${names.join(' or ')}`);
  }
  if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) fail('DataError', `the "use" of the JWK is not ${use}`);
  if (jwk.key_ops !== undefined) {
    const allowed = Array.isArray(jwk.key_ops) ? jwk.key_ops : [];
    if (new Set(allowed).size !== allowed.length || !usages.every((usage) => allowed.includes(usage))) {
      fail('DataError', 'the "key_ops" of the JWK do not allow these usages');
    }
  }
  if (jwk.ext === false && extractable) fail('DataError', 'the JWK says that it is not extractable');
}

/** Algorithms whose key is a secret: `jwk(algorithm)` is what its JWK must agree with. */
function secretKeys({ usages, formats, describe, generate, jwk }) {
  return {
    usages: { secret: usages },
    typeOf: () => 'secret',
    read(format, data, algorithm, wanted, extractable) {
      if (!formats.includes(format)) fail('NotSupportedError', `a key of ${algorithm.name} is not imported as ${format}`);
      let material = data;
      if (format === 'jwk') {
        checkJwk(data, { kty: 'oct' }, [], extractable);
        material = fromBase64url(data, 'k');
      }
      const described = describe(algorithm, material.byteLength * 8, extractable);
      if (format === 'jwk') checkJwk(data, jwk(described), wanted, extractable);
      return [described, format === 'jwk' ? material : material.slice()];
    },
    generate,
    write(format, key) {
      if (!formats.includes(format)) fail('NotSupportedError', `a key of ${key.algorithm.name} is not exported as ${format}`);
      if (format === 'raw') return materialOf(key).slice();
      return { kty: 'oct', k: toBase64url(materialOf(key)), alg: jwk(key.algorithm).names[0] };
    },
  };
}

const HMAC = secretKeys({
  usages: ['sign', 'verify'],
  formats: ['raw', 'jwk'],
  describe({ name, hash, length }, bits) {
    if (bits === 0) fail('DataError', 'an HMAC key has at least one byte');
    if (length !== undefined && wholeBytes(length) !== bits) fail('DataError', 'the key does not have the length that is given');
    return { name, hash: { name: hash }, length: bits };
  },
  generate({ name, hash, length }) {
    const bits = length ?? blockBits(hash);
    if (bits === 0) fail('OperationError', 'an HMAC key has at least one bit');
    return [{ name, hash: { name: hash }, length: bits }, random(wholeBytes(bits))];
  },
  jwk: ({ hash }) => ({ kty: 'oct', use: 'sig', names: [`HS${joseBits(hash.name)}`] }),
});

/** The length of an HMAC key unless another is asked for: the hash's block. */
function blockBits(hash) {
  return HASH_BITS[hash] <= 256 ? 512 : 1024;
}

const AES_BITS = [128, 192, 256];

const AES_GCM = secretKeys({
  usages: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
  formats: ['raw', 'jwk'],
  describe({ name }, bits) {
    if (!AES_BITS.includes(bits)) fail('DataError', `an AES key has 128, 192 or 256 bits, not ${bits}`);
    return { name, length: bits };
  },
  generate({ name, length }) {
    return [{ name, length: checkAesBits(length) }, random(length)];
  },
  jwk: ({ length }) => ({ kty: 'oct', use: 'enc', names: [`A${length}GCM`] }),
});

function checkAesBits(bits) {
  if (!AES_BITS.includes(bits)) fail('OperationError', `an AES key has 128, 192 or 256 bits, not ${bits}`);
  return bits;
}

const DERIVATION = secretKeys({
  usages: ['deriveKey', 'deriveBits'],
  formats: ['raw'],
  describe({ name }, bits, extractable) {
    if (extractable) fail('SyntaxError', `a key of ${name} cannot be extractable`);
    return { name };
  },
});

/** Algorithms with a key pair; `from…` and `to…` work on the material. */
function keyPairs(kty, { raw, fromSpki, fromPkcs8, fromJwk, generate, toRaw, toSpki, toPkcs8, toJwk, names, describe }) {
  return {
    usages: { public: ['verify'], private: ['sign'] },
    typeOf: (format, data) => (format === 'pkcs8' || (format === 'jwk' && data.d !== undefined) ? 'private' : 'public'),
    read(format, data, algorithm, wanted, extractable) {
      if (format === 'jwk') checkJwk(data, { kty, use: 'sig', names: names(algorithm) }, wanted, extractable);
      const readers = { raw, spki: fromSpki, pkcs8: fromPkcs8, jwk: fromJwk };
      if (readers[format] === undefined) fail('NotSupportedError', `a key of ${algorithm.name} is not imported as ${format}`);
      const material = readers[format](data, algorithm);
      return [describe(algorithm, material, this.typeOf(format, data)), material];
    },
    generate,
    write(format, key) {
      const writers = { raw: toRaw, spki: toSpki, pkcs8: toPkcs8, jwk: toJwk };
      if (writers[format] === undefined) fail('NotSupportedError', `a key of ${key.algorithm.name} is not exported as ${format}`);
      if (format !== 'jwk' && (format === 'pkcs8') !== (key.type === 'private')) {
        fail('InvalidAccessError', `a ${key.type} key is not exported as ${format}`);
      }
      const written = writers[format](materialOf(key), key);
      return format === 'jwk' ? { kty, ...written } : written.slice();
    },
  };
}

const SCALAR_BYTES = { 'P-256': 32, 'P-384': 48 };
const EC_NAMES = { 'P-256': ['ES256'], 'P-384': ['ES384'] };

function curveOf({ namedCurve }) {
  if (SCALAR_BYTES[namedCurve] === undefined) fail('NotSupportedError', 'the curves are P-256 and P-384');
  return namedCurve;
}

/** The point of a key, without the scalar before it. */
function pointOf(material, key) {
  return material.slice(key.type === 'private' ? SCALAR_BYTES[key.algorithm.namedCurve] : 0);
}

const ECDSA = keyPairs('EC', {
  names: (algorithm) => EC_NAMES[curveOf(algorithm)],
  describe: ({ name, namedCurve }) => ({ name, namedCurve }),
  raw: (data, algorithm) => ask('ecPoint', curveOf(algorithm), data),
  fromSpki: (data, algorithm) => ask('ecFromSpki', curveOf(algorithm), data),
  fromPkcs8: (data, algorithm) => ask('ecFromPkcs8', curveOf(algorithm), data),
  fromJwk(jwk, algorithm) {
    const bytes = SCALAR_BYTES[algorithm.namedCurve];
    if (jwk.crv !== algorithm.namedCurve) fail('DataError', 'the "crv" of the JWK is another curve');
    const [x, y] = [fromBase64url(jwk, 'x'), fromBase64url(jwk, 'y')];
    if (x.byteLength !== bytes || y.byteLength !== bytes) fail('DataError', `a coordinate of ${jwk.crv} has ${bytes} bytes`);
    const point = Uint8Array.of(4, ...new Uint8Array(x), ...new Uint8Array(y)).buffer;
    if (jwk.d === undefined) return ask('ecPoint', algorithm.namedCurve, point);
    return ask('ecFromJwk', algorithm.namedCurve, fromBase64url(jwk, 'd'), point);
  },
  generate(algorithm) {
    const material = ask('ecGenerate', curveOf(algorithm));
    const described = { name: algorithm.name, namedCurve: algorithm.namedCurve };
    return [described, material, material.slice(SCALAR_BYTES[algorithm.namedCurve])];
  },
  toRaw: (material) => material,
  toSpki: (material, { algorithm }) => ask('ecToSpki', algorithm.namedCurve, material),
  toPkcs8: (material, { algorithm }) => ask('ecToPkcs8', algorithm.namedCurve, material),
  toJwk(material, key) {
    const bytes = SCALAR_BYTES[key.algorithm.namedCurve];
    const point = pointOf(material, key);
    const [x, y] = [point.slice(1, 1 + bytes), point.slice(1 + bytes)].map(toBase64url);
    const jwk = { crv: key.algorithm.namedCurve, x, y };
    return key.type === 'private' ? { ...jwk, d: toBase64url(material.slice(0, bytes)) } : jwk;
  },
});

const ED25519 = keyPairs('OKP', {
  names: () => ['Ed25519', 'EdDSA'],
  describe: ({ name }) => ({ name }),
  raw: (data) => checkEd25519(data.slice()),
  fromSpki: (data) => ask('edFromSpki', data),
  fromPkcs8: (data) => ask('edFromPkcs8', data),
  fromJwk(jwk) {
    if (jwk.crv !== 'Ed25519') fail('DataError', 'the "crv" of the JWK is not Ed25519');
    const key = checkEd25519(fromBase64url(jwk, 'x'));
    if (jwk.d === undefined) return key;
    const seed = checkEd25519(fromBase64url(jwk, 'd'));
    if (toBase64url(ask('edPublic', seed)) !== jwk.x) fail('DataError', 'the "x" and the "d" of the JWK do not belong together');
    return seed;
  },
  generate({ name }) {
    const seed = random(256);
    return [{ name }, seed, ask('edPublic', seed)];
  },
  toRaw: (material) => material,
  toSpki: (material) => ask('edToSpki', material),
  toPkcs8: (material) => ask('edToPkcs8', material),
  toJwk(material, { type }) {
    const jwk = { crv: 'Ed25519', alg: 'Ed25519' };
    if (type === 'public') return { ...jwk, x: toBase64url(material) };
    return { ...jwk, x: toBase64url(ask('edPublic', material)), d: toBase64url(material) };
  },
});

function checkEd25519(buffer) {
  if (buffer.byteLength !== 32) fail('DataError', 'an Ed25519 key has 32 bytes');
  return buffer;
}

const RSA_MEMBERS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'];

function rsaKeys(prefix) {
  const names = ({ hash }) => [`${prefix}${joseBits(hash.name ?? hash)}`];
  return keyPairs('RSA', {
    names,
    describe({ name, hash }, material, type) {
      const [n, e] = ask(type === 'private' ? 'rsaPrivateParts' : 'rsaPublicParts', material);
      const modulusLength = n.byteLength * 8 - Math.clz32(new Uint8Array(n)[0]) + 24;
      return { name, modulusLength, publicExponent: new Uint8Array(e), hash: { name: hash } };
    },
    fromSpki: (data) => ask('rsaFromSpki', data),
    fromPkcs8: (data) => ask('rsaFromPkcs8', data),
    fromJwk(jwk) {
      if (jwk.oth !== undefined) fail('NotSupportedError', 'an RSA key has two primes');
      const members = jwk.d === undefined ? ['n', 'e'] : ['n', 'e', 'd', 'p', 'q'];
      return ask('rsaFromJwk', members.map((member) => fromBase64url(jwk, member)));
    },
    toSpki: (material) => material,
    toPkcs8: (material) => material,
    toJwk(material, { type, algorithm }) {
      const parts = ask(type === 'private' ? 'rsaPrivateParts' : 'rsaPublicParts', material);
      const members = parts.map((number, index) => [RSA_MEMBERS[index], toBase64url(number)]);
      return { alg: names(algorithm)[0], ...Object.fromEntries(members) };
    },
  });
}

const KINDS = {
  HMAC, 'AES-GCM': AES_GCM, HKDF: DERIVATION, PBKDF2: DERIVATION, ECDSA, Ed25519: ED25519,
  'RSASSA-PKCS1-v1_5': rsaKeys('RS'), 'RSA-PSS': rsaKeys('PS'),
};

function checkUsages(allowed, usages, name) {
  const other = usages.find((usage) => !allowed.includes(usage));
  if (other !== undefined) fail('SyntaxError', `such a key of ${name} cannot be used to ${other}`);
}

const FORMATS = ['raw', 'spki', 'pkcs8', 'jwk'];

export function checkFormat(format) {
  if (!FORMATS.includes(format)) throw new TypeError(`the formats of a key are ${FORMATS.join(', ')}`);
}

export function importKey(format, data, algorithm, extractable, usages) {
  checkFormat(format);
  const isBuffer = ArrayBuffer.isView(data) || data instanceof ArrayBuffer;
  if (format === 'jwk' && (isBuffer || typeof data !== 'object' || data === null)) throw new TypeError('a JWK is an object');
  const given = format === 'jwk' ? data : bytesOf(data, 'the key');
  const kind = KINDS[algorithm.name];
  const type = kind.typeOf(format, given);
  checkUsages(kind.usages[type], usages, algorithm.name);
  const [described, material] = kind.read(format, given, algorithm, usages, extractable);
  if (type !== 'public' && usages.length === 0) fail('SyntaxError', 'a key that is not public has at least one usage');
  return makeKey(type, extractable, described, usages, material);
}

export function generateKey(algorithm, extractable, usages) {
  const kind = KINDS[algorithm.name];
  const allowed = Object.values(kind.usages).flat();
  checkUsages(allowed, usages, algorithm.name);
  const [described, material, publicMaterial] = kind.generate(algorithm);
  const type = publicMaterial === undefined ? 'secret' : 'private';
  const own = usages.filter((usage) => kind.usages[type].includes(usage));
  if (own.length === 0) fail('SyntaxError', 'a key that is not public has at least one usage');
  const key = makeKey(type, extractable, described, own, material);
  if (type === 'secret') return key;
  const others = usages.filter((usage) => kind.usages.public.includes(usage));
  return { privateKey: key, publicKey: makeKey('public', true, { ...described }, others, publicMaterial) };
}

export function exportKey(format, key) {
  checkFormat(format);
  const kind = KINDS[key.algorithm.name];
  if (key.extractable) {
    const written = kind.write(format, key);
    return format === 'jwk' ? { ...written, key_ops: [...key.usages], ext: true } : written;
  }
  return fail('InvalidAccessError', 'the key is not extractable');
}

/** The bits that a derived key of an algorithm takes; `null`: as many as there are. */
export function lengthOf({ name, hash, length }) {
  if (name === 'AES-GCM') return checkAesBits(length);
  if (name !== 'HMAC') return null;
  if (length === 0) throw new TypeError('an HMAC key has at least one bit');
  return length ?? blockBits(hash);
}
