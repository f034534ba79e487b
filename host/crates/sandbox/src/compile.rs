//! Source to bytecode, inside the sandbox: a hostile source meets the same walls as a hostile run.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{Store, Trap, format_err};

use crate::{
    Limits, Sandbox, limits,
    run::{moved_too_much, new_store},
    verdict::error_text,
};

/// The name of a script in error messages and stacks.
pub const SCRIPT_NAME: &str = "monitor.js";

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

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A source did not become bytecode.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The source is not a JavaScript module.
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
    Limit(&'static str),
    /// Our own fault; the same source may compile later.
    #[error("the sandbox failed to compile")]
    Platform(#[source] wasmtime::Error),
}

impl Sandbox {
    /// Compiles an ES module.
    ///
    /// # Errors
    /// [`CompileError::Source`] and [`CompileError::Limit`] are the source's fault.
    pub async fn compile(&self, source: &str) -> Result<Bytecode, CompileError> {
        let _permit = self.inner.compiles.acquire().await.expect("never closed");
        let limits = Limits {
            fuel: limits::COMPILE_FUEL,
            wall: limits::COMPILE_WALL,
            ..Limits::default()
        };
        let mut store = new_store(self, &limits, String::new(), BTreeMap::new())
            .map_err(CompileError::Platform)?;
        let compiling = async {
            let instance = self.inner.js.instantiate_async(&mut store).await?;
            instance.call_compile(&mut store, SCRIPT_NAME, source).await
        };
        let ended = tokio::time::timeout(limits.wall, compiling).await;
        match ended {
            // A hostile source uses up its fuel long before; what is late with fuel left waited for
            // a processor.
            Err(_) => Err(CompileError::Platform(format_err!(
                "compiling was not done within {} s",
                limits.wall.as_secs()
            ))),
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

fn classify(error: wasmtime::Error, store: &Store<crate::state::RunState>) -> CompileError {
    match error.downcast_ref::<Trap>() {
        _ if store.data().memory.refused() => CompileError::Limit("memory"),
        Some(Trap::OutOfFuel) => CompileError::Limit("computing"),
        Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => {
            CompileError::Limit("stack (it is nested too deeply)")
        }
        // Nested functions list the variables of the outer ones, so that few kilobytes of source
        // can become many megabytes.
        _ if moved_too_much(&error) => CompileError::Limit("room for its bytecode"),
        _ => CompileError::Platform(error),
    }
}
