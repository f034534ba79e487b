//! `hmacSign`, `totp` and `jwt.sign`, against the vectors of their RFCs.

use super::{assert_misuse, run_asserting};
use crate::{assert_success, data};

async fn value(expression: &str) -> String {
    let outcome = run_asserting(&format!(
        "return {{ success: true, data: await {expression} }};"
    ))
    .await;
    assert_success(&outcome);
    data(&outcome).as_str().unwrap().to_owned()
}

/// RFC 4231, test cases 1 and 2; SHA-1 of RFC 2202.
#[tokio::test]
async fn hmac_vectors() {
    let one = "new Uint8Array(20).fill(0x0b), 'Hi There'";
    let two = "'Jefe', 'what do ya want for nothing?'";
    for (call, expected) in [
        (
            format!("hmacSign({one})"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            format!("hmacSign({two})"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            format!("hmacSign({two}, {{ hash: 'SHA-256', encoding: 'base64' }})"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
        (
            format!("hmacSign({two}, {{ encoding: 'base64url' }})"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM",
        ),
        (
            format!("hmacSign({two}, {{ hash: 'sha1' }})"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            format!("hmacSign({two}, {{ hash: 'sha384' }})"),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            format!("hmacSign({two}, {{ hash: 'sha512' }})"),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        assert_eq!(value(&call).await, expected, "{call}");
    }
}

/// RFC 6238, appendix B. The seeds are the digits 1 to 0 again and again.
#[tokio::test]
async fn totp_vectors() {
    let seeds = [
        ("sha1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        (
            "sha256",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA====",
        ),
        (
            "SHA-512",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA=",
        ),
    ];
    for (seconds, codes) in [
        (59_u64, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ] {
        for ((algorithm, seed), code) in seeds.iter().zip(codes) {
            let call = format!(
                "totp('{seed}', {{ digits: 8, algorithm: '{algorithm}', time: {seconds}000 }})"
            );
            assert_eq!(value(&call).await, code, "{call}");
        }
    }
    let spaced = "totp('gezd gnbv-gy3t qojq gezd gnbv gy3t qojq', { time: new Date(59000) })";
    assert_eq!(value(spaced).await, "287082");
    assert_eq!(value("totp('GEZDGNBVGY3TQOJQ')").await.len(), 6);
}

#[tokio::test]
async fn a_jwt_is_signed_and_has_its_claims() {
    // The signature is HMAC-SHA-256 over the two parts before it, computed apart.
    let token = value("jwt.sign({ sub: 'x' }, 'secret', { alg: 'HS256', kid: '1', expiresIn: 60, issuedAt: 1700000000 })").await;
    assert_eq!(
        token,
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEifQ.\
         eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDA2MCwic3ViIjoieCJ9.\
         GS1E3JO2Axoh7Va2np4eOo3fm571A5glmBFQXysJaqI"
    );
    let claims = value(
        "jwt.sign({ a: 1 }, 'k', { alg: 'HS256', issuer: 'i', subject: 's', audience: ['a', 'b'], jwtId: 'j', notBefore: 0, issuedAt: 5 })\
         .then((token) => atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')))",
    )
    .await;
    assert_eq!(
        claims,
        r#"{"iat":5,"nbf":5,"iss":"i","sub":"s","aud":["a","b"],"jti":"j","a":1}"#
    );
}

/// Verified by Web Crypto with the public key; a token that was changed does not verify.
#[tokio::test]
async fn rs256_and_es256_verify() {
    for (alg, generate, import, verify) in [
        (
            "RS256",
            "{ name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }",
            RSA_KEY,
            "'RSASSA-PKCS1-v1_5'",
        ),
        (
            "ES256",
            "{ name: 'ECDSA', namedCurve: 'P-256' }",
            EC_KEY,
            "{ name: 'ECDSA', hash: 'SHA-256' }",
        ),
    ] {
        let outcome = run_asserting(&format!(
            "const pem = `{import}`;
             const {{ private: own, public: open }} = {keys};
             for (const key of [pem, pem.replaceAll('\\n', '\\\\n'), own]) {{
                const token = await jwt.sign({{ a: 'ü' }}, key, {{ alg: '{alg}' }});
                const [header, claims, signature] = token.split('.');
                const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
                const algorithm = {generate};
                const publicKey = await crypto.subtle.importKey('jwk', open, algorithm, false, ['verify']);
                const verify = (text) => crypto.subtle.verify({verify}, publicKey, bytes(signature), new TextEncoder().encode(text));
                expect(await verify(`${{header}}.${{claims}}`), 'signature').toBe(true);
                expect(await verify(`${{header}}.${{claims}}x`), 'signature').toBe(false);
                expect(JSON.parse(new TextDecoder().decode(bytes(claims)))).toMatchObject({{ a: 'ü' }});
             }}",
            keys = if alg == "RS256" { RSA_JWKS } else { EC_JWKS },
        ))
        .await;
        assert_success(&outcome);
    }
}

#[tokio::test]
async fn a_wrong_use_is_the_scripts_mistake_and_shows_no_key() {
    for (call, message) in [
        (
            "hmacSign(5, 'x')",
            "the secret of hmacSign must be a text or bytes, and is of type number",
        ),
        ("hmacSign('', 'x')", "the secret of hmacSign is empty"),
        (
            "hmacSign('top secret')",
            "the data of hmacSign must be a text or bytes",
        ),
        (
            "hmacSign('top secret', 'x', { hash: 'md5' })",
            "the hash must be",
        ),
        (
            "hmacSign('top secret', 'x', { encoding: 'base32' })",
            "the encoding must be",
        ),
        ("totp('top secret 1')", "the secret of totp is not base32"),
        ("totp('')", "the secret of totp is empty"),
        (
            "totp(undefined)",
            "the secret of totp must be a text in base32",
        ),
        (
            "totp('GEZDGNBV', { digits: 4 })",
            "the digits of totp are 6 to 10",
        ),
        ("totp('GEZDGNBV', { period: 0 })", "the period of totp"),
        ("totp('GEZDGNBV', { time: -1 })", "the time of totp"),
        (
            "jwt.sign('a', 'top secret', { alg: 'HS256' })",
            "the payload of jwt.sign must be an object",
        ),
        ("jwt.sign({}, 'top secret')", "jwt.sign takes options"),
        (
            "jwt.sign({}, 'top secret', { alg: 'none' })",
            "the alg of jwt.sign must be",
        ),
        (
            "jwt.sign({}, 'top secret', { alg: 'HS256', expires: 5 })",
            "jwt.sign takes the options",
        ),
        (
            "jwt.sign({}, 'top secret', { alg: 'HS256', expiresIn: '1h' })",
            "expiresIn must be a number of seconds",
        ),
        (
            "jwt.sign({}, '', { alg: 'HS256' })",
            "the key of HS256 is empty",
        ),
        (
            "jwt.sign({}, 'top secret', { alg: 'RS256' })",
            "RS256 needs a private key as PEM text",
        ),
        (
            "jwt.sign({}, '-----BEGIN RSA PRIVATE KEY-----\\nAAAA\\n-----END RSA PRIVATE KEY-----', { alg: 'RS256' })",
            "RS256 needs a PKCS #8 key",
        ),
        (
            "jwt.sign({}, { kty: 'EC' }, { alg: 'RS256' })",
            "RS256 needs a JWK of the type RSA, not EC",
        ),
        (
            "jwt.sign({}, '-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----', { alg: 'ES256' })",
            "the key is none that ES256 can sign with",
        ),
    ] {
        let outcome = run_asserting(&format!("await {call}; return {{ success: true }};")).await;
        assert_misuse(&outcome, message);
        assert!(!outcome.message.unwrap().contains("top secret"), "{call}");
    }
}

/// Made for these tests, and good for nothing else.
const RSA_KEY: &str = r"-----BEGIN PRIVATE KEY-----
MIIEuwIBADANBgkqhkiG9w0BAQEFAASCBKUwggShAgEAAoIBAQC/vctOZ/wlwk0g
VXTs4UEyVlZ7+MBoGjhxl8kVrDB8s9NYhsVTTX7q8hj4GBDxXWNdvw394luXstt3
olGF3O0gLIAjtj6bRpPEm+gjPjnJVImlUqbh1iM7PoE1SRGs+kqRw0SAYu+F+x8a
ZPUcfFN1e7cLmBp4NlEOCtnGUrXaMQTjJt0+6oeYKbywfSWQPteAcUcuUSTmCFT/
e3oFMPmOPL3ShboJ+9p1K8SvLEenyXM9AFnGv31PDs/qxWMWTWbnfJ03v2eN3cp9
xgMF8hUlpKsWMBR6KNIgskl4OLfLROHMJJnYA7YiXYlg7Cs2ahlgoAj9Yyk4bpH6
y4X1NUc3AgMBAAECgf9HJydK8Uugt3nnhc7eGLkY9PEjECxWdWR8wtbcNAnKPPEw
6NJRF3EBvtWFO2kOKJm3MC8BB/71TGok+xdFlbZpOhpTJk4VURuE2lZKvcyz6asq
roE/TTfFxGwuWe81QaxqawwAmLZKAeaI5O4QpBJUhpRmuQsZkQ6DJ4OpFQhm7yUd
ALpoOA1Ngl76bP947+t6fKL3ql3zbqz9voJRY7FVCmFue0dUzsZwHlNHZgBLpjKB
GXSZIpKainh4HLZDVy5vhP5GzSn8bPIKLRcA/zV0cYGnUQdkveXaXyY5aek5hWrw
JTkiOEQqRHEGc9OfC1EPo9FTCjM3hwGjelwxKpkCgYEA7BdtNcedVQptAmwCRKq4
XynUlL7A40yNF7yzZ0Lwspr6/a8kJw8ad3vQyBZ/icQFqINJGZE76DHIRtvtAKQv
vbpZ+4NATlldDcF9X0JjWbTE+hBa62TGmCYCVOPm7BQztkl/sK9nv6KE7TCKMzD+
CXR3LeX7yary3p5YBv/6resCgYEAz+j4D3S/1YbV2/xFDElnxV2ZsTYo9HxhTEm7
8kEtYqXUClGQKmO+EXhLdMnsqSgTTlqZt5egw6EC94PX5XoO/VD5DgtIBDhNuMlu
BEoPgaJQ+YT2Wl7Cc6kebu5sYOZoXXkK4FKIBaFwk1EBW4ceFQc5WdcdM765E+yp
ZOZWHOUCgYEA3PRD0lxCQ++g++5H5Sn9qZqFiLxJ27CuL7P8Fz1P9WgUVM3QQPni
pEZtrIVZ0X5yaTaNeG8zKOlGbgKv+bSvtZotUrWQvoLmEtSuWDPStYb3/qzF2p4T
Oxv/fKFaYkG57/UzmxFeQLyCOVX/UU+dwQ2N6JfgIOprqKt66PozCwcCgYBVQIkf
BVd3/f8JYmsJu7vSYSwZT0UB41KeTonDr1gl4CuPQ5yi1R1l2nbOX9IsFqO7+EiZ
0JH6RbaKucQ4c5Fb6+0EBjo0iMXN5MK4/YlYNa+QcSX3Lm37sTgqcpd8MF5RHcYI
766Y6HbZ4Vh2KHR8WOb6YMu3oRgRBHT9S7m5xQKBgE6r+CKSiEsqA5Ij3tU2+8LZ
qA0YAh8owhyENNuyi99OLAxgaScbdsvM7TtpDfoL1//Hgq/5diy9lxT8QDNBCNdj
7Da0CkY4ta5I0ZKgxjtZuUwOov3lgiFOdjj1ejj4KAEK68xuvXBJI6KPAqeiQOoE
61Hz/oh9zboV7sr3XFLV
-----END PRIVATE KEY-----";
const RSA_JWKS: &str = r#"{ private: {"kty":"RSA","n":"v73LTmf8JcJNIFV07OFBMlZWe_jAaBo4cZfJFawwfLPTWIbFU01-6vIY-BgQ8V1jXb8N_eJbl7Lbd6JRhdztICyAI7Y-m0aTxJvoIz45yVSJpVKm4dYjOz6BNUkRrPpKkcNEgGLvhfsfGmT1HHxTdXu3C5gaeDZRDgrZxlK12jEE4ybdPuqHmCm8sH0lkD7XgHFHLlEk5ghU_3t6BTD5jjy90oW6CfvadSvEryxHp8lzPQBZxr99Tw7P6sVjFk1m53ydN79njd3KfcYDBfIVJaSrFjAUeijSILJJeDi3y0ThzCSZ2AO2Il2JYOwrNmoZYKAI_WMpOG6R-suF9TVHNw","e":"AQAB","d":"RycnSvFLoLd554XO3hi5GPTxIxAsVnVkfMLW3DQJyjzxMOjSURdxAb7VhTtpDiiZtzAvAQf-9UxqJPsXRZW2aToaUyZOFVEbhNpWSr3Ms-mrKq6BP003xcRsLlnvNUGsamsMAJi2SgHmiOTuEKQSVIaUZrkLGZEOgyeDqRUIZu8lHQC6aDgNTYJe-mz_eO_renyi96pd826s_b6CUWOxVQphbntHVM7GcB5TR2YAS6YygRl0mSKSmop4eBy2Q1cub4T-Rs0p_GzyCi0XAP81dHGBp1EHZL3l2l8mOWnpOYVq8CU5IjhEKkRxBnPTnwtRD6PRUwozN4cBo3pcMSqZ","p":"7BdtNcedVQptAmwCRKq4XynUlL7A40yNF7yzZ0Lwspr6_a8kJw8ad3vQyBZ_icQFqINJGZE76DHIRtvtAKQvvbpZ-4NATlldDcF9X0JjWbTE-hBa62TGmCYCVOPm7BQztkl_sK9nv6KE7TCKMzD-CXR3LeX7yary3p5YBv_6res","q":"z-j4D3S_1YbV2_xFDElnxV2ZsTYo9HxhTEm78kEtYqXUClGQKmO-EXhLdMnsqSgTTlqZt5egw6EC94PX5XoO_VD5DgtIBDhNuMluBEoPgaJQ-YT2Wl7Cc6kebu5sYOZoXXkK4FKIBaFwk1EBW4ceFQc5WdcdM765E-ypZOZWHOU","dp":"3PRD0lxCQ--g--5H5Sn9qZqFiLxJ27CuL7P8Fz1P9WgUVM3QQPnipEZtrIVZ0X5yaTaNeG8zKOlGbgKv-bSvtZotUrWQvoLmEtSuWDPStYb3_qzF2p4TOxv_fKFaYkG57_UzmxFeQLyCOVX_UU-dwQ2N6JfgIOprqKt66PozCwc","dq":"VUCJHwVXd_3_CWJrCbu70mEsGU9FAeNSnk6Jw69YJeArj0OcotUdZdp2zl_SLBaju_hImdCR-kW2irnEOHORW-vtBAY6NIjFzeTCuP2JWDWvkHEl9y5t-7E4KnKXfDBeUR3GCO-umOh22eFYdih0fFjm-mDLt6EYEQR0_Uu5ucU","qi":"Tqv4IpKISyoDkiPe1Tb7wtmoDRgCHyjCHIQ027KL304sDGBpJxt2y8ztO2kN-gvX_8eCr_l2LL2XFPxAM0EI12PsNrQKRji1rkjRkqDGO1m5TA6i_eWCIU52OPV6OPgoAQrrzG69cEkjoo8Cp6JA6gTrUfP-iH3NuhXuyvdcUtU"}, public: {"kty":"RSA","n":"v73LTmf8JcJNIFV07OFBMlZWe_jAaBo4cZfJFawwfLPTWIbFU01-6vIY-BgQ8V1jXb8N_eJbl7Lbd6JRhdztICyAI7Y-m0aTxJvoIz45yVSJpVKm4dYjOz6BNUkRrPpKkcNEgGLvhfsfGmT1HHxTdXu3C5gaeDZRDgrZxlK12jEE4ybdPuqHmCm8sH0lkD7XgHFHLlEk5ghU_3t6BTD5jjy90oW6CfvadSvEryxHp8lzPQBZxr99Tw7P6sVjFk1m53ydN79njd3KfcYDBfIVJaSrFjAUeijSILJJeDi3y0ThzCSZ2AO2Il2JYOwrNmoZYKAI_WMpOG6R-suF9TVHNw","e":"AQAB"} }"#;
const EC_KEY: &str = r"-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6Iy8LhRaxN+zENAD
cDq87+KszmG6phBenC3xe1Kd9ZyhRANCAATREoCvxfiGZJggfJg4gBSmeWbvLmi5
xNw6p5zeT7S86NlvZgW7mg9bM10RuKqEQaLi6PknhUX0yxuwltLMxeLS
-----END PRIVATE KEY-----";
const EC_JWKS: &str = r#"{ private: {"kty":"EC","x":"0RKAr8X4hmSYIHyYOIAUpnlm7y5oucTcOqec3k-0vOg","y":"2W9mBbuaD1szXRG4qoRBouLo-SeFRfTLG7CW0szF4tI","crv":"P-256","d":"6Iy8LhRaxN-zENADcDq87-KszmG6phBenC3xe1Kd9Zw"}, public: {"kty":"EC","x":"0RKAr8X4hmSYIHyYOIAUpnlm7y5oucTcOqec3k-0vOg","y":"2W9mBbuaD1szXRG4qoRBouLo-SeFRfTLG7CW0szF4tI","crv":"P-256"} }"#;
