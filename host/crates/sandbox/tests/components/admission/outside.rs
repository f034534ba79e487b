//! W01 to W04 and W09: files that are something else.

use vedette_core::ErrorClass;
use vedette_sandbox::component::{compile, inspect};

use super::{Row, invalid};
use crate::{assert_sentence, golden, guest::Guest};

/// The first bytes of a component.
const HEAD: &[u8] = &[0, b'a', b's', b'm', 0x0d, 0, 1, 0];

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    let with_version =
        |low: u8, high: u8, layer: u8| vec![0, b'a', b's', b'm', low, high, layer, 0];
    let of = |text: &str| text.as_bytes().to_vec();
    let honest = Guest::new("(call $success)").bytes();
    let native = compile(&honest).unwrap().bytes().to_vec();
    vec![
        invalid("W01", "nothing", Vec::new(), &["empty"]),
        invalid(
            "W01",
            "one byte",
            vec![0],
            &["ends within its first eight bytes"],
        ),
        invalid(
            "W01",
            "three bytes",
            HEAD[..3].to_vec(),
            &["ends within its first eight bytes"],
        ),
        invalid(
            "W01",
            "seven bytes",
            HEAD[..7].to_vec(),
            &["ends within its first eight bytes"],
        ),
        invalid(
            "W01",
            "wrong magic",
            of("\0asn\x0d\0\x01\0"),
            &["does not begin as WebAssembly"],
        ),
        invalid(
            "W01",
            "a script",
            of("export default () => {}"),
            &["does not begin as WebAssembly"],
        ),
        invalid(
            "W01",
            "zeros",
            vec![0; 100],
            &["does not begin as WebAssembly"],
        ),
        invalid("W01", "text", of("(component)"), &["text", "binary form"]),
        invalid(
            "W01",
            "text with a comment",
            of("\n ;; mine\n(component)"),
            &["text", "binary form"],
        ),
        invalid(
            "W01",
            "compressed",
            vec![0x1f, 0x8b, 8, 0, 0, 0],
            &["compressed"],
        ),
        invalid(
            "W02",
            "a module",
            wat::parse_str("(module)").unwrap(),
            &["core module and not a component", "wasm32-wasip2"],
        ),
        invalid(
            "W03",
            "a module of a later version",
            with_version(2, 0, 0),
            &["version 2"],
        ),
        invalid(
            "W03",
            "a later version",
            with_version(0x0e, 0, 1),
            &["version 14", "version 13"],
        ),
        invalid(
            "W03",
            "a much later version",
            with_version(0x0d, 1, 1),
            &["version 269"],
        ),
        invalid(
            "W03",
            "a later layer",
            with_version(0x0d, 0, 2),
            &["layer 2", "layer 1"],
        ),
        invalid(
            "W09",
            "native code",
            native.clone(),
            &["native code", ".cwasm"],
        ),
        invalid(
            "W09",
            "the beginning of native code",
            native[..64].to_vec(),
            &["native code"],
        ),
        invalid(
            "W18",
            "a file that is too large",
            [HEAD, &vec![0; 32 << 20]].concat(),
            &["32 MiB"],
        ),
    ]
}

/// What is left can be a component, for want of an export.
fn assert_refused(bytes: &[u8]) {
    let refusal = inspect(bytes).unwrap_err();
    let is_expected = matches!(
        refusal.class,
        ErrorClass::InvalidComponent | ErrorClass::MissingExport | ErrorClass::AbiMismatch
    );
    assert!(is_expected, "{refusal:?}");
    assert_sentence(&refusal.message);
}

#[test]
fn w04_every_cut_of_a_small_component_is_refused() {
    let honest = Guest::new("(call $success)").bytes();
    assert!(inspect(&honest).is_ok());
    let mut whole = 0;
    for length in 0..honest.len() {
        // Names for debuggers come last: without them it is the same component.
        let is_before_names = honest[length] == 0 && inspect(&honest[..length]).is_ok();
        if is_before_names {
            whole += 1;
        } else {
            assert_refused(&honest[..length]);
        }
    }
    assert_eq!(whole, 1);
}

#[test]
fn w04_a_thousand_cuts_of_a_compilers_component_are_refused() {
    let honest = golden::RUST;
    for cut in 0..1_000 {
        assert_refused(&honest[..honest.len() * cut / 1_000]);
    }
}

#[test]
fn w04_what_follows_a_component_is_refused() {
    let honest = Guest::new("(call $success)").bytes();
    for more in [&[0][..], b"\0asm", HEAD, &honest[8..]] {
        assert_refused(&[&honest, more].concat());
    }
}
