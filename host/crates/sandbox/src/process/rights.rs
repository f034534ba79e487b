//! What a runner process gives up before it sees the first script, and a trial of each wall.
//!
//! The filter of system calls is a list of what is allowed. What is not on it is answered with
//! `EPERM` and does not end the process: whoever has taken it over gains nothing by living on, while
//! an honest call that another version of a library makes would cost all runs in the process.

use std::{collections::BTreeMap, fmt, io};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, Ruleset,
    RulesetAttr as _, RulesetStatus, Scope,
};
use libc::{c_int, c_long};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, setsid,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde::{Deserialize, Serialize};

/// What a runner process gave up, as it says before its first run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// What the kernel does not have, or refused to do, each in a sentence; empty when all walls
    /// stand.
    pub missing: Vec<String>,
    /// Each forbidden system call with the error that a trial of it gave; 0 when there was none.
    pub trials: Vec<(String, i32)>,
}

impl Rights {
    /// The system calls that the filter should refuse and did not.
    pub fn not_refused(&self) -> impl Iterator<Item = &str> {
        let open = self.trials.iter();
        open.filter(|(_, error)| *error != libc::EPERM)
            .map(|(name, _)| name.as_str())
    }
}

/// First of all, while nothing else has been opened and no other thread runs: keeps standard
/// input, output and error only, and goes out of reach of the terminal and of debuggers. What
/// did not work.
pub(super) fn detach() -> Vec<String> {
    let mut missing = Vec::new();
    // When memory runs out, this process is the one to lose.
    note(
        &mut missing,
        "oom_score_adj",
        std::fs::write("/proc/self/oom_score_adj", "500"),
    );
    note(&mut missing, "close_range", close_inherited());
    let signal = set_parent_process_death_signal(Some(Signal::KILL));
    note(&mut missing, "PR_SET_PDEATHSIG", signal);
    let dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    note(&mut missing, "PR_SET_DUMPABLE", dumpable);
    note(&mut missing, "RLIMIT_CORE", limit(Resource::Core));
    note(&mut missing, "setsid", setsid());
    missing
}

/// Gives up what threads inherit: before others begin, as Landlock restricts one and those that it
/// starts.
pub(super) fn give_up_files(missing: &mut Vec<String>) {
    let privileges = rustix::thread::set_no_new_privs(true);
    note(missing, "no_new_privs", privileges);
    note(missing, "Landlock", restrict_by_landlock());
}

/// Whether a process may still make code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// All that runs is there.
    IsMade,
    /// The compiler takes up what it made, to hold its types against the contract.
    IsToBeMade,
}

/// Last, when everything is there that runs need. Gives up what can be given up, then tries what
/// must be impossible now.
pub(super) fn give_up(mut missing: Vec<String>, code: Code) -> Rights {
    let server = getppid().map_or(0, |pid| c_long::from(pid.as_raw_nonzero().get()));
    give_up_files(&mut missing);
    // What is open stays open; nothing can be opened, and no process started.
    note(&mut missing, "RLIMIT_NOFILE", limit(Resource::Nofile));
    note(&mut missing, "RLIMIT_NPROC", limit(Resource::Nproc));
    note(&mut missing, "seccomp", filter_calls(code));
    let mut trials = try_what_is_forbidden(server);
    if code == Code::IsToBeMade {
        trials.retain(|(name, _)| name != MAKING_CODE);
    }
    Rights { missing, trials }
}

pub(super) fn note<T, E: fmt::Display>(missing: &mut Vec<String>, what: &str, done: Result<T, E>) {
    if let Err(why) = done {
        missing.push(format!("{what}: {why}"));
    }
}

/// Our own descriptors are not inherited by anybody; this is for those that the server itself
/// was started with.
fn close_inherited() -> io::Result<()> {
    #[expect(unsafe_code, reason = "the standard library closes only what it owns")]
    // SAFETY: the process has just begun, so that nothing in it owns a descriptor above 2.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, c_long::from(u32::MAX), 0) };
    match closed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn limit(resource: Resource) -> rustix::io::Result<()> {
    limit_to(resource, 0)
}

/// At most so many units of a resource, for good.
pub(super) fn limit_to(resource: Resource, most: u64) -> rustix::io::Result<()> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit)
}

/// No file system, no TCP, no signals and no abstract sockets of processes outside.
fn restrict_by_landlock() -> Result<(), String> {
    let restrict = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    let status = restrict().map_err(|error: landlock::RulesetError| error.to_string())?;
    match (status.landlock, status.ruleset) {
        (_, RulesetStatus::FullyEnforced) => Ok(()),
        (LandlockStatus::NotImplemented, _) => Err("not in this kernel (ABI 0)".to_owned()),
        (LandlockStatus::NotEnabled, _) => Err("not enabled at boot (ABI 0)".to_owned()),
        (LandlockStatus::Available { effective_abi, .. }, _) => Err(format!(
            "this kernel has ABI {} of 6, so that a part is missing",
            effective_abi as i32
        )),
    }
}

/// What runs need: the socket, memory without new code, clocks, random numbers, signals of their
/// own traps, and an end.
const ALLOWED: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_sched_yield,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // What a thread does that was started just before.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter_calls(code: Code) -> Result<(), seccompiler::Error> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let executable = libc::PROT_EXEC.unsigned_abs().into();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let rule = match code {
            Code::IsMade => only(2, SeccompCmpOp::MaskedEq(executable), 0)?,
            Code::IsToBeMade => Vec::new(),
        };
        rules.insert(call, rule);
    }
    // A process may end itself by a signal, as `abort` does.
    let own = std::process::id().into();
    rules.insert(libc::SYS_tgkill, only(0, SeccompCmpOp::Eq, own)?);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program = BpfProgram::try_from(filter)?;
    seccompiler::apply_filter_all_threads(&program)
}

/// The rule that an argument has to meet.
fn only(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// The trial of [`Code`].
const MAKING_CODE: &str = "mmap of code";

/// Arguments that do no harm where a call is not refused: the kernel then says that a path is
/// empty, a descriptor or an address wrong, a process not there.
fn try_what_is_forbidden(server: c_long) -> Vec<(String, i32)> {
    let path = c"/etc/passwd".as_ptr().expose_provenance();
    let path = c_long::try_from(path).unwrap_or_default();
    let number = |value: c_int| c_long::from(value);
    let trials: &[(&str, c_long, [c_long; 6])] = &[
        (
            "openat",
            libc::SYS_openat,
            [number(libc::AT_FDCWD), path, 0, 0, 0, 0],
        ),
        (
            "socket",
            libc::SYS_socket,
            [number(libc::AF_INET), number(libc::SOCK_STREAM), 0, 0, 0, 0],
        ),
        ("connect", libc::SYS_connect, [-1, 0, 0, 0, 0, 0]),
        ("bind", libc::SYS_bind, [-1, 0, 0, 0, 0, 0]),
        ("sendmsg", libc::SYS_sendmsg, [-1, 0, 0, 0, 0, 0]),
        ("execve", libc::SYS_execve, [0, 0, 0, 0, 0, 0]),
        ("execveat", libc::SYS_execveat, [-1, 0, 0, 0, 0, 0]),
        // A thread that does not share its signals is not valid.
        (
            "clone",
            libc::SYS_clone,
            [number(libc::CLONE_THREAD), 0, 0, 0, 0, 0],
        ),
        ("clone3", libc::SYS_clone3, [0, 0, 0, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [16, -1, 0, 0, 0, 0]),
        (
            "process_vm_readv",
            libc::SYS_process_vm_readv,
            [server, 0, 0, 0, 0, 0],
        ),
        (
            "process_vm_writev",
            libc::SYS_process_vm_writev,
            [server, 0, 0, 0, 0, 0],
        ),
        // Signal 0 is none: it only asks whether one could be sent.
        ("kill", libc::SYS_kill, [server, 0, 0, 0, 0, 0]),
        ("tgkill", libc::SYS_tgkill, [server, server, 0, 0, 0, 0]),
        ("pidfd_open", libc::SYS_pidfd_open, [-1, 0, 0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [-1, 0, 0, 0, 0, 0]),
        (
            "io_uring_setup",
            libc::SYS_io_uring_setup,
            [0, 0, 0, 0, 0, 0],
        ),
        ("keyctl", libc::SYS_keyctl, [-1, 0, 0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0, 0, 0, 0]),
        ("unshare", libc::SYS_unshare, [0, 0, 0, 0, 0, 0]),
        ("setns", libc::SYS_setns, [-1, 0, 0, 0, 0, 0]),
        ("memfd_create", libc::SYS_memfd_create, [0, 0, 0, 0, 0, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [-1, 0, 0, 0, 0, 0]),
        (
            "perf_event_open",
            libc::SYS_perf_event_open,
            [0, 0, -1, -1, 0, 0],
        ),
        (
            "prctl",
            libc::SYS_prctl,
            [number(libc::PR_GET_DUMPABLE), 0, 0, 0, 0, 0],
        ),
        (
            MAKING_CODE,
            libc::SYS_mmap,
            [
                0,
                4096,
                number(libc::PROT_READ | libc::PROT_EXEC),
                number(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
                -1,
                0,
            ],
        ),
    ];
    let trials = trials.iter();
    trials
        .map(|(name, call, [a, b, c, d, e, f])| {
            #[expect(unsafe_code, reason = "these calls have no safe form")]
            // SAFETY: no argument is an address that the kernel could write to, or read more
            // from than the path that lives as long as the process.
            let result = unsafe { libc::syscall(*call, *a, *b, *c, *d, *e, *f) };
            let error = match result {
                -1 => io::Error::last_os_error().raw_os_error().unwrap_or(0),
                _ => 0,
            };
            ((*name).to_owned(), error)
        })
        .collect()
}
