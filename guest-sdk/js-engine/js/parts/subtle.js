// crypto.subtle (Web Cryptography API, section 14): algorithms and their parameters, and the
// operations on keys. Everything happens at once; only the answer comes as a promise.

const { part, encodeText } = import.meta.realm;
const { CryptoKey, ask, bytesOf, exportKey, fail, generateKey, importKey, isKey, lengthOf, materialOf, usagesOf } = part('crypto_keys');

export { CryptoKey };

/** `[EnforceRange] unsigned long` of Web IDL. */
function wholeNumber(value, what) {
  const number = Math.trunc(Number(value));
  if (!(number >= 0 && number <= 0xffffffff)) throw new TypeError(`${what} must be a whole number from 0 to 4294967295`);
  return number;
}

const hash = (value) => normalize('digest', value).name;
const text = (value) => String(value);
const optional = (convert) => Object.assign((value, what) => convert(value, what), { isOptional: true });

const GCM = { iv: bytesOf, additionalData: optional(bytesOf), tagLength: optional(wholeNumber) };
const HMAC_KEY = { hash, length: optional(wholeNumber) };

/** By algorithm, the operations that it has, and their parameters. */
const ALGORITHMS = {
  'SHA-1': { digest: {} },
  'SHA-256': { digest: {} },
  'SHA-384': { digest: {} },
  'SHA-512': { digest: {} },
  HMAC: { sign: {}, verify: {}, generateKey: HMAC_KEY, importKey: HMAC_KEY, keyLength: HMAC_KEY },
  'AES-GCM': {
    encrypt: GCM, decrypt: GCM, wrapKey: GCM, unwrapKey: GCM, generateKey: { length: wholeNumber }, importKey: {},
    keyLength: { length: wholeNumber },
  },
  ECDSA: { sign: { hash }, verify: { hash }, generateKey: { namedCurve: text }, importKey: { namedCurve: text } },
  Ed25519: { sign: {}, verify: {}, generateKey: {}, importKey: {} },
  'RSASSA-PKCS1-v1_5': { sign: {}, verify: {}, importKey: { hash } },
  'RSA-PSS': { sign: { saltLength: wholeNumber }, verify: { saltLength: wholeNumber }, importKey: { hash } },
  HKDF: { deriveBits: { hash, salt: bytesOf, info: bytesOf }, importKey: {}, keyLength: {} },
  PBKDF2: { deriveBits: { hash, salt: bytesOf, iterations: wholeNumber }, importKey: {}, keyLength: {} },
};

const NAMES = new Map(Object.keys(ALGORITHMS).map((name) => [name.toLowerCase(), name]));

/** An `AlgorithmIdentifier`, with its parameters converted (section 18.4). */
function normalize(operation, algorithm) {
  const given = Object(algorithm) === algorithm ? algorithm : { name: algorithm };
  if (Object(algorithm) === algorithm && given.name === undefined) throw new TypeError('an algorithm has a name');
  const wanted = `${given.name}`;
  const name = NAMES.get(wanted.toLowerCase());
  const members = name === undefined ? undefined : ALGORITHMS[name][operation];
  if (members === undefined) {
    if (operation === 'generateKey' && name?.startsWith('RSA')) {
      fail('NotSupportedError', 'an RSA key takes too long to generate in a run: make one elsewhere and import it');
    }
    fail('NotSupportedError', `the algorithm "${wanted.slice(0, 50)}" is not available for ${operation}`);
  }
  const normal = { name };
  for (const member in members) {
    const value = given[member];
    if (value !== undefined) {
      normal[member] = members[member](value, member);
    } else if (members[member].isOptional !== true) {
      throw new TypeError(`${name} needs ${member}`);
    }
  }
  return normal;
}

/** The key, if it is one of this algorithm and for this usage. */
function checkKey(key, { name }, usage, type) {
  if (!isKey(key)) throw new TypeError('the key must be a CryptoKey');
  if (key.algorithm.name !== name) fail('InvalidAccessError', `the key is one of ${key.algorithm.name}, not of ${name}`);
  if (!key.usages.includes(usage)) fail('InvalidAccessError', `the key is not meant to ${usage}`);
  if (type !== undefined && key.type !== type) fail('InvalidAccessError', `to ${usage} takes a ${type} key`);
  return materialOf(key);
}

const TAG_BITS = [32, 64, 96, 104, 112, 120, 128];

function crypt(native, { iv, additionalData = new ArrayBuffer(0), tagLength = 128 }, material, data) {
  if (!TAG_BITS.includes(tagLength)) fail('OperationError', `a tag has one of ${TAG_BITS.join(', ')} bits`);
  if (iv.byteLength === 0) fail('OperationError', 'the IV has at least one byte');
  return ask(native, material, iv, additionalData, tagLength / 8, data);
}

/** No salt is as long as this; what is longer fails in Rust all the same. */
const MAX_SALT_BYTES = 65536;

const SIGN = {
  HMAC: (material, { algorithm }, _, data) => ask('hmac', algorithm.hash.name, material, data),
  ECDSA: (material, { algorithm }, parameters, data) => ask('ecSign', algorithm.namedCurve, parameters.hash, material, data),
  Ed25519: (material, _key, _, data) => ask('edSign', material, data),
  'RSASSA-PKCS1-v1_5': (material, { algorithm }, _, data) => ask('rsaSign', algorithm.hash.name, material, undefined, data),
  'RSA-PSS': (material, { algorithm }, { saltLength }, data) =>
    ask('rsaSign', algorithm.hash.name, material, Math.min(saltLength, MAX_SALT_BYTES), data),
};

const VERIFY = {
  HMAC: (material, { algorithm }, _, signature, data) => ask('hmacVerify', algorithm.hash.name, material, signature, data),
  ECDSA: (material, { algorithm }, parameters, signature, data) =>
    ask('ecVerify', algorithm.namedCurve, parameters.hash, material, signature, data),
  Ed25519: (material, _key, _, signature, data) => ask('edVerify', material, signature, data),
  'RSASSA-PKCS1-v1_5': (material, { algorithm }, _, signature, data) =>
    ask('rsaVerify', algorithm.hash.name, material, undefined, signature, data),
  'RSA-PSS': (material, { algorithm }, { saltLength }, signature, data) =>
    ask('rsaVerify', algorithm.hash.name, material, Math.min(saltLength, MAX_SALT_BYTES), signature, data),
};

function derive(parameters, material, length) {
  if (length === null || length % 8 !== 0) fail('OperationError', 'the length is a multiple of 8 bits');
  const { name, salt, info, iterations } = parameters;
  if (name === 'HKDF') return ask('hkdf', parameters.hash, material, salt, info, length / 8);
  if (iterations === 0) fail('OperationError', 'PBKDF2 takes at least one iteration');
  return ask('pbkdf2', parameters.hash, material, salt, iterations, length / 8);
}

export class SubtleCrypto {
  constructor(isOwn) {
    if (isOwn !== NAMES) throw new TypeError('there is one SubtleCrypto only: crypto.subtle');
  }

  async digest(algorithm, data) {
    const { name } = normalize('digest', algorithm);
    return ask('digest', name, bytesOf(data));
  }

  async sign(algorithm, key, data) {
    const parameters = normalize('sign', algorithm);
    const material = checkKey(key, parameters, 'sign', parameters.name === 'HMAC' ? undefined : 'private');
    return SIGN[parameters.name](material, key, parameters, bytesOf(data));
  }

  async verify(algorithm, key, signature, data) {
    const parameters = normalize('verify', algorithm);
    const material = checkKey(key, parameters, 'verify', parameters.name === 'HMAC' ? undefined : 'public');
    return VERIFY[parameters.name](material, key, parameters, bytesOf(signature, 'signature'), bytesOf(data));
  }

  async encrypt(algorithm, key, data) {
    const parameters = normalize('encrypt', algorithm);
    return crypt('gcmEncrypt', parameters, checkKey(key, parameters, 'encrypt'), bytesOf(data));
  }

  async decrypt(algorithm, key, data) {
    const parameters = normalize('decrypt', algorithm);
    return crypt('gcmDecrypt', parameters, checkKey(key, parameters, 'decrypt'), bytesOf(data));
  }

  async generateKey(algorithm, extractable, keyUsages) {
    return generateKey(normalize('generateKey', algorithm), extractable, usagesOf(keyUsages));
  }

  async importKey(format, keyData, algorithm, extractable, keyUsages) {
    return importKey(format, keyData, normalize('importKey', algorithm), extractable, usagesOf(keyUsages));
  }

  async exportKey(format, key) {
    if (!isKey(key)) throw new TypeError('the key must be a CryptoKey');
    return exportKey(format, key);
  }

  async deriveBits(algorithm, baseKey, length = null) {
    const parameters = normalize('deriveBits', algorithm);
    return derive(parameters, checkKey(baseKey, parameters, 'deriveBits'), length === null ? null : wholeNumber(length, 'length'));
  }

  async deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
    const parameters = normalize('deriveBits', algorithm);
    const wanted = normalize('importKey', derivedKeyType);
    const length = lengthOf(normalize('keyLength', derivedKeyType));
    const usages = usagesOf(keyUsages);
    const material = checkKey(baseKey, parameters, 'deriveKey');
    return importKey('raw', derive(parameters, material, length), wanted, extractable, usages);
  }

  async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
    const parameters = normalize('wrapKey', wrapAlgorithm);
    const material = checkKey(wrappingKey, parameters, 'wrapKey');
    if (!isKey(key)) throw new TypeError('the key must be a CryptoKey');
    const exported = exportKey(format, key);
    const bytes = format === 'jwk' ? encodeText(JSON.stringify(exported)) : exported;
    return crypt('gcmEncrypt', parameters, material, bytes);
  }

  async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
    const parameters = normalize('unwrapKey', unwrapAlgorithm);
    const wanted = normalize('importKey', unwrappedKeyAlgorithm);
    const usages = usagesOf(keyUsages);
    const bytes = crypt('gcmDecrypt', parameters, checkKey(unwrappingKey, parameters, 'unwrapKey'), bytesOf(wrappedKey));
    return importKey(format, format === 'jwk' ? readJwk(bytes) : bytes, wanted, extractable, usages);
  }

  get [Symbol.toStringTag]() {
    return 'SubtleCrypto';
  }
}

function readJwk(bytes) {
  try {
    return JSON.parse(new (part('encoding').TextDecoder)('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return fail('DataError', 'what was unwrapped is not a JWK');
  }
}

export const subtle = new SubtleCrypto(NAMES);
