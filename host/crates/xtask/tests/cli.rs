//! The command as CI calls it. That this test exists is also why `cargo test` builds the binary,
//! which `.ci/run` uses afterwards.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn tidy_passes_on_this_tree() {
    let output = xtask(&["tidy"]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
}

#[test]
fn an_unknown_task_is_refused_with_the_list() {
    let output = xtask(&["polish"]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaints}");
    assert!(complaints.contains("polish"), "{complaints}");
}
