//! Keys in files of the data directory: made at the first start, readable by the owner only.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use vedette_api::TokenKeys;

/// Name of the first token key; a later one sorts after it.
const FIRST_TOKEN_KEY: &str = "jwt-1.key";
const CACHE_KEY: &str = "cache.key";
const ACCOUNTS_KEY: &str = "accounts.key";

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
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let id = name
            .strip_prefix("jwt-")
            .and_then(|rest| rest.strip_suffix(".key"));
        if let Some(id) = id {
            keys.push((id.to_owned(), read_or_make(&path)?.to_vec()));
        }
    }
    Ok(TokenKeys::new(keys)?)
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
}
