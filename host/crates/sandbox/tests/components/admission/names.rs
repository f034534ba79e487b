//! W24: names that could mislead who reads them.

use std::borrow::Cow;

use vedette_core::ErrorClass;
use vedette_sandbox::component::inspect;
use wasm_encoder::{
    Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, CustomSection,
};

use super::{Row, invalid, row};
use crate::{assert_sentence, guest::Guest};

/// A component that imports an instance by this name, whatever is in it.
fn importing(name: &str) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types.instance(&wasm_encoder::InstanceType::new());
    let mut imports = ComponentImportSection::new();
    imports.import(name, ComponentTypeRef::Instance(0));
    let mut component = Component::new();
    component.section(&types).section(&imports);
    component.finish()
}

pub(super) fn rows() -> Vec<Row> {
    let long = "x".repeat(100_000);
    let named = |name: &str, shown: &str| {
        invalid(
            "W24",
            name.chars().take(20).collect::<String>(),
            importing(name),
            &[shown],
        )
    };
    vec![
        named("../../etc/passwd", "../../etc/passwd"),
        named("a\0b", "\\u{0}"),
        named("\u{1b}[31mred", "\\u{1b}"),
        named("\u{202e}live", "\\u{202e}"),
        named("a\u{7}\r\nb", "\\u{7}\\u{d}"),
        named("", "not well formed"),
        named("zero\u{200b}width", "\\u{200b}"),
        row(
            "W24",
            "100 KB",
            importing(&long),
            ErrorClass::ForbiddenImport,
            &["xxx…", "not offered"],
        ),
    ]
}

/// Who made a component is its own account, and shown as carefully.
#[test]
fn w24_the_names_of_tools_are_shown_escaped_and_cut() {
    let (name, version) = ("\u{1b}[2J\u{202e}evil", "v".repeat(100));
    let mut data = vec![1, 12];
    data.extend(b"processed-by");
    data.extend([1, u8::try_from(name.len()).unwrap()]);
    data.extend(name.bytes());
    data.push(100);
    data.extend(version.bytes());
    let section = CustomSection {
        name: Cow::Borrowed("producers"),
        data: Cow::Owned(data),
    };
    let mut component = Component::new();
    component.section(&section);
    let bytes = [
        &Guest::new("(call $success)").bytes(),
        &component.finish()[8..],
    ]
    .concat();
    let facts = inspect(&bytes).unwrap();
    let [producer] = facts.producers.as_slice() else {
        panic!("one tool, not {:?}", facts.producers)
    };
    assert_eq!(producer.name, "\\u{1b}[2J\\u{202e}evil");
    assert_eq!(producer.version, version);
}

/// Also where a name stands inside of a message of the validator.
#[test]
fn w24_no_message_has_what_a_name_had() {
    for name in [
        "\u{1b}]0;title\u{7}",
        "\u{202e}",
        "a\nb",
        "\u{0}",
        "\u{85}",
        "\u{2028}",
    ] {
        let refusal = inspect(&importing(name)).unwrap_err();
        assert_sentence(&refusal.message);
        assert!(!refusal.message.contains(name), "{refusal:?}");
    }
}
