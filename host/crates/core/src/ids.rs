//! Typed ids: newtypes over `UUIDv7`, so that a user's id can never stand where a script's must.
//!
//! In JSON and SQL they are plain UUIDs. Version 7 (RFC 9562 section 5.7) sorts by creation
//! time, which keeps database indexes dense.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::Clock;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id whose time part is the clock's.
            pub fn generate(clock: &dyn Clock) -> Self {
                Self(new_v7(clock))
            }

            /// Takes up an id that was stored or sent before.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The plain UUID, for SQL and for JSON.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

typed_ids! {
    /// An organization: the tenant, to which every row belongs.
    OrgId;
    /// A person who can sign in.
    UserId;
    /// A group of scripts in an organization.
    ProjectId;
    /// A signed-in device of a user.
    SessionId;
    /// A script: what people call a monitor.
    ScriptId;
    /// An immutable version of a script's source.
    ScriptVersionId;
    /// A script template as stored in the database.
    TemplateId;
    /// One run of a script.
    ExecutionId;
    /// An organization's record of a component. The component itself is named by its digest.
    ComponentId;
    /// A public key that an organization's components are signed with.
    ComponentKeyId;
    /// A named set of permissions.
    RoleId;
    /// A key by which a machine calls the API.
    ApiKeyId;
    /// A link by which somebody may join an organization.
    InvitationId;
    /// Who a user is at an identity provider.
    IdentityId;
    /// What says when somebody is told about a script.
    AlertRuleId;
    /// A time during which a script was not well.
    IncidentId;
    /// One entry of the timeline of an incident.
    IncidentEventId;
    /// A time at which a rule fired or recovered.
    AlertHistoryId;
    /// Where notifications go.
    ChannelId;
    /// A notification: the same in all attempts to deliver it, so that a receiver knows a repetition.
    NotificationId;
    /// A variable of an organization, a project or a script.
    VariableId;
    /// Time on the calendar in which nobody is told about some scripts.
    MaintenanceWindowId;
    /// A stretch of time in which nobody is told of some alerts.
    SilenceId;
}

fn new_v7(clock: &dyn Clock) -> Uuid {
    let now = clock.now();
    // A clock before 1970 is broken; its ids then sort first, which harms nobody.
    let secs = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        secs,
        now.timestamp_subsec_nanos(),
    ))
}
