//! `GET /api/v1/incidents/{incident_id}`

use axum::{Json, extract::State};
use vedette_core::IncidentId;

use super::{IncidentDetailView, find_incident};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PathId,
    problem::Problem,
};

/// One incident, with what was seen and its timeline
#[utoipa::path(get, path = "/api/v1/incidents/{incident_id}", tag = "alerts",
    security(("bearer" = [])), params(("incident_id" = uuid::Uuid, Path)),
    responses((status = 200, body = IncidentDetailView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_incident(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(id): PathId<IncidentId>,
) -> Result<Json<IncidentDetailView>, Problem> {
    Ok(Json(find_incident(&state, &caller, id).await?.into()))
}
