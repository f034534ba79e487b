//! Runs that can be run again: what the host told a guest is kept, and told to it once more.
//!
//! A [`Tape`] takes down what happens while a run goes on, cheaply and within a bound. Of a run
//! that is worth keeping it becomes a [`Recording`]: redacted, in a format of its own that has a
//! version. [`Replay`] stands in the place of the network and of time, and [`Replayed`] tells
//! whether the second run came to the same.

mod bytes;
mod format;
mod make;
mod replay;
mod replayed;
mod tape;
mod validate;

pub use format::Recording;
pub(crate) use replay::{Replay, TimeIsOver};
pub use replayed::Replayed;
pub use tape::Tape;
#[cfg(target_os = "linux")]
pub(crate) use tape::TapeParts;
pub use validate::RecordingError;
