//! Builds a guest, which is a crate of its own under `guest-sdk/`, into a Wasm component.
//!
//! The result depends on nothing but the source, the lock file and the tool versions: paths are
//! remapped, and settings of the caller's build are kept away.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// The major version is pinned: another one makes other bytes.
const LLVM: &str = "19";
/// What Debian calls the tools.
const PACKAGES: &str = "clang-19 llvm-19 libclang-19-dev libclang-rt-19-dev-wasm32 wasi-libc";

/// What is particular to a guest.
pub(crate) struct Guest {
    /// Its folder, and its crate.
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    /// What its folder is called inside the build.
    pub(crate) alias: &'static str,
    pub(crate) rustflags: &'static [&'static str],
    pub(crate) c_flags: &'static str,
    /// Comes first in every C file.
    pub(crate) c_header: Option<&'static str>,
    /// Names and versions of the libraries that make most of it.
    pub(crate) versions: &'static [(&'static str, &'static str)],
}

/// The tools of the build, and the folders whose names must not show in it.
pub(crate) struct Tools {
    clang: String,
    ar: String,
    libclang: PathBuf,
    sysroot: String,
    pub(crate) cargo_home: String,
}

impl Tools {
    pub(crate) fn find() -> Result<Self> {
        let clang = format!("clang-{LLVM}");
        output(Command::new(&clang).arg("--version")).with_context(|| {
            format!("{clang} is needed to build the guests; on Debian: apt-get install {PACKAGES}")
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

    pub(crate) fn versions(&self, guest: &Guest) -> Result<serde_json::Value> {
        let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
        let rustc = first_line(output(Command::new("rustc").arg("--version"))?);
        let clang = first_line(output(Command::new(&self.clang).arg("--version"))?);
        let tools = [("rustc", rustc.as_str()), ("clang", clang.as_str())];
        let named = tools.iter().chain(guest.versions);
        Ok(named
            .map(|(name, version)| ((*name).to_owned(), serde_json::Value::from(*version)))
            .collect::<serde_json::Map<_, _>>()
            .into())
    }
}

fn install_target(target: &str) -> Result<()> {
    let status = Command::new("rustup")
        .args(["target", "add", target])
        .status();
    let status = status.context("rustup is needed to install the Wasm target")?;
    ensure!(status.success(), "`rustup target add {target}` failed");
    Ok(())
}

/// The component of the crate in `folder`.
pub(crate) fn build(guest: &Guest, folder: &Path, tools: &Tools) -> Result<Vec<u8>> {
    install_target(guest.target)?;
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
    remaps.push((folder.display().to_string(), guest.alias.to_owned()));
    let rustflags: Vec<String> = remaps
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"))
        .chain(guest.rustflags.iter().map(|flag| (*flag).to_owned()))
        .collect();
    let c_remaps: Vec<String> = remaps
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={from}={to}"))
        .collect();
    let c_header = guest
        .c_header
        .map(|header| format!("-include {}", folder.join(header).display()));
    let c_flags = format!(
        "-isystem /usr/include/wasm32-wasi -O3 {} {} {}",
        guest.c_flags,
        c_header.unwrap_or_default(),
        c_remaps.join(" ")
    );
    let status = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target", guest.target])
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
    ensure!(status.success(), "{} does not build", guest.name);
    let built = built(folder, guest, guest.name);
    std::fs::read(&built).with_context(|| format!("reading {}", built.display()))
}

/// Where the build of a guest leaves a crate's file.
pub(crate) fn built(folder: &Path, guest: &Guest, name: &str) -> PathBuf {
    folder
        .join("target")
        .join(guest.target)
        .join("release")
        .join(name.replace('-', "_"))
        .with_extension("wasm")
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
