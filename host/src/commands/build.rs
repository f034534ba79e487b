//! `vedette build`

use std::{io::Write as _, path::Path, process::ExitCode};

use anyhow::Context as _;
use tempfile::NamedTempFile;
use vedette_core::{SourceLanguage, script};
use vedette_sandbox::component::{digest, inspect, standalone};

use super::check::{language, sandbox};
use crate::{
    cli::{EXIT_USAGE, complain, say},
    wire::compile_outcome,
};

/// Makes a component of a script.
pub(crate) fn build(file: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let (source, language) = match read(file) {
        Ok(read) => read,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let sandbox = sandbox(&[])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let bytecode = match runtime.block_on(sandbox.compile(&source, language)) {
        Ok(bytecode) => bytecode,
        Err(error) => {
            let message = compile_outcome(error).message.unwrap_or_default();
            complain(&format!("{}: {message}", file.display()));
            return Ok(ExitCode::FAILURE);
        }
    };
    let component = standalone(&bytecode);
    inspect(&component).context("the component that was built would not be accepted")?;
    write(output, &component).with_context(|| format!("{} cannot be written", output.display()))?;
    say(&format!(
        "{}: {} bytes, sha256:{}",
        output.display(),
        component.len(),
        digest(&component)
    ));
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<(String, SourceLanguage)> {
    let language = language(file)?;
    let source = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    script::check_source(&source).with_context(|| file.display().to_string())?;
    Ok((source, language))
}

/// All of it or nothing.
fn write(output: &Path, component: &[u8]) -> anyhow::Result<()> {
    let folder = output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(component)?;
    // A temporary file is its owner's only; this one is for others.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let everybody = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(everybody)?;
    }
    file.persist(output)?;
    Ok(())
}
