//! W11, W18 and W25: too much of everything, all of it legal.

use std::borrow::Cow;

use vedette_core::ErrorClass;
use vedette_sandbox::component::{compile, inspect};
use wasm_encoder::{
    CodeSection, Component, ComponentTypeSection, ConstExpr, CustomSection, DataSection,
    ElementSection, Elements, ExportKind, ExportSection, Function, FunctionSection, Module,
    ModuleSection, PrimitiveValType, RawSection, TypeSection,
};

use super::{Row, invalid, of_module};
use crate::{assert_error, guest::Guest, run};

fn one_type() -> TypeSection {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types
}

/// Functions that do nothing, but are this large.
fn functions(count: u32, bytes: usize) -> Module {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..count {
        functions.function(0);
        let mut body = Function::new([]);
        body.raw(std::iter::repeat_n(1, bytes));
        body.instructions().end();
        code.function(&body);
    }
    let mut module = Module::new();
    module
        .section(&one_type())
        .section(&functions)
        .section(&code);
    module
}

fn module_types(count: u32) -> Module {
    let mut types = TypeSection::new();
    for _ in 0..count {
        types.ty().function([], []);
    }
    let mut module = Module::new();
    module.section(&types);
    module
}

fn component_types(count: u32) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    for _ in 0..count {
        types.defined_type().primitive(PrimitiveValType::U8);
    }
    let mut component = Component::new();
    component.section(&types);
    component.finish()
}

fn data_segments(count: u32) -> Module {
    let mut data = DataSection::new();
    for _ in 0..count {
        data.passive([]);
    }
    let mut module = Module::new();
    module.section(&data);
    module
}

fn element_segments(count: u32) -> Module {
    let mut elements = ElementSection::new();
    for _ in 0..count {
        elements.passive(Elements::Functions(Cow::Borrowed(&[])));
    }
    let mut module = Module::new();
    module.section(&elements);
    module
}

fn exports(count: u32) -> Module {
    let mut exports = ExportSection::new();
    for name in 0..count {
        exports.export(&name.to_string(), ExportKind::Func, 0);
    }
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().end();
    code.function(&body);
    let mut module = Module::new();
    module
        .section(&one_type())
        .section(&functions)
        .section(&exports)
        .section(&code);
    module
}

fn modules(count: u32) -> Vec<u8> {
    let mut component = Component::new();
    for _ in 0..count {
        component.section(&ModuleSection(&Module::new()));
    }
    component.finish()
}

fn with_custom_sections(mut bytes: Vec<u8>, sections: &[(&str, &[u8])]) -> Vec<u8> {
    for (name, data) in sections {
        let section = CustomSection {
            name: Cow::Borrowed(name),
            data: Cow::Borrowed(data),
        };
        let mut component = Component::new();
        component.section(&section);
        bytes.extend_from_slice(&component.finish()[8..]);
    }
    bytes
}

fn honest() -> Vec<u8> {
    Guest::new("(call $success)").bytes()
}

pub(super) fn rows() -> Vec<Row> {
    let many = with_custom_sections(honest(), &vec![("x", &[][..]); 100_000]);
    vec![
        invalid(
            "W11",
            "functions",
            of_module(&functions(1_000_000, 0)),
            &["1000000 functions", "100000"],
        ),
        invalid(
            "W11",
            "types of modules",
            of_module(&module_types(1_000_000)),
            &["1000000 types", "50000"],
        ),
        invalid(
            "W11",
            "types of components",
            component_types(1_000_000),
            &["1000000 types", "50000"],
        ),
        invalid(
            "W11",
            "data segments",
            of_module(&data_segments(100_000)),
            &["100000 segments", "20000"],
        ),
        invalid(
            "W11",
            "element segments",
            of_module(&element_segments(100_000)),
            &["100000 segments", "20000"],
        ),
        invalid(
            "W11",
            "exports",
            of_module(&exports(100_001)),
            &["exports", "100001"],
        ),
        invalid(
            "W11",
            "modules",
            modules(101),
            &["101 modules", "at most 100"],
        ),
        invalid(
            "W11",
            "one large function",
            of_module(&functions(1, 1 << 20)),
            &["bytes in one function", "1048576"],
        ),
        invalid(
            "W11",
            "much code",
            of_module(&functions(30, 1_000_000)),
            &["bytes of code", "25165824"],
        ),
        invalid(
            "W25",
            "custom sections",
            many,
            &["custom sections", "at most 1000"],
        ),
    ]
}

/// As much as is allowed is no reason to refuse.
#[test]
fn w11_the_caps_themselves_are_allowed() {
    for bytes in [
        of_module(&functions(100_000, 0)),
        of_module(&data_segments(20_000)),
        component_types(50_000),
        modules(100),
    ] {
        let refusal = inspect(&bytes).unwrap_err();
        assert_eq!(refusal.class, ErrorClass::MissingExport, "{refusal}");
    }
}

/// A count that is too large ends the reading: what comes after it is not even looked at.
#[test]
fn w11_nothing_is_read_after_a_count_that_is_too_large() {
    // A section of functions tells their number first. Nothing of what it announces is there.
    let mut section = Vec::new();
    wasm_encoder::Encode::encode(&1_000_000u32, &mut section);
    section.extend(vec![0; 1_000_000]);
    let mut module = Module::new();
    module
        .section(&one_type())
        .section(&RawSection {
            id: 3,
            data: &section,
        })
        .section(&RawSection {
            id: 77,
            data: b"nonsense",
        });
    let refusal = inspect(&of_module(&module)).unwrap_err();
    assert!(refusal.message.contains("1000000 functions"), "{refusal}");
    let small = Module::new();
    let mut nonsense = Component::new();
    nonsense
        .section(&ModuleSection(&small))
        .section(&RawSection {
            id: 77,
            data: b"nonsense",
        });
    let refusal = inspect(&nonsense.finish()).unwrap_err();
    assert!(refusal.message.contains("not well formed"), "{refusal}");
}

/// Whether data fit into a memory is known when there is one: then the run ends, at its start.
#[tokio::test]
async fn w18_data_beyond_the_memory_are_no_data() {
    let guest = Guest::new("(call $success)").fields("(data (i32.const 65530) \"0123456789\")");
    let outcome = run(&guest).await;
    assert_error(&outcome, ErrorClass::Trap, "out of bounds memory");
}

#[test]
fn w18_an_offset_that_is_no_number_of_the_memory_is_refused() {
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i64_const(-1), *b"x");
    let mut module = Module::new();
    module.section(&data);
    let refusal = inspect(&of_module(&module)).unwrap_err();
    assert_eq!(refusal.class, ErrorClass::InvalidComponent);
}

#[test]
fn w25_debug_information_is_accepted_and_left_out_of_the_native_code() {
    let mark = b"MARK-OF-A-CUSTOM-SECTION".repeat(300_000);
    assert!(mark.len() > 7_000_000);
    let bytes = with_custom_sections(
        honest(),
        &[
            (".debug_info", mark.as_slice()),
            ("name", mark.as_slice()),
            ("producers", b"\xff\xff\xff\xff\xff nonsense".as_slice()),
            ("producers", b"\x01\x08language\x01\x04Rust".as_slice()),
        ],
    );
    let facts = inspect(&bytes).unwrap();
    assert_eq!(facts.producers, []);
    assert_eq!(facts.size_bytes, bytes.len() as u64);
    let native = compile(&bytes).unwrap();
    let is_marked = native
        .bytes()
        .windows(24)
        .any(|found| found == b"MARK-OF-A-CUSTOM-SECTION");
    assert!(!is_marked && native.bytes().len() < mark.len());
}
