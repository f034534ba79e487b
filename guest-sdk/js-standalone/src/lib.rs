//! What the JavaScript engine asks of its host for its own sake, for where there is no such host: in
//! a monitor that `vedette build` made of a script.
//!
//! It gives the same answers as the server (`host/crates/sandbox/src/host/engine.rs`). Steps are
//! not told to anybody, as the contract of monitors has no place for them.

use url::{Url, quirks};

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/v0.1.0", "../js-engine/wit", "wit"],
        world: "vedette:js-standalone/provider",
        generate_all,
    });
}

struct Provider;

include!("../../js-engine/parts.rs");

macro_rules! parts {
    ($($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_bytes!(concat!("../../js-engine/prebuilt/parts/", $name, ".bin")) as &[u8],
        )),+]
    };
}

/// Name and bytecode, as on the server.
static PARTS: &[(&str, &[u8])] = with_parts!(parts);

impl bindings::exports::vedette::js_engine::steps::Guest for Provider {
    fn begin(_name: String) -> u32 {
        0
    }

    fn end(_step: u32, _failed: Option<String>) {}

    fn check(_name: String, _passed: bool) {}
}

impl bindings::Guest for Provider {
    fn part(name: String) -> Vec<u8> {
        let found = PARTS.iter().find(|(known, _)| *known == name);
        let (_, bytecode) = found.expect("the engine asks for parts that there are");
        bytecode.to_vec()
    }

    fn parse_url(url: String, base: Option<String>) -> Option<String> {
        let parsed = match base {
            Some(base) => Url::parse(&base).and_then(|base| base.join(&url)),
            None => Url::parse(&url),
        };
        parsed.ok().map(String::from)
    }

    fn change_host(href: String, part: String, value: String) -> Option<String> {
        let mut url = Url::parse(&href).ok()?;
        let set = if part == "host" {
            quirks::set_host(&mut url, &value)
        } else {
            quirks::set_hostname(&mut url, &value)
        };
        set.ok().map(|()| url.into())
    }

    fn place_blocks() -> bindings::Placement {
        panic!("the engine builds its realm again")
    }
}

bindings::export!(Provider with_types_in bindings);
