//! One file a command.

pub(crate) mod admin;
pub(crate) mod api;
pub(crate) mod audit;
#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod check;
#[cfg(target_os = "linux")]
pub(crate) mod compile_component;
pub(crate) mod demo;
pub(crate) mod egress;
pub(crate) mod inspect;
pub(crate) mod login;
pub(crate) mod migrate;
pub(crate) mod new;
pub(crate) mod replay;
#[cfg(target_os = "linux")]
pub(crate) mod runner_process;
pub(crate) mod serve;
pub(crate) mod sign;
