//! `vedette:monitor/console`: lines for the execution's log.

use vedette_core::LogLevel;

use crate::{
    bindings::vedette::monitor::console::{Host, Level},
    state::RunState,
};

impl Host for RunState {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log.push(level, &message, self.clock.as_ref());
        Ok(())
    }
}
