//! The caller's identities at providers; a new one is begun in `v1/auth/oidc/link.rs`.

pub(crate) mod delete;
pub(crate) mod list;
