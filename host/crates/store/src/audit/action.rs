//! What can be done to things, by the names under which it is recorded.

macro_rules! actions {
    ($($name:ident $text:literal $description:literal)+) => {
        /// Something that is recorded.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AuditAction {
            $(#[doc = $description] $name,)+
        }

        impl AuditAction {
            /// All of them, in the order of docs/audit.md.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name in records.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What happened, for people.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $description,)+
                }
            }
        }
    };
}

actions! {
    SessionCreate "session.create" "Somebody signed in"
    SessionRefuse "session.refuse" "Somebody tried to sign in as a user and was refused"
    SessionSwitch "session.switch" "A session went over to this organization"
    SessionRevoke "session.revoke" "A session was ended"
    SessionReuse "session.reuse" "A refresh token was used twice, and its session was ended"
    OrganizationCreate "organization.create" "The organization was made"
    OrganizationUpdate "organization.update" "The organization was renamed"
    OrganizationDelete "organization.delete" "The organization was put out of reach, to be deleted"
    OrganizationRestore "organization.restore" "The organization was brought back"
    OrganizationTransfer "organization.transfer" "The organization got another owner"
    OrganizationPurge "organization.purge" "What was left of an organization was deleted for good"
    QuotasUpdate "quotas.update" "The organization got other quotas"
    MemberCreate "member.create" "Somebody joined by an invitation"
    MemberUpdate "member.update" "A member got other roles"
    MemberDelete "member.delete" "A member left or was removed"
    InvitationCreate "invitation.create" "Somebody was invited"
    InvitationDelete "invitation.delete" "An invitation was taken back"
    RoleCreate "role.create" "A role was made"
    RoleUpdate "role.update" "A role was changed"
    RoleDelete "role.delete" "A role was deleted"
    ProjectCreate "project.create" "A project was made"
    ProjectUpdate "project.update" "A project was renamed"
    ProjectDelete "project.delete" "A project was deleted"
    ApiKeyCreate "api_key.create" "A key for machines was made"
    ApiKeyDelete "api_key.delete" "A key for machines was ended"
    ScriptCreate "script.create" "A script was made"
    ScriptUpdate "script.update" "A script was changed"
    ScriptDelete "script.delete" "A script was deleted"
    AlertRuleCreate "alert_rule.create" "An alert rule was made"
    AlertRuleUpdate "alert_rule.update" "An alert rule was changed"
    AlertRuleDelete "alert_rule.delete" "An alert rule was deleted"
    DefaultAlertRulesUpdate "default_alert_rules.update" "A project got other default alert rules"
    ChannelCreate "channel.create" "A notification channel was made"
    ChannelUpdate "channel.update" "A notification channel was changed, or disabled because nobody listens there any more"
    ChannelDelete "channel.delete" "A notification channel was deleted"
    ChannelTest "channel.test" "A notification channel was tried"
    NotificationResend "notification.resend" "A notification that was not delivered is sent again"
    IncidentAcknowledge "incident.acknowledge" "Somebody sees to an incident"
    IncidentResolve "incident.resolve" "Somebody said that an incident is over"
    IncidentComment "incident.comment" "Somebody said something about an incident"
    MaintenanceWindowCreate "maintenance_window.create" "A maintenance window was made"
    MaintenanceWindowUpdate "maintenance_window.update" "A maintenance window was changed"
    MaintenanceWindowDelete "maintenance_window.delete" "A maintenance window was deleted"
    SilenceCreate "silence.create" "A silence was made"
    SilenceUpdate "silence.update" "A silence was changed"
    SilenceDelete "silence.delete" "A silence was deleted"
    ScriptRun "script.run" "A script was run by hand"
    VariableCreate "variable.create" "A variable was made"
    VariableUpdate "variable.update" "A variable was changed"
    VariableDelete "variable.delete" "A variable was deleted"
    DataKeyRotate "data_key.rotate" "The organization got a new key for its secrets"
    ComponentCreate "component.create" "A component was uploaded"
    ComponentDelete "component.delete" "A component was deleted"
    ComponentKeyCreate "component_key.create" "A key that signs components was registered"
    ComponentKeyRevoke "component_key.revoke" "A key that signs components was revoked"
    ComponentPolicyUpdate "component_policy.update" "It was decided whether components must be signed"
    UserCreate "user.create" "A user registered"
    UserUpdate "user.update" "A user was disabled or let in again, or became an administrator or ceased to be one"
    ProfileUpdate "profile.update" "A user changed name or address"
    PasswordUpdate "password.update" "A user changed the password"
    PasswordResetCreate "password_reset.create" "A link to set a new password was made for a user"
    PasswordResetUse "password_reset.use" "A new password was set by such a link"
    IdentityCreate "identity.create" "A user got a way to sign in by an identity provider"
    IdentityDelete "identity.delete" "A user took such a way off"
    TotpConfirm "totp.confirm" "A user added a second factor"
    TotpDelete "totp.delete" "A second factor was removed"
    RecoveryCodeUse "recovery_code.use" "A recovery code was used in place of the second factor"
    ComponentBlock "component.block" "A component was forbidden everywhere"
    ComponentUnblock "component.unblock" "A component was allowed again"
    MasterKeyRotate "master_key.rotate" "Keys of organizations were wrapped by a newer master key"
}
