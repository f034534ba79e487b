//! What the engine asks for its own sake, whatever the script does.

use url::{Url, quirks};
use wasmtime::format_err;

use crate::{
    bindings::{EngineImports, Placement},
    host::part,
    state::RunState,
};

impl EngineImports for RunState {
    fn part(&mut self, name: String) -> wasmtime::Result<Vec<u8>> {
        part::bytecode(&name)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format_err!("the engine asks for a part that does not exist"))
    }

    fn place_blocks(&mut self) -> wasmtime::Result<Placement> {
        Err(format_err!("the engine builds its realm again"))
    }

    fn parse_url(&mut self, url: String, base: Option<String>) -> wasmtime::Result<Option<String>> {
        let parsed = match base {
            Some(base) => Url::parse(&base).and_then(|base| base.join(&url)),
            None => Url::parse(&url),
        };
        Ok(parsed.ok().map(String::from))
    }

    fn change_host(
        &mut self,
        href: String,
        part: String,
        value: String,
    ) -> wasmtime::Result<Option<String>> {
        let Ok(mut url) = Url::parse(&href) else {
            return Ok(None);
        };
        let set = if part == "host" {
            quirks::set_host(&mut url, &value)
        } else {
            quirks::set_hostname(&mut url, &value)
        };
        Ok(set.ok().map(|()| url.into()))
    }
}
