//! What `crypto` costs, and that nothing of it gets around the limits of a run.

use vedette_core::ErrorClass;
use vedette_sandbox::limits::FUEL;

use super::{holds, run_crypto};
use crate::{assert_error, assert_success, run_body};

/// Fuel of the body, less what the helpers and the loading of the parts take.
async fn fuel_of(setup: &str, body: &str) -> u64 {
    let setup = format!(
        "const take = (format, data, algorithm, usage) => subtle.importKey(format, data, algorithm, true, [usage]);
         const message = utf8(vectors.message);
         await hmacKey();
         {setup}"
    );
    let bare = holds(&setup).await;
    let whole = holds(&format!("{setup}; {body}")).await;
    whole.fuel_used.saturating_sub(bare.fuel_used)
}

/// Fuel is counted, not timed, so that these are the same on every machine. The bounds are a few
/// times what `docs/writing-checks.md` says.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_operation_takes_a_small_part_of_the_fuel() {
    const RSA: &str = "const rs256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
        const key = await take('pkcs8', b64(vectors.rsa.pkcs8), rs256, 'sign');";
    const EC: &str = "const es256 = { name: 'ECDSA', hash: 'SHA-256' };
        const { privateKey, publicKey } = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);";
    const EC384: &str = "const es384 = { name: 'ECDSA', hash: 'SHA-384' };
        const { privateKey, publicKey } = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify']);";
    const ED: &str = "const { privateKey, publicKey } = await subtle.generateKey('Ed25519', true, ['sign', 'verify']);";
    const MEGABYTE: &str = "const data = new Uint8Array(1 << 20);";
    const GCM: &str = "const data = new Uint8Array(1 << 20); const key = await gcmKey(); const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) };";
    // The share of a run's fuel that each may take, in thousandths.
    let rows = [
        ("randomUUID", "", "crypto.randomUUID()", 1),
        (
            "HMAC, a short text",
            "const key = await hmacKey();",
            "await subtle.sign('HMAC', key, message)",
            1,
        ),
        (
            "SHA-1, 1 MiB",
            MEGABYTE,
            "await subtle.digest('SHA-1', data)",
            10,
        ),
        (
            "SHA-256, 1 MiB",
            MEGABYTE,
            "await subtle.digest('SHA-256', data)",
            10,
        ),
        (
            "SHA-512, 1 MiB",
            MEGABYTE,
            "await subtle.digest('SHA-512', data)",
            10,
        ),
        (
            "AES-GCM encrypt, 1 MiB",
            GCM,
            "await subtle.encrypt(gcm, key, data)",
            20,
        ),
        (
            "PBKDF2, 10,000 iterations",
            "const key = await subtle.importKey('raw', message, 'PBKDF2', false, ['deriveBits']);",
            "await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: message, iterations: 10000 }, key, 256)",
            20,
        ),
        (
            "ECDSA P-256 sign",
            EC,
            "await subtle.sign(es256, privateKey, message)",
            5,
        ),
        (
            "ECDSA P-256 verify",
            EC,
            "await subtle.verify(es256, publicKey, new Uint8Array(64).fill(1), message)",
            5,
        ),
        (
            "ECDSA P-256 generate",
            EC,
            "await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])",
            5,
        ),
        (
            "ECDSA P-384 sign",
            EC384,
            "await subtle.sign(es384, privateKey, message)",
            10,
        ),
        (
            "ECDSA P-384 verify",
            EC384,
            "await subtle.verify(es384, publicKey, new Uint8Array(96).fill(1), message)",
            10,
        ),
        (
            "Ed25519 sign",
            ED,
            "await subtle.sign('Ed25519', privateKey, message)",
            5,
        ),
        (
            "Ed25519 verify",
            ED,
            "await subtle.verify('Ed25519', publicKey, await subtle.sign('Ed25519', privateKey, message), message)",
            5,
        ),
        (
            "RSA 2048 import PKCS #8",
            RSA,
            "await take('pkcs8', b64(vectors.rsa.pkcs8), rs256, 'sign')",
            10,
        ),
        (
            "RSA 2048 sign",
            RSA,
            "await subtle.sign(rs256, key, message)",
            30,
        ),
        (
            "RSA 2048 import SPKI and verify",
            RSA,
            "await subtle.verify(rs256, await take('spki', b64(vectors.rsa.spki), rs256, 'verify'), b64(vectors.rsa.pkcs1['SHA-256']), message)",
            10,
        ),
        (
            "RSA 4096 import PKCS #8 and sign",
            RSA,
            "await subtle.sign(rs256, await take('pkcs8', b64(vectors.rsa4096.pkcs8), rs256, 'sign'), message)",
            200,
        ),
        (
            "RSA 8192 import SPKI and verify",
            RSA,
            "await subtle.verify(rs256, await take('spki', b64(vectors.rsa8192.spki), rs256, 'verify'), b64(vectors.rsa8192.pkcs1), message)",
            50,
        ),
    ];
    for (name, setup, body, thousandths) in rows {
        let fuel = fuel_of(setup, body).await;
        assert!(fuel <= FUEL / 1_000 * thousandths, "{name}: {fuel}");
    }
}

#[tokio::test]
async fn five_megabytes_can_be_hashed_and_encrypted() {
    holds(
        "const data = new Uint8Array(5 * 1024 * 1024);
         for (const hash in vectors.hashes) await subtle.digest(hash, data);
         const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) };
         const sealed = await subtle.encrypt(gcm, await gcmKey(), data);
         equal((await subtle.decrypt(gcm, await gcmKey(), sealed)).byteLength, data.length, 'there and back')",
    )
    .await;
}

#[tokio::test]
async fn what_takes_too_long_runs_out_of_fuel() {
    let pbkdf2 = "const key = await subtle.importKey('raw', utf8('x'), 'PBKDF2', false, ['deriveBits']);
        await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: utf8('x'), iterations: 4294967295 }, key, 512);
        return { success: true };";
    for body in [
        pbkdf2,
        "const data = new Uint8Array(5 << 20); for (;;) await subtle.digest('SHA-256', data);",
        "const rs256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
         const key = await subtle.importKey('pkcs8', b64(vectors.rsa4096.pkcs8), rs256, true, ['sign']);
         for (;;) await subtle.sign(rs256, key, utf8('x'));",
    ] {
        let outcome = run_crypto(body).await;
        assert_error(&outcome, ErrorClass::FuelExhausted);
        assert_success(&run_body("return { success: true };").await);
    }
}

#[tokio::test]
async fn what_needs_too_much_memory_ends_as_that() {
    for body in [
        "await subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, await gcmKey(), new Uint8Array(40 << 20));",
        "const keys = []; for (;;) keys.push(await hmacKey(['sign'], new Uint8Array(1 << 20)));",
        "const all = []; for (;;) all.push(crypto.getRandomValues(new Uint8Array(65536)));",
    ] {
        let outcome = run_crypto(&format!("{body} return {{ success: true }};")).await;
        assert_error(&outcome, ErrorClass::MemoryLimit);
        assert_success(&run_body("return { success: true };").await);
    }
}

/// What a check does with it: a token of its own, and one of a provider.
#[tokio::test]
async fn a_json_web_token_is_minted_and_checked() {
    for (alg, algorithm, secret, public) in [
        (
            "HS256",
            "{ name: 'HMAC', hash: 'SHA-256' }",
            "{ kty: 'oct', k: 'c2VjcmV0' }",
            "{ kty: 'oct', k: 'c2VjcmV0' }",
        ),
        (
            "RS256",
            "{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }",
            "vectors.rsa.jwk",
            "{ ...vectors.rsa.jwk, d: undefined }",
        ),
        (
            "PS384",
            "{ name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 }",
            "vectors.rsa.jwk",
            "{ ...vectors.rsa.jwk, d: undefined }",
        ),
        (
            "ES256",
            "{ name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }",
            "vectors.curves['P-256'].jwk",
            "{ ...vectors.curves['P-256'].jwk, d: undefined }",
        ),
        (
            "EdDSA",
            "{ name: 'Ed25519' }",
            "vectors.ed25519.jwk",
            "{ ...vectors.ed25519.jwk, d: undefined }",
        ),
    ] {
        let outcome = holds(&format!(
            "const algorithm = {algorithm};
             const part = (value) => b64url(utf8(JSON.stringify(value)));
             const signed = `${{part({{ alg: '{alg}', typ: 'JWT' }})}}.${{part({{ sub: 'check', exp: 1 }})}}`;
             const key = await subtle.importKey('jwk', {{ ...{secret}, alg: '{alg}' }}, algorithm, false, ['sign']);
             const token = `${{signed}}.${{b64url(await subtle.sign(algorithm, key, utf8(signed)))}}`;
             const [head, body, signature] = token.split('.');
             const open = await subtle.importKey('jwk', {public}, algorithm, false, ['verify']);
             const bytes = b64(signature.replaceAll('-', '+').replaceAll('_', '/'));
             equal(await subtle.verify(algorithm, open, bytes, utf8(`${{head}}.${{body}}`)), true, '{alg}');
             equal(await subtle.verify(algorithm, open, bytes, utf8(`${{head}}.${{body}}x`)), false, '{alg}')"
        ))
        .await;
        assert!(
            outcome.fuel_used < FUEL / 20,
            "{alg}: {}",
            outcome.fuel_used
        );
    }
}
