//! What all that somebody does about an incident has in common.

use axum::Json;
use vedette_core::IncidentId;
use vedette_store::{ChangedIncident, IncidentAction};

use super::{IncidentDetailView, find_incident};
use crate::{
    ApiState,
    auth::{May, need},
    problem::Problem,
};

/// Does it, and answers with the incident as it is then.
pub(super) async fn change_incident(
    state: &ApiState,
    caller: &May<need::IncidentManage>,
    id: IncidentId,
    action: &IncidentAction,
) -> Result<Json<IncidentDetailView>, Problem> {
    find_incident(state, caller, id).await?;
    let clock = state.clock.as_ref();
    let changed = caller
        .store
        .change_incident(caller.org_id, id, action, caller.user.id, clock);
    match changed.await? {
        ChangedIncident::Done(detail) => Ok(Json((*detail).into())),
        ChangedIncident::NotFound => Err(Problem::not_found()),
        ChangedIncident::NotNow => Err(Problem::not_now(match action {
            IncidentAction::Acknowledge => {
                "the incident is over, or somebody has acknowledged it already"
            }
            _ => "the incident is over already",
        })),
        ChangedIncident::Full => Err(Problem::not_now(
            "the timeline of this incident is full; nothing more can be said in it",
        )),
    }
}
