//! Who the commands that talk to a server are: a key in a file of the user's own.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::config;

/// What `vedette login` keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// Where the server is.
    pub(crate) server: String,
    /// Whose key it is.
    pub(crate) username: String,
    /// Names the key, so that it can be ended.
    pub(crate) key_id: String,
    /// The key.
    #[serde(serialize_with = "exposed")]
    pub(crate) key: SecretString,
    /// From then on it is good no more.
    pub(crate) expires_at: DateTime<Utc>,
}

/// Into the file, and nowhere else.
fn exposed<S: Serializer>(key: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.expose_secret())
}

/// The file: `vedette/login.toml` where the user's settings are.
pub(crate) fn path() -> anyhow::Result<PathBuf> {
    let folder = config::user_settings();
    let folder = folder.context("there is no home directory; set XDG_CONFIG_HOME")?;
    Ok(folder.join("login.toml"))
}

impl Credentials {
    /// Reads them; `None` before the first login.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        let rights = fs::metadata(path)?.permissions().mode();
        if rights & 0o077 != 0 {
            bail!("{shown} is readable by others: run `chmod 600 {shown}`, or sign in anew");
        }
        // The error of a parser shows the line, which may be the one with the key.
        let credentials = toml::from_str(&text).map_err(|_| {
            anyhow::anyhow!("{shown} is not what `vedette login` writes; sign in anew")
        })?;
        Ok(Some(credentials))
    }

    /// Writes them at once and for the user's eyes only.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("the file lies in a folder")?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(".login-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)?;
        file.write_all(toml::to_string(self)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_their_owners_only_and_shown_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vedette").join("login.toml");
        assert!(Credentials::read(&path).unwrap().is_none());
        let credentials = Credentials {
            server: "https://example.com/".to_owned(),
            username: "anna".to_owned(),
            key_id: "id".to_owned(),
            key: "vdt_canary".into(),
            expires_at: DateTime::UNIX_EPOCH,
        };
        credentials.write(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Credentials::read(&path).unwrap().unwrap();
        assert_eq!(read.key.expose_secret(), "vdt_canary");
        assert!(!format!("{read:?}").contains("canary"));
        fs::write(&path, "key = \"vdt_canary\nserver").unwrap();
        let error = format!("{:#}", Credentials::read(&path).unwrap_err());
        assert!(!error.contains("canary"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = format!("{:#}", Credentials::read(&path).unwrap_err());
        assert!(error.contains("chmod 600"), "{error}");
    }
}
