//! W31: components of newer tools, which use what is switched off here.

use super::{Row, invalid, text};

fn of_fields(fields: &str) -> Vec<u8> {
    text(&format!("(component (core module {fields}))"))
}

/// Each with the name of the proposal as its own documents have it.
const PROPOSALS: &[(&str, &str)] = &[
    ("tail-call", "(func $f (return_call $f))"),
    ("threads", "(memory 1 1 shared)"),
    (
        "threads",
        "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
    ),
    ("memory64", "(memory i64 1)"),
    ("memory64", "(table i64 1 funcref)"),
    ("multi-memory", "(memory 1) (memory 1)"),
    ("exceptions", "(tag)"),
    ("exceptions", "(func (try_table))"),
    ("gc", "(type (struct))"),
    ("gc", "(type (array i8))"),
    (
        "function-references",
        "(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))",
    ),
    (
        "relaxed-simd",
        "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
    ),
    (
        "wide-arithmetic",
        "(func (param i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 0) (local.get 0) (local.get 0)))",
    ),
    ("stack-switching", "(type $f (func)) (type $c (cont $f))"),
    ("custom-page-sizes", "(memory 1 (pagesize 1))"),
];

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = PROPOSALS
        .iter()
        .map(|(name, fields)| {
            invalid(
                "W31",
                (*fields).to_owned(),
                of_fields(fields),
                &[*name, "switched off"],
            )
        })
        .collect();
    for (name, component) in [
        ("cm-async", "(component (type (future u8)))"),
        ("cm-async", "(component (type (stream u8)))"),
        ("cm-async", "(component (core func (canon task.cancel)))"),
        ("cm-error-context", "(component (type error-context))"),
    ] {
        rows.push(invalid(
            "W31",
            component,
            text(component),
            &[name, "switched off"],
        ));
    }
    rows
}
