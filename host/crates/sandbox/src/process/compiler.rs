//! Compiling an uploaded component, in a process of its own that can be killed.
//!
//! The component comes on standard input, its native code or the reason for a refusal goes out on
//! standard output. The process has no key, no file and no network, and less of everything than
//! the server: a component that is hostile to the compiler ends this process and nothing else.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Resource, nice};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};
use vedette_core::{ComponentRefusal, ErrorClass};

use super::rights::{self, Code, limit_to, note};
use crate::{
    component::{self, Artifact, LoadedComponent},
    limits::component as caps,
};

/// What compiling one component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompilerLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Time of processors, all cores together, in whole seconds.
    pub cpu: Duration,
    /// Time in all.
    pub wall: Duration,
}

impl Default for CompilerLimits {
    /// A Python monitor of 18 MB takes a sixth of the computing.
    fn default() -> Self {
        Self {
            memory_bytes: 1536 * 1024 * 1024,
            cpu: Duration::from_mins(1),
            wall: Duration::from_mins(5),
        }
    }
}

/// First byte of an answer.
const COMPILED: u8 = b'c';
const REFUSED: u8 = b'r';

/// Bytes of a refusal, and of standard error, that are read.
const TEXT_BYTES: u64 = 64 * 1024;

/// What a program of ours ends with when it panics, as the compiler may over a component.
const PANIC_CODE: i32 = 101;

/// Compiles what [`inspect`](component::inspect) admitted, in a process of this program: it is
/// started with `arguments` and has to call [`run_compiler_process`] with the rest of them. Dropping
/// the future kills it.
///
/// # Errors
/// `compile_error` when the compiler refuses the component or breaks a limit over it;
/// `platform_error` when the process could not do its work.
pub async fn compile_component(
    program: &Path,
    arguments: &[OsString],
    bytes: &[u8],
    limits: CompilerLimits,
) -> Result<Artifact, ComponentRefusal> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(limits.memory_bytes.to_string())
        .arg(limits.cpu.as_secs().to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let Ok(ended) = tokio::time::timeout(limits.wall, talk(&mut child, bytes)).await else {
        // What is hostile uses up its computing long before; this waited for a processor.
        return Err(failed("it was not done in time"));
    };
    let (answer, complaint, status) = ended.map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(explain_end(status, &complaint));
    }
    match answer.split_first() {
        Some((&COMPILED, code)) if code.len() as u64 <= caps::ARTIFACT_BYTES => {
            Ok(Artifact::from_own(code.to_vec()))
        }
        Some((&COMPILED, _)) => Err(beyond(&format!(
            "its native code has more than {} MiB",
            caps::ARTIFACT_BYTES / (1024 * 1024)
        ))),
        Some((&REFUSED, reason)) => {
            Err(serde_json::from_slice(reason)
                .unwrap_or_else(|_| failed("its refusal cannot be read")))
        }
        _ => Err(failed("it said nothing")),
    }
}

/// Gives the process its work, and takes what comes: both at once, since neither side waits for the
/// other.
async fn talk(child: &mut Child, bytes: &[u8]) -> io::Result<(Vec<u8>, String, ExitStatus)> {
    let piped = || io::Error::other("a pipe is missing");
    let mut input = child.stdin.take().ok_or_else(piped)?;
    let output = child.stdout.take().ok_or_else(piped)?;
    let errors = child.stderr.take().ok_or_else(piped)?;
    let giving = async {
        // When this fails, the process has ended, as its status tells.
        let _ = input.write_all(bytes).await;
        drop(input);
    };
    let ((), answer, complaint) = tokio::join!(
        giving,
        read_most(output, caps::ARTIFACT_BYTES + 2),
        read_most(errors, TEXT_BYTES)
    );
    let complaint = String::from_utf8_lossy(&complaint?).into_owned();
    Ok((answer?, complaint, child.wait().await?))
}

async fn read_most(from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Why a process ended before it had an answer.
fn explain_end(status: ExitStatus, complaint: &str) -> ComponentRefusal {
    let complaint = complaint.trim();
    match status.signal() {
        Some(libc::SIGXCPU | libc::SIGKILL) => {
            beyond("it takes more computing to compile than is allowed")
        }
        // What an allocation that fails does, and a panic in the compiler.
        Some(libc::SIGABRT) if complaint.contains("memory allocation") => {
            beyond("it takes more memory to compile than is allowed")
        }
        Some(libc::SIGSEGV | libc::SIGBUS) => beyond("it is nested too deeply for the compiler"),
        // It could not begin, or nobody took what it said.
        None if status.code() != Some(PANIC_CODE) => failed(&format!("{status}: {complaint}")),
        _ => {
            tracing::error!(%status, complaint, "the compiler ended");
            beyond("the compiler fails at it")
        }
    }
}

fn beyond(message: &str) -> ComponentRefusal {
    ComponentRefusal {
        class: ErrorClass::CompileError,
        message: message.to_owned(),
    }
}

fn failed(reason: &str) -> ComponentRefusal {
    tracing::error!(reason, "the compiler did not run");
    ComponentRefusal {
        class: ErrorClass::PlatformError,
        message: "the platform failed to compile the component".to_owned(),
    }
}

/// Everything that the process does: `arguments` are those that [`compile_component`] adds. Must be
/// called before anything is opened or any thread started.
///
/// # Errors
/// When it cannot begin, or nobody takes what it says.
pub fn run_compiler_process(arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let numbers: Vec<u64> = arguments
        .filter_map(|text| text.to_str()?.parse().ok())
        .collect();
    let [memory_bytes, cpu_seconds] = numbers[..] else {
        return Err(io::Error::other("it takes two numbers"));
    };
    let mut missing = rights::detach();
    rights::give_up_files(&mut missing);
    // Runs and requests go first.
    note(&mut missing, "nice", nice(15));
    let memory = limit_to(Resource::As, memory_bytes);
    note(&mut missing, "RLIMIT_AS", memory);
    note(
        &mut missing,
        "RLIMIT_CPU",
        limit_to(Resource::Cpu, cpu_seconds),
    );
    note(&mut missing, "RLIMIT_FSIZE", limit_to(Resource::Fsize, 0));
    // The compiler's threads begin with its first work, and none can begin later.
    component::compile(SMALLEST).map_err(io::Error::other)?;
    let rights = rights::give_up(missing, Code::IsToBeMade);
    let open: Vec<_> = rights.not_refused().collect();
    if !open.is_empty() {
        tracing::warn!(?open, "the compiler is not kept from some system calls");
    }
    let mut bytes = Vec::new();
    let most = caps::UPLOAD_BYTES as u64 + 1;
    io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    let compiled = component::inspect(&bytes).and_then(|_| {
        let artifact = component::compile(&bytes)?;
        LoadedComponent::check(&artifact)?;
        Ok(artifact)
    });
    let mut output = io::stdout().lock();
    match compiled {
        Ok(artifact) => {
            output.write_all(&[COMPILED])?;
            output.write_all(artifact.bytes())?;
        }
        Err(refusal) => {
            output.write_all(&[REFUSED])?;
            serde_json::to_writer(&mut output, &refusal)?;
        }
    }
    output.flush()
}

/// A component of one module with one function that does nothing.
const SMALLEST: &[u8] = &[
    0, b'a', b's', b'm', 13, 0, 1, 0, // a component
    1, 24, 0, b'a', b's', b'm', 1, 0, 0, 0, // a module of 24 bytes
    1, 4, 1, 0x60, 0, 0, // type 0: no parameters, no results
    3, 2, 1, 0, // function 0 is of type 0
    10, 4, 1, 2, 0, 0x0b, // its body is `end`
];
