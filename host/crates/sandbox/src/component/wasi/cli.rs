//! `wasi:cli`: the run's variables, its log, and an end that is no verdict.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use vedette_core::{Clock, LogLevel};
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_io::{
    async_trait,
    bytes::Bytes,
    poll::Pollable,
    streams::{
        DynInputStream, DynOutputStream, InputStream, OutputStream, StreamError, StreamResult,
    },
};

use super::super::machine::{ComponentRun, Cx};
use crate::Limits;

/// Bytes that a guest may write to standard output or error in one call.
const WRITE_BYTES: usize = 64 * 1024;

/// The guest ended itself, as only programs do.
#[derive(Debug, thiserror::Error)]
#[error("it ended itself by wasi:cli/exit")]
pub(in super::super) struct Exit;

pub(super) fn link_environment(
    instance: &mut LinkerInstance<'_, ComponentRun>,
) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        let env = cx.data().run.env.iter();
        let env: Vec<(String, String)> = env
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Ok((env,))
    })?;
    instance.func_wrap("get-arguments", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        Ok((Vec::<String>::new(),))
    })?;
    instance.func_wrap("initial-cwd", |cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        Ok((None::<String>,))
    })
}

pub(super) fn link_exit(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("exit", |_: Cx<'_>, (_,): (Result<(), ()>,)| {
        Err::<(), _>(Exit.into())
    })?;
    instance.func_wrap("exit-with-code", |_: Cx<'_>, (_,): (u8,)| {
        Err::<(), _>(Exit.into())
    })
}

pub(super) fn link_stdin(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("get-stdin", |mut cx: Cx<'_>, (): ()| {
        cx.data().count_call();
        let stream: DynInputStream = Box::new(Nothing);
        let stream: Resource<DynInputStream> = cx.data_mut().run.table.push(stream)?;
        Ok((stream,))
    })
}

pub(super) fn link_stdout(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("get-stdout", |mut cx: Cx<'_>, (): ()| {
        output(&mut cx, Which::Output)
    })
}

pub(super) fn link_stderr(instance: &mut LinkerInstance<'_, ComponentRun>) -> wasmtime::Result<()> {
    instance.func_wrap("get-stderr", |mut cx: Cx<'_>, (): ()| {
        output(&mut cx, Which::Error)
    })
}

fn output(cx: &mut Cx<'_>, which: Which) -> wasmtime::Result<(Resource<DynOutputStream>,)> {
    let state = cx.data_mut();
    state.count_call();
    let stream: DynOutputStream = Box::new(Output {
        stdio: state.stdio.clone(),
        which,
    });
    Ok((state.run.table.push(stream)?,))
}

/// Standard input has ended before it began.
struct Nothing;

#[async_trait]
impl Pollable for Nothing {
    async fn ready(&mut self) {}
}

impl InputStream for Nothing {
    fn read(&mut self, _: usize) -> StreamResult<Bytes> {
        Err(StreamError::Closed)
    }
}

#[derive(Clone, Copy)]
enum Which {
    Output,
    Error,
}

struct Output {
    stdio: Arc<Mutex<Stdio>>,
    which: Which,
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut stdio = self.stdio.lock().unwrap_or_else(PoisonError::into_inner);
        stdio.write(self.which, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

/// A line with the time of its end.
pub(in super::super) type Line = (LogLevel, DateTime<Utc>, String);

/// What a guest writes to standard output and error, line by line.
pub(in super::super) struct Stdio {
    lines: Vec<Line>,
    begun: [Vec<u8>; 2],
    lines_left: usize,
    bytes_left: usize,
    line_bytes: usize,
    clock: Arc<dyn Clock>,
    truncated: bool,
}

impl Stdio {
    pub(in super::super) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            lines: Vec::new(),
            begun: [Vec::new(), Vec::new()],
            lines_left: limits.log_lines,
            bytes_left: limits.log_bytes,
            line_bytes: limits.log_line_bytes,
            clock,
            truncated: false,
        }
    }

    fn write(&mut self, which: Which, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let begun = &mut self.begun[which as usize];
            let room = self.line_bytes.min(self.bytes_left) - begun.len().min(self.line_bytes);
            let kept = &piece[..piece.len().min(room)];
            self.truncated |= kept.len() < piece.len();
            begun.extend_from_slice(kept);
            self.bytes_left -= kept.len().min(self.bytes_left);
            if pieces.peek().is_some() {
                self.end_line(which);
            }
        }
    }

    fn end_line(&mut self, which: Which) {
        let line = mem::take(&mut self.begun[which as usize]);
        if self.lines_left == 0 {
            self.truncated = true;
            return;
        }
        self.lines_left -= 1;
        let level = match which {
            Which::Output => LogLevel::Info,
            Which::Error => LogLevel::Error,
        };
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\r').unwrap_or(&text).to_owned();
        self.lines.push((level, self.clock.now(), text));
    }
}

/// All lines, also those that were not ended, and whether some are missing.
pub(in super::super) fn lines(stdio: &Mutex<Stdio>) -> (Vec<Line>, bool) {
    let mut stdio = stdio.lock().unwrap_or_else(PoisonError::into_inner);
    for which in [Which::Output, Which::Error] {
        if !stdio.begun[which as usize].is_empty() {
            stdio.end_line(which);
        }
    }
    (mem::take(&mut stdio.lines), stdio.truncated)
}
