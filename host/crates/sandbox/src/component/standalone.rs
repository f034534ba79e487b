//! A monitor of the engine and one script, as a component that runs wherever components do.

use wasm_encoder::{Component, ComponentSectionId, RawSection};
use wasmparser::{Parser, Payload};

use super::script::script_component;
use crate::{Bytecode, engine::JS_ENGINE};

/// Everything but the engine and the script, with a mark in the place of each, by
/// `cargo xtask engine` from `guest-sdk/js-standalone`.
static TEMPLATE: &[u8] =
    include_bytes!("../../../../../guest-sdk/js-standalone/prebuilt/js-standalone.wasm");

/// The component of a script that was compiled by this very engine. The same script gives the same
/// bytes.
pub fn standalone(bytecode: &Bytecode) -> Vec<u8> {
    let script = script_component(bytecode.bytes());
    let mut component = Component::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(TEMPLATE) {
        let payload = payload.expect("the template was parsed when it was made");
        if depth == 1
            && let Some((id, range)) = payload.as_section()
        {
            let data = &TEMPLATE[range];
            let mark = (id == u8::from(ComponentSectionId::Component)).then(|| mark(data));
            let data = match mark.flatten() {
                Some("vedette:engine") => JS_ENGINE,
                Some("vedette:script") => &script,
                _ => data,
            };
            component.section(&RawSection { id, data });
        }
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    component.finish()
}

/// The name of a component that is nothing but a mark.
fn mark(data: &[u8]) -> Option<&'static str> {
    let marks = ["vedette:engine", "vedette:script"];
    marks.into_iter().find(|mark| {
        // A header of eight bytes, and one custom section without contents.
        data.len() == 8 + 3 + mark.len() && data.ends_with(mark.as_bytes())
    })
}
