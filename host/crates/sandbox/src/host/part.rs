//! The parts of the engine's own JavaScript that are loaded when a script asks for them.

include!("../../../../../guest-sdk/js-engine/parts.rs");

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
pub(crate) static PARTS: &[(&str, &[u8])] = with_parts!(parts);

/// The bytecode of a part.
pub(crate) fn bytecode(name: &str) -> Option<&'static [u8]> {
    let found = PARTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, bytecode)| *bytecode)
}
