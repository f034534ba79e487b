//! Lines of the execution's log. The host keeps 1,000 lines of a run, 8 KiB each, 256 KiB in all.

use std::fmt::Display;

use crate::host;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever mends the check.
    Debug,
    /// What happened.
    Info,
    /// What may become a failure.
    Warn,
    /// What is wrong.
    Error,
}

/// Writes a line. [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and
/// [`error!`](crate::error) are shorter.
pub fn write(level: Level, message: impl Display) {
    host::log(level, &message.to_string());
}

/// Writes a line of level `debug` to the execution's log; takes what [`format!`] takes.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($message)+))
    };
}

/// Writes a line of level `info` to the execution's log; takes what [`format!`] takes.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Info, ::core::format_args!($($message)+))
    };
}

/// Writes a line of level `warn` to the execution's log; takes what [`format!`] takes.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($message)+))
    };
}

/// Writes a line of level `error` to the execution's log; takes what [`format!`] takes.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => {
        $crate::log::write($crate::log::Level::Error, ::core::format_args!($($message)+))
    };
}
