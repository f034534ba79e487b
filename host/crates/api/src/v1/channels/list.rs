//! `GET /api/v1/notification-channels`

use axum::{Json, extract::State};
use vedette_core::ChannelId;
use vedette_store::Page;

use super::{ChannelView, destination};
use crate::{
    ApiState,
    auth::{May, need},
    extract::PageQuery,
    problem::Problem,
    v1::PageView,
};

/// Lists the notification channels of the organization, newest first
#[utoipa::path(get, path = "/api/v1/notification-channels", tag = "notifications",
    security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = PageView<ChannelView>), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(crate) async fn list_channels(
    State(state): State<ApiState>,
    caller: May<need::ChannelRead>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ChannelView>>, Problem> {
    let page = state.store.list_channels(caller.org_id, page).await?;
    let ids: Vec<ChannelId> = page.items.iter().map(|channel| channel.id).collect();
    let opened = state.store.open_channels(&ids).await?;
    let views = page.items.into_iter().map(|channel| {
        let opened = opened
            .get(&channel.id)
            .and_then(|opened| opened.as_ref().ok());
        ChannelView::new(channel, opened.and_then(destination))
    });
    Ok(Json(PageView::of(Page {
        items: views.collect::<Vec<ChannelView>>(),
        next_cursor: page.next_cursor,
    })))
}
