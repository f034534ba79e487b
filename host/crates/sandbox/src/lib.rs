//! Turns JavaScript or TypeScript plus inputs into a bounded outcome, inside WebAssembly.
//!
//! [`Sandbox::compile`] makes bytecode of a source, [`Sandbox::run`] runs bytecode with the
//! inputs of one run. Both take a fresh store and a fresh instance of the engine component
//! (`guest-sdk/js-engine`) and throw them away; nothing of a run survives it but its
//! [`Outcome`](vedette_core::Outcome). Nothing that comes from a guest is believed: sizes, text
//! and numbers are checked again here.
//!
//! [`process`] does the same in processes of their own, which hold nothing that is worth having.
//!
//! [`engine`] is the only file that configures wasmtime, [`limits`] has every cap with its reason,
//! `host/` has one file for each interface that a guest may import, [`run`] is one run from inputs
//! to outcome, [`record`] keeps what a run was told and runs it again.
#![warn(missing_docs)]

mod bindings;
pub mod cache;
pub mod compile;
pub mod component;
pub mod engine;
mod host;
pub mod limits;
mod masking;
mod memory;
mod network;
#[cfg(target_os = "linux")]
pub mod process;
pub mod record;
pub mod run;
mod state;
mod steps;
mod typescript;
mod verdict;
mod world;

pub use cache::ArtifactCache;
pub use compile::{Bytecode, CompileError};
pub use engine::{Sandbox, SandboxError, SandboxOptions};
pub use limits::Limits;
pub use record::{Recording, RecordingError, Replayed, Tape};
pub use run::RunInputs;
