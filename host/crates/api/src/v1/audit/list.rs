//! `GET /api/v1/audit-log` and `GET /api/v1/admin/audit-log`

use axum::{Json, extract::State};
use vedette_store::{AuditFilter, ChainId, PageRequest};

use super::{AuditEntryView, query::AuditQuery};
use crate::{
    ApiState,
    auth::{Administrator, May, need},
    problem::Problem,
    v1::PageView,
};

/// Lists who changed what in the organization, newest first
///
/// Every change and every login for it, with what was before and after. Values of secrets are in
/// none. Nobody can change a record.
#[utoipa::path(get, path = "/api/v1/audit-log", tag = "audit", security(("bearer" = [])),
    params(("action" = Option<String>, Query, description = "such as `script.update`; `script.` is all of scripts"),
        ("actor_id" = Option<uuid::Uuid>, Query, description = "by this user, or a key of theirs"),
        ("target" = Option<String>, Query, description = "the id or the digest of a thing"),
        ("since" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "not before"),
        ("until" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "before"),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<AuditEntryView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_audit_log(
    State(state): State<ApiState>,
    caller: May<need::AuditRead>,
    AuditQuery(filter, page): AuditQuery,
) -> Result<Json<PageView<AuditEntryView>>, Problem> {
    list(&state, caller.org_id.into(), &filter, page).await
}

/// Lists what concerns accounts and the installation, newest first
///
/// For administrators of the installation.
#[utoipa::path(get, path = "/api/v1/admin/audit-log", tag = "admin", security(("bearer" = [])),
    params(("action" = Option<String>, Query, description = "such as `user.update`; `user.` is all of users"),
        ("actor_id" = Option<uuid::Uuid>, Query, description = "by this user"),
        ("target" = Option<String>, Query, description = "the id or the digest of a thing"),
        ("since" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "not before"),
        ("until" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "before"),
        ("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<AuditEntryView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_installation_audit_log(
    State(state): State<ApiState>,
    _: Administrator,
    AuditQuery(filter, page): AuditQuery,
) -> Result<Json<PageView<AuditEntryView>>, Problem> {
    list(&state, ChainId::INSTALLATION, &filter, page).await
}

async fn list(
    state: &ApiState,
    chain: ChainId,
    filter: &AuditFilter,
    page: PageRequest,
) -> Result<Json<PageView<AuditEntryView>>, Problem> {
    let page = state.store.list_audit(chain, filter, page).await?;
    Ok(Json(PageView::of(page)))
}
