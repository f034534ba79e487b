//! Wasm to native code. It belongs into a process that can be killed: upstream takes a compiler
//! that can be kept busy for no fault.

use std::sync::Arc;

use vedette_core::{ComponentRefusal, ErrorClass};

use super::admission::{refused, told};
use crate::engine::component_engine;

/// Native code of a component, made here for this very program. Never taken from outside.
#[derive(Debug, Clone)]
pub struct Artifact(Arc<[u8]>);

impl Artifact {
    /// Takes up what this program made before, and kept where nobody else can write.
    pub fn from_own(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The native code.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Compiles what [`inspect`](super::inspect) admitted, on all cores that there are. Blocks.
///
/// # Errors
/// `compile_error` when the compiler does not take it.
pub fn compile(bytes: &[u8]) -> Result<Artifact, ComponentRefusal> {
    let failed = |error: wasmtime::Error| {
        let reason = told(&format!("{error:#}"));
        refused(
            ErrorClass::CompileError,
            format!("it does not compile: {reason}"),
        )
    };
    let engine = component_engine().map_err(failed)?;
    let code = engine.precompile_component(bytes).map_err(failed)?;
    Ok(Artifact(code.into()))
}
