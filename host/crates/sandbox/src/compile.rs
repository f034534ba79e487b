//! Source to bytecode, inside the sandbox: a hostile source meets the same walls as a hostile run.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use vedette_core::SourceLanguage;
use wasmtime::{Store, Trap, format_err};

use crate::{
    Limits, Sandbox,
    engine::Machine,
    limits::{COMPILE_FUEL, COMPILE_WALL},
    network::NoNetwork,
    run::{moved_too_much, new_store},
    state::RunState,
    verdict::error_text,
    world::{GuestClock, World, new_seed},
};

/// The name of a script in error messages and stacks.
fn script_name(language: SourceLanguage) -> &'static str {
    match language {
        SourceLanguage::JavaScript => "monitor.js",
        SourceLanguage::TypeScript => "monitor.ts",
    }
}

/// Bytecode of this very engine. Only ever made here, never accepted from outside.
#[derive(Debug, Clone)]
pub struct Bytecode(Arc<[u8]>);

impl Bytecode {
    /// Its size in bytes, for caches.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty, which it never is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes up what this very engine made in another process of ours.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_engine(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a source may not use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// Linear memory.
    Memory,
    /// Fuel.
    Computing,
    /// The parser's stack.
    Stack,
    /// Bytes of the result.
    Bytecode,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Computing => "computing",
            Self::Stack => "stack (it is nested too deeply)",
            Self::Bytecode => "room for its bytecode",
        })
    }
}

/// A source did not become bytecode.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The source is not a module in its language.
    #[error("{message}")]
    Source {
        /// What the parser says.
        message: String,
        /// Line in the user's file, from 1.
        line: Option<u32>,
        /// Column in the line, from 1.
        column: Option<u32>,
    },
    /// Compiling took more than a source may.
    #[error("the source needs more {0} to compile than is allowed")]
    Limit(Limit),
    /// Our own fault; the same source may compile later.
    #[error("the sandbox failed to compile")]
    Platform(#[source] wasmtime::Error),
}

impl Sandbox {
    /// Compiles an ES module. Types of TypeScript are taken out first.
    ///
    /// # Errors
    /// [`CompileError::Source`] and [`CompileError::Limit`] are the source's fault.
    pub async fn compile(
        &self,
        source: &str,
        language: SourceLanguage,
    ) -> Result<Bytecode, CompileError> {
        self.machine.compile(source, language).await
    }
}

impl Machine {
    /// See [`Sandbox::compile`].
    pub(crate) async fn compile(
        &self,
        source: &str,
        language: SourceLanguage,
    ) -> Result<Bytecode, CompileError> {
        // Before there is a permit: the first use of an installation takes long.
        let stripper = match language {
            SourceLanguage::JavaScript => None,
            SourceLanguage::TypeScript => Some(self.stripper().await?),
        };
        let _permit = self.compiles.acquire().await.expect("never closed");
        let javascript = match stripper {
            None => Cow::Borrowed(source),
            Some(stripper) => Cow::Owned(self.strip_types(stripper, source).await?),
        };
        self.compile_javascript(&javascript, script_name(language))
            .await
    }

    /// For a guest that only turns one text into another.
    pub(crate) fn store_without_inputs(
        &self,
        limits: &Limits,
    ) -> wasmtime::Result<Store<RunState>> {
        let world = World {
            network: Arc::new(NoNetwork),
            clock: GuestClock::start(self.clock.now()),
            seed: new_seed()?,
            tape: None,
            replay: None,
        };
        new_store(self, limits, world, String::new(), BTreeMap::new())
    }

    async fn compile_javascript(&self, source: &str, name: &str) -> Result<Bytecode, CompileError> {
        let limits = limits();
        let mut store = self
            .store_without_inputs(&limits)
            .map_err(CompileError::Platform)?;
        let compiling = async {
            let instance = self.js.instantiate_async(&mut store).await?;
            instance.call_compile(&mut store, name, source).await
        };
        let ended = tokio::time::timeout(limits.wall, compiling).await;
        match ended {
            Err(_) => Err(too_slow(&limits)),
            Ok(Err(error)) => Err(classify(error, &store)),
            Ok(Ok(Ok(bytecode))) => Ok(Bytecode(bytecode.into())),
            Ok(Ok(Err(error))) => Err(CompileError::Source {
                message: error_text(&error.message),
                line: error.line,
                column: error.column,
            }),
        }
    }
}

/// What compiling one source may use.
pub(crate) fn limits() -> Limits {
    Limits {
        fuel: COMPILE_FUEL,
        wall: COMPILE_WALL,
        ..Limits::default()
    }
}

/// A hostile source uses up its fuel long before; what is late with fuel left waited for a
/// processor.
pub(crate) fn too_slow(limits: &Limits) -> CompileError {
    CompileError::Platform(format_err!(
        "compiling was not done within {} s",
        limits.wall.as_secs()
    ))
}

pub(crate) fn classify(error: wasmtime::Error, store: &Store<RunState>) -> CompileError {
    match error.downcast_ref::<Trap>() {
        _ if store.data().memory.refused() => CompileError::Limit(Limit::Memory),
        Some(Trap::OutOfFuel) => CompileError::Limit(Limit::Computing),
        Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => CompileError::Limit(Limit::Stack),
        // Nested functions list the variables of the outer ones, so that few kilobytes of source
        // can become many megabytes.
        _ if moved_too_much(&error) => CompileError::Limit(Limit::Bytecode),
        _ => CompileError::Platform(error),
    }
}
