//! `vedette:js-engine/steps`: steps and checks, timed here as they are told.

use std::time::Duration;

use crate::{bindings::vedette::js_engine::steps::Host, state::RunState};

impl Host for RunState {
    fn begin(&mut self, name: String) -> wasmtime::Result<u32> {
        let at = self.elapsed();
        Ok(self.steps.begin(&name, at))
    }

    fn end(&mut self, step: u32, failed: Option<String>) -> wasmtime::Result<()> {
        let at = self.elapsed();
        self.steps.end(step, failed.as_deref(), at);
        Ok(())
    }

    fn check(&mut self, name: String, passed: bool) -> wasmtime::Result<()> {
        let at = self.elapsed();
        self.steps.check(&name, passed, at);
        Ok(())
    }
}

impl RunState {
    fn elapsed(&self) -> Duration {
        match self.replay {
            None => self.guest_clock.since_start(),
            // What a step waited for then, it did not wait for now.
            Some(_) => Duration::from_millis(self.guest_clock.elapsed_ms()),
        }
    }
}
