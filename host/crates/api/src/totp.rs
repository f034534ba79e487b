//! Codes of six digits from a shared key and the time: TOTP (RFC 6238) with what every
//! authenticator app takes, SHA-1 and steps of 30 seconds.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY},
};
use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;

const STEP_SECONDS: i64 = 30;
/// Steps by which the clock of a device may be off, either way.
const TOLERANCE: i64 = 1;
/// As long as the output of SHA-1 (RFC 4226 section 4, R6).
pub(crate) const KEY_BYTES: usize = 20;

/// The key of one user.
pub(crate) struct Totp([u8; KEY_BYTES]);

impl Totp {
    pub(crate) const fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(key)
    }

    /// The key as people type it in.
    pub(crate) fn text(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// The key as apps read it from a QR code. A user name needs no escaping.
    pub(crate) fn uri(&self, username: &str) -> String {
        let key = self.text();
        format!("otpauth://totp/Vedette:{username}?secret={key}&issuer=Vedette")
    }

    /// The step whose code this is, at `now` or nearly so.
    pub(crate) fn find_step(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let current = now.timestamp().div_euclid(STEP_SECONDS);
        let is_code_of = |step: &i64| {
            verify_slices_are_equal(self.code(*step).as_bytes(), code.as_bytes()).is_ok()
        };
        // The latest one first: the earlier ones are used with it.
        (current - TOLERANCE..=current + TOLERANCE)
            .rev()
            .find(is_code_of)
    }

    /// RFC 4226 section 5.3.
    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0xf);
        let four = tag[offset..].first_chunk::<4>();
        let four = u32::from_be_bytes(*four.expect("15 + 4 bytes of 20"));
        format!("{:06}", (four & 0x7fff_ffff) % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Totp = Totp::new(*b"12345678901234567890");

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        // RFC 6238 appendix B has eight digits; six are the last of them.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(KEY.code(seconds / 30), code);
            assert_eq!(KEY.find_step(code, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_before_and_after() {
        let code = KEY.code(1_000);
        let first = 1_000 * 30;
        for (seconds, is_good) in [
            (first - 31, false),
            (first - 30, true),
            (first + 59, true),
            (first + 60, false),
        ] {
            let step = KEY.find_step(&code, at(seconds));
            assert_eq!(step, is_good.then_some(1_000), "{seconds}");
        }
        for odd in [
            "",
            "0",
            " 287082",
            "287082 ",
            "２８７０８２",
            "2870820",
            "+87082",
        ] {
            assert_eq!(KEY.find_step(odd, at(59)), None, "{odd}");
        }
    }

    #[test]
    fn apps_can_read_the_key() {
        let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(KEY.text(), text);
        assert_eq!(
            KEY.uri("anna"),
            format!("otpauth://totp/Vedette:anna?secret={text}&issuer=Vedette")
        );
    }
}
