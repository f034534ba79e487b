//! Every route, by what it is about.

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiState, health, v1};

/// All routes, without a description of their own.
pub(crate) fn all() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(health())
        .merge(accounts())
        .merge(organizations())
        .merge(scripts())
        .merge(variables())
        .merge(alerts())
        .merge(maintenance())
        .merge(notifications())
        .merge(audit())
        .merge(components())
}

/// For load balancers.
fn health() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// Users and their sessions.
fn accounts() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(v1::auth::register::register_user))
        .routes(routes!(v1::auth::login::login))
        .routes(routes!(v1::auth::refresh::refresh))
        .routes(routes!(v1::auth::logout::logout))
        .routes(routes!(v1::users::organization::switch_organization))
        .routes(routes!(v1::auth::password_reset::reset_password))
        .routes(routes!(
            v1::auth::password_reset_request::request_password_reset
        ))
        .routes(routes!(v1::auth::oidc::list::list_oidc_providers))
        .routes(routes!(v1::auth::oidc::start::start_oidc_login))
        .routes(routes!(v1::auth::oidc::callback::finish_oidc_login))
        .routes(routes!(
            v1::users::me::identities::list::list_identities,
            v1::auth::oidc::link::link_identity
        ))
        .routes(routes!(v1::users::me::identities::delete::remove_identity))
        .routes(routes!(v1::users::list::list_users))
        .routes(routes!(v1::users::update::update_user))
        .routes(routes!(v1::users::password_reset::create_password_reset))
        .routes(routes!(
            v1::users::me::get_me,
            v1::users::me::update::update_me
        ))
        .routes(routes!(v1::users::me::password::change_password))
        .routes(routes!(
            v1::users::me::totp::get::get_totp,
            v1::users::me::totp::create::create_totp
        ))
        .routes(routes!(v1::users::me::totp::confirm::confirm_totp))
        .routes(routes!(v1::users::me::totp::remove::remove_totp))
        .routes(routes!(v1::users::totp::remove_user_totp))
        .routes(routes!(v1::users::me::sessions::list::list_sessions))
        .routes(routes!(v1::users::me::sessions::delete::revoke_session))
}

/// Organizations, their members and what these may do.
fn organizations() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::organizations::list::list_organizations,
            v1::organizations::create::create_organization
        ))
        .routes(routes!(v1::organizations::restore::restore_organization))
        .routes(routes!(
            v1::organizations::get::get_organization,
            v1::organizations::update::update_organization,
            v1::organizations::delete::delete_organization
        ))
        .routes(routes!(v1::organizations::usage::get_usage))
        .routes(routes!(
            v1::quotas::get::get_quotas,
            v1::quotas::update::set_quotas
        ))
        .routes(routes!(v1::organizations::transfer::transfer_organization))
        .routes(routes!(v1::members::list::list_members))
        .routes(routes!(
            v1::members::get::get_member,
            v1::members::update::update_member,
            v1::members::delete::remove_member
        ))
        .routes(routes!(
            v1::invitations::list::list_invitations,
            v1::invitations::create::create_invitation
        ))
        .routes(routes!(v1::invitations::accept::accept_invitation))
        .routes(routes!(v1::invitations::delete::revoke_invitation))
        .routes(routes!(
            v1::api_keys::list::list_api_keys,
            v1::api_keys::create::create_api_key
        ))
        .routes(routes!(v1::api_keys::delete::revoke_api_key))
        .routes(routes!(v1::permissions::list::list_permissions))
        .routes(routes!(
            v1::roles::list::list_roles,
            v1::roles::create::create_role
        ))
        .routes(routes!(
            v1::roles::get::get_role,
            v1::roles::update::update_role,
            v1::roles::delete::delete_role
        ))
        .routes(routes!(v1::roles::add_permissions::add_role_permissions))
        .routes(routes!(
            v1::projects::list::list_projects,
            v1::projects::create::create_project
        ))
        .routes(routes!(
            v1::projects::update::update_project,
            v1::projects::delete::delete_project
        ))
}

/// Scripts and their executions.
fn scripts() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(v1::script_templates::list::list_script_templates))
        .routes(routes!(v1::script_templates::get::get_script_template))
        .routes(routes!(
            v1::scripts::list::list_scripts,
            v1::scripts::create::create_script
        ))
        .routes(routes!(
            v1::scripts::get::get_script,
            v1::scripts::update::update_script,
            v1::scripts::delete::delete_script
        ))
        .routes(routes!(v1::scripts::run::run_script))
        .routes(routes!(v1::scripts::executions::list_executions))
        .routes(routes!(v1::scripts::versions::list_script_versions))
        .routes(routes!(v1::scripts::rollback::rollback_script))
        .routes(routes!(v1::executions::get::get_execution))
        .routes(routes!(v1::executions::recording::get_recording))
}

/// Who changed what.
fn audit() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(v1::audit::list::list_audit_log))
        .routes(routes!(v1::audit::export::export_audit_log))
        .routes(routes!(v1::audit::list::list_installation_audit_log))
        .routes(routes!(v1::audit::export::export_installation_audit_log))
}

/// Variables of all levels.
fn variables() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::variables::list::list_variables,
            v1::variables::create::create_variable
        ))
        .routes(routes!(
            v1::variables::get::get_variable,
            v1::variables::update::update_variable,
            v1::variables::delete::delete_variable
        ))
}

/// Alert rules, and what comes of them.
fn alerts() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::alert_rules::list::list_alert_rules,
            v1::alert_rules::create::create_alert_rule
        ))
        .routes(routes!(v1::alert_rules::dry_run::dry_run_alert_rule))
        .routes(routes!(v1::alert_rules::schema::get_alert_rule_schema))
        .routes(routes!(
            v1::alert_rules::get::get_alert_rule,
            v1::alert_rules::update::update_alert_rule,
            v1::alert_rules::delete::delete_alert_rule
        ))
        .routes(routes!(
            v1::default_alert_rules::get::get_default_alert_rules,
            v1::default_alert_rules::set::set_default_alert_rules
        ))
        .routes(routes!(v1::incidents::list::list_incidents))
        .routes(routes!(v1::incidents::get::get_incident))
        .routes(routes!(v1::incidents::acknowledge::acknowledge_incident))
        .routes(routes!(v1::incidents::resolve::resolve_incident))
        .routes(routes!(v1::incidents::comment::comment_on_incident))
        .routes(routes!(v1::alert_history::list::list_alert_history))
}

/// When nobody is to be told.
fn maintenance() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::maintenance_windows::list::list_maintenance_windows,
            v1::maintenance_windows::create::create_maintenance_window
        ))
        .routes(routes!(
            v1::maintenance_windows::preview::preview_maintenance_window
        ))
        .routes(routes!(
            v1::maintenance_windows::get::get_maintenance_window,
            v1::maintenance_windows::update::update_maintenance_window,
            v1::maintenance_windows::delete::delete_maintenance_window
        ))
        .routes(routes!(
            v1::silences::list::list_silences,
            v1::silences::create::create_silence
        ))
        .routes(routes!(
            v1::silences::get::get_silence,
            v1::silences::update::update_silence,
            v1::silences::delete::delete_silence
        ))
}

/// Whom alert rules tell, and what they were told.
fn notifications() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::channels::list::list_channels,
            v1::channels::create::create_channel
        ))
        .routes(routes!(v1::channels::preview::preview_channel))
        .routes(routes!(
            v1::channels::get::get_channel,
            v1::channels::update::update_channel,
            v1::channels::delete::delete_channel
        ))
        .routes(routes!(v1::channels::test::test_channel))
        .routes(routes!(
            v1::alert_rules::channels::get_rule_channels,
            v1::alert_rules::channels::set_rule_channels
        ))
        .routes(routes!(v1::notifications::list::list_notifications))
        .routes(routes!(v1::notifications::get::get_notification))
        .routes(routes!(v1::notifications::resend::resend_notification))
}

/// Uploaded components.
fn components() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::components::list::list_components,
            v1::components::create::create_component
        ))
        .routes(routes!(
            v1::components::get::get_component,
            v1::components::delete::delete_component
        ))
        .routes(routes!(
            v1::component_keys::list::list_component_keys,
            v1::component_keys::create::create_component_key
        ))
        .routes(routes!(v1::component_keys::delete::revoke_component_key))
        .routes(routes!(
            v1::component_policy::get::get_component_policy,
            v1::component_policy::update::update_component_policy
        ))
        .routes(routes!(
            v1::blocked_components::list::list_blocked_components
        ))
        .routes(routes!(
            v1::blocked_components::create::block_component,
            v1::blocked_components::delete::unblock_component
        ))
}
