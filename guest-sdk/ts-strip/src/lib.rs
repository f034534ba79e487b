//! Takes the types out of TypeScript, through the `swc_ts_fast_strip` crate, as one Wasm
//! component that imports nothing at all.
//!
//! What is type becomes blanks, so that every other character stays on its line and in its
//! column, and nothing has to be mapped back. One instance serves one call and is thrown away.
//! A panic ends it by a trap.

use std::{cell::RefCell, rc::Rc};

use swc_common::{
    SourceMap,
    errors::{DiagnosticBuilder, Emitter, Handler},
    sync::Lrc,
};
use swc_ecma_parser::TsSyntax;
use swc_ts_fast_strip::{Mode, Options, operate};

/// Generated from `wit/`.
mod bindings {
    wit_bindgen::generate!({ path: "wit" });
}

use bindings::StripError;

struct Stripper;

impl bindings::Guest for Stripper {
    fn strip(source: String) -> Result<String, StripError> {
        // The source map would take a byte order mark away, and count places without it.
        let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
        let found = Rc::new(RefCell::new(Vec::new()));
        let handler = Handler::with_emitter(false, false, Box::new(Collector(found.clone())));
        let options = Options {
            module: Some(true),
            parser: TsSyntax::default(),
            mode: Mode::StripOnly,
            ..Options::default()
        };
        let map: Lrc<SourceMap> = Lrc::default();
        operate(&map, &handler, source.to_owned(), options)
            .map(|stripped| stripped.code)
            .map_err(|error| {
                let first = found.take().into_iter().min_by_key(|(offset, _)| *offset);
                let (offset, message) = first.unwrap_or((0, error.message));
                let (line, column) = place(source, offset);
                StripError {
                    message,
                    line,
                    column,
                }
            })
    }
}

bindings::export!(Stripper with_types_in bindings);

/// Keeps what the parser says, each with the offset in bytes that it is about.
struct Collector(Rc<RefCell<Vec<(usize, String)>>>);

impl Emitter for Collector {
    fn emit(&mut self, diagnostic: &mut DiagnosticBuilder<'_>) {
        // The only file of the map begins at 1; 0 is no place.
        let offset = diagnostic
            .span
            .primary_span()
            .map_or(0, |span| span.lo.0.saturating_sub(1));
        self.0
            .borrow_mut()
            .push((offset as usize, diagnostic.message()));
    }
}

/// Line and column from 1. A column is a unit of UTF-16: so do editors count, and blanks are as
/// wide as what they stand for in these units.
fn place(source: &str, offset: usize) -> (u32, u32) {
    let before = &source[..source.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or(before)
        .encode_utf16()
        .count()
        + 1;
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (narrow(line), narrow(column))
}
