//! What a guest may import, one file an interface.

pub(crate) mod console;
pub(crate) mod engine;
pub(crate) mod env;
pub(crate) mod fetch;
pub(crate) mod params;
pub(crate) mod part;
pub(crate) mod steps;
pub(crate) mod wasi;
