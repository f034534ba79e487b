//! `POST /api/v1/scripts/{script_id}/rollback`

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponseParts};
use serde::Deserialize;
use utoipa::ToSchema;
use vedette_core::{Program, ScriptId, ScriptVersionId};
use vedette_store::{Script, ScriptChange, Updated};

use super::{Expected, ScriptView, etag, if_match, program::check_component};
use crate::{
    ApiState,
    auth::{May, Member, need},
    extract::{OptionalJson, PathId},
    problem::{FieldError, Problem},
};

/// How often it begins again when somebody else changes the script in between.
const TRIES: u32 = 4;

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackBody {
    /// The number of an earlier version; by default the one before the current.
    #[schema(example = 3)]
    version: Option<i64>,
}

/// Gives a script the program of an earlier version
///
/// It becomes a new version: history is never rewritten. Everything else of the script stays.
/// With `If-Match`, only if nobody changed it since.
#[utoipa::path(post, path = "/api/v1/scripts/{script_id}/rollback", tag = "scripts",
    security(("bearer" = [])), request_body = Option<RollbackBody>,
    params(("script_id" = uuid::Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read")),
    responses((status = 200, body = ScriptView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn rollback_script(
    State(state): State<ApiState>,
    caller: May<need::ScriptUpdate>,
    PathId(id): PathId<ScriptId>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RollbackBody>,
) -> Result<(impl IntoResponseParts, Json<ScriptView>), Problem> {
    let (expected, tries) = match if_match(&headers) {
        Expected::Any => (None, TRIES),
        Expected::Revision(revision) => (Some(revision), 1),
        Expected::Nothing => return Err(Problem::stale()),
    };
    let org = caller.org_id;
    for _ in 0..tries {
        let script = state.store.get_script(org, id).await?;
        let script = script.ok_or_else(Problem::not_found)?;
        caller.check_in(script.project_id)?;
        let seen = script.revision;
        if expected.is_some_and(|revision| revision != seen) {
            return Err(Problem::stale());
        }
        let program = find_program(&state, &script, body.version).await?;
        let change = with_program(&state, &caller, script, program);
        match caller
            .store
            .update_script(org, id, change, Some(seen))
            .await?
        {
            Updated::Done(script) => {
                return Ok((etag(script.revision), Json((*script).into())));
            }
            Updated::NotFound => return Err(Problem::not_found()),
            Updated::Stale => {}
        }
    }
    if expected.is_some() {
        return Err(Problem::stale());
    }
    Err(Problem::unavailable(
        "the script is being changed by others",
    ))
}

async fn find_program(
    state: &ApiState,
    script: &Script,
    wanted: Option<i64>,
) -> Result<Program, Problem> {
    let invalid = |detail: String| Problem::invalid(vec![FieldError::new("/version", detail)]);
    let current = script.version_number;
    let number = wanted.unwrap_or(current - 1);
    if number == current {
        return Err(invalid(format!("{number} is the current version")));
    }
    let found = state
        .store
        .get_numbered_version(script.org_id, script.id, number)
        .await?;
    let Some((_, program)) = found else {
        return Err(invalid(match wanted {
            Some(_) => format!("there is no version {number}; the current one is {current}"),
            None => "there is no earlier version".to_owned(),
        }));
    };
    if let Program::Component(digest) = program
        && program != script.program
        && let Some(error) = check_component(state, script.org_id, digest).await?
    {
        return Err(invalid(format!("version {number}: {}", error.detail)));
    }
    Ok(program)
}

fn with_program(
    state: &ApiState,
    caller: &Member,
    script: Script,
    program: Program,
) -> ScriptChange {
    ScriptChange {
        project_id: script.project_id,
        parent_id: script.parent_id,
        name: script.name,
        tags: script.tags,
        // Whether the earlier source was a template's is not known any more.
        template_id: script.template_id.filter(|_| program == script.program),
        is_enabled: script.is_enabled,
        cron_expression: script.cron_expression,
        interval_seconds: script.interval_seconds,
        timezone: script.timezone,
        program,
        parameters: script.parameters,
        env_vars: script.env_vars,
        timeout_seconds: script.timeout_seconds,
        version_id: ScriptVersionId::generate(state.clock.as_ref()),
        changed_by: caller.user.id,
        changed_at: state.clock.now(),
    }
}
