//! Builds the JavaScript engine from source, takes its snapshot, and checks that the committed
//! file is what the source gives.
//!
//! The result depends on nothing but the source, the lock file and the tool versions: paths are
//! remapped, and clocks and random numbers stand still while the snapshot is taken.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest, Sha256};
use wasmtime::{
    Config, Engine, Store, StoreContextMut,
    component::{Component, Linker, LinkerInstance},
};
use wasmtime_wizer::Wizer;

const TARGET: &str = "wasm32-wasip2";
/// The major version is pinned: another one makes other bytes.
const LLVM: &str = "19";
/// The stack that C and Rust keep in linear memory. All of it is reset after each run, so that the
/// megabyte of the default would cost a third of a run; deep recursion meets the native stack's
/// end at about the same depth.
const SHADOW_STACK_BYTES: usize = 256 * 1024;
/// What Debian calls the tools.
const PACKAGES: &str = "clang-19 llvm-19 libclang-19-dev libclang-rt-19-dev-wasm32 wasi-libc";

/// The JavaScript half of the realm, in the order of use: the body of one function.
const PRELUDE: &[&str] = &[
    "errors", "url", "timers", "events", "abort", "headers", "body", "response", "fetch",
    "console", "base64", "verdict", "warm_up", "globals",
];

/// Builds, and either writes `prebuilt/` or compares with it.
pub(crate) fn engine(root: &Path, check: bool) -> Result<()> {
    let folder = root.join("guest-sdk/js-engine");
    let tools = Tools::find()?;
    install_target()?;
    let component = build(&folder, &tools)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let built = runtime.block_on(assemble(&component, &folder.join("js")))?;
    ensure!(
        !contains(
            &built.engine,
            folder
                .to_str()
                .context("the path of the repository is UTF-8")?
        ) && !contains(&built.engine, &tools.cargo_home),
        "the engine contains a path of this machine"
    );
    let prebuilt = folder.join("prebuilt");
    let digest = hex::encode(Sha256::digest(&built.engine));
    if check {
        compare(&prebuilt, built).with_context(|| {
            format!(
                "the source gives something else than is committed: run `cargo xtask engine` and \
                 commit prebuilt/ ({:?})",
                tools.versions()
            )
        })?;
        eprintln_line(&format!("engine {digest} is what the source gives"));
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(prebuilt.join("parts"));
    std::fs::create_dir_all(prebuilt.join("parts"))?;
    eprintln_line(&format!("engine {digest}, {} bytes", built.engine.len()));
    for (name, bytes) in built.files() {
        std::fs::write(prebuilt.join(name), bytes)?;
    }
    let versions = serde_json::to_string_pretty(&tools.versions()?)?;
    std::fs::write(prebuilt.join("js-engine.json"), versions + "\n")?;
    Ok(())
}

/// What the source gives.
struct Built {
    engine: Vec<u8>,
    /// Name and bytecode.
    parts: Vec<(String, Vec<u8>)>,
}

impl Built {
    /// The files of `prebuilt/`, but for the versions of the tools.
    fn files(self) -> Vec<(String, Vec<u8>)> {
        let digest = hex::encode(Sha256::digest(&self.engine)) + "\n";
        let mut files = vec![
            ("js-engine.wasm".to_owned(), self.engine),
            ("js-engine.wasm.sha256".to_owned(), digest.into_bytes()),
        ];
        let parts = self.parts.into_iter();
        files.extend(parts.map(|(name, bytes)| (format!("parts/{name}.bin"), bytes)));
        files
    }
}

fn compare(prebuilt: &Path, built: Built) -> Result<()> {
    let part_count = built.parts.len();
    for (name, bytes) in built.files() {
        let committed = std::fs::read(prebuilt.join(&name));
        ensure!(
            committed.with_context(|| format!("reading prebuilt/{name}"))? == bytes,
            "prebuilt/{name} differs"
        );
    }
    ensure!(
        std::fs::read_dir(prebuilt.join("parts"))?.count() == part_count,
        "prebuilt/parts has a file without a source"
    );
    Ok(())
}

/// The tools of the build, and the folders whose names must not show in it.
struct Tools {
    clang: String,
    ar: String,
    libclang: PathBuf,
    sysroot: String,
    cargo_home: String,
}

impl Tools {
    fn find() -> Result<Self> {
        let clang = format!("clang-{LLVM}");
        output(Command::new(&clang).arg("--version")).with_context(|| {
            format!("{clang} is needed to build the engine; on Debian: apt-get install {PACKAGES}")
        })?;
        let libclang = PathBuf::from(format!("/usr/lib/llvm-{LLVM}/lib"));
        ensure!(
            libclang.exists(),
            "no {}: apt-get install {PACKAGES}",
            libclang.display()
        );
        let headers = Path::new("/usr/include/wasm32-wasi");
        ensure!(
            headers.exists(),
            "no {}: apt-get install wasi-libc",
            headers.display()
        );
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let home = std::env::home_dir()
            .context("no home directory")?
            .join(".cargo");
        #[expect(
            clippy::disallowed_methods,
            reason = "a build tool, with no configuration"
        )]
        let cargo_home = std::env::var("CARGO_HOME").unwrap_or(home.display().to_string());
        Ok(Self {
            ar: format!("llvm-ar-{LLVM}"),
            clang,
            libclang,
            sysroot,
            cargo_home,
        })
    }

    fn versions(&self) -> Result<serde_json::Value> {
        let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
        let clang = first_line(output(Command::new(&self.clang).arg("--version"))?);
        Ok(serde_json::json!({
            "rustc": first_line(output(Command::new("rustc").arg("--version"))?),
            "clang": clang,
            "javy": "8.1.0",
            "wasmtime_wizer": "48.0.8",
        }))
    }
}

fn install_target() -> Result<()> {
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .status();
    let status = status.context("rustup is needed to install the Wasm target")?;
    ensure!(status.success(), "`rustup target add {TARGET}` failed");
    Ok(())
}

fn build(folder: &Path, tools: &Tools) -> Result<Vec<u8>> {
    let rust_source = format!("{}/lib/rustlib/src/rust", tools.sysroot);
    let commit = output(Command::new("rustc").arg("-vV"))?
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: ").map(str::to_owned))
        .context("rustc says no commit hash")?;
    // The folder of a registry is named after its host; where a crate came from is no matter.
    let registries = std::fs::read_dir(format!("{}/registry/src", tools.cargo_home));
    let registries = registries.into_iter().flatten().filter_map(Result::ok);
    let mut remaps: Vec<_> = registries
        .map(|folder| (folder.path().display().to_string(), "/crates".to_owned()))
        .collect();
    remaps.sort();
    // Of two rules that fit, rustc and clang take the later one.
    remaps.insert(0, (tools.cargo_home.clone(), "/cargo".to_owned()));
    remaps.push((rust_source, format!("/rustc/{commit}")));
    remaps.push((folder.display().to_string(), "/engine".to_owned()));
    let rustflags: Vec<String> = remaps
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"))
        .collect();
    let rustflags = [
        rustflags,
        vec![format!("-Clink-arg=-zstack-size={SHADOW_STACK_BYTES}")],
    ]
    .concat();
    let c_remaps: Vec<String> = remaps
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={from}={to}"))
        .collect();
    let c_flags = format!(
        "-isystem /usr/include/wasm32-wasi -O3 {}",
        c_remaps.join(" ")
    );
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target", TARGET])
        .arg("--target-dir")
        .arg(folder.join("target"))
        .current_dir(folder)
        // Settings of the caller's build must not reach this one.
        .env_remove("RUSTC_BOOTSTRAP")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join("\x1f"))
        .env("RQUICKJS_SYS_NO_WASI_SDK", "1")
        .env("CC_wasm32_wasip2", &tools.clang)
        .env("AR_wasm32_wasip2", &tools.ar)
        .env("CFLAGS_wasm32_wasip2", c_flags)
        .env(
            "BINDGEN_EXTRA_CLANG_ARGS_wasm32_wasip2",
            "-isystem /usr/include/wasm32-wasi",
        )
        .env("LIBCLANG_PATH", &tools.libclang)
        .status()?;
    ensure!(status.success(), "the engine does not build");
    let built = folder
        .join("target")
        .join(TARGET)
        .join("release/js_engine.wasm");
    std::fs::read(&built).with_context(|| format!("reading {}", built.display()))
}

/// A module that exports the function; QuickJS compiles nothing else ahead.
fn read_prelude(folder: &Path) -> Result<String> {
    let mut source = "export default function (host) {\n".to_owned();
    for name in PRELUDE {
        let path = folder.join(name).with_extension("js");
        source += &std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
    }
    Ok(source + "\n}")
}

/// Compiles the JavaScript half and takes the snapshot.
async fn assemble(component: &[u8], js: &Path) -> Result<Built> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    let engine = Engine::new(&config)?;
    let prelude = compile_part(&engine, component, "prelude", &read_prelude(js)?).await?;
    let mut sources = std::fs::read_dir(js.join("parts"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    sources.sort();
    let mut parts = Vec::new();
    for path in sources {
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.context("the name of a part is UTF-8")?.to_owned();
        let source = std::fs::read_to_string(&path)?;
        let bytecode = compile_part(&engine, component, &name, &source).await;
        parts.push((name.clone(), bytecode.with_context(|| name)?));
    }
    let snapshot = take_snapshot(&engine, component, prelude).await?;
    Ok(Built {
        engine: snapshot,
        parts,
    })
}

/// Runs `init` and writes the component anew with the memory as it is then.
async fn take_snapshot(engine: &Engine, component: &[u8], prelude: Vec<u8>) -> Result<Vec<u8>> {
    let mut store = Store::new(engine, ());
    let mut wizer = Wizer::new();
    // The component goes on exporting `init`, which wizer cannot take out of a component; the
    // host never calls it.
    wizer.init_func("init").keep_init_func(true);
    let snapshot = wizer.run_component(&mut store, component, async |store, component| {
        let linker = frozen_world(store.engine(), component, prelude.clone())?;
        linker.instantiate_async(store, component).await
    });
    let (bytes, _) = snapshot.await?;
    Ok(bytes)
}

async fn compile_part(
    engine: &Engine,
    component: &[u8],
    name: &str,
    source: &str,
) -> Result<Vec<u8>> {
    let component = Component::new(engine, component)?;
    let mut store = Store::new(engine, ());
    let linker = frozen_world(engine, &component, Vec::new())?;
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let compile =
        instance.get_typed_func::<(&str, &str), (Vec<u8>,)>(&mut store, "compile-part")?;
    let (bytecode,) = compile.call_async(&mut store, (name, source)).await?;
    Ok(bytecode)
}

/// Imports while the snapshot is taken: time stands still, random numbers are constant, the
/// environment is empty, and everything else ends the build.
fn frozen_world(
    engine: &Engine,
    component: &Component,
    prelude: Vec<u8>,
) -> wasmtime::Result<Linker<()>> {
    let mut linker = Linker::new(engine);
    linker.root().func_wrap(
        "part",
        move |_: StoreContextMut<'_, ()>, (_,): (String,)| Ok((prelude.clone(),)),
    )?;
    let ty = component.component_type();
    for (name, _) in ty.imports(engine) {
        let Some(interface) = name.split('@').next() else {
            continue;
        };
        freeze(&mut linker, name, interface)?;
    }
    linker.allow_shadowing(true);
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

fn freeze(linker: &mut Linker<()>, name: &str, interface: &str) -> wasmtime::Result<()> {
    type Cx<'a> = StoreContextMut<'a, ()>;
    let instance =
        |linker: &mut Linker<()>,
         f: &dyn Fn(&mut LinkerInstance<'_, ()>) -> wasmtime::Result<()>| {
            f(&mut linker.instance(name)?)
        };
    match interface {
        "wasi:clocks/wall-clock" => instance(linker, &|i| {
            i.func_wrap("now", |_: Cx<'_>, (): ()| {
                Ok((Datetime {
                    seconds: 0,
                    nanoseconds: 0,
                },))
            })
        }),
        "wasi:clocks/monotonic-clock" => instance(linker, &|i| {
            i.func_wrap("now", |_: Cx<'_>, (): ()| Ok((0u64,)))
        }),
        "wasi:random/random" => instance(linker, &|i| {
            i.func_wrap("get-random-bytes", |_: Cx<'_>, (len,): (u64,)| {
                Ok((vec![0u8; usize::try_from(len)?],))
            })?;
            i.func_wrap("get-random-u64", |_: Cx<'_>, (): ()| Ok((0u64,)))
        }),
        "wasi:random/insecure-seed" => instance(linker, &|i| {
            i.func_wrap("insecure-seed", |_: Cx<'_>, (): ()| Ok(((0u64, 0u64),)))
        }),
        "wasi:cli/environment" => instance(linker, &|i| {
            i.func_wrap("get-environment", |_: Cx<'_>, (): ()| {
                Ok((Vec::<(String, String)>::new(),))
            })
        }),
        _ => Ok(()),
    }
}

#[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
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
