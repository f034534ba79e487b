//! Components that are hard to compile, each in its own way, and are legal.

use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, MemorySection, MemoryType,
    Module, ModuleSection, TypeSection, ValType,
};

/// What makes a component that can run.
const ABOUT_RUN: &str = r#"
  (type $record (record (field "success" bool) (field "latency" (option float64))
    (field "message" (option string)) (field "data" (option string))))
  (import "verdict" (type $verdict (eq $record)))
  (core module $m (memory (export "memory") 1)
    (func (export "run") (result i32) (i32.store8 (i32.const 24) (i32.const 1)) (i32.const 16)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "run") (result (result $verdict (error string)))
    (canon lift (core func $i "run") (memory $memory)))"#;

/// A component that is nothing but well.
pub(crate) fn honest() -> Vec<u8> {
    wat::parse_str(format!("(component {ABOUT_RUN})")).unwrap()
}

/// It can run, and has this module with it.
fn with(module: &Module) -> Vec<u8> {
    let mut part = Component::new();
    part.section(&ModuleSection(module));
    [&honest(), &part.finish()[8..]].concat()
}

/// One function from a number to a number, with so many locals more.
fn one_function(locals: u32, body: impl FnOnce(&mut Function)) -> Vec<u8> {
    many_functions(&[{
        let mut function = Function::new([(locals, ValType::I64)]);
        body(&mut function);
        function.instructions().end();
        function
    }])
}

fn many_functions(bodies: &[Function]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for body in bodies {
        functions.function(0);
        code.function(body);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&code);
    with(&module)
}

/// Blocks one after the other, each with a use of the same local.
pub(crate) fn sequential_blocks(count: u32) -> Vec<u8> {
    one_function(0, |function| {
        for _ in 0..count {
            let mut code = function.instructions();
            code.block(BlockType::Empty).local_get(0).br_if(0).end();
        }
        function.instructions().local_get(0);
    })
}

pub(crate) fn nested_blocks(count: u32) -> Vec<u8> {
    one_function(0, |function| {
        for _ in 0..count {
            function.instructions().block(BlockType::Empty);
        }
        for _ in 0..count {
            function.instructions().local_get(0).br_if(0).end();
        }
        function.instructions().local_get(0);
    })
}

pub(crate) fn wide_table(targets: u32) -> Vec<u8> {
    one_function(0, |function| {
        let targets = (0..targets).map(|target| target % 100);
        for _ in 0..100 {
            function.instructions().block(BlockType::Empty);
        }
        function.instructions().local_get(0).br_table(targets, 0);
        for _ in 0..100 {
            function.instructions().end();
        }
        function.instructions().local_get(0);
    })
}

/// So many values that are all needed at the end, up to 50,000.
pub(crate) fn live_values(count: u32) -> Vec<u8> {
    let memory = wasm_encoder::MemArg {
        offset: 0,
        align: 0,
        memory_index: 0,
    };
    one_function(count, |function| {
        for local in 1..=count {
            let mut code = function.instructions();
            code.local_get(0).i64_load(memory).local_set(local);
        }
        for local in 1..=count {
            let mut code = function.instructions();
            code.local_get(0).local_get(local).i64_store(memory);
        }
        function.instructions().local_get(0);
    })
}

/// Additions on top of each other, all values on the stack of the module at once.
pub(crate) fn deep_expression(count: u32) -> Vec<u8> {
    one_function(0, |function| {
        for _ in 0..count {
            function.instructions().local_get(0);
        }
        for _ in 1..count {
            function.instructions().i32_add();
        }
    })
}

pub(crate) fn tiny_functions(count: u32) -> Vec<u8> {
    let mut tiny = Function::new([]);
    tiny.instructions().local_get(0).end();
    many_functions(&vec![tiny; count as usize])
}
