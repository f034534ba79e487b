//! Keeping what the server must read again, but nobody who has the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

/// Something could not be sealed or opened: another key or context, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed cannot be read by this installation's key")]
pub struct SealError;

/// Seals small texts.
pub trait SealBox: Send + Sync + 'static {
    /// Seals bytes for a context, such as a table and a row: they cannot be opened elsewhere.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    fn seal(&self, context: &[u8], bytes: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens what was sealed for the same context.
    ///
    /// # Errors
    /// When it was not, or was changed since.
    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// Seals by a key in the memory of this process: AES-256-GCM with a random nonce, which goes before
/// the ciphertext.
pub struct KeySealBox(RandomizedNonceKey);

impl KeySealBox {
    /// Takes the key.
    pub fn new(key: [u8; 32]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key);
        Self(key.expect("a key of 32 bytes is one"))
    }
}

impl SealBox for KeySealBox {
    fn seal(&self, context: &[u8], bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = bytes.to_vec();
        let sealed = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut text);
        let nonce = sealed.map_err(|_| SealError)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(context), &mut text);
        opened.map(|bytes| bytes.to_vec()).map_err(|_| SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_context_open_what_is_unchanged() {
        let seals = KeySealBox::new([1; 32]);
        let text = b"twenty secret bytes!";
        let sealed = seals.seal(b"totp_keys/anna", text).unwrap();
        assert_eq!(
            seals.open(b"totp_keys/anna", &sealed).as_deref(),
            Ok(text.as_slice())
        );
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(seals.open(b"totp_keys/bert", &sealed), Err(SealError));
        let other = KeySealBox::new([2; 32]);
        assert_eq!(other.open(b"totp_keys/anna", &sealed), Err(SealError));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                seals.open(b"totp_keys/anna", &changed),
                Err(SealError),
                "{bit}"
            );
        }
        for length in 0..sealed.len() {
            let cut_off = seals.open(b"totp_keys/anna", &sealed[..length]);
            assert_eq!(cut_off, Err(SealError), "{length}");
        }
        let again = seals.seal(b"totp_keys/anna", text).unwrap();
        assert_ne!(again[..NONCE_LEN], sealed[..NONCE_LEN]);
    }
}
