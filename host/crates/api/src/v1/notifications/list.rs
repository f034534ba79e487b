//! `GET /api/v1/notifications`

use axum::{
    Json,
    extract::{FromRequestParts, Query, State},
    http::request::Parts,
};
use serde::Deserialize;
use utoipa::IntoParams;
use vedette_store::{NotificationFilter, NotificationStatus, PageRequest};

use super::NotificationView;
use crate::{
    ApiState,
    auth::{May, need},
    extract::{page_request, query_id},
    problem::Problem,
    v1::PageView,
};

/// A filter, and which page of what fits it.
pub(crate) struct NotificationQuery(NotificationFilter, PageRequest);

/// As the query has it; for the document, too.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawNotificationQuery {
    /// `pending`, `delivered`, `dead` or `digested`.
    #[param(pattern = "^(pending|delivered|dead|digested)$")]
    status: Option<String>,
    /// About this incident.
    #[param(value_type = Option<Uuid>)]
    incident_id: Option<String>,
    /// To this channel, which may be gone.
    #[param(value_type = Option<Uuid>)]
    channel_id: Option<String>,
    /// 1 to 100, 50 by default.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for NotificationQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawNotificationQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                let detail = "the list of notifications takes `status`, `incident_id`, `channel_id`, \
                              `limit` and `cursor`, once each";
                Problem::bad_request(detail)
            })?;
        let filter = NotificationFilter {
            status: raw.status.as_deref().map(status).transpose()?,
            incident: query_id("incident_id", raw.incident_id)?,
            channel: query_id("channel_id", raw.channel_id)?,
        };
        Ok(Self(filter, page_request(raw.limit, raw.cursor)?))
    }
}

fn status(text: &str) -> Result<NotificationStatus, Problem> {
    let mut all = NotificationStatus::ALL.iter().copied();
    all.find(|status| status.as_str() == text).ok_or_else(|| {
        Problem::bad_request("`status` is `pending`, `delivered`, `dead` or `digested`")
    })
}

/// Lists notifications, newest first
///
/// About the scripts of all projects that the caller may see; those about none, such as tests of channels,
/// are for those who see all.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", security(("bearer" = [])),
    params(RawNotificationQuery),
    responses((status = 200, body = PageView<NotificationView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_notifications(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    NotificationQuery(filter, page): NotificationQuery,
) -> Result<Json<PageView<NotificationView>>, Problem> {
    let page = state
        .store
        .list_notifications(caller.org_id, &caller.projects(), filter, page)
        .await?;
    Ok(Json(PageView::of(page)))
}
