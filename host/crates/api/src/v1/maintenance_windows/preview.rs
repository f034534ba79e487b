//! `POST /api/v1/maintenance-windows/preview`

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{IntervalView, Outlook, body::WindowBody};
use crate::{
    ApiState,
    auth::{May, need},
    extract::JsonBody,
    problem::Problem,
};

/// Intervals that are shown.
const SHOWN: usize = 10;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewBody {
    window: WindowBody,
}

/// When a window would be active.
#[derive(Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// Whether it would be now.
    is_active: bool,
    /// When the present time in it would end; null: it is not active, or no end is in sight.
    active_until: Option<DateTime<Utc>>,
    /// The next times, at most ten.
    next: Vec<IntervalView>,
}

/// Says when a window would be active
///
/// Nothing is kept: so it can be seen whether a rule means what it is meant to.
#[utoipa::path(post, path = "/api/v1/maintenance-windows/preview", tag = "maintenance",
    security(("bearer" = [])), request_body = PreviewBody,
    responses((status = 200, body = PreviewView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn preview_maintenance_window(
    State(state): State<ApiState>,
    _: May<need::MaintenanceRead>,
    JsonBody(body): JsonBody<PreviewBody>,
) -> Result<Json<PreviewView>, Problem> {
    let (_, window) = body.window.check().map_err(Problem::invalid)?;
    let outlook = Outlook::of(&window, state.clock.now(), SHOWN);
    Ok(Json(PreviewView {
        is_active: outlook.is_active,
        active_until: outlook.active_until,
        next: outlook.next,
    }))
}
