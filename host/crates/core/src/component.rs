//! Uploaded components: their names, what is known of them, and how they stand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::outcome::{ErrorClass, UnknownWord, text_enum};

/// The SHA-256 of a component's bytes: its name, in every organization. As text 64 lower-case hex
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct DigestError;

impl Digest {
    /// From the 32 bytes of a SHA-256.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Upper and lower case are both read; `sha256:` may stand in front.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(DigestError);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(DigestError);
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let value = digit(*high)? * 16 + digit(*low)?;
            *byte = u8::try_from(value).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

text_enum! {
    /// What a component can do, by what it imports.
    Capability {
        /// Requests through the egress guard.
        Http = "http",
        /// Reads its variables.
        Env = "env",
        /// Reads its parameters.
        Params = "params",
        /// Writes to the execution's log.
        Log = "log",
        /// Reads clocks, waits.
        Clocks = "clocks",
        /// Takes random numbers.
        Random = "random",
        /// Imports a file system, and gets an empty one.
        EmptyFilesystem = "empty_filesystem",
        /// Imports sockets, and is refused each of them.
        NoSockets = "no_sockets",
    }
}

/// A tool that made a component, as the component says. Not proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Name of the tool or language.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// What can be read off an admitted component without compiling it. Names are escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentFacts {
    /// Size of the upload.
    pub size_bytes: u64,
    /// Imported interfaces with their versions.
    pub imports: Vec<String>,
    /// Exported functions and interfaces.
    pub exports: Vec<String>,
    /// Who made it, by its own account.
    pub producers: Vec<Producer>,
    /// What follows from the imports.
    pub capabilities: Vec<Capability>,
    /// Functions with a body, in all its modules.
    pub functions: u32,
    /// Linear memory at the start, all memories together.
    pub memory_bytes: u64,
}

/// Why a component is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ComponentRefusal {
    /// `invalid_component`, `forbidden_import`, `missing_export`, `abi_mismatch`, `compile_error`
    /// or `quota_exceeded`; `platform_error` when we failed.
    pub class: ErrorClass,
    /// One sentence for its author.
    pub message: String,
}

text_enum! {
    /// How an uploaded component stands.
    ComponentState {
        /// It waits for its turn to be compiled.
        Pending = "pending",
        /// It is being compiled.
        Compiling = "compiling",
        /// It can run.
        Ready = "ready",
        /// It did not compile, or does not fit the contract.
        Refused = "refused",
        /// An administrator has forbidden it everywhere.
        Blocked = "blocked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let bytes = std::array::from_fn(|i| u8::try_from(i * 8 + 7).unwrap());
        let digest = Digest::new(bytes);
        let text = digest.to_string();
        assert_eq!(text.len(), 64);
        assert!(text.starts_with("070f17"), "{text}");
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text.to_uppercase().parse(), Ok(digest));
        assert_eq!(format!("sha256:{text}").parse(), Ok(digest));
        for nonsense in [
            "",
            "07",
            &text[1..],
            &format!("{text}0"),
            &text.replace('7', "g"),
        ] {
            assert_eq!(nonsense.parse::<Digest>(), Err(DigestError), "{nonsense}");
        }
        assert_eq!("ü".repeat(32).parse::<Digest>(), Err(DigestError));
    }
}
