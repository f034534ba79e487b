// Signatures, one-time passwords and tokens, on Web Crypto.

const { need, part, plain } = import.meta.realm;

const HASHES = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' };

function subtle() {
  return part('crypto').crypto.subtle;
}

/** Never in a message: what is given here may be a secret. */
function bytesOf(value, what) {
  if (typeof value === 'string') return new TextEncoder().encode(value.toWellFormed());
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`${what} must be a text or bytes, and is of type ${typeof value}`);
}

function base64(bytes) {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function base64url(bytes) {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

const ENCODINGS = {
  hex: (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''),
  base64,
  base64url,
};

async function hmac(secret, data, hash) {
  const key = await subtle().importKey('raw', secret, { name: 'HMAC', hash }, false, ['sign']);
  return new Uint8Array(await subtle().sign('HMAC', key, data));
}

/** `sha256`, `SHA-256` and `SHA256` alike. */
function hashOf(name) {
  const plainName = typeof name === 'string' ? name.toLowerCase().replace('-', '') : '';
  need(Object.hasOwn(HASHES, plainName), 'the hash must be "sha1", "sha256", "sha384" or "sha512"', name);
  return HASHES[plainName];
}

/** The HMAC of the data (RFC 2104) as text. */
export async function hmacSign(secret, data, { hash = 'sha256', encoding = 'hex' } = {}) {
  need(Object.hasOwn(ENCODINGS, encoding), 'the encoding must be "hex", "base64" or "base64url"', encoding);
  const key = bytesOf(secret, 'the secret of hmacSign');
  if (key.length === 0) throw new TypeError('the secret of hmacSign is empty');
  return ENCODINGS[encoding](await hmac(key, bytesOf(data, 'the data of hmacSign'), hashOf(hash)));
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, section 6; lower case, spaces, hyphens and missing padding are let pass. */
function readBase32(text) {
  if (typeof text !== 'string') throw new TypeError(`the secret of totp must be a text in base32, and is of type ${typeof text}`);
  const digits = text.toUpperCase().replace(/[\s-]/g, '').replace(/=+$/, '');
  const bytes = new Uint8Array(Math.floor((digits.length * 5) / 8));
  let [held, bits, at] = [0, 0, 0];
  for (const digit of digits) {
    const value = BASE32.indexOf(digit);
    if (value < 0) throw new TypeError('the secret of totp is not base32');
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
    }
  }
  if (bytes.length === 0) throw new TypeError('the secret of totp is empty');
  return bytes;
}

/** RFC 6238. `time` is in milliseconds since 1970, or a Date. */
export async function totp(secret, { digits = 6, period = 30, algorithm = 'sha1', time = Date.now() } = {}) {
  need(Number.isInteger(digits) && digits >= 6 && digits <= 10, 'the digits of totp are 6 to 10', digits);
  need(Number.isInteger(period) && period > 0, 'the period of totp must be whole seconds', period);
  const at = Number(time);
  need(at >= 0 && at < 8.64e15, 'the time of totp must be milliseconds since 1970', time);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(Math.floor(at / 1000 / period)));
  const mac = await hmac(readBase32(secret), new Uint8Array(counter.buffer), hashOf(algorithm));
  // RFC 4226, section 5.3
  const offset = mac.at(-1) & 0xf;
  const code = new DataView(mac.buffer, mac.byteOffset).getUint32(offset) & 0x7fffffff;
  return String(code % 10 ** digits).padStart(digits, '0');
}

/** RFC 7518, section 3.1: how a key is imported, and how it signs. */
const ALGORITHMS = {
  HS256: { family: 'HMAC', imported: { name: 'HMAC', hash: 'SHA-256' }, signed: { name: 'HMAC' } },
  RS256: { family: 'RSA', imported: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, signed: { name: 'RSASSA-PKCS1-v1_5' } },
  ES256: { family: 'EC', imported: { name: 'ECDSA', namedCurve: 'P-256' }, signed: { name: 'ECDSA', hash: 'SHA-256' } },
};

const CLAIMS = { issuer: 'iss', subject: 'sub', audience: 'aud', jwtId: 'jti' };
const OPTIONS = new Set(['alg', 'kid', 'header', 'expiresIn', 'notBefore', 'issuedAt', ...Object.keys(CLAIMS)]);

/** RFC 7519: a signed token of the payload. `iat` is now unless the payload has one. */
export async function signJwt(payload, key, options) {
  need(typeof payload === 'object' && payload !== null && !Array.isArray(payload), 'the payload of jwt.sign must be an object', payload);
  need(typeof options === 'object' && options !== null, 'jwt.sign takes options such as { alg: "HS256" }', options);
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  need(unknown === undefined, 'jwt.sign takes the options alg, kid, header, expiresIn, notBefore, issuedAt, issuer, subject, audience and jwtId', unknown);
  const { alg, kid, header, expiresIn, notBefore, issuedAt = Math.floor(Date.now() / 1000) } = options;
  need(Object.hasOwn(ALGORITHMS, alg), 'the alg of jwt.sign must be "HS256", "RS256" or "ES256"', alg);
  need(Number.isFinite(issuedAt), 'issuedAt must be seconds since 1970', issuedAt);
  const claims = { iat: issuedAt };
  for (const [name, seconds, claim] of [['expiresIn', expiresIn, 'exp'], ['notBefore', notBefore, 'nbf']]) {
    if (seconds === undefined) continue;
    need(Number.isFinite(seconds), `${name} must be a number of seconds`, seconds);
    claims[claim] = issuedAt + seconds;
  }
  for (const name in CLAIMS) {
    if (options[name] !== undefined) claims[CLAIMS[name]] = options[name];
  }
  const encode = (value) => base64url(bytesOf(JSON.stringify(value)));
  const protectedHeader = { alg, typ: 'JWT', ...(kid === undefined ? {} : { kid }), ...header, alg };
  const signed = `${encode(protectedHeader)}.${encode({ ...claims, ...payload })}`;
  const { signed: how } = ALGORITHMS[alg];
  const signature = await subtle().sign(how, await signingKey(key, alg), bytesOf(signed));
  return `${signed}.${base64url(new Uint8Array(signature))}`;
}

async function signingKey(key, alg) {
  const { family, imported } = ALGORITHMS[alg];
  const isJwk = typeof key === 'object' && key !== null && typeof key.kty === 'string';
  const expected = { HMAC: 'oct', RSA: 'RSA', EC: 'EC' }[family];
  if (isJwk && key.kty !== expected) throw new TypeError(`${alg} needs a JWK of the type ${expected}, not ${plain(key.kty).slice(0, 20)}`);
  let [format, data] = ['jwk', key];
  if (!isJwk && family === 'HMAC') [format, data] = ['raw', bytesOf(key, `the key of ${alg}`)];
  else if (!isJwk) [format, data] = ['pkcs8', readPem(key, alg)];
  if (format === 'raw' && data.length === 0) throw new TypeError(`the key of ${alg} is empty`);
  try {
    return await subtle().importKey(format, data, imported, false, ['sign']);
  } catch (cause) {
    throw new TypeError(`the key is none that ${alg} can sign with`, { cause });
  }
}

const PEM = /-----BEGIN ([A-Z ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/;

/** RFC 7468. Keys in variables often have `\n` in two characters. */
function readPem(text, alg) {
  const found = typeof text === 'string' ? PEM.exec(text.replaceAll('\\n', '\n')) : null;
  if (found === null) throw new TypeError(`${alg} needs a private key as PEM text (BEGIN PRIVATE KEY) or as JWK`);
  const [, label, body] = found;
  if (label !== 'PRIVATE KEY') {
    throw new TypeError(`${alg} needs a PKCS #8 key (BEGIN PRIVATE KEY), not ${label}: \`openssl pkcs8 -topk8 -nocrypt\` makes one`);
  }
  return Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
}
