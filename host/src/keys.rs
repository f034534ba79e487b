//! Keys in files of the data directory: made at the first start, readable by the owner only.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use secrecy::SecretBox;
use vedette_api::TokenKeys;
use vedette_store::{CheckpointKey, MasterKey, MasterKeySource, Vault};

/// Name of the first token key; a later one sorts after it.
const FIRST_TOKEN_KEY: &str = "jwt-1.key";
const CACHE_KEY: &str = "cache.key";
const ACCOUNTS_KEY: &str = "accounts.key";
/// Name of the first master key; a later one sorts after it.
const FIRST_MASTER_KEY: &str = "master-1.key";

/// Name of the first key that signs checkpoints; a later one sorts after it.
const FIRST_CHECKPOINT_KEY: &str = "audit-1.key";

/// Makes a folder that is its owner's only.
pub(crate) fn private_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("the folder {} cannot be made", path.display()))
}

/// The keys that sign and verify access tokens: all files `jwt-<id>.key`.
pub(crate) fn token_keys(folder: &Path) -> anyhow::Result<TokenKeys> {
    private_folder(folder)?;
    read_or_make(&folder.join(FIRST_TOKEN_KEY))?;
    let mut keys = Vec::new();
    for (id, path) in named(folder, "jwt-")? {
        keys.push((id, read_or_make(&path)?.to_vec()));
    }
    Ok(TokenKeys::new(keys)?)
}

/// The master keys that the secrets of organizations depend on: all files `master-<id>.key`, of
/// which the last by name encrypts. The first is made only if there is none: one in the place of a
/// key that was lost would open nothing.
pub(crate) fn vault(folder: &Path) -> anyhow::Result<Vault> {
    private_folder(folder)?;
    if named(folder, "master-")?.is_empty() {
        read_or_make(&folder.join(FIRST_MASTER_KEY))?;
    }
    Ok(Vault::open(MasterKeyFiles(folder.to_owned()))?)
}

/// Makes a master key that encrypts from now on, and answers its file. Its name is the time, which
/// sorts after all names of this kind.
pub(crate) fn new_master_key(folder: &Path, now: DateTime<Utc>) -> anyhow::Result<PathBuf> {
    let id = now.format("%Y%m%dT%H%M%SZ").to_string();
    let path = folder.join(format!("master-{id}.key"));
    let newest = named(folder, "master-")?.into_iter().max();
    if let Some((newest, _)) = newest.filter(|(newest, _)| *newest >= id) {
        bail!("the key `{newest}` sorts after `{id}`, so that the new one would not be used");
    }
    make(&path).with_context(|| format!("the key {} cannot be made", path.display()))?;
    Ok(path)
}

/// Looks into the folder each time: a key may come while the server runs.
struct MasterKeyFiles(PathBuf);

impl MasterKeySource for MasterKeyFiles {
    fn read(&self) -> Result<Vec<MasterKey>, Box<dyn Error + Send + Sync>> {
        let mut keys = Vec::new();
        for (id, path) in named(&self.0, "master-")? {
            let bytes = SecretBox::new(Box::new(read_or_make(&path)?));
            keys.push(MasterKey { id, bytes });
        }
        Ok(keys)
    }
}

/// The keys in files `<prefix><id>.key`, with their ids.
fn named(folder: &Path, prefix: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let id = name.and_then(|name| name.strip_prefix(prefix)?.strip_suffix(".key"));
        if let Some(id) = id {
            found.push((id.to_owned(), path));
        }
    }
    Ok(found)
}

/// The key under which compiled artefacts are trusted.
pub(crate) fn cache_key(folder: &Path) -> anyhow::Result<[u8; 32]> {
    private_folder(folder)?;
    read_or_make(&folder.join(CACHE_KEY))
}

/// The key under which second factors are kept.
pub(crate) fn accounts_key(folder: &Path) -> anyhow::Result<[u8; 32]> {
    private_folder(folder)?;
    read_or_make(&folder.join(ACCOUNTS_KEY))
}

/// The keys that sign checkpoints of the audit log: all files `audit-<id>.key`, sorted by name, of
/// which the last signs.
pub(crate) fn checkpoint_keys(folder: &Path) -> anyhow::Result<Vec<CheckpointKey>> {
    private_folder(folder)?;
    let mut found = named(folder, "audit-")?;
    if found.is_empty() {
        read_or_make(&folder.join(FIRST_CHECKPOINT_KEY))?;
        found = named(folder, "audit-")?;
    }
    found.sort();
    let keys = found.into_iter();
    keys.map(|(id, path)| Ok(CheckpointKey::new(id, &read_or_make(&path)?)?))
        .collect()
}

/// Reads a key of 32 bytes in hex, or makes it. Of two processes that make it at once, one wins
/// and both read the same.
fn read_or_make(path: &Path) -> anyhow::Result<[u8; 32]> {
    let shown = path.display();
    let exists = path
        .try_exists()
        .with_context(|| format!("the key {shown} cannot be read"))?;
    if !exists {
        make(path).with_context(|| format!("the key {shown} cannot be made"))?;
    }
    let rights = fs::metadata(path)?.permissions().mode();
    if rights & 0o077 != 0 {
        bail!("the key {shown} is readable by others: run `chmod 600 {shown}`");
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("the key {shown} cannot be read"))?;
    let text = text.trim();
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).with_context(|| {
        let length = text.len();
        format!("the key {shown} is not 64 hexadecimal digits (it has {length} characters)")
    })?;
    Ok(key)
}

/// Writes a new key under its name at once and for good: no start, and no loss of power, finds a
/// part of it. One that is there by now stays.
fn make(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().context("a key lies in a folder")?;
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system gives no random bytes")?;
    // Its owner's only, under a name that is no key's, and removed at the end of this function.
    let mut file = tempfile::Builder::new()
        .prefix(".new-key-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    file.write_all(hex::encode(key).as_bytes())?;
    file.as_file().sync_all()?;
    match fs::hard_link(file.path(), path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    file.close()?;
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_stays_private() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let first = cache_key(&keys).unwrap();
        assert_eq!(cache_key(&keys).unwrap(), first);
        let file = keys.join(CACHE_KEY);
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(&keys).unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            cache_key(&keys)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for cut_off in ["", "\n", "short", &hex::encode(&first[..31])] {
            fs::write(&file, cut_off).unwrap();
            let error = format!("{:#}", cache_key(&keys).unwrap_err());
            assert!(error.contains(CACHE_KEY), "{error}");
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
        let names: Vec<_> = fs::read_dir(&keys).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing else is left: {names:?}");
    }

    #[test]
    fn a_master_key_is_made_once_and_a_newer_one_sorts_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        assert_eq!(format!("{:?}", vault(&keys).unwrap()), r#"{"1"}"#);
        let now = "2026-11-29T08:30:00Z".parse().unwrap();
        let made = new_master_key(&keys, now).unwrap();
        assert_eq!(made, keys.join("master-20261129T083000Z.key"));
        assert_eq!(
            format!("{:?}", vault(&keys).unwrap()),
            r#"{"1", "20261129T083000Z"}"#
        );
        let again = new_master_key(&keys, now).unwrap_err().to_string();
        assert!(again.contains("sorts after"), "{again}");
        // The old one may go, and does not come back.
        fs::remove_file(keys.join(FIRST_MASTER_KEY)).unwrap();
        assert_eq!(
            format!("{:?}", vault(&keys).unwrap()),
            r#"{"20261129T083000Z"}"#
        );
        assert!(!keys.join(FIRST_MASTER_KEY).exists());
        fs::set_permissions(&made, fs::Permissions::from_mode(0o640)).unwrap();
        let shown = format!("{:#}", vault(&keys).unwrap_err());
        assert!(shown.contains("chmod 600"), "{shown}");
    }
}
