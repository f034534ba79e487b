//! RSASSA-PKCS1-v1_5 and RSA-PSS (RFC 8017).
//!
//! A public key is its SPKI, a private key its PKCS #8, both as this file writes them.
//!
//! How long the `rsa` crate takes may tell something of a private key (RUSTSEC-2023-0071). Here
//! the key belongs to the script that signs, which sees whole milliseconds only, and nothing
//! decrypts for another party. Signatures are blinded all the same.
//!
//! Keys are bounded, because the work grows with the third power of their size: 1,024 to 8,192
//! bits to verify with, 2,048 and more to sign with (RFC 7518, section 3.3), and a public exponent of at
//! most 33 bits. None is generated: finding two primes may take all the fuel of a run.

use ::rsa::{
    BoxedUint, Pkcs1v15Sign, PrivateKey, Pss, PublicKey,
    pkcs8::{
        DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    },
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};
use getrandom::SysRng;
use javy::quickjs::{Array, ArrayBuffer, Ctx, IntoJs as _, Result, Value};

use super::{
    Answer, Refusal, bytes_of,
    hash::{Hash, with_hash},
};

/// A PKCS #8 of 8,192 bits has some 4,700 bytes. Decoding calculates with what it finds before it
/// looks at the size.
const MAX_DER_BYTES: usize = 6 * 1024;
/// The same for a number of a JWK.
const MAX_NUMBER_BYTES: usize = PublicKey::MAX_SIZE / 8;

const MIN_SIGNING_BITS: usize = 2048;

const NO_KEY: Refusal = Refusal::Data(
    "the bytes are not an RSA key of 1,024 to 8,192 bits, with an exponent of at most 33",
);
const TOO_WEAK: Refusal = Refusal::NotSupported("an RSA key to sign with has 2,048 bits or more");

type Checked<T> = std::result::Result<T, Refusal>;

fn read_public(der: &[u8]) -> Checked<PublicKey> {
    if der.len() > MAX_DER_BYTES {
        return Err(NO_KEY);
    }
    PublicKey::from_public_key_der(der).map_err(|_| NO_KEY)
}

fn read_private(der: &[u8]) -> Checked<PrivateKey> {
    if der.len() > MAX_DER_BYTES {
        return Err(NO_KEY);
    }
    check_private(PrivateKey::from_pkcs8_der(der).map_err(|_| NO_KEY)?)
}

fn check_private(key: PrivateKey) -> Checked<PrivateKey> {
    let bits = key.n().bit_width() as usize;
    if bits > PublicKey::MAX_SIZE {
        return Err(NO_KEY);
    }
    if bits < MIN_SIGNING_BITS {
        return Err(TOO_WEAK);
    }
    Ok(key)
}

fn write_public(key: &PublicKey) -> Checked<Vec<u8>> {
    Ok(key.to_public_key_der().map_err(|_| NO_KEY)?.into_vec())
}

fn write_private(key: &PrivateKey) -> Checked<Vec<u8>> {
    let der = key.to_pkcs8_der().map_err(|_| NO_KEY)?;
    Ok(der.as_bytes().to_vec())
}

pub(super) fn from_spki(der: ArrayBuffer<'_>) -> Answer {
    Answer(read_public(bytes_of(&der)).and_then(|key| write_public(&key)))
}

pub(super) fn from_pkcs8(der: ArrayBuffer<'_>) -> Answer {
    Answer(read_private(bytes_of(&der)).and_then(|key| write_private(&key)))
}

/// From `n` and `e`, or from `n`, `e`, `d`, `p` and `q`; what else a JWK has follows from these.
pub(super) fn from_jwk(numbers: Vec<ArrayBuffer<'_>>) -> Answer {
    let read = |buffer: &ArrayBuffer<'_>| {
        let bytes = bytes_of(buffer);
        if bytes.len() > MAX_NUMBER_BYTES {
            return Err(NO_KEY);
        }
        Ok(BoxedUint::from_be_slice_vartime(bytes))
    };
    let numbers: Checked<Vec<BoxedUint>> = numbers.iter().map(read).collect();
    let der = numbers.and_then(|numbers| match <[BoxedUint; 5]>::try_from(numbers) {
        Ok([modulus, public, private, p, q]) => {
            let key = PrivateKey::from_components(modulus, public, private, vec![p, q]);
            write_private(&check_private(key.map_err(|_| NO_KEY)?)?)
        }
        Err(numbers) => {
            let [modulus, public] = numbers.try_into().map_err(|_| NO_KEY)?;
            write_public(&PublicKey::new(modulus, public).map_err(|_| NO_KEY)?)
        }
    });
    Answer(der)
}

/// `n` and `e`.
pub(super) fn public_parts<'js>(ctx: Ctx<'js>, der: ArrayBuffer<'js>) -> Result<Value<'js>> {
    let parts = read_public(bytes_of(&der))
        .map(|key| vec![key.n_bytes().into_vec(), key.e_bytes().into_vec()]);
    numbers(&ctx, parts)
}

/// `n`, `e`, `d`, `p`, `q`, `dp`, `dq` and `qi`.
pub(super) fn private_parts<'js>(ctx: Ctx<'js>, der: ArrayBuffer<'js>) -> Result<Value<'js>> {
    let parts = read_private(bytes_of(&der)).and_then(|key| {
        let of = |number: &BoxedUint| number.to_be_bytes_trimmed_vartime().into_vec();
        let [p, q] = key.primes() else {
            return Err(NO_KEY);
        };
        let (Some(dp), Some(dq), Some(qi)) = (key.dp(), key.dq(), key.crt_coefficient()) else {
            return Err(NO_KEY);
        };
        let (n, e) = (key.n_bytes().into_vec(), key.e_bytes().into_vec());
        Ok(vec![
            n,
            e,
            of(key.d()),
            of(p),
            of(q),
            of(dp),
            of(dq),
            of(&qi),
        ])
    });
    numbers(&ctx, parts)
}

fn numbers<'js>(ctx: &Ctx<'js>, parts: Checked<Vec<Vec<u8>>>) -> Result<Value<'js>> {
    match parts {
        Ok(parts) => {
            let array = Array::new(ctx.clone())?;
            for (index, part) in parts.into_iter().enumerate() {
                array.set(index, ArrayBuffer::new(ctx.clone(), part)?)?;
            }
            Ok(array.into_value())
        }
        Err(refusal) => refusal.into_js(ctx),
    }
}

/// With `salt_bytes` RSA-PSS, without it PKCS #1 v1.5.
pub(super) fn sign(
    hash: Hash,
    key: ArrayBuffer<'_>,
    salt_bytes: Option<usize>,
    data: ArrayBuffer<'_>,
) -> Answer {
    let signature = read_private(bytes_of(&key)).and_then(|key| {
        let digest = hash.of(bytes_of(&data));
        let signed = with_hash!(hash, D => match salt_bytes {
            Some(salt_bytes) if salt_bytes < key.size() => {
                key.sign_with_rng(&mut SysRng, Pss::<D>::new_with_salt(salt_bytes), &digest)
            }
            Some(_) => return Err(Refusal::Operation("the salt is longer than the key")),
            None => key.sign_with_rng(&mut SysRng, Pkcs1v15Sign::new::<D>(), &digest),
        });
        signed.map_err(|_| Refusal::Operation("the key cannot sign this"))
    });
    Answer(signature)
}

pub(super) fn verify(
    hash: Hash,
    key: ArrayBuffer<'_>,
    salt_bytes: Option<usize>,
    signature: ArrayBuffer<'_>,
    data: ArrayBuffer<'_>,
) -> bool {
    let Ok(key) = read_public(bytes_of(&key)) else {
        return false;
    };
    let digest = hash.of(bytes_of(&data));
    let signature = bytes_of(&signature);
    let verified = with_hash!(hash, D => match salt_bytes {
        Some(salt_bytes) if salt_bytes < key.size() => {
            key.verify(Pss::<D>::new_with_salt(salt_bytes), &digest, signature)
        }
        Some(_) => return false,
        None => key.verify(Pkcs1v15Sign::new::<D>(), &digest, signature),
    });
    verified.is_ok()
}
