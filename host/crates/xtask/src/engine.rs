//! Builds the guests that the host carries, and checks that the committed files are what the source
//! gives.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{
    guest::{Guest, Tools, build, built},
    snapshot::assemble,
    standalone,
};

/// The stack that C and Rust keep in linear memory has 256 KiB. All of it is reset after each run,
/// so that the megabyte of the default would cost a third of a run; deep recursion meets the native
/// stack's end at about the same depth.
const JS_ENGINE: Guest = Guest {
    name: "js-engine",
    target: "wasm32-wasip2",
    alias: "/engine",
    rustflags: &[
        "-Clink-arg=-zstack-size=262144",
        "-Clink-arg=--wrap=malloc",
        "-Clink-arg=--wrap=calloc",
        "-Clink-arg=--wrap=realloc",
        "-Clink-arg=--wrap=free",
        "-Clink-arg=--wrap=posix_memalign",
        "-Clink-arg=--wrap=aligned_alloc",
    ],
    // QuickJS counts its memory where it believes that it can.
    c_flags: "-D__ANDROID__",
    c_header: Some("src/heap.h"),
    versions: &[("javy", "8.1.0"), ("wasmtime_wizer", "48.0.8")],
};

/// The target without WASI, linked by the linker of the one with it: a component that imports
/// nothing.
const TS_STRIP: Guest = Guest {
    name: "ts-strip",
    target: "wasm32-unknown-unknown",
    alias: "/ts-strip",
    rustflags: &["-Clinker=wasm-component-ld", "-Clinker-flavor=wasm-ld"],
    c_flags: "",
    c_header: None,
    versions: &[("swc_ts_fast_strip", "60.0.0")],
};

/// Two crates: what the engine needs of a host, and what makes a monitor of it.
const JS_STANDALONE: Guest = Guest {
    name: "js-standalone",
    target: "wasm32-unknown-unknown",
    alias: "/js-standalone",
    rustflags: &["-Clinker=wasm-component-ld", "-Clinker-flavor=wasm-ld"],
    c_flags: "",
    c_header: None,
    versions: &[("wac_graph", "0.12")],
};

/// Files of `prebuilt/`, by name.
type Files = Vec<(String, Vec<u8>)>;

/// Builds, and either writes each `prebuilt/` or compares with it.
///
/// `only` is the name of one of them.
pub(crate) fn engine(root: &Path, check: bool, only: Option<&str>) -> Result<()> {
    let tools = Tools::find()?;
    let is_wanted = |guest: &Guest| only.is_none_or(|name| name == guest.name);
    if is_wanted(&TS_STRIP) {
        let stripper = |component| Ok(vec![("ts-strip.wasm".to_owned(), component)]);
        prebuild(&TS_STRIP, root, &tools, check, stripper)?;
    }
    let snapshot = |component: Vec<u8>| {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(assemble(&component, &root.join("guest-sdk/js-engine/js")))
    };
    if is_wanted(&JS_ENGINE) {
        prebuild(&JS_ENGINE, root, &tools, check, snapshot)?;
    }
    // After the engine, whose files are in it.
    let compose = |provider: Vec<u8>| {
        let engine = root.join("guest-sdk/js-engine/prebuilt/js-engine.wasm");
        let runner = built(
            &root.join("guest-sdk/js-standalone"),
            &JS_STANDALONE,
            "runner",
        );
        let runner = std::fs::read(runner).context("reading the runner")?;
        let engine = std::fs::read(engine).context("reading the engine")?;
        let template = standalone::compose(&provider, &engine, &runner)?;
        Ok(vec![("js-standalone.wasm".to_owned(), template)])
    };
    if is_wanted(&JS_STANDALONE) {
        prebuild(&JS_STANDALONE, root, &tools, check, compose)?;
    }
    Ok(())
}

fn prebuild(
    guest: &Guest,
    root: &Path,
    tools: &Tools,
    check: bool,
    finish: impl FnOnce(Vec<u8>) -> Result<Files>,
) -> Result<()> {
    let name = guest.name;
    let folder = root.join("guest-sdk").join(name);
    let mut files = finish(build(guest, &folder, tools)?)?;
    let wasm = &files.first().context("the component comes first")?.1;
    let here = folder.to_str().context("the repository's path is UTF-8")?;
    ensure!(
        !contains(wasm, here) && !contains(wasm, &tools.cargo_home),
        "{name} contains a path of this machine"
    );
    let (digest, bytes) = (hex::encode(Sha256::digest(wasm)), wasm.len());
    let line = format!("{digest}\n").into_bytes();
    files.push((format!("{name}.wasm.sha256"), line));
    let prebuilt = folder.join("prebuilt");
    if check {
        compare(&prebuilt, &files).with_context(|| {
            format!(
                "the source of {name} gives something else than is committed: run `cargo xtask \
                 engine` and commit prebuilt/ ({:?})",
                tools.versions(guest)
            )
        })?;
        eprintln_line(&format!("{name} {digest} is what the source gives"));
        return Ok(());
    }
    write(&prebuilt, &files)?;
    let versions = serde_json::to_string_pretty(&tools.versions(guest)?)?;
    std::fs::write(prebuilt.join(format!("{name}.json")), versions + "\n")?;
    eprintln_line(&format!("{name} {digest}, {bytes} bytes"));
    Ok(())
}

fn write(prebuilt: &Path, files: &Files) -> Result<()> {
    // What has no source any more goes.
    let _ = std::fs::remove_dir_all(prebuilt);
    for (name, bytes) in files {
        let path = prebuilt.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(prebuilt))?;
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

fn compare(prebuilt: &Path, files: &Files) -> Result<()> {
    for (name, bytes) in files {
        let committed = std::fs::read(prebuilt.join(name));
        ensure!(
            &committed.with_context(|| format!("reading prebuilt/{name}"))? == bytes,
            "prebuilt/{name} differs"
        );
    }
    // The versions of the tools are no output.
    ensure!(
        count_files(prebuilt)? == files.len() + 1,
        "prebuilt/ has a file without a source"
    );
    Ok(())
}

fn count_files(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        count += if path.is_dir() {
            count_files(&path)?
        } else {
            1
        };
    }
    Ok(count)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[expect(clippy::print_stderr, reason = "a build tool talks to its caller")]
fn eprintln_line(text: &str) {
    eprintln!("{text}");
}
