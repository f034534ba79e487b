//! Every SQL statement, on SQLite and on PostgreSQL.
//!
//! One [`Store`] over two databases: a method is written once and its body runs in either arm of
//! `on_db!`, with one SQL text wherever the dialects agree. What differs stands in `dialect`.
//! Every statement that touches a tenant's rows names the organization. Migrations lie in
//! `migrations/`, embedded here.
#![warn(missing_docs)]

mod access_cache;
mod accounts;
mod alerts;
mod api_keys;
mod audit;
mod blocked_components;
mod channels;
mod component_blobs;
mod component_keys;
mod component_queue;
mod components;
mod db;
mod deletion;
mod dialect;
mod error;
mod executions;
mod identities;
mod invitations;
mod maintenance;
mod members;
mod notifications;

mod oidc_logins;
mod organizations;
mod overdue;
mod page;
mod password_resets;
mod passwords;
mod profiles;
mod projects;
mod quotas;
mod record;
mod recordings;
mod replaced;
mod retention;
mod roles;
mod scripts;
mod second_factors;
mod sessions;
mod slots;
mod templates;
#[cfg(feature = "testing")]
pub mod testing;
mod user_administration;
mod variables;
mod vault;
mod versions;

pub use access_cache::SharedCache;
pub use accounts::{Login, NewUser, Registration, User};
pub use alerts::{
    AlertRule, AlertTransition, ChangedIncident, CreatedRule, DefaultRule, HistoryEntry,
    HistoryFilter, Incident, IncidentAction, IncidentDetail, IncidentEvent, IncidentEventKind,
    IncidentFilter, IncidentStage, MAX_RULES, NewAlertRule, Past, RuleContent, SetDefaultRules,
    UpdatedRule,
};
pub use api_keys::{ApiKey, ApiKeyCreated, KeyCaller, NewApiKey};
pub use audit::{
    Actor, AuditAction, AuditEntry, AuditFilter, AuditRecord, Author, ChainId, ChainReport,
    Checkpoint, CheckpointKey, CheckpointKeyError, Tampering,
};
pub use blocked_components::BlockedComponent;
pub use channels::{
    Channel, ChannelChange, CreatedChannel, MAX_CHANNELS, NewChannel, OpenedChannel, SetChannels,
    UntoldOwner, UpdatedChannel,
};
pub use component_blobs::{CHUNK_BYTES, NewChunk};
pub use component_keys::{ComponentKey, NewComponentKey};
pub use component_queue::{ClaimedComponent, CompiledComponent, ComponentUsage, FinishedComponent};
pub use components::{
    Component, ComponentSignature, CreatedComponent, DeletedComponent, NewComponent, NewSignature,
};
pub use db::Store;
pub use error::StoreError;
pub use executions::{Execution, ExecutionSummary, ManualExecution, Trigger};
pub use identities::{
    Identity, IdentityLogin, IdentitySignedIn, NO_PASSWORD, NewIdentityUser, RemovedIdentity,
};
pub use invitations::{Invitation, Invited, NewInvitation};
pub use maintenance::{
    CreatedSilence, CreatedWindow, MAX_SILENCES, MAX_WINDOWS, MaintenanceWindow, NewSilence,
    NewWindow, SilenceContent, StoredSilence, UpdatedSilence, UpdatedWindow, WindowContent,
};
pub use members::{Grant, Member, MemberChange};
pub use notifications::{
    AfterAttempt, AttemptOutcome, ClaimedNotification, DeliveryAttempt, LEAST_OF_DIGEST,
    MAX_CLAIMS_OF_CHANNEL, MOST_OF_DIGEST, NewNotification, NotificationDetail, NotificationFilter,
    NotificationStatus, Resent, StoredNotification,
};
pub use oidc_logins::{NewOidcLogin, OidcLogin};
pub use organizations::{NewOrganization, Organization};
pub use page::{Cursor, MAX_LIMIT, Page, PageRequest};
pub use password_resets::NewPasswordReset;
pub use profiles::SessionSummary;
pub use projects::Project;
pub use quotas::Usage;
pub use record::{FinishedSlot, RecordResult};
pub use roles::{Deleted, Role, RoleContent, built_in_role_id};
pub use scripts::{NewScript, ParentError, Script, ScriptChange, Updated};
pub use second_factors::TotpKey;
pub use sessions::{Caller, NewSession};
pub use slots::{ClaimRequest, ClaimedSlot, SlotLease};
pub use templates::{NewTemplate, Template};
pub use user_administration::{ChangedUser, UserChange};
pub use variables::{
    CreatedVariable, NewValue, NewVariable, UpdatedVariable, Variable, VariableChange,
    VariableLevel,
};
pub use vault::{MasterKey, MasterKeySource, Rotated, Vault, VaultError};
pub use versions::{VersionKind, VersionProgram, VersionSummary};

/// Every SQL text of the crate, so that a test can prepare each on both databases.
#[cfg(feature = "testing")]
pub fn all_sql() -> Vec<&'static str> {
    [
        access_cache::ALL_SQL,
        accounts::ALL_SQL,
        &alerts::all_sql(),
        api_keys::ALL_SQL,
        &audit::all_sql(),
        blocked_components::ALL_SQL,
        &channels::all_sql(),
        component_blobs::ALL_SQL,
        component_keys::ALL_SQL,
        component_queue::ALL_SQL,
        components::ALL_SQL,
        deletion::ALL_SQL,
        executions::ALL_SQL,
        identities::ALL_SQL,
        invitations::ALL_SQL,
        &maintenance::all_sql(),
        members::ALL_SQL,
        &notifications::all_sql(),
        oidc_logins::ALL_SQL,
        organizations::ALL_SQL,
        projects::ALL_SQL,
        password_resets::ALL_SQL,
        passwords::ALL_SQL,
        quotas::ALL_SQL,
        profiles::ALL_SQL,
        recordings::ALL_SQL,
        retention::ALL_SQL,
        roles::ALL_SQL,
        &scripts::all_sql(),
        second_factors::ALL_SQL,
        sessions::ALL_SQL,
        &slots::all_sql(),
        templates::ALL_SQL,
        user_administration::ALL_SQL,
        &variables::all_sql(),
        vault::ALL_SQL,
        versions::ALL_SQL,
    ]
    .concat()
}
