//! When rules fired and recovered.

pub(crate) mod list;
