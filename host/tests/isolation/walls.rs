//! What a process that runs scripts has and can do, seen from outside and from inside.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{assert_success, run, start, wait_for};

const EPERM: i32 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn every_forbidden_call_is_refused() {
    let sandbox = start(1).await;
    let rights = sandbox.processes()[0].rights.clone();
    if let Some(why) = rights
        .missing
        .iter()
        .find(|what| what.starts_with("seccomp"))
    {
        eprintln!("NOT TESTED, this kernel has no filter of system calls: {why}");
        assert!(std::env::var_os("VEDETTE_REQUIRE_SERVICES").is_none());
        return;
    }
    for call in [
        "openat",
        "socket",
        "connect",
        "bind",
        "execve",
        "clone",
        "clone3",
        "ptrace",
        "kill",
        "process_vm_readv",
        "bpf",
        "io_uring_setup",
        "keyctl",
        "mount",
        "unshare",
        "mmap of code",
    ] {
        let trial = rights.trials.iter().find(|(name, _)| name == call);
        assert_eq!(trial, Some(&(call.to_owned(), EPERM)));
    }
    assert_eq!(rights.not_refused().collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_its_socket_and_nothing_else() {
    let sandbox = start(1).await;
    assert_success(&run(&sandbox, "return { success: true };").await);
    let process = PathBuf::from(format!("/proc/{}", sandbox.processes()[0].id));
    let status = fs::read_to_string(process.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(field("Threads:"), "1");
    assert_eq!(field("NoNewPrivs:"), "1");
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    for name in ["Max core file size", "Max open files", "Max processes"] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let numbers: Vec<_> = line.unwrap().split_whitespace().take(2).collect();
        assert_eq!(numbers, ["0", "0"], "{name}");
    }
    let stat = fs::read_to_string(process.join("stat")).unwrap();
    let session = stat.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap();
    assert_eq!(session, process.file_name().unwrap().to_str().unwrap());
    // Only a mighty user may look at what is not dumpable: for others, that is the proof.
    let Some(environment) = unless_denied(fs::read(process.join("environ"))) else {
        return;
    };
    assert_eq!(environment, b"");
    let arguments = fs::read(process.join("cmdline")).unwrap();
    assert!(arguments.ends_with(b"\0runner-process\0"), "{arguments:?}");
    let mut sockets = 0;
    for entry in fs::read_dir(process.join("fd")).unwrap() {
        let path = fs::read_link(entry.unwrap().path()).unwrap();
        let path = path.to_str().unwrap();
        sockets += usize::from(path.starts_with("socket:"));
        let is_harmless = path == "/dev/null"
            || path.starts_with("/memfd:wasm")
            || ["socket:", "pipe:", "anon_inode:"]
                .iter()
                .any(|kind| path.starts_with(kind));
        assert!(is_harmless, "{path}");
    }
    // The others are a pair with each other: the runtime's own for signals.
    assert!(sockets <= 4, "{sockets} sockets");
}

fn unless_denied(read: io::Result<Vec<u8>>) -> Option<Vec<u8>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        other => Some(other.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_end_with_their_sandbox() {
    let sandbox = start(2).await;
    wait_for("both", || (sandbox.processes().len() == 2).then_some(())).await;
    let processes = sandbox.processes();
    drop(sandbox);
    for process in processes {
        let path = format!("/proc/{}", process.id);
        wait_for("its end", || (!Path::new(&path).exists()).then_some(())).await;
    }
}
