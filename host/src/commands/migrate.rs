//! `vedette migrate`

use std::process::ExitCode;

use vedette_store::Store;

use crate::{cli::say, config::Config, keys};

/// Brings the schema up to date.
pub(crate) fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(async {
        keys::private_folder(&config.server.data_dir)?;
        let store = Store::connect(&config.database_url()).await?;
        store.migrate().await?;
        store.close().await;
        say("the database is up to date");
        Ok(ExitCode::SUCCESS)
    })
}
