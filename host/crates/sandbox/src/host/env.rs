//! `vedette:monitor/env`: the variables of this run, and nothing of the host's own environment.

use crate::{bindings::vedette::monitor::env::Host, state::RunState};

impl Host for RunState {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.env.get(&name).cloned())
    }

    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.env.keys().cloned().collect())
    }
}
