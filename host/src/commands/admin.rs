//! `vedette admin`: new keys for the secrets of organizations, while servers run.

use std::process::ExitCode;

use anyhow::bail;
use vedette_core::{Clock as _, OrgId, SystemClock};
use vedette_store::{Rotated, Store};

use crate::{cli::say, config::Config, keys};

/// Wraps the keys of all organizations by the newest master key, which is made first if wanted.
pub(crate) fn rotate_master_key(config: &Config, with_new_key: bool) -> anyhow::Result<ExitCode> {
    if with_new_key {
        let folder = config.server.data_dir.join("keys");
        let made = keys::new_master_key(&folder, SystemClock.now())?;
        say(&format!("made the master key {}", made.display()));
    }
    let rewrapped = on_store(config, async |store| Ok(store.rewrap_data_keys().await?))?;
    say(&format!(
        "{rewrapped} keys of organizations were under an older master key and are not any more"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Gives an organization a new key and encrypts its secrets anew.
pub(crate) fn rotate_data_key(config: &Config, org: OrgId) -> anyhow::Result<ExitCode> {
    let rotated = on_store(config, async |store| {
        Ok(store.rotate_data_key(org, SystemClock.now()).await?)
    })?;
    let Some(Rotated {
        version,
        reencrypted,
    }) = rotated
    else {
        bail!("there is no organization {org}");
    };
    say(&format!(
        "the organization has key {version}, and {reencrypted} secrets were encrypted anew"
    ));
    Ok(ExitCode::SUCCESS)
}

/// The database of an installation that exists. A server may have it open.
pub(super) fn on_store<T>(
    config: &Config,
    act: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    tokio::runtime::Runtime::new()?.block_on(async {
        keys::private_folder(&config.server.data_dir)?;
        let vault = keys::vault(&config.server.data_dir.join("keys"))?;
        let store = Store::connect(&config.database_url()).await?;
        let store = store.with_vault(vault);
        store.migrate().await?;
        let done = act(&store).await;
        store.close().await;
        done
    })
}
