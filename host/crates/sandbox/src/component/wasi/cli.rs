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
            let room = (self.line_bytes - begun.len()).min(self.bytes_left);
            let kept = &piece[..piece.len().min(room)];
            self.truncated |= kept.len() < piece.len();
            begun.extend_from_slice(kept);
            self.bytes_left -= kept.len();
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

#[cfg(test)]
mod tests {
    use vedette_core::SystemClock;

    use super::*;

    /// What is held in the end, and whether it counts as cut.
    fn written(pieces: &[&[u8]]) -> (Vec<Line>, bool) {
        let limits = Limits {
            log_line_bytes: 10,
            log_lines: 3,
            log_bytes: 16,
            ..Limits::default()
        };
        let stdio = Mutex::new(Stdio::new(&limits, Arc::new(SystemClock)));
        for piece in pieces {
            stdio.lock().unwrap().write(Which::Output, piece);
            stdio.lock().unwrap().write(Which::Error, b"");
        }
        lines(&stdio)
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|(_, _, text)| text.as_str()).collect()
    }

    #[test]
    fn lines_end_where_the_guest_ends_them_and_with_the_run() {
        let (lines, truncated) = written(&[b"one\r\ntw", b"o\n", b"three"]);
        assert_eq!(texts(&lines), ["one", "two", "three"]);
        assert!(!truncated);
    }

    #[test]
    fn a_line_without_an_end_is_held_up_to_the_limits_however_often_it_is_written() {
        // The tenth byte fills the line; after two of them, six are left of all bytes.
        let long = vec![b'x'; 100_000];
        for pieces in [vec![b"x".as_slice(); 1_000], vec![long.as_slice(); 3]] {
            let (lines, truncated) = written(&pieces);
            assert_eq!(texts(&lines), ["x".repeat(10)]);
            assert!(truncated);
        }
        let (lines, truncated) =
            written(&[b"xxxxxxxxxx\n", b"yyyyy", b"yyyyy", b"yyyyy", b"\nz\n"]);
        assert_eq!(
            texts(&lines),
            ["x".repeat(10), "y".repeat(6), String::new()]
        );
        assert!(truncated);
    }

    #[test]
    fn there_are_so_many_lines_and_no_more() {
        let (lines, truncated) = written(&[b"\n\n\n\n\n"]);
        assert_eq!((lines.len(), truncated), (3, true));
    }
}
