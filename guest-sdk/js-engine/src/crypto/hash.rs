//! Digests, and what is made of nothing but them: HMAC, HKDF (RFC 5869) and PBKDF2 (RFC 8018).

use ::hkdf::Hkdf;
use ::hmac::{Hmac, KeyInit as _, Mac as _};
use javy::quickjs::{ArrayBuffer, Ctx, Exception, FromJs, Result, Value};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::{Answer, Refusal, bytes_of};

/// More than a script has a use for; what is derived lies in memory at once.
const MAX_DERIVED_BYTES: usize = 1024 * 1024;

/// A hash function, by its name in Web Crypto.
#[derive(Clone, Copy)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl<'js> FromJs<'js> for Hash {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        match String::from_js(ctx, value)?.as_str() {
            "SHA-1" => Ok(Self::Sha1),
            "SHA-256" => Ok(Self::Sha256),
            "SHA-384" => Ok(Self::Sha384),
            "SHA-512" => Ok(Self::Sha512),
            _ => Err(Exception::throw_internal(ctx, "an unknown hash")),
        }
    }
}

/// Names the type of a hash in an expression.
macro_rules! with_hash {
    ($hash:expr, $Digest:ident => $body:expr) => {
        match $hash {
            $crate::crypto::hash::Hash::Sha1 => {
                type $Digest = sha1::Sha1;
                $body
            }
            $crate::crypto::hash::Hash::Sha256 => {
                type $Digest = sha2::Sha256;
                $body
            }
            $crate::crypto::hash::Hash::Sha384 => {
                type $Digest = sha2::Sha384;
                $body
            }
            $crate::crypto::hash::Hash::Sha512 => {
                type $Digest = sha2::Sha512;
                $body
            }
        }
    };
}
pub(super) use with_hash;

impl Hash {
    pub(super) fn of(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }
}

pub(super) fn digest(hash: Hash, data: ArrayBuffer<'_>) -> Answer {
    Answer(Ok(hash.of(bytes_of(&data))))
}

pub(super) fn hmac(hash: Hash, key: ArrayBuffer<'_>, data: ArrayBuffer<'_>) -> Answer {
    let tag = with_hash!(hash, D => {
        let mac = Hmac::<D>::new_from_slice(bytes_of(&key)).expect("a key of any length");
        mac.chain_update(bytes_of(&data)).finalize().into_bytes().to_vec()
    });
    Answer(Ok(tag))
}

pub(super) fn hmac_verify(
    hash: Hash,
    key: ArrayBuffer<'_>,
    tag: ArrayBuffer<'_>,
    data: ArrayBuffer<'_>,
) -> bool {
    with_hash!(hash, D => {
        let mac = Hmac::<D>::new_from_slice(bytes_of(&key)).expect("a key of any length");
        mac.chain_update(bytes_of(&data)).verify_slice(bytes_of(&tag)).is_ok()
    })
}

pub(super) fn hkdf(
    hash: Hash,
    key: ArrayBuffer<'_>,
    salt: ArrayBuffer<'_>,
    info: ArrayBuffer<'_>,
    length: usize,
) -> Answer {
    let derived = room(length).and_then(|mut derived| {
        with_hash!(hash, D => {
            let hkdf = Hkdf::<D>::new(Some(bytes_of(&salt)), bytes_of(&key));
            hkdf.expand(bytes_of(&info), &mut derived)
                .map_err(|_| Refusal::Operation("HKDF gives at most 255 times the hash's length"))?;
        });
        Ok(derived)
    });
    Answer(derived)
}

pub(super) fn pbkdf2(
    hash: Hash,
    password: ArrayBuffer<'_>,
    salt: ArrayBuffer<'_>,
    iterations: u32,
    length: usize,
) -> Answer {
    let derived = room(length).map(|mut derived| {
        let (password, salt) = (bytes_of(&password), bytes_of(&salt));
        with_hash!(hash, D => {
            ::pbkdf2::pbkdf2_hmac::<D>(password, salt, iterations, &mut derived);
        });
        derived
    });
    Answer(derived)
}

fn room(length: usize) -> std::result::Result<Vec<u8>, Refusal> {
    if length > MAX_DERIVED_BYTES {
        return Err(Refusal::Operation("more bits than can be derived"));
    }
    Ok(vec![0; length])
}
