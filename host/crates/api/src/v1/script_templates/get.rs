//! `GET /api/v1/script-templates/{template_id}`

use axum::{Json, extract::State};
use vedette_core::TemplateId;

use super::TemplateView;
use crate::{ApiState, auth::SignedIn, extract::PathId, problem::Problem};

/// One template
#[utoipa::path(get, path = "/api/v1/script-templates/{template_id}", tag = "script-templates",
    security(("bearer" = [])), params(("template_id" = uuid::Uuid, Path)),
    responses((status = 200, body = TemplateView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_script_template(
    State(state): State<ApiState>,
    _: SignedIn,
    PathId(id): PathId<TemplateId>,
) -> Result<Json<TemplateView>, Problem> {
    let template = state
        .store
        .get_template(id)
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok(Json(template.into()))
}
