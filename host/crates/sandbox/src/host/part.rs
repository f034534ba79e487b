//! The parts of the engine's own JavaScript that are loaded when a script asks for them.

use wasmtime::format_err;

use crate::{bindings::EngineImports, state::RunState};

macro_rules! parts {
    ($($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_bytes!(concat!(
                "../../../../../guest-sdk/js-engine/prebuilt/parts/", $name, ".bin"
            )),
        )),+]
    };
}

/// Name and bytecode, by `cargo xtask engine` from `guest-sdk/js-engine/js/parts/`.
pub(crate) static PARTS: &[(&str, &[u8])] = parts![
    "absent", "assert", "blobs", "clone", "console", "cookies", "encoding", "equal", "markup",
    "matchers", "reasons", "request", "schema", "streams", "tokens",
];

impl EngineImports for RunState {
    fn part(&mut self, name: String) -> wasmtime::Result<Vec<u8>> {
        let found = PARTS.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, bytecode)| bytecode.to_vec())
            .ok_or_else(|| format_err!("the engine asks for a part that does not exist"))
    }
}
