//! `crypto`: known answers, keys in and out, and what is refused.

mod limits;

use serde_json::Value;
use vedette_core::{ErrorClass, Outcome};

use crate::{assert_success, data, inputs, run_body, run_with};

/// What the scripts of this file share; `params` are the vectors.
const HELPERS: &str = "
const { subtle } = crypto;
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
const b64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const b64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const utf8 = (text) => new TextEncoder().encode(text);
const equal = (actual, expected, what) => {
  if (actual !== expected) throw new Error(`${what}: ${actual} is not ${expected}`);
};
/** That the promise is rejected, with a DOMException of this name or a TypeError. */
const refused = async (name, promise, what) => {
  if (!(promise instanceof Promise)) throw new Error(`${what}: no promise`);
  let error;
  try {
    await promise;
  } catch (caught) {
    error = caught;
  }
  equal(error?.name, name, `${what}: ${error?.message}`);
  equal(error instanceof (name === 'TypeError' ? TypeError : DOMException), true, what);
};
const flipped = (bytes, at = 0) => {
  const copy = new Uint8Array(bytes).slice();
  copy[at < 0 ? copy.length + at : at] ^= 1;
  return copy;
};
const hmacKey = (usages = ['sign', 'verify'], bytes = new Uint8Array(32)) =>
  subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, true, usages);
const gcmKey = (usages = ['encrypt', 'decrypt'], bytes = new Uint8Array(16)) =>
  subtle.importKey('raw', bytes, 'AES-GCM', true, usages);
";

fn vectors() -> Value {
    serde_json::from_str(include_str!("crypto/vectors.json")).unwrap()
}

async fn run_crypto(body: &str) -> Outcome {
    let source = format!("{HELPERS} export default async ({{ params: vectors }}) => {{ {body} }}");
    run_with(&source, inputs(vectors(), &[])).await
}

/// That the script gets to its end; it throws where something is not as expected.
async fn holds(body: &str) -> Outcome {
    let outcome = run_crypto(&format!("{body}; return {{ success: true }};")).await;
    assert_success(&outcome);
    outcome
}

#[tokio::test]
async fn random_values_fill_the_array_that_is_given() {
    holds(
        "for (const Kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array]) {
           const array = new Kind(32);
           equal(crypto.getRandomValues(array), array, Kind.name);
           equal(array.every((value) => value == 0), false, Kind.name);
         }
         const whole = new Uint8Array(64);
         crypto.getRandomValues(whole.subarray(16, 48));
         equal([...whole.slice(0, 16), ...whole.slice(48)].every((byte) => byte === 0), true, 'outside');
         equal(whole.slice(16, 48).every((byte) => byte === 0), false, 'inside');
         equal(crypto.getRandomValues(new Uint8Array(0)).length, 0, 'none');
         equal(new Set(crypto.getRandomValues(new Uint8Array(65536))).size, 256, 'most');",
    )
    .await;
}

#[tokio::test]
async fn random_values_are_bounded_and_for_integers_only() {
    holds(
        "const thrown = (f) => { try { f(); } catch (error) { return error.name; } };
         equal(thrown(() => crypto.getRandomValues(new Uint8Array(65537))), 'QuotaExceededError', '65537');
         equal(thrown(() => crypto.getRandomValues(new Uint32Array(16385))), 'QuotaExceededError', '16385 words');
         for (const other of [new Float32Array(1), new Float64Array(1), new DataView(new ArrayBuffer(8))]) {
           equal(thrown(() => crypto.getRandomValues(other)), 'TypeMismatchError', other.constructor.name);
         }
         for (const other of [undefined, null, 1, 'x', {}, [1], new ArrayBuffer(8)]) {
           equal(thrown(() => crypto.getRandomValues(other)), 'TypeError', String(other));
         }",
    )
    .await;
    // Corpus J51: a gibibyte does not even fit into memory.
    let huge = "crypto.getRandomValues(new Uint8Array(2 ** 30)); return { success: true };";
    let outcome = run_body(huge).await;
    assert!(
        matches!(
            outcome.error_class,
            Some(ErrorClass::MemoryLimit | ErrorClass::ScriptError)
        ),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn no_two_runs_see_the_same_random_values() {
    let body = "return { success: true, data: [crypto.randomUUID(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(16))].join()] };";
    let (first, second) = (run_body(body).await, run_body(body).await);
    let all: Vec<_> = [data(&first), data(&second)]
        .iter()
        .flat_map(|data| data.as_array().unwrap().clone())
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), 6, "{all:?}");
    for uuid in [&all[0], &all[1], &all[3], &all[4]] {
        let groups: Vec<_> = uuid.split('-').collect();
        let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert!(groups[2].starts_with('4'), "{uuid}");
        assert!(groups[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
        let is_hex = |c: char| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(uuid.chars().all(is_hex), "{uuid}");
    }
}

#[tokio::test]
async fn the_globals_are_those_of_the_standard() {
    holds(
        "equal(crypto instanceof Crypto && subtle instanceof SubtleCrypto, true, 'instances');
         equal(crypto.subtle, subtle, 'one');
         equal([crypto, subtle, await hmacKey()].join(), '[object Crypto],[object SubtleCrypto],[object CryptoKey]', 'tags');
         for (const Kind of [Crypto, SubtleCrypto, CryptoKey]) {
           let error;
           try { new Kind(); } catch (caught) { error = caught; }
           equal(error instanceof TypeError, true, Kind.name);
         }
         equal(Object.keys(globalThis).includes('crypto'), false, 'enumerable');
         const key = await hmacKey(['verify', 'sign', 'sign']);
         equal(JSON.stringify([key.type, key.extractable, key.algorithm, key.usages]),
           '[\"secret\",true,{\"name\":\"HMAC\",\"hash\":{\"name\":\"SHA-256\"},\"length\":256},[\"sign\",\"verify\"]]', 'key');",
    )
    .await;
}

#[tokio::test]
async fn digests_and_what_is_made_of_them() {
    holds(
        "for (const hash in vectors.hashes) {
           const known = vectors.hashes[hash];
           const texts = { '': '', abc: 'abc', million: 'a'.repeat(1e6) };
           for (const name in texts) equal(hex(await subtle.digest(hash, utf8(texts[name]))), known.digest[name], `${hash} of ${name}`);
           equal(hex(await subtle.digest({ name: hash.toLowerCase() }, utf8('xabcx').subarray(1, 4))), known.digest.abc, 'a view');
           equal(hex(await subtle.digest(hash, new DataView(utf8('abc').buffer))), known.digest.abc, 'a DataView');
           const keys = [new Uint8Array(20).fill(0x0b), utf8('Jefe'), new Uint8Array(131).fill(0xaa)];
           const messages = ['Hi There', 'what do ya want for nothing?', 'Test Using Larger Than Block-Size Key - Hash Key First'];
           for (const index in keys) {
             const key = await subtle.importKey('raw', keys[index], { name: 'HMAC', hash }, false, ['sign', 'verify']);
             const tag = await subtle.sign('HMAC', key, utf8(messages[index]));
             equal(hex(tag), known.hmac[index], `HMAC with ${hash}`);
             equal(await subtle.verify('HMAC', key, tag, utf8(messages[index])), true, 'verify');
             for (const other of [flipped(tag), flipped(tag, -1), tag.slice(1), new Uint8Array(0), new Uint8Array([...new Uint8Array(tag), 0])]) {
               equal(await subtle.verify('HMAC', key, other, utf8(messages[index])), false, 'another tag');
             }
             equal(await subtle.verify('HMAC', key, tag, utf8(messages[index] + '.')), false, 'another text');
           }
           const ikm = await subtle.importKey('raw', new Uint8Array(22).fill(0x0b), 'HKDF', false, ['deriveBits']);
           const hkdf = { name: 'HKDF', hash, salt: unhex('000102030405060708090a0b0c'), info: unhex('f0f1f2f3f4f5f6f7f8f9') };
           equal(hex(await subtle.deriveBits(hkdf, ikm, 336)), known.hkdf, `HKDF with ${hash}`);
           const password = await subtle.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits']);
           const pbkdf2 = { name: 'PBKDF2', hash, salt: utf8('salt'), iterations: 4096 };
           equal(hex(await subtle.deriveBits(pbkdf2, password, 320)), known.pbkdf2, `PBKDF2 with ${hash}`);
         }",
    )
    .await;
}

#[tokio::test]
async fn aes_gcm_with_any_iv_and_any_tag_length() {
    holds(
        "const [plain, additionalData] = [unhex(vectors.gcm.plain), unhex(vectors.gcm.extra)];
         for (const [keyHex, ivHex, sealed, tag] of vectors.gcm.cases) {
           const key = await subtle.importKey('raw', unhex(keyHex), 'AES-GCM', false, ['encrypt', 'decrypt']);
           const iv = unhex(ivHex);
           for (const tagLength of [undefined, 128, 120, 112, 104, 96, 64, 32]) {
             const algorithm = { name: 'AES-GCM', iv, additionalData, tagLength };
             const made = await subtle.encrypt(algorithm, key, plain);
             equal(hex(made), sealed + tag.slice(0, (tagLength ?? 128) / 4), `${keyHex} ${ivHex} ${tagLength}`);
             equal(hex(await subtle.decrypt(algorithm, key, made)), vectors.gcm.plain, 'decrypt');
             const others = [
               [algorithm, flipped(made)], [algorithm, flipped(made, -1)], [algorithm, made.slice(0, -1)], [algorithm, new Uint8Array(3)],
               [{ ...algorithm, iv: flipped(iv) }, made], [{ ...algorithm, additionalData: flipped(additionalData) }, made],
               [{ ...algorithm, additionalData: undefined }, made],
             ];
             for (const [parameters, bytes] of others) await refused('OperationError', subtle.decrypt(parameters, key, bytes), 'tampered');
           }
         }
         const key = await gcmKey();
         equal(hex(await subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, new Uint8Array(0))),
           '58e2fccefa7e3061367f1d57a4e7455a', 'McGrew and Viega, test case 1');
         await refused('OperationError', subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12), tagLength: 100 }, key, plain), 'tag');
         await refused('OperationError', subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(0) }, key, plain), 'no IV');
         await refused('TypeError', subtle.encrypt({ name: 'AES-GCM' }, key, plain), 'IV left out');
         await refused('TypeError', subtle.encrypt({ name: 'AES-GCM', iv: 'text' }, key, plain), 'IV a text');",
    )
    .await;
}

#[tokio::test]
async fn ecdsa_signs_as_rfc_6979_and_verifies_what_openssl_signed() {
    holds(
        "const message = utf8(vectors.message);
         for (const namedCurve in vectors.curves) {
           const known = vectors.curves[namedCurve];
           const [other] = Object.keys(vectors.curves).filter((name) => name !== namedCurve);
           const algorithm = { name: 'ECDSA', namedCurve };
           const publicKey = await subtle.importKey('spki', b64(known.spki), algorithm, true, ['verify']);
           const privateKey = await subtle.importKey('pkcs8', b64(known.pkcs8), algorithm, true, ['sign']);
           for (const hash in known.sig) {
             const parameters = { name: 'ECDSA', hash };
             const signature = b64(known.sig[hash]);
             equal(await subtle.verify(parameters, publicKey, signature, message), true, `${namedCurve} ${hash}`);
             const own = await subtle.sign(parameters, privateKey, message);
             equal(own.byteLength, signature.length, 'length');
             equal(await subtle.verify(parameters, publicKey, own, message), true, 'own');
             const zeros = new Uint8Array(signature.length);
             for (const bad of [flipped(own), flipped(own, -1), own.slice(1), new Uint8Array(0), zeros, zeros.map(() => 255)]) {
               equal(await subtle.verify(parameters, publicKey, bad, message), false, 'tampered');
             }
             equal(await subtle.verify(parameters, publicKey, own, flipped(message)), false, 'another text');
           }
           const { hash, d, x, y, signature } = vectors.rfc6979[namedCurve];
           const jwk = { kty: 'EC', crv: namedCurve, d: b64url(unhex(d)), x: b64url(unhex(x)), y: b64url(unhex(y)) };
           const key = await subtle.importKey('jwk', jwk, algorithm, false, ['sign']);
           equal(hex(await subtle.sign({ name: 'ECDSA', hash }, key, utf8('sample'))), signature, `RFC 6979, ${namedCurve}`);
           // The keys in each form, and each form out of them.
           const { d: secret, ...open } = known.jwk;
           for (const [format, data] of [['raw', b64(known.raw)], ['raw', b64(known.compressed)], ['spki', b64(known.spki)], ['jwk', open]]) {
             const key = await subtle.importKey(format, data, algorithm, true, ['verify']);
             equal(key.type, 'public', format);
             equal(hex(await subtle.exportKey('raw', key)), hex(b64(known.raw)), `${format} to raw`);
             equal(hex(await subtle.exportKey('spki', key)), hex(b64(known.spki)), `${format} to spki`);
             const { x, y, d, key_ops: [use] } = await subtle.exportKey('jwk', key);
             equal(JSON.stringify([x, y, d, use]), JSON.stringify([open.x, open.y, undefined, 'verify']), `${format} to jwk`);
             await refused('InvalidAccessError', subtle.exportKey('pkcs8', key), 'a public key as PKCS #8');
           }
           for (const [format, data] of [['pkcs8', b64(known.pkcs8)], ['jwk', known.jwk]]) {
             const key = await subtle.importKey(format, data, algorithm, true, ['sign']);
             equal(key.type, 'private', format);
             equal(hex(await subtle.exportKey('pkcs8', key)), hex(b64(known.pkcs8)), `${format} to pkcs8`);
             const jwk = await subtle.exportKey('jwk', key);
             equal([jwk.kty, jwk.crv, jwk.x, jwk.y, jwk.d].join(), ['EC', namedCurve, open.x, open.y, secret].join(), `${format} to jwk`);
             await refused('InvalidAccessError', subtle.exportKey('spki', key), 'a private key as SPKI');
           }
           const data = { jwk: { ...open, x: open.y }, raw: flipped(b64(known.raw), 5), spki: flipped(b64(known.spki), -1) };
           for (const format in data) await refused('DataError', subtle.importKey(format, data[format], algorithm, true, ['verify']), format);
           for (const bad of [{ ...known.jwk, d: vectors.curves[other].jwk.d }, { ...known.jwk, d: '' }, { ...known.jwk, crv: other }]) {
             await refused('DataError', subtle.importKey('jwk', bad, algorithm, true, ['sign']), 'a wrong JWK');
           }
           await refused('DataError', subtle.importKey('spki', b64(vectors.curves[other].spki), algorithm, true, ['verify']), 'another curve');
           await refused('DataError', subtle.importKey('pkcs8', b64(vectors.curves[other].pkcs8), algorithm, true, ['sign']), 'another curve');
           const pair = await subtle.generateKey(algorithm, false, ['sign', 'verify']);
           equal([pair.publicKey.extractable, pair.publicKey.usages, pair.privateKey.extractable, pair.privateKey.usages].join(), 'true,verify,false,sign', 'pair');
           const made = await subtle.sign({ name: 'ECDSA', hash }, pair.privateKey, message);
           equal(await subtle.verify({ name: 'ECDSA', hash }, pair.publicKey, made, message), true, 'a new pair');
         }
         await refused('NotSupportedError', subtle.importKey('spki', b64(vectors.p521.spki), { name: 'ECDSA', namedCurve: 'P-521' }, true, ['verify']), 'P-521');",
    )
    .await;
}

#[tokio::test]
async fn ed25519() {
    holds(
        "const known = vectors.ed25519;
         for (const [seed, publicBytes, message, signature] of known.rfc8032) {
           const jwk = { kty: 'OKP', crv: 'Ed25519', d: b64url(unhex(seed)), x: b64url(unhex(publicBytes)) };
           const key = await subtle.importKey('jwk', jwk, 'Ed25519', false, ['sign']);
           equal(hex(await subtle.sign('Ed25519', key, unhex(message))), signature, 'RFC 8032');
           const open = await subtle.importKey('raw', unhex(publicBytes), 'Ed25519', true, ['verify']);
           equal(await subtle.verify('Ed25519', open, unhex(signature), unhex(message)), true, 'verify');
           for (const bad of [flipped(unhex(signature)), flipped(unhex(signature), -1), unhex(signature).slice(1)]) {
             equal(await subtle.verify('Ed25519', open, bad, unhex(message)), false, 'tampered');
           }
         }
         const privateKey = await subtle.importKey('pkcs8', b64(known.pkcs8), { name: 'ed25519' }, true, ['sign']);
         const publicKey = await subtle.importKey('spki', b64(known.spki), 'Ed25519', true, ['verify']);
         const signature = await subtle.sign('Ed25519', privateKey, utf8(vectors.message));
         equal(hex(signature), hex(b64(known.signature)), 'as OpenSSL');
         equal(await subtle.verify('Ed25519', publicKey, signature, utf8(vectors.message)), true, 'verify');
         const jwk = await subtle.exportKey('jwk', privateKey);
         equal([jwk.x, jwk.d].join(), [known.jwk.x, known.jwk.d].join(), 'jwk');
         equal(hex(await subtle.exportKey('spki', publicKey)), hex(b64(known.spki)), 'spki');
         equal(b64url(await subtle.exportKey('raw', publicKey)), known.jwk.x, 'raw');
         const again = await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', privateKey), 'Ed25519', true, ['sign']);
         equal((await subtle.exportKey('jwk', again)).d, known.jwk.d, 'PKCS #8 and back');
         await refused('DataError', subtle.importKey('raw', new Uint8Array(31), 'Ed25519', true, ['verify']), 'short');
         await refused('DataError', subtle.importKey('jwk', { ...known.jwk, x: jwk.d }, 'Ed25519', true, ['sign']), 'not the same');
         // A point of order one, with which anything would verify.
         const weak = await subtle.importKey('raw', Uint8Array.of(1, ...new Uint8Array(31)), 'Ed25519', true, ['verify']);
         equal(await subtle.verify('Ed25519', weak, Uint8Array.of(1, ...new Uint8Array(63)), utf8('x')), false, 'small order');
         const pair = await subtle.generateKey('Ed25519', true, ['sign', 'verify']);
         const made = await subtle.sign('Ed25519', pair.privateKey, utf8('x'));
         equal(await subtle.verify('Ed25519', pair.publicKey, made, utf8('x')), true, 'a new pair');",
    )
    .await;
}

#[tokio::test]
async fn rsa_signs_and_verifies_as_openssl() {
    holds(
        "const message = utf8(vectors.message);
         const { spki, pkcs8, jwk } = vectors.rsa;
         for (const hash in vectors.rsa.pkcs1) {
           for (const [name, saltLength, known] of [
             ['RSASSA-PKCS1-v1_5', undefined, vectors.rsa.pkcs1], ['RSA-PSS', 0, vectors.rsa.pss0], ['RSA-PSS', 32, vectors.rsa.pss],
           ]) {
             const what = `${name} ${hash} ${saltLength}`;
             const parameters = { name, saltLength };
             const publicKey = await subtle.importKey('spki', b64(spki), { name, hash }, true, ['verify']);
             const privateKey = await subtle.importKey('pkcs8', b64(pkcs8), { name, hash }, true, ['sign']);
             const signature = b64(known[hash]);
             equal(await subtle.verify(parameters, publicKey, signature, message), true, what);
             const own = await subtle.sign(parameters, privateKey, message);
             if (saltLength !== 32) equal(hex(own), hex(signature), what);
             equal(await subtle.verify(parameters, publicKey, own, message), true, what);
             for (const bad of [flipped(own), flipped(own, -1), own.slice(1), new Uint8Array(0), new Uint8Array(256), new Uint8Array(256).fill(255)]) {
               equal(await subtle.verify(parameters, publicKey, bad, message), false, what);
             }
             equal(await subtle.verify(parameters, publicKey, own, flipped(message)), false, what);
             if (saltLength !== undefined) {
               equal(await subtle.verify({ name, saltLength: 20 }, publicKey, own, message), false, 'another salt length');
               await refused('OperationError', subtle.sign({ name, saltLength: 4294967295 }, privateKey, message), 'a huge salt');
               equal(await subtle.verify({ name, saltLength: 4294967295 }, publicKey, own, message), false, 'a huge salt');
             }
           }
         }
         const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
         const { n, e } = jwk;
         for (const [format, data, type] of [['spki', b64(spki), 'public'], ['jwk', { kty: 'RSA', n, e }, 'public'], ['pkcs8', b64(pkcs8), 'private'], ['jwk', jwk, 'private']]) {
           const key = await subtle.importKey(format, data, algorithm, true, [type === 'public' ? 'verify' : 'sign']);
           equal([key.type, key.algorithm.modulusLength, key.algorithm.publicExponent, key.algorithm.hash.name].join(), `${type},2048,1,0,1,SHA-256`, format);
           const out = await subtle.exportKey('jwk', key);
           equal(out.alg, 'RS256', 'alg');
           for (const member of type === 'public' ? ['n', 'e'] : ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi']) equal(out[member], jwk[member], `${format} ${member}`);
           const own = type === 'public' ? 'spki' : 'pkcs8';
           equal(hex(await subtle.exportKey(own, key)), hex(b64(vectors.rsa[own])), `${format} to ${own}`);
         }",
    )
    .await;
}

#[tokio::test]
async fn rsa_keys_have_bounds() {
    holds(
        "const message = utf8(vectors.message);
         const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
         for (const bits of [1024, 4096, 8192]) {
           const { spki, pkcs1 } = vectors[`rsa${bits}`];
           const key = await subtle.importKey('spki', b64(spki), algorithm, true, ['verify']);
           equal(key.algorithm.modulusLength, bits, 'bits');
           equal(await subtle.verify(algorithm.name, key, b64(pkcs1), message), true, String(bits));
         }
         await refused('NotSupportedError', subtle.importKey('pkcs8', b64(vectors.rsa1024.pkcs8), algorithm, true, ['sign']), '1024');
         const key = await subtle.importKey('pkcs8', b64(vectors.rsa4096.pkcs8), algorithm, true, ['sign']);
         equal(hex(await subtle.sign(algorithm.name, key, message)), hex(b64(vectors.rsa4096.pkcs1)), '4096');
         const ones = (bytes) => b64url(new Uint8Array(bytes).fill(255));
         const { n, e, d, p, q } = vectors.rsa.jwk;
         const open = (n, e) => subtle.importKey('jwk', { kty: 'RSA', n, e }, algorithm, true, ['verify']);
         await refused('DataError', open(ones(2048), e), '16,384 bits');
         await refused('DataError', open(ones(60000), e), '480,000 bits');
         for (const bad of [n, ones(255), 'AgAAAAE', 'AAAA', 'AQ', '']) await refused('DataError', open(n, bad), `the exponent ${bad.slice(0, 10)}`);
         for (const bad of ['', 'AA', 'Aw', ones(64), n.slice(0, -4) + 'AAAA']) await refused('DataError', open(bad, e), `the modulus ${bad.slice(-10)}`);
         const secret = (members) => subtle.importKey('jwk', { ...vectors.rsa.jwk, ...members }, algorithm, true, ['sign']);
         for (const bad of [{ p: q }, { p: '' }, { p: 'AQ' }, { p: 'AQ', q: n }, { d: p }, { d: '' }, { n: ones(256) }, { e: 'Aw' }, { q: undefined }, { d: '+' }]) {
           await refused('DataError', secret(bad), JSON.stringify(bad).slice(0, 40));
         }
         await refused('NotSupportedError', secret({ oth: [] }), 'more primes');
         const make = { ...algorithm, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
         await refused('NotSupportedError', subtle.generateKey(make, true, ['sign', 'verify']), 'generateKey');",
    )
    .await;
}

#[tokio::test]
async fn garbage_is_no_key() {
    holds(
        "const algorithms = [
           { name: 'ECDSA', namedCurve: 'P-256' }, { name: 'ECDSA', namedCurve: 'P-384' }, { name: 'Ed25519' },
           { name: 'RSA-PSS', hash: 'SHA-256' }, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
         ];
         const good = [vectors.rsa, vectors.curves['P-256'], vectors.curves['P-384'], vectors.ed25519];
         for (const algorithm of algorithms) {
           for (const [format, usage] of [['spki', 'verify'], ['pkcs8', 'sign']]) {
             const bad = [new Uint8Array(0), Uint8Array.of(0x30), Uint8Array.of(0x30, 0x84, 255, 255, 255, 255), new Uint8Array(3000).fill(0x30), crypto.getRandomValues(new Uint8Array(500))];
             for (const known of good) {
               const der = b64(known[format]);
               bad.push(der.slice(0, -1), der.slice(1), new Uint8Array([...der, 0]), flipped(der), flipped(der, 1), flipped(der, 9));
             }
             for (const der of bad) await refused('DataError', subtle.importKey(format, der, algorithm, true, [usage]), `${algorithm.name} ${format} ${hex(der).slice(0, 60)}`);
           }
           const jwks = [{}, { kty: 'oct', k: 'AAAA' }, { kty: 'RSA' }, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, { kty: 'OKP', crv: 'X25519', x: 'AA' }, { kty: {} }];
           for (const jwk of jwks) await refused('DataError', subtle.importKey('jwk', jwk, algorithm, true, ['verify']), JSON.stringify(jwk));
           for (const data of [undefined, null, 'text', 1, b64(good[1].spki)]) await refused('TypeError', subtle.importKey('jwk', data, algorithm, true, ['verify']), String(data));
           await refused('TypeError', subtle.importKey('spki', {}, algorithm, true, ['verify']), 'no bytes');
           await refused('TypeError', subtle.importKey('pem', new Uint8Array(1), algorithm, true, ['verify']), 'pem');
         }
         for (const bytes of [0, 15, 17, 33, 64]) await refused('DataError', gcmKey(['encrypt'], new Uint8Array(bytes)), `AES of ${bytes}`);
         await refused('DataError', hmacKey(['sign'], new Uint8Array(0)), 'HMAC of nothing');",
    )
    .await;
}

#[tokio::test]
async fn secret_keys_go_in_and_out() {
    holds(
        "const bytes = unhex('000102030405060708090a0b0c0d0e0f');
         const hmac = await subtle.importKey('jwk', { kty: 'oct', k: b64url(bytes), alg: 'HS512', use: 'sig', key_ops: ['sign', 'verify'], ext: true },
           { name: 'HMAC', hash: 'SHA-512' }, true, ['verify', 'sign']);
         equal(hex(await subtle.exportKey('raw', hmac)), hex(bytes), 'raw');
         equal(JSON.stringify(await subtle.exportKey('jwk', hmac)),
           JSON.stringify({ kty: 'oct', k: b64url(bytes), alg: 'HS512', key_ops: ['sign', 'verify'], ext: true }), 'jwk');
         const aes = await gcmKey(['encrypt'], bytes);
         equal((await subtle.exportKey('jwk', aes)).alg, 'A128GCM', 'alg');
         // What was given, and what is given out, is a copy.
         bytes.fill(255);
         new Uint8Array(await subtle.exportKey('raw', aes)).fill(255);
         equal(hex(await subtle.exportKey('raw', aes)), '000102030405060708090a0b0c0d0e0f', 'copies');
         for (const length of [128, 192, 256]) {
           const key = await subtle.generateKey({ name: 'AES-GCM', length }, true, ['encrypt', 'decrypt']);
           equal([key.algorithm.length, (await subtle.exportKey('raw', key)).byteLength * 8].join(), [length, length].join(), 'AES');
         }
         for (const [hash, length, bits] of [['SHA-1', undefined, 512], ['SHA-256', undefined, 512], ['SHA-384', undefined, 1024], ['SHA-512', 256, 256]]) {
           const key = await subtle.generateKey({ name: 'HMAC', hash, length }, true, ['sign']);
           equal([key.algorithm.length, (await subtle.exportKey('raw', key)).byteLength * 8].join(), [bits, bits].join(), 'HMAC');
         }
         const given = { name: 'HMAC', hash: 'SHA-256' };
         for (const [jwk, usages] of [
           [{ kty: 'oct', k: 'A' }], [{ kty: 'oct', k: 'AAA=' }], [{ kty: 'oct', k: 'AA/A' }], [{ kty: 'oct' }], [{ kty: 'RSA', k: 'AAAA' }],
           [{ kty: 'oct', k: 'AAAA', alg: 'HS1' }], [{ kty: 'oct', k: 'AAAA', use: 'enc' }], [{ kty: 'oct', k: 'AAAA', ext: false }],
           [{ kty: 'oct', k: 'AAAA', key_ops: ['verify'] }], [{ kty: 'oct', k: 'AAAA', key_ops: ['sign', 'sign'] }], [{ kty: 'oct', k: '' }],
         ]) await refused('DataError', subtle.importKey('jwk', jwk, given, true, ['sign']), JSON.stringify(jwk));
         await refused('DataError', subtle.importKey('raw', new Uint8Array(32), { ...given, length: 128 }, true, ['sign']), 'another length');
         const closed = await subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']);
         await refused('InvalidAccessError', subtle.exportKey('raw', closed), 'not extractable');
         await refused('NotSupportedError', subtle.exportKey('spki', aes), 'a secret as SPKI');
         await refused('NotSupportedError', subtle.importKey('pkcs8', new Uint8Array(16), 'AES-GCM', true, ['encrypt']), 'a secret as PKCS #8');
         await refused('OperationError', subtle.generateKey({ name: 'AES-GCM', length: 127 }, true, ['encrypt']), '127 bits');
         await refused('OperationError', subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 0 }, true, ['sign']), '0 bits');
         await refused('OperationError', subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 4294967288 }, true, ['sign']), '512 MiB');
         await refused('NotSupportedError', subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 9 }, true, ['sign']), '9 bits');",
    )
    .await;
}

#[tokio::test]
async fn keys_are_used_for_what_they_are_meant_for() {
    holds(
        "const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
         const { privateKey, publicKey } = await subtle.generateKey(ecdsa, true, ['sign', 'verify']);
         const [hmac, gcm, data] = [await hmacKey(), await gcmKey(), new Uint8Array(4)];
         const iv = new Uint8Array(12);
         const es256 = { name: 'ECDSA', hash: 'SHA-256' };
         for (const [what, promise] of Object.entries({
           'sign with a key that only verifies': subtle.sign('HMAC', await hmacKey(['verify']), data),
           'verify with a key that only signs': subtle.verify('HMAC', await hmacKey(['sign']), data, data),
           'encrypt with a key that only decrypts': subtle.encrypt({ name: 'AES-GCM', iv }, await gcmKey(['decrypt']), data),
           'decrypt with a key that only encrypts': subtle.decrypt({ name: 'AES-GCM', iv }, await gcmKey(['encrypt']), data),
           'sign with a public key': subtle.sign(es256, publicKey, data),
           'verify with a private key': subtle.verify(es256, privateKey, data, data),
           'HMAC with a key of AES': subtle.sign('HMAC', gcm, data),
           'AES with a key of HMAC': subtle.encrypt({ name: 'AES-GCM', iv }, hmac, data),
           'RSA with a key of ECDSA': subtle.sign('RSASSA-PKCS1-v1_5', privateKey, data),
           'wrap with a key that only encrypts': subtle.wrapKey('raw', hmac, gcm, { name: 'AES-GCM', iv }),
         })) await refused('InvalidAccessError', promise, what);
         for (const [what, promise] of Object.entries({
           'sign by AES': subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['sign']),
           'encrypt by HMAC': hmacKey(['encrypt']),
           'no usage': hmacKey([]),
           'no usage of a generated key': subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, []),
           'no usage of a private key': subtle.generateKey(ecdsa, true, ['verify']),
           'sign by a public key': subtle.importKey('spki', b64(vectors.curves['P-256'].spki), ecdsa, true, ['sign']),
           'verify by a private key': subtle.importKey('pkcs8', b64(vectors.curves['P-256'].pkcs8), ecdsa, true, ['verify']),
           'an extractable password': subtle.importKey('raw', data, 'PBKDF2', true, ['deriveBits']),
         })) await refused('SyntaxError', promise, what);
         equal((await subtle.importKey('spki', b64(vectors.curves['P-256'].spki), ecdsa, true, [])).usages.length, 0, 'a public key without usages');",
    )
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_name_and_never_thrown_at_once() {
    holds(
        "const data = new Uint8Array(4);
         for (const algorithm of ['MD5', 'SHA-3', 'SHA256', '', undefined, null, 42, { name: 'AES-CBC' }, { name: 'HMAC' }]) {
           await refused('NotSupportedError', subtle.digest(algorithm, data), String(algorithm));
         }
         for (const name of ['AES-CBC', 'AES-CTR', 'AES-KW', 'RSA-OAEP', 'ECDH', 'X25519', 'Ed448', 'SHA-256']) {
           await refused('NotSupportedError', subtle.importKey('raw', data, name, true, ['sign']), name);
           await refused('NotSupportedError', subtle.generateKey(name, true, ['sign']), name);
         }
         await refused('NotSupportedError', subtle.generateKey('HKDF', false, ['deriveBits']), 'HKDF');
         await refused('NotSupportedError', subtle.importKey('raw', data, { name: 'HMAC', hash: 'MD5' }, true, ['sign']), 'HMAC with MD5');
         await refused('NotSupportedError', subtle.importKey('raw', new Uint8Array(256), { name: 'RSA-PSS', hash: 'SHA-1' }, true, ['verify']), 'raw RSA');
         for (const [what, promise] of Object.entries({
           'no name': subtle.digest({}, data),
           'no data': subtle.digest('SHA-256'),
           'a text as data': subtle.digest('SHA-256', 'text'),
           'an array as data': subtle.digest('SHA-256', [1, 2]),
           'a fake buffer': subtle.digest('SHA-256', Object.create(ArrayBuffer.prototype)),
           'a symbol': subtle.digest(Symbol('x'), data),
           'no hash': subtle.importKey('raw', data, 'HMAC', true, ['sign']),
           'no curve': subtle.generateKey('ECDSA', true, ['sign']),
           'no length': subtle.generateKey('AES-GCM', true, ['encrypt']),
           'a length that is no number': subtle.generateKey({ name: 'AES-GCM', length: 'x' }, true, ['encrypt']),
           'a length below zero': subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: -8 }, true, ['sign']),
           'a length above all': subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 2 ** 32 }, true, ['sign']),
           'an unknown usage': hmacKey(['sing']),
           'usages that are none': hmacKey(5),
           'no key': subtle.sign('HMAC', undefined, data),
           'a look-alike key': subtle.sign('HMAC', Object.create(CryptoKey.prototype), data),
           'a key that is not one': subtle.exportKey('raw', { extractable: true }),
           'a format that is none': subtle.exportKey('pem', await hmacKey()),
         })) await refused('TypeError', promise, what);
         const gone = new ArrayBuffer(8);
         gone.transfer();
         equal(hex(await subtle.digest('SHA-1', gone)), vectors.hashes['SHA-1'].digest[''], 'a detached buffer');
         const raises = { get name() { throw new RangeError('mine'); } };
         equal(await subtle.digest(raises, data).catch((error) => error.message), 'mine', 'what a getter throws');",
    )
    .await;
}

#[tokio::test]
async fn keys_are_derived_and_wrapped() {
    holds(
        "const iv = new Uint8Array(12).fill(7);
         const password = await subtle.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
         const pbkdf2 = { name: 'PBKDF2', hash: 'SHA-256', salt: utf8('salt'), iterations: 10 };
         const aes = await subtle.deriveKey(pbkdf2, password, { name: 'AES-GCM', length: 256 }, true, ['wrapKey', 'unwrapKey']);
         equal(hex(await subtle.exportKey('raw', aes)), hex(await subtle.deriveBits(pbkdf2, password, 256)), 'the same bits');
         const hmac = await subtle.deriveKey(pbkdf2, password, { name: 'HMAC', hash: 'SHA-384' }, true, ['sign']);
         equal(hmac.algorithm.length, 1024, 'a block');
         for (const format of ['raw', 'jwk']) {
           const wrapped = await subtle.wrapKey(format, hmac, aes, { name: 'AES-GCM', iv });
           const back = await subtle.unwrapKey(format, wrapped, aes, { name: 'AES-GCM', iv }, { name: 'HMAC', hash: 'SHA-384' }, true, ['sign']);
           equal(hex(await subtle.exportKey('raw', back)), hex(await subtle.exportKey('raw', hmac)), format);
           await refused('OperationError', subtle.unwrapKey(format, flipped(wrapped), aes, { name: 'AES-GCM', iv }, { name: 'HMAC', hash: 'SHA-384' }, true, ['sign']), 'tampered');
         }
         const raw = await subtle.wrapKey('raw', hmac, aes, { name: 'AES-GCM', iv });
         await refused('DataError', subtle.unwrapKey('jwk', raw, aes, { name: 'AES-GCM', iv }, { name: 'HMAC', hash: 'SHA-384' }, true, ['sign']), 'no JWK');
         const closed = await subtle.importKey('raw', new Uint8Array(16), { name: 'HMAC', hash: 'SHA-1' }, false, ['sign']);
         await refused('InvalidAccessError', subtle.wrapKey('raw', closed, aes, { name: 'AES-GCM', iv }), 'not extractable');
         for (const length of [null, undefined, 7, 2 ** 32 - 8]) await refused('OperationError', subtle.deriveBits(pbkdf2, password, length), String(length));
         equal((await subtle.deriveBits(pbkdf2, password, 0)).byteLength, 0, 'nothing');
         await refused('OperationError', subtle.deriveBits({ ...pbkdf2, iterations: 0 }, password, 8), 'no iteration');
         await refused('InvalidAccessError', subtle.deriveBits(pbkdf2, await subtle.importKey('raw', utf8('x'), 'PBKDF2', false, ['deriveKey']), 8), 'deriveKey only');
         const hkdf = { name: 'HKDF', hash: 'SHA-1', salt: iv, info: iv };
         const ikm = await subtle.importKey('raw', iv, 'HKDF', false, ['deriveBits', 'deriveKey']);
         equal((await subtle.deriveBits(hkdf, ikm, 255 * 160)).byteLength, 255 * 20, 'most');
         await refused('OperationError', subtle.deriveBits(hkdf, ikm, 255 * 160 + 8), 'more');
         await refused('OperationError', subtle.deriveKey(hkdf, ikm, { name: 'AES-GCM', length: 100 }, true, ['encrypt']), '100 bits');
         const again = await subtle.deriveKey(hkdf, ikm, 'PBKDF2', false, ['deriveBits']).catch((error) => error.name);
         equal(again, 'OperationError', 'a key without a length');",
    )
    .await;
}
