//! Reads from the query which level is meant, and for a list which page of it.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::Deserialize;
use uuid::Uuid;
use vedette_core::{Permission, ProjectId, ScriptId};
use vedette_store::{PageRequest, VariableLevel};

use crate::{
    ApiState,
    auth::{May, Need},
    extract::page_request,
    problem::Problem,
};

/// `?project_id=` or `?script_id=`; neither: the organization.
pub(crate) struct LevelQuery(pub(crate) VariableLevel);

/// The same with `?limit=` and `?cursor=`.
pub(crate) struct LevelPageQuery(pub(crate) VariableLevel, pub(crate) PageRequest);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLevel {
    project_id: Option<String>,
    script_id: Option<String>,
}

// Not flattened into one: serde does not refuse unknown fields of what it flattens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLevelPage {
    project_id: Option<String>,
    script_id: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for LevelQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawLevel>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                Problem::bad_request("the query takes `project_id` or `script_id`, once")
            })?;
        level(raw.project_id.as_deref(), raw.script_id.as_deref()).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LevelPageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawLevelPage>::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                let detail = "the query takes `project_id` or `script_id`, `limit` and `cursor`, \
                              once each";
                Problem::bad_request(detail)
            })?;
        let level = level(raw.project_id.as_deref(), raw.script_id.as_deref())?;
        Ok(Self(level, page_request(raw.limit, raw.cursor)?))
    }
}

fn level(project: Option<&str>, script: Option<&str>) -> Result<VariableLevel, Problem> {
    let read = |text: &str| {
        text.parse()
            .map_err(|_| Problem::bad_request("the id in the query is not a UUID"))
    };
    match (project, script) {
        (None, None) => Ok(VariableLevel::Organization),
        (Some(project), None) => {
            read(project).map(|id: Uuid| VariableLevel::Project(ProjectId::from_uuid(id)))
        }
        (None, Some(script)) => {
            read(script).map(|id: Uuid| VariableLevel::Script(ScriptId::from_uuid(id)))
        }
        (Some(_), Some(_)) => Err(Problem::bad_request(
            "a variable is for a project or for a script: give one of `project_id` and `script_id`",
        )),
    }
}

/// Lets the caller go on with the variables of a level. Those of the organization concern all of its
/// projects, so that a role for one project is not enough for them, not even to see them.
pub(super) async fn check_level<P: Need>(
    state: &ApiState,
    caller: &May<P>,
    level: VariableLevel,
) -> Result<(), Problem> {
    let project = match level {
        VariableLevel::Organization => {
            let held = caller.access.everywhere();
            return if held.contains(P::PERMISSION) {
                Ok(())
            } else if held.contains(Permission::VariableRead) {
                Err(Problem::lacking(P::PERMISSION))
            } else {
                Err(Problem::not_found())
            };
        }
        VariableLevel::Project(project) => project,
        VariableLevel::Script(script) => {
            let project = state.store.project_of_script(caller.org_id, script).await?;
            project.ok_or_else(Problem::not_found)?
        }
    };
    caller.check_in(project)
}
