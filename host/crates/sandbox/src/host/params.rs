//! `vedette:monitor/params`: the parameters of this script as JSON.

use crate::{bindings::vedette::monitor::params::Host, state::RunState};

impl Host for RunState {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.params.clone())
    }
}
