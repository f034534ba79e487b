//! `POST /api/v1/incidents/{incident_id}/resolve`

use axum::{Json, extract::State};
use vedette_core::IncidentId;
use vedette_store::IncidentAction;

use super::{IncidentDetailView, change::change_incident};
use crate::{
    ApiState,
    auth::{May, need},
    extract::{NoBody, PathId},
    problem::Problem,
};

/// Says that an incident is over
///
/// Rules that still fire make a new one when they have recovered and fire again.
#[utoipa::path(post, path = "/api/v1/incidents/{incident_id}/resolve", tag = "alerts",
    security(("bearer" = [])), params(("incident_id" = uuid::Uuid, Path)),
    responses((status = 200, body = IncidentDetailView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn resolve_incident(
    State(state): State<ApiState>,
    caller: May<need::IncidentManage>,
    PathId(id): PathId<IncidentId>,
    _: NoBody,
) -> Result<Json<IncidentDetailView>, Problem> {
    change_incident(&state, &caller, id, &IncidentAction::Resolve).await
}
