//! TypeScript to JavaScript, inside the sandbox: the parser of types meets the same walls as a
//! run, and what it gives back is checked.
//!
//! Types become blanks, so that places in the JavaScript are places in the user's file.

use sha2::{Digest, Sha256};
use wasmtime::{
    Engine, Store, Trap,
    component::{Component, Linker},
    format_err,
};

#[cfg(target_os = "linux")]
use crate::engine::load;
use crate::{
    ArtifactCache, CompileError,
    bindings::StripperPre,
    compile,
    engine::{Machine, load_or_compile},
    state::RunState,
    verdict::error_text,
};

/// The component, built from `guest-sdk/ts-strip` by `cargo xtask engine`.
static TS_STRIP: &[u8] = include_bytes!("../../../../guest-sdk/ts-strip/prebuilt/ts-strip.wasm");

/// What is told where the parser broke down instead of saying what it does not like.
const UNREADABLE: &str = "the TypeScript parser cannot read this source";

impl Machine {
    /// The component, ready to use: who never saves TypeScript never pays for it. The first use of
    /// an installation compiles it, which takes a second or two; the next process finds it cached.
    pub(crate) async fn stripper(&self) -> Result<&StripperPre<RunState>, CompileError> {
        let load = || async {
            let (engine, cache) = (self.engine.clone(), self.cache.clone());
            let prepare = move || prepare(&engine, &load_stripper(&engine, cache.as_ref())?);
            match tokio::task::spawn_blocking(prepare).await {
                Ok(prepared) => prepared,
                Err(error) => Err(format_err!("preparing the stripper: {error}")),
            }
        };
        let stripper = self.stripper.get_or_try_init(load).await;
        stripper.map_err(CompileError::Platform)
    }

    /// Takes up what [`compiled_stripper`](crate::engine::compiled_stripper) gave in another
    /// process.
    #[cfg(target_os = "linux")]
    pub(crate) fn set_stripper(&self, compiled: &[u8]) -> wasmtime::Result<()> {
        let stripper = prepare(&self.engine, &load(&self.engine, compiled)?)?;
        // The first one is as good.
        let _ = self.stripper.set(stripper);
        Ok(())
    }

    /// Takes the types out of a source, in an instance of its own.
    pub(crate) async fn strip_types(
        &self,
        stripper: &StripperPre<RunState>,
        source: &str,
    ) -> Result<String, CompileError> {
        let limits = compile::limits();
        let mut store = self
            .store_without_inputs(&limits)
            .map_err(CompileError::Platform)?;
        let stripping = async {
            let instance = stripper.instantiate_async(&mut store).await?;
            instance.call_strip(&mut store, source).await
        };
        match tokio::time::timeout(limits.wall, stripping).await {
            Err(_) => Err(compile::too_slow(&limits)),
            Ok(Err(error)) => Err(classify(error, &store)),
            // Blanks are never longer than what they stand for, and keep the lines.
            Ok(Ok(Ok(javascript))) if is_plausible(&javascript, source) => Ok(javascript),
            Ok(Ok(Ok(_))) => Err(unreadable()),
            Ok(Ok(Err(error))) => {
                let place = plausible_place(source, error.line, error.column);
                Err(CompileError::Source {
                    message: format!("SyntaxError: {}", error_text(&error.message)),
                    line: place.map(|(line, _)| line),
                    column: place.map(|(_, column)| column),
                })
            }
        }
    }
}

/// Native code of the stripper. Blocks.
pub(crate) fn load_stripper(
    engine: &Engine,
    cache: Option<&ArtifactCache>,
) -> wasmtime::Result<Component> {
    let digest = hex::encode(Sha256::digest(TS_STRIP));
    load_or_compile(engine, "ts-strip", TS_STRIP, &digest, cache)
}

fn prepare(engine: &Engine, component: &Component) -> wasmtime::Result<StripperPre<RunState>> {
    // An empty linker: whatever it wants to import, it cannot have.
    StripperPre::new(Linker::new(engine).instantiate_pre(component)?)
}

fn classify(error: wasmtime::Error, store: &Store<RunState>) -> CompileError {
    match compile::classify(error, store) {
        // The parser panicked. The same source makes it do so each time, which is no fault of the
        // host, and nothing that waiting would help.
        CompileError::Platform(error) if error.is::<Trap>() => {
            tracing::warn!(error = ?error, "the TypeScript parser trapped");
            unreadable()
        }
        error => error,
    }
}

fn unreadable() -> CompileError {
    CompileError::Source {
        message: UNREADABLE.to_owned(),
        line: None,
        column: None,
    }
}

fn is_plausible(stripped: &str, source: &str) -> bool {
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    stripped.len() <= source.len() && lines(stripped) == lines(source)
}

/// The place, if the source has it; a place may be just behind the end of its line.
fn plausible_place(source: &str, line: u32, column: u32) -> Option<(u32, u32)> {
    let index = usize::try_from(line.checked_sub(1)?).ok()?;
    let text = source.split('\n').nth(index)?;
    let columns = 1..=text.encode_utf16().count() + 1;
    columns
        .contains(&usize::try_from(column).ok()?)
        .then_some((line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The component keeps to all this; here is what holds when it was tricked.
    #[test]
    fn a_stripper_that_lies_is_not_believed() {
        let source = "a: b\nc";
        assert!(is_plausible("a   \nc", source));
        for stripped in ["a\nc;   ", "a    c", "a\n\nc"] {
            assert!(!is_plausible(stripped, source), "{stripped:?}");
        }
        for place in [(1, 1), (1, 5), (2, 1), (2, 2)] {
            assert_eq!(plausible_place(source, place.0, place.1), Some(place));
        }
        for (line, column) in [(0, 1), (1, 0), (1, 6), (2, 3), (3, 1), (u32::MAX, u32::MAX)] {
            assert_eq!(
                plausible_place(source, line, column),
                None,
                "{line}:{column}"
            );
        }
    }
}
