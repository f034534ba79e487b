//! `GET`, `PUT /api/v1/alert-rules/{rule_id}/channels`

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{AlertRuleId, ChannelId};
use vedette_store::{MAX_CHANNELS, SetChannels};

use super::find_rule;
use crate::{
    ApiState,
    auth::{May, need},
    extract::{JsonBody, PathId},
    problem::{FieldError, Problem},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleChannelsBody {
    /// All channels that the rule is to tell; of `GET /api/v1/notification-channels`.
    #[schema(example = json!([]))]
    channel_ids: Vec<Uuid>,
}

/// The channels that a rule tells.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleChannelsView {
    channel_ids: Vec<Uuid>,
}

impl From<Vec<ChannelId>> for RuleChannelsView {
    fn from(ids: Vec<ChannelId>) -> Self {
        Self {
            channel_ids: ids.into_iter().map(ChannelId::as_uuid).collect(),
        }
    }
}

/// The channels that an alert rule tells
#[utoipa::path(get, path = "/api/v1/alert-rules/{rule_id}/channels", tag = "alerts",
    security(("bearer" = [])), params(("rule_id" = uuid::Uuid, Path)),
    responses((status = 200, body = RuleChannelsView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn get_rule_channels(
    State(state): State<ApiState>,
    caller: May<need::AlertRead>,
    PathId(id): PathId<AlertRuleId>,
) -> Result<Json<RuleChannelsView>, Problem> {
    find_rule(&state, &caller, id).await?;
    let ids = state.store.list_rule_channels(caller.org_id, id).await?;
    Ok(Json(ids.ok_or_else(Problem::not_found)?.into()))
}

/// Sets the channels that an alert rule tells
///
/// In place of those before. They are told of what happens from now on. Whoever was told that something is
/// down is told that it is over all the same.
#[utoipa::path(put, path = "/api/v1/alert-rules/{rule_id}/channels", tag = "alerts",
    security(("bearer" = [])), request_body = RuleChannelsBody,
    params(("rule_id" = uuid::Uuid, Path)),
    responses((status = 200, body = RuleChannelsView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn set_rule_channels(
    State(state): State<ApiState>,
    caller: May<need::AlertManage>,
    PathId(id): PathId<AlertRuleId>,
    JsonBody(body): JsonBody<RuleChannelsBody>,
) -> Result<Json<RuleChannelsView>, Problem> {
    // Before the body is judged, so that a foreign id tells nothing.
    find_rule(&state, &caller, id).await?;
    let mut ids: Vec<ChannelId> = body.check()?;
    let set = caller.store.set_rule_channels(caller.org_id, id, &ids);
    match set.await? {
        SetChannels::Done => {
            ids.sort_unstable();
            ids.dedup();
            Ok(Json(ids.into()))
        }
        SetChannels::NoRule => Err(Problem::not_found()),
        SetChannels::NoChannel(missing) => {
            let place = ids.iter().position(|id| *id == missing).unwrap_or(0);
            let pointer = format!("/channel_ids/{place}");
            let detail = "there is no such channel; see GET /api/v1/notification-channels";
            Err(Problem::invalid(vec![FieldError::new(pointer, detail)]))
        }
    }
}

impl RuleChannelsBody {
    fn check(self) -> Result<Vec<ChannelId>, Problem> {
        if self.channel_ids.len() > MAX_CHANNELS as usize {
            let detail = format!("an organization has at most {MAX_CHANNELS} channels");
            return Err(Problem::invalid(vec![FieldError::new(
                "/channel_ids",
                detail,
            )]));
        }
        let ids = self.channel_ids.into_iter();
        Ok(ids.map(ChannelId::from_uuid).collect())
    }
}
