//! Generated from `wit/`: the components' exports, and the traits behind what they import.

wasmtime::component::bindgen!({
    path: ["../../../wit/v0.1.0", "../../../guest-sdk/js-engine/wit"],
    world: "vedette:js-engine/engine",
    imports: {
        "vedette:monitor/fetch.[method]pending-response.take": async | trappable,
        "vedette:monitor/fetch.send": async | trappable,
        "vedette:monitor/fetch.wait-any": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "vedette:monitor/fetch.pending-response": crate::host::fetch::Pending,
    },
    require_store_data_send: true,
});

pub(crate) use stripper::StripperPre;

/// Apart, because each call makes names of its own.
mod stripper {
    wasmtime::component::bindgen!({
        path: "../../../guest-sdk/ts-strip/wit",
        world: "vedette:ts-strip/stripper",
        exports: { default: async },
    });
}
