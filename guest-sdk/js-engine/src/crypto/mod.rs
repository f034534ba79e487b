//! The arithmetic of Web Crypto, by the crates of the RustCrypto and dalek projects.
//!
//! Keys pass as bytes in one encoding each and are parsed anew by every function, so that nothing
//! is kept between two calls. `js/parts/subtle.js` has what a script sees: algorithms, usages and
//! errors.

mod ec;
mod ed25519;
mod gcm;
mod hash;
mod rsa;

use javy::quickjs::{ArrayBuffer, Ctx, IntoJs, Object, Result, Value, function::Func};

/// Random bytes of one call, as the standard allows and the host gives.
const MAX_RANDOM_BYTES: usize = 64 * 1024;

/// The functions, made when a script first asks: the snapshot does without them.
pub fn object(ctx: Ctx<'_>) -> Result<Object<'_>> {
    let functions = Object::new(ctx)?;
    functions.set("random", Func::from(random))?;
    functions.set("digest", Func::from(hash::digest))?;
    functions.set("hmac", Func::from(hash::hmac))?;
    functions.set("hmacVerify", Func::from(hash::hmac_verify))?;
    functions.set("hkdf", Func::from(hash::hkdf))?;
    functions.set("pbkdf2", Func::from(hash::pbkdf2))?;
    functions.set("gcmEncrypt", Func::from(gcm::encrypt))?;
    functions.set("gcmDecrypt", Func::from(gcm::decrypt))?;
    functions.set("ecGenerate", Func::from(ec::generate))?;
    functions.set("ecPoint", Func::from(ec::point))?;
    functions.set("ecFromJwk", Func::from(ec::from_jwk))?;
    functions.set("ecFromSpki", Func::from(ec::from_spki))?;
    functions.set("ecFromPkcs8", Func::from(ec::from_pkcs8))?;
    functions.set("ecToSpki", Func::from(ec::to_spki))?;
    functions.set("ecToPkcs8", Func::from(ec::to_pkcs8))?;
    functions.set("ecSign", Func::from(ec::sign))?;
    functions.set("ecVerify", Func::from(ec::verify))?;
    functions.set("edPublic", Func::from(ed25519::public))?;
    functions.set("edFromSpki", Func::from(ed25519::from_spki))?;
    functions.set("edFromPkcs8", Func::from(ed25519::from_pkcs8))?;
    functions.set("edToSpki", Func::from(ed25519::to_spki))?;
    functions.set("edToPkcs8", Func::from(ed25519::to_pkcs8))?;
    functions.set("edSign", Func::from(ed25519::sign))?;
    functions.set("edVerify", Func::from(ed25519::verify))?;
    functions.set("rsaFromSpki", Func::from(rsa::from_spki))?;
    functions.set("rsaFromPkcs8", Func::from(rsa::from_pkcs8))?;
    functions.set("rsaFromJwk", Func::from(rsa::from_jwk))?;
    functions.set("rsaPublicParts", Func::from(rsa::public_parts))?;
    functions.set("rsaPrivateParts", Func::from(rsa::private_parts))?;
    functions.set("rsaSign", Func::from(rsa::sign))?;
    functions.set("rsaVerify", Func::from(rsa::verify))?;
    Ok(functions)
}

/// Why a function gives nothing.
#[derive(Clone, Copy)]
enum Refusal {
    /// The bytes are no key, or not one of this kind.
    Data(&'static str),
    /// The operation fails.
    Operation(&'static str),
    NotSupported(&'static str),
}

/// The bytes of a result, or a text: the name of a `DOMException`, a space, and its message.
struct Answer(std::result::Result<Vec<u8>, Refusal>);

impl<'js> IntoJs<'js> for Answer {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        match self.0 {
            Ok(bytes) => ArrayBuffer::new(ctx.clone(), bytes)?.into_js(ctx),
            Err(refusal) => refusal.into_js(ctx),
        }
    }
}

impl<'js> IntoJs<'js> for Refusal {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let (name, why) = match self {
            Self::Data(why) => ("DataError", why),
            Self::Operation(why) => ("OperationError", why),
            Self::NotSupported(why) => ("NotSupportedError", why),
        };
        format!("{name} {why}").into_js(ctx)
    }
}

/// A buffer that was detached has no bytes.
fn bytes_of<'a>(buffer: &'a ArrayBuffer<'_>) -> &'a [u8] {
    buffer.as_bytes().unwrap_or_default()
}

fn random(count: usize) -> Answer {
    if count > MAX_RANDOM_BYTES {
        let why = "more random bytes than one call gives";
        return Answer(Err(Refusal::Operation(why)));
    }
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).expect("the host gives random bytes");
    Answer(Ok(bytes))
}
