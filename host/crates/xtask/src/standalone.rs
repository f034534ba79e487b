//! The template of a standalone monitor: one component of the provider, the engine, a script and the
//! runner, in which engine and script are left open. `vedette build` puts them in.

use anyhow::{Context as _, Result, ensure};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, types::Package};
use wasm_encoder::{Component, CustomSection};
use wasmparser::{Parser, Payload};

/// The component of a script is made by each `vedette build`, and here for its type.
#[path = "../../sandbox/src/component/script.rs"]
mod script;

/// What the engine imports of the provider.
const PROVIDED: &[&str] = &[
    "vedette:js-engine/steps",
    "part",
    "parse-url",
    "change-host",
    "place-blocks",
];

/// Composes the template.
pub(crate) fn compose(provider: &[u8], engine: &[u8], runner: &[u8]) -> Result<Vec<u8>> {
    let script = script::script_component(&[]);
    let mut graph = CompositionGraph::new();
    let mut instantiate = |name: &str, bytes: &[u8]| -> Result<NodeId> {
        let package = Package::from_bytes(name, None, bytes.to_vec(), graph.types_mut())
            .with_context(|| name.to_owned())?;
        let package = graph.register_package(package)?;
        Ok(graph.instantiate(package))
    };
    let provider = instantiate("vedette:provider", provider)?;
    let engine_instance = instantiate("vedette:engine", engine)?;
    let script_instance = instantiate("vedette:script", &script)?;
    let runner = instantiate("vedette:runner", runner)?;
    let mut connect = |from: NodeId, export: &str, to: NodeId, import: &str| -> Result<()> {
        let export = graph.alias_instance_export(from, export)?;
        graph.set_instantiation_argument(to, import, export)?;
        Ok(())
    };
    for name in PROVIDED {
        connect(provider, name, engine_instance, name).with_context(|| (*name).to_owned())?;
    }
    connect(engine_instance, "run", runner, "run-bytecode")?;
    connect(script_instance, "bytecode", runner, "bytecode")?;
    for name in ["run", "engine"] {
        let export = graph.alias_instance_export(runner, name)?;
        graph.export(export, name)?;
    }
    let composed = graph.encode(EncodeOptions {
        define_components: true,
        validate: true,
        processor: None,
    })?;
    leave_open(&composed, engine, &script)
}

/// Puts a mark in the place of the engine, which the host carries anyway, and of the script.
fn leave_open(composed: &[u8], engine: &[u8], script: &[u8]) -> Result<Vec<u8>> {
    let mut template = Component::new();
    let mut marks = 0;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(composed) {
        let payload = payload?;
        match &payload {
            Payload::ComponentSection {
                unchecked_range, ..
            } if depth == 1 => {
                let bytes = &composed[unchecked_range.clone()];
                let mark = match bytes {
                    _ if bytes == engine => Some("vedette:engine"),
                    _ if bytes == script => Some("vedette:script"),
                    _ => None,
                };
                match mark {
                    Some(mark) => {
                        marks += 1;
                        nested(&mut template, &mark_component(mark));
                    }
                    None => nested(&mut template, bytes),
                }
            }
            _ if depth == 1 => {
                if let Some((id, range)) = payload.as_section() {
                    template.section(&wasm_encoder::RawSection {
                        id,
                        data: &composed[range],
                    });
                }
            }
            _ => {}
        }
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    ensure!(
        marks == 2,
        "{marks} of two places were found in the composition"
    );
    Ok(template.finish())
}

fn nested(component: &mut Component, bytes: &[u8]) {
    component.section(&wasm_encoder::RawSection {
        id: wasm_encoder::ComponentSectionId::Component.into(),
        data: bytes,
    });
}

fn mark_component(name: &str) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&CustomSection {
        name: name.into(),
        data: (&[]).into(),
    });
    component.finish()
}
