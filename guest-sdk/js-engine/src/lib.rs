//! The JavaScript engine of Vedette: QuickJS, through the `javy` crate, as one Wasm component.
//!
//! The host takes a snapshot of this component after [`init`](Engine) has built the JavaScript
//! realm, so that a run pays for nothing but its own script. One instance serves one call of
//! `compile` or one call of `run`, and is thrown away with all it holds; nothing here is freed
//! at the end for that reason.
//!
//! `realm` builds the globals (the JavaScript half is in `js/`), `natives` is what that half
//! calls, `event_loop` drives promises, requests and timers, `compile` and `run` are the exports.

mod compile;
mod event_loop;
mod heap;
mod natives;
mod realm;
mod rejections;
mod run;
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
    fn compile_prelude(source: String) -> Vec<u8> {
        realm::compile_prelude(source)
    }

    fn init() {
        realm::build();
    }

    fn compile(name: String, source: String) -> Result<Vec<u8>, bindings::CompileError> {
        compile::compile(&name, source)
    }

    fn run(bytecode: Vec<u8>) -> Result<bindings::Verdict, bindings::RunError> {
        run::run(&bytecode)
    }
}

bindings::export!(Engine with_types_in bindings);
