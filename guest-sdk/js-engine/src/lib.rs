//! The JavaScript engine of Vedette: QuickJS, through the `javy` crate, as one Wasm component.
//!
//! The host takes a snapshot of this component after [`init`](Engine) has built the JavaScript
//! realm, so that a run pays for nothing but its own script. One instance serves one call of
//! `compile` or one call of `run`, and is thrown away with all it holds; nothing here is freed
//! at the end for that reason.
//!
//! `realm` builds the globals (the JavaScript half is in `js/`), `natives` is what that half
//! calls, `modules` loads what a script imports and the parts of the realm that wait until they are
//! asked for (`js/parts/`), `event_loop` drives promises, requests and timers, `compile` and `run` are
//! the exports.

mod compile;
mod crypto;
mod event_loop;
mod heap;
mod modules;
mod natives;
mod placement;
mod realm;
mod rejections;
mod run;
mod text;
mod urls;

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/v0.1.0", "wit"],
        world: "vedette:js-engine/engine",
        generate_all,
    });
}

struct Engine;

impl bindings::Guest for Engine {
    fn compile_part(name: String, source: String) -> Vec<u8> {
        realm::compile_part(&name, source)
    }

    fn blocks() -> Vec<bindings::Block> {
        placement::blocks()
    }

    fn init() {
        placement::build();
    }

    fn compile(name: String, source: String) -> Result<Vec<u8>, bindings::CompileError> {
        compile::compile(&name, source)
    }

    fn run(bytecode: Vec<u8>) -> Result<bindings::Verdict, bindings::RunError> {
        run::run(&bytecode)
    }
}

bindings::export!(Engine with_types_in bindings);
