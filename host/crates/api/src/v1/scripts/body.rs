//! What a user sends to make or to change a script, and everything that can be wrong with it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{
    Permission, ProjectId, Quota, Schedule, ScriptId, ScriptVersionId, TemplateId, script,
};
use vedette_store::{ParentError, Script, ScriptChange, Template};

use super::program::{Choice, choose};
use crate::{
    ApiState,
    auth::Member,
    problem::{FieldError, Problem},
};

/// A script. Exactly one of `script_body`, `template_id` and, with `kind` `component`, `component`;
/// and exactly one of `cron_expression` and `interval_seconds`.
#[expect(
    clippy::struct_field_names,
    reason = "`script_body` is the promised name"
)]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptBody {
    #[schema(example = "shop is up")]
    name: String,
    /// By default the organization's first project, and for a script that is replaced its own.
    project_id: Option<Uuid>,
    /// The script that the target depends on: while that one has an incident, nobody is told of this one.
    parent_script_id: Option<Uuid>,
    /// At most 20, each of 1 to 50 characters.
    #[serde(default)]
    #[schema(example = json!(["shop"]))]
    tags: Vec<String>,
    /// `script`, the default, or `component`.
    #[schema(pattern = "^(script|component)$", example = "script")]
    kind: Option<String>,
    /// The digest of an uploaded component that is `ready`.
    component: Option<String>,
    /// An ES module with a default export.
    script_body: Option<String>,
    /// What `script_body` is written in: `javascript`, the default for a new script, or
    /// `typescript`. A script that is replaced keeps its language.
    #[schema(pattern = "^(javascript|typescript)$", example = "typescript")]
    language: Option<String>,
    template_id: Option<Uuid>,
    /// Five fields, or six with the seconds first.
    #[schema(example = "*/30 * * * * *")]
    cron_expression: Option<String>,
    interval_seconds: Option<u32>,
    /// IANA name, `UTC` by default.
    timezone: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    #[serde(default)]
    env_vars: BTreeMap<String, String>,
    /// 1 to 60, 30 by default.
    timeout_seconds: Option<u32>,
    /// True by default.
    is_enabled: Option<bool>,
    /// Whether a script that is made gets the default alert rules of its project; true by default.
    pub(super) default_alert_rules: Option<bool>,
}

impl ScriptBody {
    /// Checks everything and reports all that is wrong together. `old` is what the script runs
    /// now: a source that is sent without a language keeps that of the old one.
    pub(crate) async fn check(
        self,
        state: &ApiState,
        caller: &Member,
        id: ScriptId,
        old: Option<&Script>,
    ) -> Result<ScriptChange, Problem> {
        let mut errors = Vec::new();
        let mut note = |checked: Result<(), script::ScriptError>| {
            errors.extend(checked.err().map(FieldError::from));
        };
        let mut parameters = self.parameters;
        let timeout_seconds = self
            .timeout_seconds
            .unwrap_or(script::DEFAULT_TIMEOUT_SECONDS);
        note(script::check_name(&self.name));
        note(script::check_tags(&self.tags));
        note(script::check_env_vars(&self.env_vars));
        note(script::check_timeout_seconds(timeout_seconds));
        note(script::check_parameters(&parameters));
        if old.is_some() && self.default_alert_rules.is_some() {
            let detail = "only a script that is made gets default rules; leave it out";
            errors.push(FieldError::new("/default_alert_rules", detail));
        }
        let timezone = self.timezone.unwrap_or_else(|| "UTC".to_owned());
        let is_cron = self.interval_seconds.is_none();
        let cron = self.cron_expression.as_deref();
        let now = state.clock.now();
        let zone = Schedule::check_timezone(&timezone);
        // Judged apart: a wrong zone must not hide a wrong cron text.
        let readable_zone = if zone.is_ok() { &timezone } else { "UTC" };
        let least = state.store.quotas_of(caller.org_id).await?;
        let least = u32::try_from(least.get(Quota::LeastIntervalSeconds)).unwrap_or(u32::MAX);
        let schedule = Schedule::parse(id, cron, self.interval_seconds, readable_zone)
            .and_then(|schedule| schedule.check_frequency(cron.unwrap_or_default(), now, least));
        let wrong = schedule.err().into_iter().chain(zone.err());
        errors.extend(wrong.map(|error| FieldError::schedule(&error, is_cron)));
        let project_id = find_project(state, caller, self.project_id, old, &mut errors).await?;
        let parent_id = find_parent(state, caller, self.parent_script_id, old, &mut errors).await?;
        let template = find_template(state, self.template_id, &mut errors).await?;
        let choice = Choice {
            kind: self.kind.as_deref(),
            script_body: self.script_body.as_deref(),
            language: self.language.as_deref(),
            has_template_id: self.template_id.is_some(),
            template: template.as_ref(),
            component: self.component.as_deref(),
        };
        let org = caller.org_id;
        let program = choose(
            state,
            org,
            choice,
            old.map(|old| &old.program),
            &mut parameters,
            &mut errors,
        )
        .await?;
        let Some(program) = program.filter(|_| errors.is_empty()) else {
            return Err(Problem::invalid(errors));
        };
        Ok(ScriptChange {
            project_id: project_id.ok_or_else(Problem::panicked)?,
            parent_id,
            name: self.name,
            tags: self.tags,
            template_id: template.map(|template| template.id),
            is_enabled: self.is_enabled.unwrap_or(true),
            cron_expression: self.cron_expression,
            interval_seconds: self.interval_seconds,
            timezone,
            program,
            parameters,
            env_vars: self.env_vars,
            timeout_seconds,
            version_id: ScriptVersionId::generate(state.clock.as_ref()),
            changed_by: caller.user.id,
            changed_at: now,
        })
    }
}

/// The project that a script is to be in, where the caller may make scripts unless it is there
/// already.
async fn find_project(
    state: &ApiState,
    caller: &Member,
    wanted: Option<Uuid>,
    old: Option<&Script>,
    errors: &mut Vec<FieldError>,
) -> Result<Option<ProjectId>, Problem> {
    let wanted = wanted.map(ProjectId::from_uuid);
    if let Some(old) = old.filter(|old| wanted.is_none_or(|wanted| wanted == old.project_id)) {
        return Ok(Some(old.project_id));
    }
    let project = match wanted {
        Some(wanted) => state
            .store
            .get_project(caller.org_id, wanted)
            .await?
            .map(|one| one.id),
        None => state.store.default_project(caller.org_id).await?,
    };
    let seen = project.map(|project| caller.check(Permission::ScriptCreate, project));
    match seen {
        Some(Ok(())) => return Ok(project),
        Some(Err(problem)) if problem.is_forbidden() => return Err(problem),
        // What cannot be seen is not there.
        _ => {}
    }
    let detail = "there is no such project; see GET /api/v1/projects";
    errors.push(FieldError::new("/project_id", detail));
    Ok(None)
}

/// The script that this one is to depend on: one that the caller may see, unless it is the parent already.
async fn find_parent(
    state: &ApiState,
    caller: &Member,
    wanted: Option<Uuid>,
    old: Option<&Script>,
    errors: &mut Vec<FieldError>,
) -> Result<Option<ScriptId>, Problem> {
    let Some(wanted) = wanted.map(ScriptId::from_uuid) else {
        return Ok(None);
    };
    if old.is_some_and(|old| old.parent_id == Some(wanted)) {
        return Ok(Some(wanted));
    }
    let store = &state.store;
    let project = store.project_of_script(caller.org_id, wanted).await?;
    if project.is_some_and(|project| caller.check(Permission::ScriptRead, project).is_ok()) {
        return Ok(Some(wanted));
    }
    errors.push(FieldError::new(
        "/parent_script_id",
        ParentError::Missing.to_string(),
    ));
    Ok(None)
}

async fn find_template(
    state: &ApiState,
    id: Option<Uuid>,
    errors: &mut Vec<FieldError>,
) -> Result<Option<Template>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let template = state.store.get_template(TemplateId::from_uuid(id)).await?;
    if template.is_none() {
        let detail = "there is no such template; see GET /api/v1/script-templates";
        errors.push(FieldError::new("/template_id", detail));
    }
    Ok(template)
}
