//! The compiled engine on disk, so that a restart does not compile again.
//!
//! A compiled artefact is native code, and loading one that was tampered with is running it. So
//! a file is named after what it was compiled from and by, and carries a MAC under a key of this
//! installation; what does not verify is compiled anew.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vedette_core::Digest;

use crate::{component::Artifact, engine::component_engine};

type HmacSha256 = Hmac<Sha256>;

const MAC_BYTES: usize = 32;

/// What names of components begin with.
const COMPONENT: &str = "component-";

/// A folder of compiled artefacts, each with its MAC in front.
#[derive(Debug, Clone)]
pub struct ArtifactCache {
    directory: PathBuf,
    key: [u8; 32],
}

impl ArtifactCache {
    /// A cache in `directory`, which is created when it is first written to. Only the holder of
    /// `key` should be able to read it.
    pub fn new(directory: impl Into<PathBuf>, key: [u8; 32]) -> Self {
        Self {
            directory: directory.into(),
            key,
        }
    }

    /// Native code of a component that was compiled by this very program, if it is here.
    pub fn component(&self, digest: &Digest) -> Option<Artifact> {
        let name = component_name(digest)?;
        self.load(&name).map(Artifact::from_own)
    }

    /// Keeps native code of the component with this digest.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing is there.
    pub fn store_component(&self, digest: &Digest, artifact: &Artifact) -> io::Result<()> {
        let name = component_name(digest)
            .ok_or_else(|| io::Error::other("the engine of components does not start"))?;
        self.store(&name, artifact.bytes())
    }

    /// Deletes the oldest components until they have at most so many bytes; they are compiled
    /// again when they are needed.
    ///
    /// # Errors
    /// When the folder cannot be read. What cannot be deleted stays.
    pub fn sweep_components(&self, most_bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(COMPONENT) {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort_unstable();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= most_bytes {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                bytes -= size;
            }
        }
        Ok(())
    }

    /// The artefact, or `None` when there is none that verifies.
    pub(crate) fn load(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let mut bytes = fs::read(&path).ok()?;
        if bytes.len() < MAC_BYTES {
            return None;
        }
        let artifact = bytes.split_off(MAC_BYTES);
        if self.mac(name, &artifact).verify_slice(&bytes).is_err() {
            tracing::warn!(path = %path.display(), "a cached artefact does not verify; compiling anew");
            return None;
        }
        Some(artifact)
    }

    /// Writes an artefact so that a reader sees all of it or nothing.
    pub(crate) fn store(&self, name: &str, artifact: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let path = self.path(name);
        // Two processes may compile at once: each writes a file of its own, the last one stays.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let mac = self.mac(name, artifact).finalize().into_bytes();
        let written = fs::write(&temporary, [mac.as_slice(), artifact].concat())
            .and_then(|()| read_only(&temporary))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // Best effort: what is left is never read.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.cwasm"))
    }

    /// Over the name too, so that one artefact cannot stand in for another.
    fn mac(&self, name: &str, artifact: &[u8]) -> HmacSha256 {
        let mut mac = HmacSha256::new_from_slice(&self.key).expect("HMAC takes any key length");
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(artifact);
        mac
    }
}

/// After the component, and after everything about this program and this processor that matters.
fn component_name(digest: &Digest) -> Option<String> {
    let mut compatibility = DefaultHasher::new();
    component_engine()
        .ok()?
        .precompile_compatibility_hash()
        .hash(&mut compatibility);
    Some(format!(
        "{COMPONENT}{digest}-{:016x}",
        compatibility.finish()
    ))
}

fn read_only(path: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}
