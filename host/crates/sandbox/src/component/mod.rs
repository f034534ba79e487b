//! Uploaded components: what may be compiled, compiling it, and running it.
//!
//! [`inspect`] decides from the bytes alone, [`compile`] makes native code of what it admits and
//! belongs into a process that can be killed, [`LoadedComponent`] runs that code under the limits
//! of a script. A component brings the runtime of its own language, so that it has an engine of
//! its own here (`machine.rs`) with larger bounds, whose instances hold no memory between runs.

mod admission;
mod compile;
mod counting;
mod ended;
mod imports;
mod machine;
mod script;
mod standalone;
mod wasi;

use sha2::{Digest as _, Sha256};
use vedette_core::Digest;

pub use admission::inspect;
pub use compile::{Artifact, compile};
pub use machine::LoadedComponent;
pub use standalone::standalone;

/// The name of a component: the SHA-256 of its bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}
