//! Rules that the compiler does not know: who imports whom, what must never be in the tree, and
//! files that belong together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use sha2::{Digest, Sha256};

mod contract;
mod network;

/// Crates of ours, and what none of their normal dependencies may be, however deep.
const NEVER: &[(&str, &[&str])] = &[
    (
        "vedette-core",
        &["tokio", "sqlx", "axum", "wasmtime", "redis", "reqwest"],
    ),
    ("vedette-egress", &["wasmtime", "sqlx", "axum", "redis"]),
    (
        "vedette-sandbox",
        &["sqlx", "axum", "redis", "vedette-store"],
    ),
    ("vedette-store", &["axum", "wasmtime", "redis", "reqwest"]),
    (
        "vedette-scheduler",
        &["wasmtime", "axum", "redis", "reqwest"],
    ),
    // Through the store, the API reaches sqlx, and through the settings of channels the guard's client; that
    // it names neither is told by `OWNED`, and that it sends nothing by the words in `network`.
    ("vedette-api", &["wasmtime", "lettre"]),
    ("vedette-services", &["wasmtime"]),
    // Through the store, it reaches sqlx.
    ("vedette-alerting", &["wasmtime", "axum", "redis"]),
];

/// Crates of ours, and which others of ours they may name. Siblings never name each other.
const ALLOWED: &[(&str, &[&str])] = &[
    ("vedette-core", &[]),
    ("vedette-egress", &["vedette-core"]),
    ("vedette-sandbox", &["vedette-core", "vedette-egress"]),
    ("vedette-store", &["vedette-core"]),
    ("vedette-scheduler", &["vedette-core", "vedette-store"]),
    (
        "vedette-api",
        &["vedette-alerting", "vedette-core", "vedette-store"],
    ),
    ("vedette-services", &["vedette-alerting", "vedette-api"]),
    (
        "vedette-alerting",
        &["vedette-core", "vedette-egress", "vedette-store"],
    ),
    (
        "vedette",
        &[
            "vedette-alerting",
            "vedette-api",
            "vedette-core",
            "vedette-egress",
            "vedette-sandbox",
            "vedette-scheduler",
            "vedette-services",
            "vedette-store",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that only one of ours may name.
const OWNED: &[(&str, &[&str])] = &[
    ("curl", &["vedette-egress"]),
    ("hickory-resolver", &["vedette-egress"]),
    ("hyper", &["vedette-egress"]),
    ("hyper-util", &["vedette-egress"]),
    ("lettre", &["vedette-services"]),
    (
        "reqwest",
        &["vedette-egress", "vedette-services", "vedette"],
    ),
    ("redis", &["vedette-api"]),
    ("socket2", &["vedette-egress"]),
    ("ureq", &["vedette-egress"]),
    ("sqlx", &["vedette-store"]),
    ("axum", &["vedette-api", "vedette"]),
    ("wasmtime", &["vedette-sandbox", "xtask"]),
];

/// What must be nowhere: a second TLS stack, a second date library, a second Wasm runtime.
const BANNED: &[&str] = &[
    "ring",
    "openssl-sys",
    "native-tls",
    "javy-codegen",
    "jiff",
    "wasmer",
];

const MAX_LINES: usize = 600;

/// Folders that builds make.
const BUILT: &[&str] = &["target", "node_modules", ".venv"];

/// Everything that breaks a rule, each in a sentence.
pub(crate) fn tidy(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        // What other systems would bring is not built here, nor tested.
        .other_options([
            "--filter-platform".to_owned(),
            "x86_64-unknown-linux-gnu".to_owned(),
        ])
        .exec()?;
    let mut found = imports(&metadata)?;
    let built = built_crates(root)?;
    found.extend(
        BANNED
            .iter()
            .filter(|name| built.contains(**name))
            .map(|name| {
                format!("{name} is in the tree; find who brings it with `cargo tree -i {name}`")
            }),
    );
    found.extend(files(root)?);
    found.extend(network::check(root)?);
    found.extend(contract::check(root)?);
    found.extend(engine(root)?);
    found.extend(migrations(root)?);
    found.extend(npm_lock(root)?);
    Ok(found)
}

fn imports(metadata: &Metadata) -> Result<Vec<String>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let names: BTreeMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.as_str()))
        .collect();
    // Normal dependencies only: tests may use what they like.
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node.deps.iter().filter(|dependency| {
                dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            });
            (&node.id, normal.map(|dependency| &dependency.pkg).collect())
        })
        .collect();
    let direct = |name: &str| -> BTreeSet<&str> {
        let id = names
            .iter()
            .find(|(_, found)| **found == name)
            .map(|(id, _)| *id);
        id.and_then(|id| edges.get(id))
            .into_iter()
            .flatten()
            .map(|id| names[id])
            .collect()
    };
    let graph: BTreeMap<&str, BTreeSet<&str>> =
        names.values().map(|name| (*name, direct(name))).collect();
    let mut found = check_imports(&graph);
    let runtimes = metadata
        .packages
        .iter()
        .filter(|package| package.name.as_str() == "wasmtime")
        .count();
    if runtimes != 1 {
        found.push(format!(
            "{runtimes} versions of wasmtime in the tree, there must be one"
        ));
    }
    Ok(found)
}

/// What is really built: the metadata also name crates behind features that are off.
fn built_crates(root: &Path) -> Result<BTreeSet<String>> {
    let output = Command::new("cargo")
        .args([
            "tree",
            "--workspace",
            "--edges",
            "normal,build,dev",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}"])
        .current_dir(root)
        .output()
        .context("starting `cargo tree`")?;
    ensure!(
        output.status.success(),
        "`cargo tree`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect())
}

/// The rules on a graph of names.
fn check_imports(graph: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let empty = BTreeSet::new();
    let direct = |name: &str| graph.get(name).unwrap_or(&empty);
    let mut found = Vec::new();
    for (ours, never) in NEVER {
        let reached = reach(graph, ours);
        for name in never.iter().filter(|name| reached.contains(**name)) {
            found.push(format!(
                "{ours} must never import {name}, directly or through others"
            ));
        }
    }
    for (ours, allowed) in ALLOWED {
        let names = direct(ours)
            .iter()
            .filter(|name| name.starts_with("vedette"));
        for name in names.filter(|name| !allowed.contains(name)) {
            found.push(format!("{ours} must not import {name}"));
        }
    }
    for (name, owners) in OWNED {
        let users = ALLOWED.iter().map(|(ours, _)| *ours);
        for ours in users.filter(|ours| direct(ours).contains(name) && !owners.contains(ours)) {
            found.push(format!(
                "{ours} must not import {name}; that is for {}",
                owners.join(", ")
            ));
        }
    }
    found
}

fn reach<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut open: Vec<&str> = graph.get(from).into_iter().flatten().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(graph.get(name).into_iter().flatten());
        }
    }
    seen
}

/// Every Rust file says what it is for, and is short enough to be read at once.
fn files(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in [
        "host",
        "guest-sdk/js-engine/src",
        "guest-sdk/rust",
        "guest-sdk/ts-strip/src",
    ] {
        for path in rust_files(&root.join(folder))? {
            let text = fs::read_to_string(&path)?;
            let shown = path.strip_prefix(root)?.display();
            if !text.starts_with("//!") {
                found.push(format!(
                    "{shown} does not begin with `//!` and what it is for"
                ));
            }
            let lines = text.lines().count();
            if lines > MAX_LINES {
                found.push(format!(
                    "{shown} has {lines} lines, at most {MAX_LINES} are allowed"
                ));
            }
        }
    }
    Ok(found)
}

/// Those below a folder that were written by hand.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if path
                .file_name()
                .is_none_or(|name| !BUILT.contains(&name.to_string_lossy().as_ref()))
            {
                found.extend(rust_files(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The committed components are the ones that their digests name.
fn engine(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in ["js-engine", "ts-strip"] {
        let wasm = root.join(format!("guest-sdk/{name}/prebuilt/{name}.wasm"));
        let expected = fs::read_to_string(wasm.with_extension("wasm.sha256"))?;
        let digest = hex::encode(Sha256::digest(fs::read(&wasm)?));
        if expected.trim() != digest {
            found.push(format!("{name}.wasm is not what its .sha256 says"));
        }
    }
    Ok(found)
}

/// Both databases have the same migrations.
fn migrations(root: &Path) -> Result<Vec<String>> {
    let list = |engine: &str| -> Result<BTreeSet<_>> {
        let folder = root.join("migrations").join(engine);
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name()))
            .collect()
    };
    let is_same = list("sqlite")? == list("postgres")?;
    let complaint = "migrations/sqlite and migrations/postgres have different files";
    Ok((!is_same)
        .then(|| complaint.to_owned())
        .into_iter()
        .collect())
}

/// npm's lock file names no server, so that it holds behind any mirror.
fn npm_lock(root: &Path) -> Result<Vec<String>> {
    let file = "host/tests/toolchains/package-lock.json";
    let names_one = fs::read_to_string(root.join(file))?.contains("\"resolved\"");
    let complaint = format!("{file} has `resolved`; the .npmrc beside it keeps that away");
    Ok(names_one.then_some(complaint).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph<'a>(edges: &[(&'a str, &[&'a str])]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        edges
            .iter()
            .map(|(from, to)| (*from, to.iter().copied().collect()))
            .collect()
    }

    #[test]
    fn the_workspace_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(3)
            .unwrap();
        let found = tidy(root).unwrap();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_forbidden_import_is_found_through_others() {
        let found = check_imports(&graph(&[
            ("vedette-core", &["a"]),
            ("a", &["b"]),
            ("b", &["tokio"]),
        ]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("vedette-core must never import tokio"));
    }

    #[test]
    fn a_sibling_is_found() {
        let found = check_imports(&graph(&[("vedette-api", &["vedette-scheduler"])]));
        assert!(
            found[0].contains("vedette-api must not import vedette-scheduler"),
            "{found:?}"
        );
    }

    #[test]
    fn a_second_user_of_a_client_is_found() {
        let found = check_imports(&graph(&[("vedette", &["lettre", "hyper"])]));
        assert!(found[0].contains("that is for vedette-egress"), "{found:?}");
        assert!(
            found[1].contains("that is for vedette-services"),
            "{found:?}"
        );
        // What alerting reaches is not the API's to name.
        let found = check_imports(&graph(&[
            ("vedette-api", &["vedette-alerting", "reqwest"]),
            ("vedette-alerting", &["vedette-egress"]),
            ("vedette-egress", &["reqwest"]),
        ]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("vedette-api must not import reqwest"));
    }
}
