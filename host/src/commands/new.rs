//! `vedette new`

mod files;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use self::files::{Part, TEMPLATE_PARTS};
use crate::cli::{EXIT_USAGE, complain, say};

/// Longest name, in characters.
const NAME_CHARACTERS: usize = 64;

/// What a new check is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// JavaScript.
    Js,
    /// TypeScript.
    Ts,
    /// Rust, built as a WebAssembly component.
    Rust,
}

/// Makes a folder with a check to start from, in the current one.
pub(crate) fn new(language: Language, name: &str) -> anyhow::Result<ExitCode> {
    let place = Path::new(name);
    if let Err(refusal) = check_name(language, name).and_then(|()| check_place(place)) {
        complain(&format!("{refusal:#}"));
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    make(language, name, place).with_context(|| format!("{name} cannot be made"))?;
    tell(language, name);
    Ok(ExitCode::SUCCESS)
}

/// It is a folder here, and a package of Cargo there.
fn check_name(language: Language, name: &str) -> anyhow::Result<()> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_part) {
        bail!("`{name}`: a name has letters, digits, `-` and `_`, and begins with a letter");
    }
    if name.len() > NAME_CHARACTERS {
        bail!("`{name}`: a name has at most {NAME_CHARACTERS} characters");
    }
    if language == Language::Rust && name.eq_ignore_ascii_case("vedette-sdk") {
        bail!("`{name}`: the library has that name, which the check would depend on");
    }
    Ok(())
}

fn check_place(place: &Path) -> anyhow::Result<()> {
    let shown = place.display();
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{shown} cannot be looked at")),
        Ok(found) if !found.is_dir() => bail!("{shown} is there already, and is no folder"),
        Ok(_) => {
            let mut entries =
                fs::read_dir(place).with_context(|| format!("{shown} cannot be read"))?;
            if entries.next().is_some() {
                bail!("{shown} is there already, and is not empty");
            }
            Ok(())
        }
    }
}

/// Writes everything into a folder beside the place and moves it there as a whole, so that nobody
/// finds half of it.
fn make(language: Language, name: &str, place: &Path) -> anyhow::Result<()> {
    let beside = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .tempdir_in(".")?;
    // One within, because the temporary folder itself is for its owner's eyes only.
    let whole = beside.path().join(name);
    fs::create_dir(&whole)?;
    for part in TEMPLATE_PARTS
        .iter()
        .filter(|part| part.languages.contains(&language))
    {
        write(part, name, &whole)?;
    }
    fs::rename(&whole, place)?;
    Ok(())
}

fn write(part: &Part, name: &str, whole: &Path) -> anyhow::Result<()> {
    for (path, text) in part.files {
        let to = whole.join(part.into).join(written_as(path));
        let folder = to.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder)?;
        if part.is_template() {
            fs::write(&to, text.replace("{{name}}", name))?;
        } else {
            fs::write(&to, text)?;
        }
    }
    Ok(())
}

/// The template's own `.gitignore` would hold where the template lies.
fn written_as(path: &str) -> PathBuf {
    match path {
        "gitignore" => ".gitignore".into(),
        path => path.into(),
    }
}

fn tell(language: Language, name: &str) {
    let monitor = match language {
        Language::Js => "monitor.js",
        Language::Ts => "monitor.ts",
        Language::Rust => "target/wasm32-wasip2/release/monitor.wasm",
    };
    say(&format!("made {name}; README.md tells more. Next:\n"));
    say(&format!("  cd {name}"));
    if language == Language::Rust {
        say("  rustup target add wasm32-wasip2");
        say("  cargo build --release --target wasm32-wasip2");
    }
    say(&format!(
        "  vedette check {monitor} --param url=http://127.0.0.1:8080/health/live --allow 127.0.0.0/8"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_folders_and_packages() {
        for fine in ["x", "shop-api_2", "Shop", &"x".repeat(64)] {
            assert!(check_name(Language::Rust, fine).is_ok(), "{fine}");
        }
        let too_long = "x".repeat(65);
        for bad in [
            "", ".", "..", "a/b", "/a", "-a", "2a", "a b", "a.b", "größe", "a\n", "{{name}}",
            &too_long,
        ] {
            for language in [Language::Js, Language::Ts, Language::Rust] {
                assert!(check_name(language, bad).is_err(), "{bad}");
            }
        }
        assert!(check_name(Language::Rust, "vedette-sdk").is_err());
        assert!(check_name(Language::Js, "vedette-sdk").is_ok());
    }
}
