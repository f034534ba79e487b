//! Ed25519 (RFC 8032). A public key is its 32 bytes; a private key is the seed.

use ed25519_dalek::{
    Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{
        DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    },
};
use javy::quickjs::ArrayBuffer;

use super::{Answer, Refusal, bytes_of};

const NO_KEY: Refusal = Refusal::Data("the bytes are not an Ed25519 key");

fn read_private(seed: &ArrayBuffer<'_>) -> Result<SigningKey, Refusal> {
    let seed = bytes_of(seed).try_into().map_err(|_| NO_KEY)?;
    Ok(SigningKey::from_bytes(seed))
}

/// A point that is not on the curve is a key all the same, with which nothing verifies.
fn read_public(key: &ArrayBuffer<'_>) -> Result<VerifyingKey, Refusal> {
    let key = bytes_of(key).try_into().map_err(|_| NO_KEY)?;
    VerifyingKey::from_bytes(key).map_err(|_| NO_KEY)
}

/// The public key of a seed.
pub(super) fn public(seed: ArrayBuffer<'_>) -> Answer {
    Answer(read_private(&seed).map(|key| key.verifying_key().to_bytes().to_vec()))
}

pub(super) fn from_spki(der: ArrayBuffer<'_>) -> Answer {
    let key = VerifyingKey::from_public_key_der(bytes_of(&der));
    Answer(key.map(|key| key.to_bytes().to_vec()).map_err(|_| NO_KEY))
}

pub(super) fn from_pkcs8(der: ArrayBuffer<'_>) -> Answer {
    let key = SigningKey::from_pkcs8_der(bytes_of(&der));
    Answer(key.map(|key| key.to_bytes().to_vec()).map_err(|_| NO_KEY))
}

pub(super) fn to_spki(key: ArrayBuffer<'_>) -> Answer {
    let der = read_public(&key).and_then(|key| key.to_public_key_der().map_err(|_| NO_KEY));
    Answer(der.map(|der| der.into_vec()))
}

pub(super) fn to_pkcs8(seed: ArrayBuffer<'_>) -> Answer {
    let der = read_private(&seed).and_then(|key| key.to_pkcs8_der().map_err(|_| NO_KEY));
    Answer(der.map(|der| der.as_bytes().to_vec()))
}

pub(super) fn sign(seed: ArrayBuffer<'_>, data: ArrayBuffer<'_>) -> Answer {
    Answer(read_private(&seed).map(|key| key.sign(bytes_of(&data)).to_vec()))
}

/// Refuses points of small order, as Web Crypto does.
pub(super) fn verify(
    key: ArrayBuffer<'_>,
    signature: ArrayBuffer<'_>,
    data: ArrayBuffer<'_>,
) -> bool {
    let (Ok(key), Ok(signature)) = (
        read_public(&key),
        Signature::from_slice(bytes_of(&signature)),
    ) else {
        return false;
    };
    key.verify_strict(bytes_of(&data), &signature).is_ok()
}
