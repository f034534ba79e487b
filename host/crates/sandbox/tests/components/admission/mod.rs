//! Section 5 of the corpus, as far as it is decided from bytes: what is refused, by which class, and
//! whether the author is told why.
//!
//! No test here measures time. Work is bounded by counting first: `counts` shows that nothing is
//! read after a count that is too large.

mod counts;
mod imports;
mod memories;
mod names;
mod nesting;
mod outside;
mod proposals;
mod types;

use vedette_core::ErrorClass;
use vedette_sandbox::component::inspect;
use wasm_encoder::{Component, Module, ModuleSection};

use crate::assert_sentence;

/// A file that is refused.
pub(super) struct Row {
    id: &'static str,
    what: String,
    bytes: Vec<u8>,
    class: ErrorClass,
    /// What the sentence has to name.
    says: Vec<String>,
}

fn row(
    id: &'static str,
    what: impl Into<String>,
    bytes: Vec<u8>,
    class: ErrorClass,
    says: &[&str],
) -> Row {
    Row {
        id,
        what: what.into(),
        bytes,
        class,
        says: says.iter().map(|text| (*text).to_owned()).collect(),
    }
}

/// Most rows are this.
fn invalid(id: &'static str, what: impl Into<String>, bytes: Vec<u8>, says: &[&str]) -> Row {
    row(id, what, bytes, ErrorClass::InvalidComponent, says)
}

fn all() -> Vec<Row> {
    [
        outside::rows(),
        counts::rows(),
        memories::rows(),
        nesting::rows(),
        types::rows(),
        imports::rows(),
        names::rows(),
        proposals::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_row_is_refused_by_its_class_and_names_the_reason() {
    let mut wrong = Vec::new();
    for row in all() {
        let found = inspect(&row.bytes);
        let is_right = found.as_ref().is_err_and(|refusal| {
            refusal.class == row.class && row.says.iter().all(|text| refusal.message.contains(text))
        });
        if !is_right {
            let (id, what, class, says) = (row.id, row.what, row.class, row.says);
            wrong.push(format!(
                "{id}, {what}: {class} with {says:?} expected: {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_row_says_why_in_one_sentence() {
    for row in all() {
        let refusal = inspect(&row.bytes).unwrap_err();
        assert_sentence(&refusal.message);
    }
}

#[test]
fn every_row_of_the_corpus_is_here() {
    let rows = all();
    for id in [
        "W01", "W02", "W03", "W09", "W11", "W16", "W17", "W18", "W19", "W20", "W21", "W22", "W23",
        "W24", "W25", "W31",
    ] {
        assert!(rows.iter().any(|row| row.id == id), "{id}");
    }
}

fn text(component: &str) -> Vec<u8> {
    wat::parse_str(component).unwrap_or_else(|error| panic!("{error}\n{component}"))
}

/// A component of one module, which it does nothing with.
fn of_module(module: &Module) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish()
}
