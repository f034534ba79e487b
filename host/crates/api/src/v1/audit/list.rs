//! `GET /api/v1/audit-log` and `GET /api/v1/admin/audit-log`

use axum::{Json, extract::State};
use vedette_store::{AuditFilter, ChainId, PageRequest};

use super::{
    AuditEntryView,
    query::{AuditQuery, RawAuditQuery},
};
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
    params(RawAuditQuery),
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
    params(RawAuditQuery),
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
