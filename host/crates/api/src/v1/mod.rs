//! `/api/v1`, one folder a noun.

pub(crate) mod alert_history;
pub(crate) mod alert_rules;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod blocked_components;
pub(crate) mod channels;
pub(crate) mod component_keys;
pub(crate) mod component_policy;
pub(crate) mod components;
pub(crate) mod default_alert_rules;
pub(crate) mod executions;
pub(crate) mod incidents;
pub(crate) mod invitations;
pub(crate) mod maintenance_windows;
pub(crate) mod members;
pub(crate) mod notifications;
pub(crate) mod organizations;
pub(crate) mod permissions;
pub(crate) mod projects;
pub(crate) mod quotas;
pub(crate) mod revision;
pub(crate) mod roles;
pub(crate) mod script_templates;
pub(crate) mod scripts;
pub(crate) mod silences;
pub(crate) mod users;
pub(crate) mod variables;

use serde::Serialize;
use utoipa::ToSchema;
use vedette_store::Page;

/// One page of a list, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PageView<T> {
    items: Vec<T>,
    /// `?cursor=` of the next page; null: this is the last.
    next_cursor: Option<String>,
}

impl<T> PageView<T> {
    pub(crate) fn of<U>(page: Page<U>) -> Self
    where
        T: From<U>,
    {
        Self {
            items: page.items.into_iter().map(T::from).collect(),
            next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        }
    }
}
