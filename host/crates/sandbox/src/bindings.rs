//! Generated from `wit/`: the engine's exports, and the traits behind what it imports.

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
