//! Checks for Vedette, written in Rust.
//!
//! A monitor is a type that implements [`Monitor`], named once by [`monitor!`], in a crate of type
//! `cdylib` that is built for `wasm32-wasip2`:
//!
//! ```
//! use serde::Deserialize;
//! use serde_json::json;
//! use vedette_sdk::{Error, Monitor, Request, Verdict, ensure};
//!
//! struct Shop;
//!
//! #[derive(Deserialize)]
//! struct Params {
//!     url: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Stock {
//!     items: u32,
//! }
//!
//! impl Monitor for Shop {
//!     type Params = Params;
//!
//!     fn run(params: Params) -> Result<Verdict, Error> {
//!         let response = Request::get(params.url).send()?.expect_status(200)?;
//!         let stock: Stock = response.json()?;
//!         ensure!(stock.items > 0, "the shop has nothing to sell");
//!         Ok(Verdict::success()
//!             .latency(response.timings().total)
//!             .message(format!("{} items", stock.items))
//!             .data(json!({ "items": stock.items })))
//!     }
//! }
//!
//! vedette_sdk::monitor!(Shop);
//! ```
//!
//! # What becomes of a run
//!
//! | In `run` | Execution |
//! |---|---|
//! | [`Verdict::success`] | `success` |
//! | [`Verdict::failure`] | `failure`: the target is not well |
//! | `?` on an expectation that does not hold: [`ensure!`], [`ensure_eq!`], [`Response::expect_status`], [`Response::json`], [`OrFail::or_fail`], [`Error::failure`] | `failure` with its message |
//! | `?` on a request that failed because of the target, also as the cause of another error | `failure` with its message |
//! | `?` on a request that was denied, also as the cause of another error | `error`, `fetch_denied`: nobody knows |
//! | `?` on a request that broke a limit, also as the cause of another error | `error`, `fetch_limit`: nobody knows |
//! | `?` on any other error, [`Error::check`], parameters that do not fit, a request that is not well formed | `error`, `script_error`: the check is broken |
//! | a panic | `error`, `trap`, with the panic's message in the log |
//!
//! So `?` never turns a fault of the check into "the target is down", and nothing but a verdict
//! that says so is a success.
//!
//! # What there is
//!
//! - [`Request`], [`Response`]; several at once by [`send_all`], or [`Request::start`] with [`wait_any`]
//! - [`env`](mod@env): variables of the organization, the project and the script
//! - [`debug!`], [`info!`], [`warn!`], [`error!`]: lines of the execution's log
//! - [`sleep`]; [`std::time`] for clocks, which stand still while a monitor computes
//! - [`Checks`], where one expectation that does not hold is not yet the end
//! - `testing`: a host for `cargo test`, which is there on every target but Wasm
//!
//! There are no files, no sockets and no threads.

pub mod env;
mod error;
mod expect;
mod fetch_error;
#[cfg(target_family = "wasm")]
#[path = "component.rs"]
mod host;
#[cfg(not(target_family = "wasm"))]
#[path = "testing/host.rs"]
mod host;
pub mod log;
mod monitor;
mod request;
mod response;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod text;
mod verdict;

pub use error::{Context, Error, ErrorKind, OrFail};
pub use expect::Checks;
pub use fetch_error::{FetchError, FetchReason};
pub use monitor::Monitor;
pub use request::{Pending, Redirect, Request, send_all, sleep, wait_any};
pub use response::{Response, Timings, Tls};
pub use verdict::Verdict;

/// For the macros of this crate only.
#[doc(hidden)]
pub mod __private {
    pub use crate::expect::difference;
    #[cfg(target_family = "wasm")]
    pub use crate::host::{Exported, bindings};
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
