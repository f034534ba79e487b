//! W12 to W15: whatever a component does to the compiler, it is refused or compiled within the limits,
//! and the next one compiles.

use std::{ffi::OsString, fs, path::Path, time::Duration};

use vedette_core::{ComponentRefusal, ErrorClass};
use vedette_sandbox::{
    component::{Artifact, LoadedComponent, inspect},
    process::{CompilerLimits, compile_component},
};

use crate::stress;

/// In the real binary.
async fn compile(bytes: &[u8], limits: CompilerLimits) -> Result<Artifact, ComponentRefusal> {
    let program = Path::new(env!("CARGO_BIN_EXE_vedette"));
    compile_component(program, &["compile-component".into()], bytes, limits).await
}

/// Less computing than the platform gives, so that these tests end sooner, and time for a machine that
/// has much else to do.
fn patient() -> CompilerLimits {
    CompilerLimits {
        cpu: Duration::from_secs(15),
        wall: Duration::from_mins(4),
        ..CompilerLimits::default()
    }
}

#[track_caller]
fn assert_sentence(refusal: &ComponentRefusal) {
    let message = &refusal.message;
    let is_one = !message.contains(". ") && !message.ends_with('.') && !message.contains('\n');
    assert!(is_one && (10..=300).contains(&message.len()), "{message:?}");
}

/// It compiles to something that fits the contract, whatever was compiled before.
async fn honest_compiles() {
    let artifact = compile(&stress::honest(), patient()).await.unwrap();
    LoadedComponent::load(&artifact).unwrap();
}

/// What the caps let through has to be compiled, or be refused as too much.
async fn compiles_or_is_too_much(what: &str, bytes: &[u8]) {
    inspect(bytes).unwrap_or_else(|refusal| panic!("{what} is admitted, not refused: {refusal}"));
    if let Err(refusal) = compile(bytes, patient()).await {
        assert_eq!(refusal.class, ErrorClass::CompileError, "{what}: {refusal}");
        assert_sentence(&refusal);
    }
    honest_compiles().await;
}

#[tokio::test]
async fn w12_blocks_one_after_the_other() {
    compiles_or_is_too_much("15,000 blocks", &stress::sequential_blocks(15_000)).await;
}

#[tokio::test]
async fn w13_a_table_of_branches() {
    compiles_or_is_too_much("1,000,000 targets", &stress::wide_table(1_000_000)).await;
}

#[tokio::test]
async fn w13_many_live_values() {
    compiles_or_is_too_much("49,000 values", &stress::live_values(49_000)).await;
}

#[tokio::test]
async fn w14_w15_nested_blocks() {
    compiles_or_is_too_much("100,000 nested blocks", &stress::nested_blocks(100_000)).await;
}

#[tokio::test]
async fn w15_a_deep_expression() {
    compiles_or_is_too_much("300,000 additions", &stress::deep_expression(300_000)).await;
}

#[tokio::test]
async fn w11_as_many_functions_as_are_allowed() {
    compiles_or_is_too_much("90,000 functions", &stress::tiny_functions(90_000)).await;
}

/// What the caps refuse never comes to the compiler: the process counts again.
#[tokio::test]
async fn what_the_caps_refuse_is_refused_by_the_process_too() {
    for (what, bytes, says) in [
        (
            "900,000 functions",
            stress::tiny_functions(900_000),
            "900001 functions",
        ),
        (
            "a function of 2 MB",
            stress::nested_blocks(400_000),
            "bytes in one function",
        ),
        (
            "2,000,000 targets",
            stress::wide_table(2_000_000),
            "bytes in one function",
        ),
        ("text", b"(component)".to_vec(), "text"),
        ("nothing", Vec::new(), "empty"),
    ] {
        let of_server = inspect(&bytes).unwrap_err();
        let of_process = compile(&bytes, patient()).await.unwrap_err();
        assert_eq!(of_process, of_server, "{what}");
        assert!(of_process.message.contains(says), "{what}: {of_process}");
    }
    honest_compiles().await;
}

/// With limits that nothing keeps: each is told from the others, and none is the platform's fault.
#[tokio::test]
async fn a_process_that_is_killed_is_the_components_end_and_not_ours() {
    let little_work = CompilerLimits {
        cpu: Duration::from_secs(1),
        ..patient()
    };
    let refusal = compile(&stress::tiny_functions(90_000), little_work)
        .await
        .unwrap_err();
    assert_eq!(refusal.class, ErrorClass::CompileError, "{refusal}");
    assert!(refusal.message.contains("more computing"), "{refusal}");
    assert_sentence(&refusal);
    honest_compiles().await;
    let little_memory = CompilerLimits {
        memory_bytes: 330 * 1024 * 1024,
        ..patient()
    };
    let refusal = compile(&stress::tiny_functions(90_000), little_memory)
        .await
        .unwrap_err();
    assert_eq!(refusal.class, ErrorClass::CompileError, "{refusal}");
    assert!(refusal.message.contains("more memory"), "{refusal}");
    assert_sentence(&refusal);
    honest_compiles().await;
}

/// Runs something that takes as long as nobody waits, and can be told by this number.
async fn compile_for_ever(seconds: u32, wall: Duration) -> Result<Artifact, ComponentRefusal> {
    let limits = CompilerLimits {
        wall,
        ..CompilerLimits::default()
    };
    let arguments = [seconds.to_string().into()];
    compile_component(
        Path::new("/bin/sleep"),
        &arguments,
        &stress::honest(),
        limits,
    )
    .await
}

fn is_running(seconds: u32) -> bool {
    let argument = format!("\0{seconds}\0");
    let processes = fs::read_dir("/proc").unwrap();
    processes.filter_map(Result::ok).any(|process| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&argument)
    })
}

async fn wait_for_end(seconds: u32) {
    for _ in 0..1_000 {
        if !is_running(seconds) {
            return;
        }
        let soon = tokio::time::Instant::now() + Duration::from_millis(10);
        tokio::time::sleep_until(soon).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn a_process_that_takes_too_long_is_killed() {
    const SECONDS: u32 = 86_411;
    let refusal = compile_for_ever(SECONDS, Duration::from_secs(1))
        .await
        .unwrap_err();
    // It used no computing, so that it waited for a processor: that is our fault, and tried again.
    assert_eq!(refusal.class, ErrorClass::PlatformError, "{refusal}");
    assert_sentence(&refusal);
    wait_for_end(SECONDS).await;
}

#[tokio::test]
async fn a_process_that_nobody_waits_for_is_killed() {
    const SECONDS: u32 = 86_417;
    let soon = tokio::time::Instant::now() + Duration::from_secs(1);
    let mut compiling = Box::pin(compile_for_ever(SECONDS, Duration::from_mins(10)));
    let given_up = tokio::time::timeout_at(soon, &mut compiling).await;
    assert!(given_up.is_err() && is_running(SECONDS));
    drop(compiling);
    wait_for_end(SECONDS).await;
}

#[tokio::test]
async fn without_a_compiler_it_is_our_fault() {
    let nothing: [OsString; 0] = [];
    for program in ["/bin/false", "/bin/true", "/no/such/program"] {
        let limits = CompilerLimits::default();
        let refusal = compile_component(Path::new(program), &nothing, &stress::honest(), limits)
            .await
            .unwrap_err();
        assert_eq!(
            refusal.class,
            ErrorClass::PlatformError,
            "{program}: {refusal}"
        );
        assert_sentence(&refusal);
    }
}
