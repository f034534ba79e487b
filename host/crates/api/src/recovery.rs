//! Recovery codes: 80 random bits each, for when the device with the key is lost.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use vedette_core::UserId;

use crate::problem::Problem;

/// Codes that a user gets.
const CODES: usize = 10;
const CODE_BYTES: usize = 10;

/// New codes, as they are shown.
pub(crate) fn generate() -> Result<Vec<String>, Problem> {
    let mut bytes = [0; CODES * CODE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
    Ok(bytes.chunks(CODE_BYTES).map(show).collect())
}

/// In groups of four, as people copy them.
fn show(bytes: &[u8]) -> String {
    let text = BASE32_NOPAD.encode(bytes).to_lowercase();
    let groups = [&text[..4], &text[4..8], &text[8..12], &text[12..]];
    groups.join("-")
}

/// What is stored of a code, however it was typed. The user's id makes equal codes of two users
/// different.
pub(crate) fn hash(user: UserId, code: &str) -> [u8; 32] {
    let plain = code
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_lowercase());
    let mut digest = Sha256::new_with_prefix(user.as_uuid().as_bytes());
    digest.update(plain.collect::<Vec<u8>>());
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use vedette_core::SystemClock;

    use super::*;

    #[test]
    fn codes_are_many_and_may_be_typed_in_any_way() {
        let codes = generate().unwrap();
        let distinct: std::collections::HashSet<_> = codes.iter().collect();
        assert_eq!(distinct.len(), CODES);
        let [anna, bert] = [(); 2].map(|()| UserId::generate(&SystemClock));
        for code in &codes {
            assert_eq!(code.len(), 19, "{code}");
            let typed = format!(" {} ", code.to_uppercase().replace('-', " "));
            assert_eq!(hash(anna, code), hash(anna, &typed));
            assert_ne!(hash(anna, code), hash(bert, code));
            assert_ne!(hash(anna, code), hash(anna, &code[1..]));
        }
    }
}
