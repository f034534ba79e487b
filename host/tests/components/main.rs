//! The process that compiles components, with components that are made to keep it busy.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod compile;
mod stress;
