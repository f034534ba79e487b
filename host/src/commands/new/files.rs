//! What `vedette new` writes: every file of the templates and of the Rust SDK, as they were when this
//! program was built.

use super::Language;

/// Files that lie in one folder, and where they go.
pub(super) struct Part {
    /// Who gets them.
    pub(super) languages: &'static [Language],
    /// Where they lie, below `guest-sdk/`.
    pub(super) from: &'static str,
    /// A folder of the new project; empty for the project itself.
    pub(super) into: &'static str,
    /// Path and text of each.
    pub(super) files: &'static [(&'static str, &'static str)],
}

impl Part {
    /// Whether `{{name}}` in its files stands for the project's name.
    pub(super) fn is_template(&self) -> bool {
        self.from.starts_with("rust/template")
    }
}

macro_rules! part {
    ($languages:expr, $from:literal, $into:literal, [$($path:literal),+ $(,)?]) => {
        Part {
            languages: &$languages,
            from: $from,
            into: $into,
            files: &[$((
                $path,
                include_str!(concat!("../../../../guest-sdk/", $from, "/", $path)),
            )),+],
        }
    };
}

/// All of it.
pub(super) const TEMPLATE_PARTS: &[Part] = &[
    part!(
        [Language::Js],
        "rust/template-js",
        "",
        ["README.md", "jsconfig.json", "monitor.js"]
    ),
    part!(
        [Language::Ts],
        "rust/template-ts",
        "",
        ["README.md", "monitor.ts", "tsconfig.json"]
    ),
    part!(
        [Language::Js, Language::Ts],
        "js",
        "",
        ["vedette-assert.d.ts", "vedette.d.ts"]
    ),
    part!(
        [Language::Rust],
        "rust/template",
        "",
        ["Cargo.toml", "README.md", "gitignore", "src/lib.rs"]
    ),
    part!(
        [Language::Rust],
        "rust/vedette-sdk",
        "vedette-sdk",
        [
            "Cargo.toml",
            "README.md",
            "examples/certificates.rs",
            "examples/order.rs",
            "examples/status.rs",
            "src/component.rs",
            "src/env.rs",
            "src/error.rs",
            "src/expect.rs",
            "src/fetch_error.rs",
            "src/lib.rs",
            "src/log.rs",
            "src/monitor.rs",
            "src/request.rs",
            "src/response.rs",
            "src/testing.rs",
            "src/testing/host.rs",
            "src/testing/tests.rs",
            "src/text.rs",
            "src/verdict.rs",
            "wit/deps/clocks.wit",
            "wit/deps/io.wit",
            "wit/deps/random.wit",
            "wit/monitor.wit",
        ]
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    /// Every file below a folder.
    fn read(folder: &Path, below: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = Path::new(below).join(name).to_str().unwrap().to_owned();
            if entry.file_type().unwrap().is_dir() {
                read(folder, &path, found);
            } else {
                let text = fs::read_to_string(entry.path()).unwrap();
                found.insert(path, text);
            }
        }
    }

    #[test]
    fn no_file_is_forgotten() {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
        for part in TEMPLATE_PARTS {
            let mut there = BTreeMap::new();
            read(&guests.join(part.from), "", &mut there);
            if part.from == "js" {
                there.retain(|path, _| path.ends_with(".d.ts"));
            }
            let embedded: BTreeMap<_, _> = part
                .files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect();
            let names =
                |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&there), names(&embedded), "{}", part.from);
            assert!(there == embedded, "{} has changed", part.from);
        }
    }

    #[test]
    fn no_template_is_forgotten() {
        let rust = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/rust");
        for entry in fs::read_dir(rust).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let from = format!("rust/{name}");
            if entry.file_type().unwrap().is_dir() && name != "target" {
                assert!(
                    TEMPLATE_PARTS.iter().any(|part| part.from == from),
                    "{name}"
                );
            }
        }
    }
}
