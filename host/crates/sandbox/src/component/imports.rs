//! What a component may import: a list of interfaces, and the rule of compatible versions.

use semver::Version;
use vedette_core::Capability;

use super::admission::{Refused, forbidden, shown};

/// An interface that is offered.
pub(super) struct Offered {
    /// Without its version.
    pub(super) name: &'static str,
    /// What it stands for in the facts; `None` for what everything imports.
    capability: Option<Capability>,
}

const fn offered(name: &'static str, capability: Option<Capability>) -> Offered {
    Offered { name, capability }
}

/// Our contract, compatible at 0.1, and of WASI what compilers bring, compatible at 0.2.
///
/// File system and sockets are offered because Python and `StarlingMonkey` import them without a
/// need: there is no folder, and each call is refused.
const OFFERED: &[Offered] = &[
    offered("vedette:monitor/fetch", Some(Capability::Http)),
    offered("vedette:monitor/env", Some(Capability::Env)),
    offered("vedette:monitor/params", Some(Capability::Params)),
    offered("vedette:monitor/console", Some(Capability::Log)),
    offered("wasi:cli/environment", Some(Capability::Env)),
    offered("wasi:cli/exit", None),
    offered("wasi:cli/stdin", None),
    offered("wasi:cli/stdout", Some(Capability::Log)),
    offered("wasi:cli/stderr", Some(Capability::Log)),
    offered("wasi:cli/terminal-input", None),
    offered("wasi:cli/terminal-output", None),
    offered("wasi:cli/terminal-stdin", None),
    offered("wasi:cli/terminal-stdout", None),
    offered("wasi:cli/terminal-stderr", None),
    offered("wasi:io/error", None),
    offered("wasi:io/poll", None),
    offered("wasi:io/streams", None),
    offered("wasi:clocks/monotonic-clock", Some(Capability::Clocks)),
    offered("wasi:clocks/wall-clock", Some(Capability::Clocks)),
    offered("wasi:random/random", Some(Capability::Random)),
    offered("wasi:random/insecure", Some(Capability::Random)),
    offered("wasi:random/insecure-seed", Some(Capability::Random)),
    offered("wasi:http/types", Some(Capability::Http)),
    offered("wasi:http/outgoing-handler", Some(Capability::Http)),
    offered("wasi:filesystem/types", Some(Capability::EmptyFilesystem)),
    offered(
        "wasi:filesystem/preopens",
        Some(Capability::EmptyFilesystem),
    ),
    offered("wasi:sockets/network", Some(Capability::NoSockets)),
    offered("wasi:sockets/instance-network", Some(Capability::NoSockets)),
    offered("wasi:sockets/ip-name-lookup", Some(Capability::NoSockets)),
    offered("wasi:sockets/tcp", Some(Capability::NoSockets)),
    offered(
        "wasi:sockets/tcp-create-socket",
        Some(Capability::NoSockets),
    ),
    offered("wasi:sockets/udp", Some(Capability::NoSockets)),
    offered(
        "wasi:sockets/udp-create-socket",
        Some(Capability::NoSockets),
    ),
];

/// The interface behind an imported name, or why there is none.
pub(super) fn admit(import: &str) -> Result<&'static Offered, Refused> {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    let known = OFFERED.iter().find(|offered| offered.name == name);
    let Some(known) = known else {
        return Err(forbidden(format!(
            "it imports {}, which is not offered here",
            shown(import)
        )));
    };
    // Below 1, versions are compatible while the second number is the same, and without a
    // pre-release (semver.org, items 4 and 9).
    let line = if name.starts_with("vedette:") { 1 } else { 2 };
    let fits = Version::parse(version)
        .is_ok_and(|found| found.major == 0 && found.minor == line && found.pre.is_empty());
    if fits {
        Ok(known)
    } else {
        Err(forbidden(format!(
            "it imports {}, and {name} is offered in versions 0.{line}.x only",
            shown(import)
        )))
    }
}

/// What follows from imports, each once and in a fixed order.
pub(super) fn capabilities(imports: &[&'static Offered]) -> Vec<Capability> {
    let mut found: Vec<_> = imports.iter().filter_map(|i| i.capability).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_line_are_compatible_and_no_others() {
        for fine in [
            "vedette:monitor/fetch@0.1.0",
            "vedette:monitor/fetch@0.1.7",
            "wasi:io/poll@0.2.0",
            "wasi:io/poll@0.2.12",
            "wasi:http/outgoing-handler@0.2.3",
        ] {
            assert!(admit(fine).is_ok(), "{fine}");
        }
        for refused in [
            "vedette:monitor/fetch",
            "vedette:monitor/fetch@0.2.0",
            "vedette:monitor/fetch@1.0.0",
            "vedette:monitor/fetch@0.1",
            "vedette:monitor/fetch@0.1.0-rc1",
            "vedette:monitor/files@0.1.0",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll@0.2.0-rc-2023-11-10",
            "wasi:http/incoming-handler@0.2.0",
            "wasi:keyvalue/store@0.2.0",
            "wasi:nn/tensor@0.2.0",
            "fetch",
            "",
        ] {
            let error = admit(refused).err().unwrap();
            assert!(error.message.contains(refused), "{}", error.message);
        }
    }
}
