//! Signatures of webhooks, as [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
//! describes them: HMAC-SHA256 over id, time and body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::channel::SigningSecret;

/// Of the key of the specification, "symmetric signatures".
const VERSION: &str = "v1";

/// The value of `webhook-signature`: one signature for each key, with spaces between them.
pub(crate) fn sign<'a>(
    secrets: impl Iterator<Item = &'a SigningSecret>,
    id: &str,
    at: DateTime<Utc>,
    body: &str,
) -> String {
    let signed = format!("{id}.{}.{body}", at.timestamp());
    let signatures: Vec<String> = secrets
        .map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&secret.bytes())
                .expect("HMAC takes keys of any length");
            mac.update(signed.as_bytes());
            format!("{VERSION},{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the reference libraries of Standard Webhooks are tested with.
    #[test]
    fn the_published_vector_is_met() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let signature = sign(
            [&secret].into_iter(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
