//! AES-GCM (NIST SP 800-38D).
//!
//! AES, its counter mode and GHASH are the crates'. They are put together here because the
//! `aes-gcm` crate fixes the lengths of IV and tag by type, and Web Crypto leaves both to the
//! script. None of them keeps a table in memory.

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{
        Array, BlockCipherEncrypt, BlockSizeUser, InnerIvInit as _, KeyInit, StreamCipher as _,
        consts::U16,
    },
};
use ctr::{Ctr32BE, CtrCore};
use ghash::{GHash, universal_hash::UniversalHash as _};
use javy::quickjs::ArrayBuffer;
use subtle::ConstantTimeEq as _;

use super::{Answer, Refusal, bytes_of};

const BLOCK_BYTES: usize = 16;
type Block = Array<u8, U16>;

/// The IV length that begins a counter as it is; any other is hashed to one.
const PLAIN_IV_BYTES: usize = 12;

/// The ciphertext, and the tag cut to `tag_bytes`.
pub(super) fn encrypt(
    key: ArrayBuffer<'_>,
    iv: ArrayBuffer<'_>,
    extra: ArrayBuffer<'_>,
    tag_bytes: usize,
    data: ArrayBuffer<'_>,
) -> Answer {
    let (key, iv, extra, data) = (
        bytes_of(&key),
        bytes_of(&iv),
        bytes_of(&extra),
        bytes_of(&data),
    );
    let tag_bytes = tag_bytes.min(BLOCK_BYTES);
    Answer(match key.len() {
        16 => Ok(seal::<Aes128>(key, iv, extra, tag_bytes, data)),
        24 => Ok(seal::<Aes192>(key, iv, extra, tag_bytes, data)),
        32 => Ok(seal::<Aes256>(key, iv, extra, tag_bytes, data)),
        _ => Err(NO_KEY),
    })
}

/// The plaintext, if the last `tag_bytes` of the data are the tag that belongs to it.
pub(super) fn decrypt(
    key: ArrayBuffer<'_>,
    iv: ArrayBuffer<'_>,
    extra: ArrayBuffer<'_>,
    tag_bytes: usize,
    data: ArrayBuffer<'_>,
) -> Answer {
    let (key, iv, extra, data) = (
        bytes_of(&key),
        bytes_of(&iv),
        bytes_of(&extra),
        bytes_of(&data),
    );
    let begin = data.len().checked_sub(tag_bytes.min(BLOCK_BYTES));
    let Some((sealed, tag)) = begin.map(|at| data.split_at(at)) else {
        let why = "the data is shorter than its tag";
        return Answer(Err(Refusal::Operation(why)));
    };
    Answer(match key.len() {
        16 => open::<Aes128>(key, iv, extra, sealed, tag),
        24 => open::<Aes192>(key, iv, extra, sealed, tag),
        32 => open::<Aes256>(key, iv, extra, sealed, tag),
        _ => Err(NO_KEY),
    })
}

const NO_KEY: Refusal = Refusal::Data("an AES key has 128, 192 or 256 bits");

fn seal<C: Cipher>(key: &[u8], iv: &[u8], extra: &[u8], tag_bytes: usize, data: &[u8]) -> Vec<u8> {
    let mut message = Message::<C>::begin(key, iv);
    let mut sealed = Vec::with_capacity(data.len() + tag_bytes);
    sealed.extend_from_slice(data);
    message.stream.apply_keystream(&mut sealed);
    let tag = message.tag(extra, &sealed);
    sealed.extend_from_slice(&tag[..tag_bytes]);
    sealed
}

fn open<C: Cipher>(
    key: &[u8],
    iv: &[u8],
    extra: &[u8],
    sealed: &[u8],
    tag: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let mut message = Message::<C>::begin(key, iv);
    let expected = message.tag(extra, sealed);
    if !bool::from(expected[..tag.len()].ct_eq(tag)) {
        return Err(Refusal::Operation(
            "the data does not decrypt: the key, the IV or the data is another",
        ));
    }
    let mut opened = sealed.to_vec();
    message.stream.apply_keystream(&mut opened);
    Ok(opened)
}

trait Cipher: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit {}
impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit> Cipher for C {}

struct Message<C: Cipher> {
    ghash: GHash,
    /// The first block of the key stream, which the tag is masked with.
    mask: [u8; BLOCK_BYTES],
    /// The rest of it.
    stream: Ctr32BE<C>,
}

impl<C: Cipher> Message<C> {
    fn begin(key: &[u8], iv: &[u8]) -> Self {
        let cipher = C::new_from_slice(key).expect("the caller looked at the length");
        let mut hash_key = Block::default();
        cipher.encrypt_block(&mut hash_key);
        let ghash = GHash::new(&hash_key);
        let mut first = Block::default();
        if iv.len() == PLAIN_IV_BYTES {
            first[..PLAIN_IV_BYTES].copy_from_slice(iv);
            first[BLOCK_BYTES - 1] = 1;
        } else {
            let mut ghash = ghash.clone();
            ghash.update_padded(iv);
            ghash.update(&[lengths(0, iv.len())]);
            first = ghash.finalize();
        }
        let mut stream = Ctr32BE::from_core(CtrCore::inner_iv_init(cipher, &first));
        let mut mask = [0; BLOCK_BYTES];
        stream.apply_keystream(&mut mask);
        Self {
            ghash,
            mask,
            stream,
        }
    }

    fn tag(&self, extra: &[u8], sealed: &[u8]) -> [u8; BLOCK_BYTES] {
        let mut ghash = self.ghash.clone();
        ghash.update_padded(extra);
        ghash.update_padded(sealed);
        ghash.update(&[lengths(extra.len(), sealed.len())]);
        let mut tag: [u8; BLOCK_BYTES] = ghash.finalize().into();
        for (byte, mask) in tag.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        tag
    }
}

/// Two lengths in bits, as GHASH takes them last.
fn lengths(first: usize, second: usize) -> Block {
    let bits = |bytes: usize| (bytes as u64 * 8).to_be_bytes();
    let mut block = Block::default();
    block[..8].copy_from_slice(&bits(first));
    block[8..].copy_from_slice(&bits(second));
    block
}
