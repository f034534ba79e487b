//! Bytes in JSON: as text where people can read it and it is not longer, else in base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bytes that are mostly text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form<'a> {
    Text(std::borrow::Cow<'a, str>),
    Base64 { base64: std::borrow::Cow<'a, str> },
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if escaped_bytes(text) <= self.0.len() / 3 => {
                Form::Text(text.into()).serialize(serializer)
            }
            _ => Form::Base64 {
                base64: STANDARD.encode(&self.0).into(),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_owned().into_bytes(),
            Form::Base64 { base64 } => STANDARD
                .decode(base64.as_bytes())
                .map_err(|error| D::Error::custom(format!("not base64: {error}")))?,
        }))
    }
}

/// What JSON adds to a text by escaping it.
fn escaped_bytes(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..=0x1f => 5,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_never_grow_by_more_than_base64_does() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [
            &b""[..],
            b"plain",
            "größe\n".as_bytes(),
            b"\0\0\0\0",
            b"\xff\xfe",
            &all,
            br#""""""""#,
        ] {
            let json = serde_json::to_string(&Bytes(bytes.to_vec())).unwrap();
            assert!(json.len() <= bytes.len() * 4 / 3 + 20, "{json}");
            let back: Bytes = serde_json::from_str(&json).unwrap();
            assert_eq!(back.0, bytes, "{json}");
        }
        assert_eq!(
            serde_json::to_string(&Bytes(b"a b".to_vec())).unwrap(),
            "\"a b\""
        );
        assert!(serde_json::from_str::<Bytes>(r#"{"base64":"*"}"#).is_err());
        assert!(serde_json::from_str::<Bytes>("[1,2]").is_err());
    }
}
