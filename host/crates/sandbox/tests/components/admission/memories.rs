//! W16 and W17: memories and tables that are too large, too many, or of a kind that is off.

use wasm_encoder::{MemorySection, MemoryType, Module, RefType, TableSection, TableType};

use super::{Row, invalid, of_module};

fn memories(count: u32, each: MemoryType) -> Vec<u8> {
    let mut memories = MemorySection::new();
    for _ in 0..count {
        memories.memory(each);
    }
    let mut module = Module::new();
    module.section(&memories);
    of_module(&module)
}

const PAGES: MemoryType = MemoryType {
    minimum: 1,
    maximum: None,
    memory64: false,
    shared: false,
    page_size_log2: None,
};

fn tables(count: u32, minimum: u64, table64: bool) -> Vec<u8> {
    let mut tables = TableSection::new();
    for _ in 0..count {
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64,
            minimum,
            maximum: None,
            shared: false,
        });
    }
    let mut module = Module::new();
    module.section(&tables);
    of_module(&module)
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    let bytes = "bytes of memory at its start";
    vec![
        invalid(
            "W16",
            "8 GiB",
            memories(
                1,
                MemoryType {
                    minimum: 131_072,
                    ..PAGES
                },
            ),
            &[bytes, "8589934592"],
        ),
        invalid(
            "W16",
            "4 GiB",
            memories(
                1,
                MemoryType {
                    minimum: 65_536,
                    ..PAGES
                },
            ),
            &[bytes, "67108864"],
        ),
        invalid(
            "W16",
            "a page too much",
            memories(
                1,
                MemoryType {
                    minimum: 1_025,
                    ..PAGES
                },
            ),
            &[bytes, "67174400"],
        ),
        invalid(
            "W16",
            "too much together",
            memories(
                3,
                MemoryType {
                    minimum: 512,
                    ..PAGES
                },
            ),
            &[bytes],
        ),
        invalid(
            "W16",
            "2⁶³ pages",
            memories(
                1,
                MemoryType {
                    minimum: 1 << 63,
                    memory64: true,
                    ..PAGES
                },
            ),
            &[bytes, "far more"],
        ),
        invalid(
            "W16",
            "memory64",
            memories(
                1,
                MemoryType {
                    memory64: true,
                    ..PAGES
                },
            ),
            &["memory64", "switched off"],
        ),
        invalid(
            "W16",
            "shared memory",
            memories(
                1,
                MemoryType {
                    shared: true,
                    maximum: Some(2),
                    ..PAGES
                },
            ),
            &["threads", "switched off"],
        ),
        invalid(
            "W16",
            "100 memories",
            memories(100, PAGES),
            &["5 memories", "at most 4"],
        ),
        invalid(
            "W16",
            "two memories",
            memories(2, PAGES),
            &["multi-memory", "switched off"],
        ),
        invalid(
            "W16",
            "pages of one byte",
            memories(
                1,
                MemoryType {
                    page_size_log2: Some(0),
                    ..PAGES
                },
            ),
            &["custom-page-sizes", "switched off"],
        ),
        invalid(
            "W16",
            "pages of 2⁶⁴ bytes",
            memories(
                1,
                MemoryType {
                    page_size_log2: Some(64),
                    ..PAGES
                },
            ),
            &[],
        ),
        invalid(
            "W17",
            "10,000,000 elements",
            tables(1, 10_000_000, false),
            &["10000000 table elements", "100000"],
        ),
        invalid(
            "W17",
            "larger than the address space",
            tables(1, u64::from(u32::MAX), false),
            &["table elements"],
        ),
        invalid(
            "W17",
            "much larger than it",
            tables(1, 1 << 63, true),
            &["table elements"],
        ),
        invalid(
            "W17",
            "beyond all numbers together",
            tables(3, 1 << 63, true),
            &["table elements"],
        ),
        invalid(
            "W17",
            "too many together",
            tables(11, 10_000, false),
            &["110000 table elements"],
        ),
        invalid(
            "W17",
            "101 tables",
            tables(101, 1, false),
            &["101 tables", "at most 100"],
        ),
    ]
}
