//! The contract between host and checks: what was released never changes, and the Rust SDK carries a
//! copy of it, so that its folder is complete in itself.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Digests of the files of all released folders, as `sha256sum` writes them.
const RELEASED: &str = "released.sha256";
/// The version that the SDK is for.
const OF_SDK: &str = "wit/v0.1.0";
const SDK_COPY: &str = "guest-sdk/rust/vedette-sdk/wit";

/// What differs from what was released, and what the SDK's copy does not have as it is.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let list = fs::read_to_string(root.join("wit").join(RELEASED)).context(RELEASED)?;
    let mut found = released(&root.join("wit"), &list)?;
    let (original, copy) = (digests(&root.join(OF_SDK))?, digests(&root.join(SDK_COPY))?);
    if original != copy {
        found.push(format!(
            "{SDK_COPY} is not {OF_SDK} byte for byte; copy it there"
        ));
    }
    Ok(found)
}

/// Holds the folders that the list names against it.
fn released(wit: &Path, list: &str) -> Result<Vec<String>> {
    let mut folders: BTreeMap<&str, BTreeMap<PathBuf, String>> = BTreeMap::new();
    for line in list.lines() {
        let (digest, path) = line.split_once("  ").context(line.to_owned())?;
        let (folder, file) = path.split_once('/').context(line.to_owned())?;
        let files = folders.entry(folder).or_default();
        files.insert(file.into(), digest.to_owned());
    }
    let mut found = Vec::new();
    for (folder, files) in folders {
        let there = digests(&wit.join(folder))?;
        let differs = files
            .iter()
            .filter(|(file, digest)| there.get(*file) != Some(digest));
        let added = there.iter().filter(|(file, _)| !files.contains_key(*file));
        for (file, _) in differs.chain(added) {
            found.push(format!(
                "wit/{folder}/{} is not what was released; a change needs a new version",
                file.display()
            ));
        }
    }
    Ok(found)
}

/// The digest of each file below a folder.
fn digests(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let digest = hex::encode(Sha256::digest(fs::read(&path)?));
                found.insert(path.strip_prefix(folder)?.to_owned(), digest);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let name = format!("xtask-{name}-{}", std::process::id());
            let folder = Self(std::env::temp_dir().join(name));
            for (file, text) in files {
                let path = folder.0.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // It was the system's own temporary folder: what stays there is no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn listed(files: &[(&str, &str)]) -> String {
        let lines = files.iter().map(|(file, text)| {
            let digest = hex::encode(Sha256::digest(text));
            format!("{digest}  {file}\n")
        });
        lines.collect()
    }

    #[test]
    fn a_change_of_what_was_released_is_found() {
        let list = listed(&[("v1/a.wit", "a"), ("v1/deps/b.wit", "b")]);
        for (name, files, complaints) in [
            ("same", &[("v1/a.wit", "a"), ("v1/deps/b.wit", "b")][..], 0),
            ("changed", &[("v1/a.wit", "x"), ("v1/deps/b.wit", "b")], 1),
            ("gone", &[("v1/a.wit", "a"), ("v2/a.wit", "b")], 1),
            (
                "added",
                &[
                    ("v1/a.wit", "a"),
                    ("v1/deps/b.wit", "b"),
                    ("v1/deps/c.wit", ""),
                ],
                1,
            ),
            (
                "next",
                &[("v1/a.wit", "a"), ("v1/deps/b.wit", "b"), ("v2/a.wit", "")],
                0,
            ),
        ] {
            let folder = Folder::new(name, files);
            let found = released(&folder.0, &list).unwrap();
            assert_eq!(found.len(), complaints, "{name}: {found:?}");
        }
    }
}
