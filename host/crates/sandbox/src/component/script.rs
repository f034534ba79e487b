//! The bytecode of a script as a component, which hands it to the engine that is composed with it.

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, CodeSection, Component,
    ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentTypeSection,
    ComponentValType, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection, PrimitiveValType,
    TypeSection, ValType,
};

const PAGE_BYTES: u64 = 65_536;

/// Behind the pair of address and length.
const BYTECODE_AT: u32 = 8;

/// A component of one function, `bytecode: func() -> list<u8>`.
pub(crate) fn script_component(bytecode: &[u8]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    let bytes = u64::from(BYTECODE_AT) + bytecode.len() as u64;
    memories.memory(MemoryType {
        minimum: bytes.div_ceil(PAGE_BYTES),
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("bytecode", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().i32_const(0).end();
    code.function(&body);
    // A list passes as the address of its address and length (canonical ABI, `flatten_functype`).
    let length = u32::try_from(bytecode.len()).unwrap_or(u32::MAX);
    let mut memory = [BYTECODE_AT.to_le_bytes(), length.to_le_bytes()].concat();
    memory.extend_from_slice(bytecode);
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), memory);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&exports)
        .section(&code)
        .section(&data);

    let mut instances = InstanceSection::new();
    instances.instantiate(0, Vec::<(&str, ModuleArg)>::new());
    let mut aliases = ComponentAliasSection::new();
    for (name, kind) in [
        ("memory", ExportKind::Memory),
        ("bytecode", ExportKind::Func),
    ] {
        aliases.alias(Alias::CoreInstanceExport {
            instance: 0,
            kind,
            name,
        });
    }
    let mut component_types = ComponentTypeSection::new();
    component_types
        .defined_type()
        .list(ComponentValType::Primitive(PrimitiveValType::U8));
    component_types
        .function()
        .params(Vec::<(&str, ComponentValType)>::new())
        .result(Some(ComponentValType::Type(0)));
    let mut canonical = CanonicalFunctionSection::new();
    canonical.lift(0, 1, [CanonicalOption::Memory(0)]);
    let mut component_exports = ComponentExportSection::new();
    component_exports.export("bytecode", ComponentExportKind::Func, 0, None);
    let mut component = Component::new();
    component
        .section(&ModuleSection(&module))
        .section(&instances)
        .section(&aliases)
        .section(&component_types)
        .section(&canonical)
        .section(&component_exports);
    component.finish()
}
