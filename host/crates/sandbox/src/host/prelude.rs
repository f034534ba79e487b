//! The engine's own half in JavaScript: asked for while the snapshot is taken, and never again.

use wasmtime::format_err;

use crate::{bindings::EngineImports, state::RunState};

impl EngineImports for RunState {
    fn prelude(&mut self) -> wasmtime::Result<Vec<u8>> {
        Err(format_err!("the engine asks for its prelude in a run"))
    }
}
