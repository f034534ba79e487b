//! ECDSA on P-256 and P-384.
//!
//! A public key is its point, uncompressed; a private key is the scalar and the point behind it.
//! Both have fixed lengths, so that the script's side takes a JWK's members out of them.

use javy::quickjs::{ArrayBuffer, Ctx, Exception, FromJs, Result, Value};

use super::{Answer, Refusal, bytes_of, hash::Hash};

/// A curve, by its name in Web Crypto.
#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
}

impl<'js> FromJs<'js> for Curve {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        match String::from_js(ctx, value)?.as_str() {
            "P-256" => Ok(Self::P256),
            "P-384" => Ok(Self::P384),
            _ => Err(Exception::throw_internal(ctx, "an unknown curve")),
        }
    }
}

const NO_KEY: Refusal = Refusal::Data("the bytes are not a key of this curve");

type Bytes = std::result::Result<Vec<u8>, Refusal>;

/// The same functions for each curve; the traits behind them would need a page of bounds.
macro_rules! curve {
    ($module:ident, $library:ident, $bytes:literal) => {
        mod $module {
            use $library::{
                PublicKey, SecretKey,
                ecdsa::{
                    Signature, SigningKey, VerifyingKey,
                    signature::hazmat::{PrehashSigner as _, PrehashVerifier as _},
                },
                elliptic_curve::sec1::ToSec1Point as _,
                pkcs8::{
                    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _,
                    EncodePublicKey as _,
                },
            };

            use super::{Bytes, NO_KEY};

            const SCALAR_BYTES: usize = $bytes;

            fn public(key: &PublicKey) -> Vec<u8> {
                key.to_sec1_point(false).as_bytes().to_vec()
            }

            fn private(key: &SecretKey) -> Vec<u8> {
                [key.to_bytes().to_vec(), public(&key.public_key())].concat()
            }

            fn read_public(point: &[u8]) -> Result<PublicKey, super::Refusal> {
                PublicKey::from_sec1_bytes(point).map_err(|_| NO_KEY)
            }

            fn read_private(key: &[u8]) -> Result<SecretKey, super::Refusal> {
                let scalar = key.get(..SCALAR_BYTES).ok_or(NO_KEY)?;
                SecretKey::from_slice(scalar).map_err(|_| NO_KEY)
            }

            pub(super) fn generate() -> Vec<u8> {
                loop {
                    let mut scalar = [0; SCALAR_BYTES];
                    getrandom::fill(&mut scalar).expect("the host gives random bytes");
                    // Fails for zero and for more than the order, which never happens.
                    if let Ok(key) = SecretKey::from_slice(&scalar) {
                        return private(&key);
                    }
                }
            }

            pub(super) fn point(encoded: &[u8]) -> Bytes {
                Ok(public(&read_public(encoded)?))
            }

            pub(super) fn from_jwk(scalar: &[u8], encoded: &[u8]) -> Bytes {
                let key = read_private(scalar)?;
                let is_whole = scalar.len() == SCALAR_BYTES;
                if !is_whole || read_public(encoded)? != key.public_key() {
                    return Err(NO_KEY);
                }
                Ok(private(&key))
            }

            pub(super) fn from_spki(der: &[u8]) -> Bytes {
                let key = PublicKey::from_public_key_der(der).map_err(|_| NO_KEY)?;
                Ok(public(&key))
            }

            pub(super) fn from_pkcs8(der: &[u8]) -> Bytes {
                let key = SecretKey::from_pkcs8_der(der).map_err(|_| NO_KEY)?;
                Ok(private(&key))
            }

            pub(super) fn to_spki(point: &[u8]) -> Bytes {
                let der = read_public(point)?.to_public_key_der();
                Ok(der.map_err(|_| NO_KEY)?.into_vec())
            }

            pub(super) fn to_pkcs8(key: &[u8]) -> Bytes {
                let der = read_private(key)?.to_pkcs8_der();
                Ok(der.map_err(|_| NO_KEY)?.as_bytes().to_vec())
            }

            pub(super) fn sign(key: &[u8], digest: &[u8]) -> Bytes {
                let key = SigningKey::from(read_private(key)?);
                let signed: Result<Signature, _> = key.sign_prehash(digest);
                let why = super::Refusal::Operation("the signature fails");
                Ok(signed.map_err(|_| why)?.to_bytes().to_vec())
            }

            pub(super) fn verify(point: &[u8], signature: &[u8], digest: &[u8]) -> bool {
                let (Ok(key), Ok(signature)) =
                    (read_public(point), Signature::from_slice(signature))
                else {
                    return false;
                };
                let key = VerifyingKey::from(key);
                key.verify_prehash(digest, &signature).is_ok()
            }
        }
    };
}

curve!(nist_p256, p256, 32);
curve!(nist_p384, p384, 48);

macro_rules! on_curve {
    ($curve:expr, $function:ident($($argument:expr),*)) => {
        match $curve {
            Curve::P256 => nist_p256::$function($($argument),*),
            Curve::P384 => nist_p384::$function($($argument),*),
        }
    };
}

/// A new private key.
pub(super) fn generate(curve: Curve) -> Answer {
    Answer(Ok(on_curve!(curve, generate())))
}

/// The public key of a point in any encoding.
pub(super) fn point(curve: Curve, encoded: ArrayBuffer<'_>) -> Answer {
    Answer(on_curve!(curve, point(bytes_of(&encoded))))
}

/// The private key of a scalar and the point that must belong to it.
pub(super) fn from_jwk(curve: Curve, scalar: ArrayBuffer<'_>, point: ArrayBuffer<'_>) -> Answer {
    Answer(on_curve!(
        curve,
        from_jwk(bytes_of(&scalar), bytes_of(&point))
    ))
}

pub(super) fn from_spki(curve: Curve, der: ArrayBuffer<'_>) -> Answer {
    Answer(on_curve!(curve, from_spki(bytes_of(&der))))
}

pub(super) fn from_pkcs8(curve: Curve, der: ArrayBuffer<'_>) -> Answer {
    Answer(on_curve!(curve, from_pkcs8(bytes_of(&der))))
}

pub(super) fn to_spki(curve: Curve, point: ArrayBuffer<'_>) -> Answer {
    Answer(on_curve!(curve, to_spki(bytes_of(&point))))
}

pub(super) fn to_pkcs8(curve: Curve, key: ArrayBuffer<'_>) -> Answer {
    Answer(on_curve!(curve, to_pkcs8(bytes_of(&key))))
}

/// `r` and `s`, each as long as the scalar. Deterministic (RFC 6979).
pub(super) fn sign(
    curve: Curve,
    hash: Hash,
    key: ArrayBuffer<'_>,
    data: ArrayBuffer<'_>,
) -> Answer {
    let digest = hash.of(bytes_of(&data));
    Answer(on_curve!(curve, sign(bytes_of(&key), &digest)))
}

pub(super) fn verify(
    curve: Curve,
    hash: Hash,
    point: ArrayBuffer<'_>,
    signature: ArrayBuffer<'_>,
    data: ArrayBuffer<'_>,
) -> bool {
    let digest = hash.of(bytes_of(&data));
    on_curve!(
        curve,
        verify(bytes_of(&point), bytes_of(&signature), &digest)
    )
}
