//! Bytes to text and back (Encoding standard): UTF-8, UTF-16 and windows-1252, the encodings that
//! APIs and old sites answer in. The large tables of the East Asian ones are left out.

use javy::quickjs::{Array, ArrayBuffer, Ctx, Result, TypedArray, Value};

/// The text as UTF-8.
pub fn encode(ctx: Ctx<'_>, text: String) -> Result<ArrayBuffer<'_>> {
    ArrayBuffer::new(ctx, text.into_bytes())
}

/// "UTF-8 decode" (section 6): without a byte order mark, and with U+FFFD for what is no UTF-8.
pub fn decode_body(bytes: ArrayBuffer<'_>) -> String {
    let bytes = bytes.as_bytes().unwrap_or_default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// `[text, how many bytes at the end wait for more]`, or `null` when the bytes are malformed and
/// `is_fatal`. Nothing waits unless `has_more`.
pub fn decode<'js>(
    ctx: Ctx<'js>,
    encoding: String,
    bytes: TypedArray<'js, u8>,
    is_fatal: bool,
    has_more: bool,
) -> Result<Value<'js>> {
    let bytes = bytes.as_bytes().unwrap_or_default();
    let decoded = match encoding.as_str() {
        "utf-8" => decode_utf8(bytes, has_more),
        "utf-16le" => decode_utf16(bytes, u16::from_le_bytes, has_more),
        "utf-16be" => decode_utf16(bytes, u16::from_be_bytes, has_more),
        _ => Decoded {
            text: bytes.iter().map(|byte| windows_1252(*byte)).collect(),
            ..Decoded::default()
        },
    };
    if is_fatal && decoded.is_malformed {
        return Ok(Value::new_null(ctx));
    }
    let pair = Array::new(ctx)?;
    pair.set(0, decoded.text)?;
    pair.set(1, decoded.waiting_bytes)?;
    Ok(pair.into_value())
}

#[derive(Default)]
struct Decoded {
    text: String,
    is_malformed: bool,
    waiting_bytes: usize,
}

fn decode_utf8(bytes: &[u8], has_more: bool) -> Decoded {
    let mut decoded = Decoded::default();
    let mut rest = bytes;
    loop {
        match str::from_utf8(rest) {
            Ok(text) => {
                decoded.text.push_str(text);
                return decoded;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                decoded.text.push_str(&String::from_utf8_lossy(valid));
                // No length: the bytes end in the middle of a character.
                if error.error_len().is_none() && has_more {
                    decoded.waiting_bytes = after.len();
                    return decoded;
                }
                decoded.text.push(char::REPLACEMENT_CHARACTER);
                decoded.is_malformed = true;
                rest = &after[error.error_len().unwrap_or(after.len())..];
            }
        }
    }
}

fn decode_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16, has_more: bool) -> Decoded {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
    let mut waiting_bytes = 0;
    if has_more {
        let is_high = |unit: &u16| (0xd800..0xdc00).contains(unit);
        let has_half = units.pop_if(|unit| is_high(unit)).is_some();
        waiting_bytes = odd.len() + if has_half { 2 } else { 0 };
    }
    let is_cut = !has_more && !odd.is_empty();
    let mut decoded = Decoded {
        is_malformed: is_cut,
        waiting_bytes,
        ..Decoded::default()
    };
    for unit in char::decode_utf16(units) {
        decoded.is_malformed |= unit.is_err();
        decoded
            .text
            .push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    if is_cut {
        decoded.text.push(char::REPLACEMENT_CHARACTER);
    }
    decoded
}

/// What differs from Latin-1: 0x80 to 0x9f. The five holes are the control characters themselves.
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

fn windows_1252(byte: u8) -> char {
    let special = byte.checked_sub(0x80).filter(|at| *at < 0x20);
    special
        .and_then(|at| WINDOWS_1252.chars().nth(at.into()))
        .unwrap_or(char::from(byte))
}
