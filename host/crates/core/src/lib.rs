//! The vocabulary of Vedette and its arithmetic, as pure functions.
//!
//! Everything here is a function of its arguments: time comes from a [`Clock`], ids come from
//! a [`Clock`], and nothing opens a file, a socket or a database. Start reading at [`script`]
//! (what a user saves), then [`schedule`] (when it is due) and [`outcome`] (what came of it).
#![warn(missing_docs)]

pub mod access;
pub mod alert;
pub mod clock;
pub mod component;
pub mod ids;
pub mod outcome;
pub mod permission;
pub mod quota;
pub mod schedule;
pub mod script;
pub mod sealed;
pub mod silence;
pub mod slot;
pub mod variable;

pub use access::{Access, Projects};
pub use clock::{Clock, ManualClock, SystemClock};
pub use component::{
    Capability, ComponentFacts, ComponentRefusal, ComponentState, Digest, DigestError, Producer,
};
pub use ids::{
    AlertHistoryId, AlertRuleId, ApiKeyId, ChannelId, ComponentId, ComponentKeyId, ExecutionId,
    IdentityId, IncidentEventId, IncidentId, InvitationId, MaintenanceWindowId, NotificationId,
    OrgId, ProjectId, RoleId, ScriptId, ScriptVersionId, SessionId, SilenceId, TemplateId, UserId,
    VariableId,
};
pub use outcome::{
    ErrorClass, Flag, LogLevel, LogLine, Outcome, RecordingText, RequestRecord, Status, Step,
    StepKind, Verdict,
};
pub use permission::{BuiltInRole, Permission, PermissionSet, UnknownPermission};
pub use quota::{DayUsage, OwnQuotas, Quota, Quotas};
pub use schedule::{Schedule, ScheduleError};
pub use script::{Program, ProgramKind, ScriptError, SourceLanguage};
pub use sealed::{AllowedHost, SealedSecret};
pub use slot::MissedReason;
pub use variable::{Environment, VariableKind};
