//! Signing with a sealed secret: `[hmac-sha256-hex:MESSAGE]` right behind a handle stands for the HMAC (RFC 2104)
//! of a message under the secret. The message is percent-encoded; `+body` at its end is the body of the request.

use aws_lc_rs::hmac;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use memchr::memchr;
use percent_encoding::percent_decode;

use crate::FetchError;

/// What a function begins with. Any other bracket belongs to the text.
const BEGINNING: &[u8] = b"[hmac-";
const BODY: &[u8] = b"+body";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Hex,
    Base64,
    /// RFC 4648, section 5, without padding.
    Base64Url,
}

#[derive(Debug)]
pub(super) struct Mac {
    algorithm: hmac::Algorithm,
    encoding: Encoding,
    message: Vec<u8>,
    with_body: bool,
}

/// Reads what stands behind a handle: the function and its length. `None`: the value itself is meant.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Mac, usize)>, FetchError> {
    if !bytes.starts_with(BEGINNING) {
        return Ok(None);
    }
    let wrong = || {
        let why = "behind a sealed secret, write `[hmac-sha256-hex:MESSAGE]`: sha256 or sha512, and hex, base64 or \
                   base64url; the message percent-encoded, with `+body` at its end for the body of the request";
        FetchError::InvalidRequest(why.to_owned())
    };
    let end = memchr(b']', bytes).ok_or_else(wrong)?;
    let text = &bytes[BEGINNING.len()..end];
    let colon = memchr(b':', text).ok_or_else(wrong)?;
    let (algorithm, encoding) = match &text[..colon] {
        b"sha256-hex" => (hmac::HMAC_SHA256, Encoding::Hex),
        b"sha256-base64" => (hmac::HMAC_SHA256, Encoding::Base64),
        b"sha256-base64url" => (hmac::HMAC_SHA256, Encoding::Base64Url),
        b"sha512-hex" => (hmac::HMAC_SHA512, Encoding::Hex),
        b"sha512-base64" => (hmac::HMAC_SHA512, Encoding::Base64),
        b"sha512-base64url" => (hmac::HMAC_SHA512, Encoding::Base64Url),
        _ => return Err(wrong()),
    };
    let message = &text[colon + 1..];
    let (message, with_body) = match message.strip_suffix(BODY) {
        Some(before) => (before, true),
        None => (message, false),
    };
    let mac = Mac {
        algorithm,
        encoding,
        message: percent_decode(message).collect(),
        with_body,
    };
    Ok(Some((mac, end + 1)))
}

impl Mac {
    /// The signature. `body`: `None` in the body itself.
    pub(super) fn compute(&self, key: &str, body: Option<&[u8]>) -> Result<String, FetchError> {
        let key = hmac::Key::new(self.algorithm, key.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(&self.message);
        if self.with_body {
            let body = body.ok_or_else(|| {
                let why = "a signature of the body cannot stand in the body";
                FetchError::InvalidRequest(why.to_owned())
            })?;
            context.update(body);
        }
        let tag = context.sign();
        Ok(match self.encoding {
            Encoding::Hex => hex::encode(tag),
            Encoding::Base64 => STANDARD.encode(tag),
            Encoding::Base64Url => URL_SAFE_NO_PAD.encode(tag),
        })
    }
}
