//! Signatures over components: Ed25519 (RFC 8032) over exactly the bytes that are uploaded.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use vedette_store::{ComponentKey, NewSignature};

/// The header that brings one.
pub(crate) const HEADER: &str = "Vedette-Signature";

/// A signature that was not verified yet.
pub(crate) type Signature = [u8; 64];

/// Reads base64 (RFC 4648 section 4) of exactly so many bytes.
pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A longer text is not decoded at all.
    if text.len() > N * 2 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// As [`read`] takes it.
pub(crate) fn write(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Whether these bytes are a point of the curve. One of small order would accept signatures that
/// nobody made.
pub(crate) fn is_public_key(key: &[u8; 32]) -> bool {
    ParsedPublicKey::new(&ED25519, key.as_slice()).is_ok() && !is_of_small_order(key)
}

/// Finds the key that made a signature over these bytes. It reads all of them for each key: not
/// for a thread that serves others.
pub(crate) fn verify(
    bytes: &[u8],
    signature: &Signature,
    keys: &[ComponentKey],
) -> Option<NewSignature> {
    let is_by = |key: &&ComponentKey| {
        UnparsedPublicKey::new(&ED25519, key.public_key)
            .verify(bytes, signature)
            .is_ok()
    };
    keys.iter().find(is_by).map(|key| NewSignature {
        key_id: key.id,
        signature: *signature,
    })
}

/// The points of order 1, 2, 4 and 8, by their y; the sign of x is masked out, and y may be given
/// larger by the field's prime. It is the list that libsodium's `ge25519_has_small_order` has.
fn is_of_small_order(key: &[u8; 32]) -> bool {
    const ORDER_8: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ];
    const OTHER_8: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    let mut y = *key;
    y[31] &= 0x7f;
    // 2^255 - 20, - 19, - 18: -1, 0 and 1 of the field; then 0 and 1 as they are.
    let ends = |low: u8| y[0] == low && y[1..31].iter().all(|byte| *byte == 0xff) && y[31] == 0x7f;
    let is_small = y[0] <= 1 && y[1..].iter().all(|byte| *byte == 0);
    is_small || ends(0xec) || ends(0xed) || ends(0xee) || y == ORDER_8 || y == OTHER_8
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use vedette_core::{ComponentKeyId, SystemClock, UserId};

    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn key(pair: &Ed25519KeyPair) -> ComponentKey {
        ComponentKey {
            id: ComponentKeyId::generate(&SystemClock),
            name: "release".to_owned(),
            public_key: pair.public_key().as_ref().try_into().unwrap(),
            created_by: UserId::generate(&SystemClock),
            created_at: "2026-11-24T12:00:00Z".parse().unwrap(),
            expires_at: None,
            revoked_at: None,
        }
    }

    fn sign(pair: &Ed25519KeyPair, bytes: &[u8]) -> Signature {
        pair.sign(bytes).as_ref().try_into().unwrap()
    }

    #[test]
    fn the_key_that_signed_is_found() {
        let (one, other) = (pair(1), pair(2));
        let keys = [key(&one), key(&other)];
        let signature = sign(&other, b"bytes");
        let found = verify(b"bytes", &signature, &keys).unwrap();
        assert_eq!((found.key_id, found.signature), (keys[1].id, signature));
        assert!(verify(b"bytes", &signature, &keys[..1]).is_none());
        assert!(verify(b"bytes", &signature, &[]).is_none());
        assert!(verify(b"byte", &signature, &keys).is_none());
        assert!(verify(b"bytes\0", &signature, &keys).is_none());
    }

    /// W32: every bit of a signature, and more than a thousand bits of what it is over.
    #[test]
    fn no_flipped_bit_is_let_through() {
        let pair = pair(1);
        let keys = [key(&pair)];
        let mut bytes: Vec<u8> = (0..200).collect();
        let mut signature = sign(&pair, &bytes);
        assert!(verify(&bytes, &signature, &keys).is_some());
        for bit in 0..signature.len() * 8 {
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bytes, &signature, &keys).is_none(), "{bit}");
            // And with a second one, so that there are a thousand.
            signature[(bit / 8 + 7) % 64] ^= 0x10;
            assert!(verify(&bytes, &signature, &keys).is_none(), "{bit}");
            signature[(bit / 8 + 7) % 64] ^= 0x10;
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&bytes, &signature, &keys).is_none(), "{bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(verify(&bytes, &signature, &keys).is_some());
    }

    #[test]
    fn only_a_point_that_signs_is_a_key() {
        let good: [u8; 32] = pair(1).public_key().as_ref().try_into().unwrap();
        assert!(is_public_key(&good));
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        for weak in [[0; 32], identity, minus_one] {
            assert!(!is_public_key(&weak), "{weak:?}");
        }
        // With the identity as the key, anybody could sign anything.
        let weak = ComponentKey {
            public_key: identity,
            ..key(&pair(1))
        };
        let forged: Signature = std::array::from_fn(|place| u8::from(place == 0));
        assert!(verify(b"anything", &forged, &[weak]).is_some());
    }

    #[test]
    fn base64_is_read_strictly() {
        let signature = sign(&pair(1), b"x");
        let text = write(&signature);
        assert_eq!(read::<64>(&text), Some(signature));
        for wrong in [
            "",
            " ",
            &text[1..],
            &text[..text.len() - 2],
            &format!("{text}="),
            &format!(" {text}"),
            &text.replace('=', "\n"),
            &"A".repeat(1_000_000),
        ] {
            assert_eq!(read::<64>(wrong), None);
        }
        assert_eq!(read::<32>(&text), None);
    }
}
