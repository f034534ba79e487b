//! W21 and W22: what is imported is on the list, in a version that is compatible, and of its type.

use vedette_core::ErrorClass;
use vedette_sandbox::component::{LoadedComponent, compile, inspect};

use super::{Row, row, text};
use crate::{assert_sentence, guest::Guest};

const NOT_OFFERED: [&str; 12] = [
    "wasi:keyvalue/store@0.2.0",
    "wasi:nn/tensor@0.2.0-rc-2024-10-28",
    "wasi:http/incoming-handler@0.2.0",
    "wasi:cli/run@0.2.0",
    "wasi:threads/thread@0.1.0",
    "wasi:config/store@0.2.0",
    "evil:package/all@1.0.0",
    "vedette:monitor/files@0.1.0",
    "vedette:js-engine/part@0.1.0",
    "wasi-io:poll/poll@0.2.0",
    "wasi:io/polls@0.2.0",
    "vedette:monitor/fetch-all@0.1.0",
];

/// With the line that is offered.
const OTHER_VERSIONS: [(&str, &str); 9] = [
    ("wasi:io/poll@0.3.0", "0.2.x"),
    ("wasi:io/poll@0.1.0", "0.2.x"),
    ("wasi:io/poll@1.2.0", "0.2.x"),
    ("wasi:http/types@0.3.0-rc-2025-09-16", "0.2.x"),
    ("wasi:clocks/wall-clock@0.2.0-rc-2023-11-10", "0.2.x"),
    ("wasi:random/random", "0.2.x"),
    ("vedette:monitor/fetch@0.2.0", "0.1.x"),
    ("vedette:monitor/fetch@1.0.0", "0.1.x"),
    ("vedette:monitor/fetch", "0.1.x"),
];

fn importing(name: &str) -> Vec<u8> {
    Guest::new("(call $success)")
        .import(&format!("(import \"{name}\" (instance))"))
        .bytes()
}

pub(super) fn rows() -> Vec<Row> {
    let forbidden = ErrorClass::ForbiddenImport;
    let mut rows = Vec::new();
    for name in NOT_OFFERED {
        rows.push(row(
            "W21",
            name,
            importing(name),
            forbidden,
            &[name, "not offered"],
        ));
    }
    for (name, line) in OTHER_VERSIONS {
        rows.push(row("W21", name, importing(name), forbidden, &[name, line]));
    }
    // Something else than an interface, under a name that is on the list or is none.
    for (what, import) in [
        ("a function", "(import \"fetch\" (func))"),
        ("a resource", "(import \"file\" (type (sub resource)))"),
        ("a component", "(import \"library\" (component))"),
        ("a module", "(import \"library\" (core module))"),
    ] {
        let bytes = Guest::new("(call $success)").import(import).bytes();
        rows.push(row("W21", what, bytes, forbidden, &["not offered"]));
    }
    rows.push(row(
        "W22",
        "a component",
        text("(component (import \"vedette:monitor/env@0.1.0\" (component)))"),
        ErrorClass::AbiMismatch,
        &["vedette:monitor/env@0.1.0", "no interface"],
    ));
    rows
}

/// Types that differ are found before the first run, and the sentence has the name.
#[test]
fn w22_an_interface_of_another_type_is_refused_before_it_runs() {
    for (name, items) in [
        (
            "vedette:monitor/params@0.1.0",
            "(export \"get\" (func (result u32)))",
        ),
        ("vedette:monitor/params@0.1.0", "(export \"set\" (func))"),
        (
            "vedette:monitor/env@0.1.0",
            "(export \"get\" (func (param \"name\" string)))",
        ),
        (
            "vedette:monitor/console@0.1.0",
            "(export \"log\" (func (param \"message\" string)))",
        ),
        (
            "vedette:monitor/fetch@0.1.0",
            "(export \"pending-response\" (func))",
        ),
        (
            "wasi:clocks/monotonic-clock@0.2.0",
            "(export \"now\" (func (result string)))",
        ),
        (
            "wasi:clocks/monotonic-clock@0.2.0",
            "(export \"later\" (func (result u64)))",
        ),
        (
            "wasi:random/random@0.2.0",
            "(export \"get-random-u64\" (func (result u32)))",
        ),
        (
            "wasi:cli/exit@0.2.0",
            "(export \"exit\" (func (param \"status\" u32)))",
        ),
        (
            "wasi:http/outgoing-handler@0.2.0",
            "(export \"handle\" (func))",
        ),
        (
            "wasi:io/poll@0.2.0",
            "(export \"poll\" (func (result (list u32))))",
        ),
    ] {
        let bytes = Guest::new("(call $success)")
            .import(&format!("(import \"{name}\" (instance {items}))"))
            .bytes();
        inspect(&bytes).unwrap();
        let refusal = LoadedComponent::load(&compile(&bytes).unwrap())
            .err()
            .unwrap();
        assert_eq!(refusal.class, ErrorClass::AbiMismatch, "{refusal}");
        let named = name.split('@').next().unwrap();
        assert!(refusal.message.contains(named), "{name}: {refusal}");
        assert_sentence(&refusal.message);
    }
}

/// What compilers bring of WASI 0.2 is fine in each of its versions.
#[test]
fn compatible_versions_are_taken() {
    for name in [
        "wasi:io/poll@0.2.0",
        "wasi:io/poll@0.2.12",
        "wasi:filesystem/types@0.2.3",
        "vedette:monitor/fetch@0.1.9",
    ] {
        let facts = inspect(&importing(name)).unwrap();
        assert_eq!(facts.imports, [name]);
    }
}
