//! W20 and W23: an export that is not `run`, or is it in name only.

use vedette_core::ErrorClass;

use super::{Row, invalid, row, text};
use crate::guest::{VERDICT, lifted};

const NAMED: &str = "does not export `run`";
const TYPED: &str = "`func() -> result<verdict, string>` is expected";

/// A module whose functions can be lifted to anything.
const MODULE: &str = "
  (core module $m (memory (export \"memory\") 1)
    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export \"none\"))
    (func (export \"run\") (result i32) (i32.const 16))
    (func (export \"one\") (param i32) (result i32) (i32.const 16)))
  (core instance $guest (instantiate $m))
  (alias core export $guest \"memory\" (core memory $memory))
  (alias core export $guest \"realloc\" (core func $realloc))";

fn component(more: &str) -> Vec<u8> {
    text(&format!("(component {VERDICT} {MODULE} {more})"))
}

fn mismatch(id: &'static str, what: &str, more: &str) -> Row {
    row(
        id,
        what,
        component(more),
        ErrorClass::AbiMismatch,
        &["`run`", TYPED],
    )
}

fn missing(what: &str, more: &str) -> Row {
    row(
        "W23",
        what,
        component(more),
        ErrorClass::MissingExport,
        &[NAMED],
    )
}

/// `run` of this type, of a function that returns a pointer.
fn returning(result: &str) -> String {
    format!(
        "(func (export \"run\") (result {result})
           (canon lift (core func $guest \"run\") (memory $memory) (realloc $realloc)))"
    )
}

/// The verdict with other fields.
fn of_record(fields: &str) -> String {
    format!(
        "(type $r (record {fields})) (import \"other\" (type $other (eq $r)))
         {}",
        returning("(result $other (error string))")
    )
}

fn large() -> Vec<Row> {
    let fields = (0..9_999)
        .map(|n| format!("(field \"f{n}\" bool)"))
        .collect::<Vec<_>>()
        .concat();
    let cases = (0..10_000)
        .map(|n| format!("(case \"c{n}\" string)"))
        .collect::<Vec<_>>()
        .concat();
    let flags = (0..1_000)
        .map(|n| format!("\"f{n}\" "))
        .collect::<Vec<_>>()
        .concat();
    // A type of lists of lists, each by its name.
    let lists = |levels: u32| {
        let each = (1..levels)
            .map(|level| format!("(type $t{level} (list $t{}))", level - 1))
            .collect::<Vec<_>>()
            .concat();
        let last = levels - 1;
        component(&format!(
            "(type $t0 (list bool)) {each} {}",
            returning(&format!("(result $t{last} (error string))"))
        ))
    };
    let named = |ty: &str| {
        component(&format!(
            "(type $large {ty}) (import \"large\" (type $l (eq $large)))
             (func (export \"run\") (param \"p\" (list $l)) (canon lift (core func $guest \"none\")
               (memory $memory) (realloc $realloc)))"
        ))
    };
    vec![
        mismatch(
            "W20",
            "10,000 fields",
            &of_record(&format!("(field \"success\" bool) {fields}")),
        ),
        invalid(
            "W20",
            "10,000 cases",
            named(&format!("(variant {cases})")),
            &["not well formed"],
        ),
        invalid(
            "W20",
            "1,000 flags",
            named(&format!("(flags {flags})")),
            &["not well formed", "32 flags"],
        ),
        row(
            "W20",
            "a type 90 deep",
            lists(90),
            ErrorClass::AbiMismatch,
            &["`run`", TYPED],
        ),
        invalid("W20", "a type 200 deep", lists(200), &["not well formed"]),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let fine = "(field \"success\" bool) (field \"latency\" (option float64)) (field \"message\" (option string))";
    let mut rows = vec![
        missing("no export at all", ""),
        missing(
            "another name",
            &lifted("(memory $memory) (realloc $realloc)")
                .replace("\"run\") (result", "\"check\") (result"),
        ),
        missing(
            "one that is deeper",
            "(component $c) (instance $i (instantiate $c)) (export \"a:b/run\" (instance $i))",
        ),
        mismatch(
            "W23",
            "an instance",
            "(component $c) (instance $i (instantiate $c)) (export \"run\" (instance $i))",
        ),
        mismatch(
            "W23",
            "a component",
            "(component $c) (export \"run\" (component $c))",
        ),
        mismatch(
            "W23",
            "a type",
            "(type $t string) (export \"run\" (type $t))",
        ),
        mismatch(
            "W23",
            "nothing comes of it",
            "(func (export \"run\") (canon lift (core func $guest \"none\")))",
        ),
        mismatch(
            "W23",
            "a number",
            "(func (export \"run\") (result u32) (canon lift (core func $guest \"run\")))",
        ),
        mismatch("W23", "a text", &returning("string")),
        mismatch("W23", "no error", &returning("(result $verdict)")),
        mismatch(
            "W23",
            "another error",
            &returning("(result $verdict (error (option string)))"),
        ),
        mismatch(
            "W23",
            "no verdict",
            &returning("(result string (error string))"),
        ),
        mismatch("W23", "the verdict alone", &returning("$verdict")),
        mismatch("W23", "an option of it", &returning("(option $verdict)")),
        mismatch(
            "W23",
            "it takes something",
            "(func (export \"run\") (param \"n\" u32) (result (result $verdict (error string)))
               (canon lift (core func $guest \"one\") (memory $memory) (realloc $realloc)))",
        ),
        mismatch("W23", "a field too few", &of_record(fine)),
        mismatch(
            "W23",
            "a field too many",
            &of_record(&format!(
                "{fine} (field \"data\" (option string)) (field \"more\" bool)"
            )),
        ),
        mismatch(
            "W23",
            "another name of a field",
            &of_record(&format!("{fine} (field \"body\" (option string))")),
        ),
        mismatch(
            "W23",
            "another type of a field",
            &of_record(&format!("{fine} (field \"data\" (option (list u8)))")),
        ),
        mismatch(
            "W23",
            "a field that is no option",
            &of_record(&format!("{fine} (field \"data\" string)")),
        ),
        mismatch(
            "W23",
            "another order of fields",
            &of_record(
                "(field \"latency\" (option float64)) (field \"success\" bool) (field \"message\" (option string)) (field \"data\" (option string))",
            ),
        ),
    ];
    rows.extend(large());
    rows
}
