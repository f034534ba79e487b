//! What can be allowed.

pub(crate) mod list;
