//! Maintenance windows and silences: kept here, computed by `core::silence`. `mutes` is what the alerting of scripts
//! asks of them.

pub(crate) mod mutes;
mod silences;
mod windows;

use vedette_core::{ProjectId, Projects};

pub(crate) use mutes::{Mutes, load_mutes};
pub use silences::{CreatedSilence, NewSilence, SilenceContent, StoredSilence, UpdatedSilence};
pub(crate) use windows::DELETE_WINDOWS_OF_SCRIPT;
pub use windows::{CreatedWindow, MaintenanceWindow, NewWindow, UpdatedWindow, WindowContent};

/// Most maintenance windows of an organization that are not over: each is looked at with each batch of executions.
pub const MAX_WINDOWS: u32 = 200;
/// The same of silences.
pub const MAX_SILENCES: u32 = 200;
/// How long one that is over is kept, in days: until those who make another one may have forgotten it.
const KEPT_DAYS: i64 = 400;

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    [silences::ALL_SQL, windows::ALL_SQL].concat()
}

/// Adds to a list that it is of some projects only. The first place is `$first`.
fn only_in(column: &str, projects: &Projects, first: usize) -> (String, Vec<ProjectId>) {
    match projects {
        Projects::All => (String::new(), Vec::new()),
        Projects::Only(projects) if projects.is_empty() => (" AND 1 = 0".to_owned(), Vec::new()),
        Projects::Only(projects) => {
            let places = (first..).take(projects.len());
            let places: Vec<_> = places.map(|place| format!("${place}")).collect();
            let filter = format!(" AND {column} IN ({})", places.join(", "));
            (filter, projects.clone())
        }
    }
}
