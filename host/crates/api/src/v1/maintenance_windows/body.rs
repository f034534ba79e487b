//! What a user sends to make or to change a window, and everything that can be wrong with it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vedette_core::{
    ProjectId, ScriptId, script,
    silence::{Scope, Window, WindowText, check_tag},
};
use vedette_store::WindowContent;

use super::{Outlook, SHOWN};
use crate::problem::{FieldError, Problem};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaintenanceWindowBody {
    #[schema(example = "backup of the shop's database")]
    name: String,
    scope: ScopeBody,
    window: WindowBody,
}

/// What the window covers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeBody {
    /// `organization`, `project`, `tag` or `script`.
    #[schema(pattern = "^(organization|project|tag|script)$", example = "tag")]
    kind: String,
    /// Of the project or script; only of such.
    #[schema(value_type = Option<uuid::Uuid>, example = json!(null))]
    id: Option<String>,
    /// The tag; only of such.
    #[schema(example = "shop")]
    name: Option<String>,
}

/// When the window is active: once with `from` and `until`; again and again with `cron_expression`, or with `rrule` and
/// `dtstart`, for `duration_minutes` each time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowBody {
    /// Of one that recurs: it is never active before.
    #[schema(example = json!(null))]
    from: Option<DateTime<Utc>>,
    /// Of one that recurs: it is never active from then on.
    #[schema(example = json!(null))]
    until: Option<DateTime<Utc>>,
    /// Five fields; starts are at least an hour apart.
    #[schema(example = "0 2 * * *")]
    cron_expression: Option<String>,
    /// A recurrence rule (RFC 5545), such as `FREQ=WEEKLY;BYDAY=SU`.
    #[schema(example = json!(null))]
    rrule: Option<String>,
    /// What `rrule` counts from, on the wall clock of `timezone`: `2027-01-03T02:00`.
    #[schema(example = json!(null))]
    dtstart: Option<String>,
    /// How far the wall clock goes from a start to its end.
    #[schema(minimum = 1, maximum = 10_080, example = 120)]
    duration_minutes: Option<u32>,
    /// An IANA name, `UTC` by default.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
}

impl From<WindowBody> for WindowText {
    fn from(body: WindowBody) -> Self {
        Self {
            from: body.from,
            until: body.until,
            cron_expression: body.cron_expression,
            rrule: body.rrule,
            dtstart: body.dtstart,
            duration_minutes: body.duration_minutes,
            timezone: body.timezone,
        }
    }
}

impl WindowBody {
    /// The errors point into the window.
    pub(super) fn check(self) -> Result<(WindowText, Window), Vec<FieldError>> {
        let text = WindowText::from(self);
        match Window::parse(&text) {
            Ok(window) => Ok((text, window)),
            Err(errors) => {
                let errors = errors.into_iter().map(FieldError::from);
                Err(errors.map(|error| error.within("/window")).collect())
            }
        }
    }
}

impl ScopeBody {
    fn check(self) -> Result<Scope, FieldError> {
        let refuse = |field: &str, detail: &str| Err(FieldError::new(field, detail));
        let id = |what: &str| {
            let id = self
                .id
                .as_deref()
                .and_then(|text| text.parse::<Uuid>().ok());
            let detail = || format!("give the id of the {what}, a UUID");
            id.ok_or_else(|| FieldError::new("/scope/id", detail()))
        };
        let (scope, takes) = match self.kind.as_str() {
            "organization" => (Scope::Organization, ""),
            "project" => {
                let id = ProjectId::from_uuid(id("project")?);
                (Scope::Project { id }, "id")
            }
            "script" => {
                let id = ScriptId::from_uuid(id("script")?);
                (Scope::Script { id }, "id")
            }
            "tag" => {
                let Some(name) = self.name.clone() else {
                    return refuse("/scope/name", "give the tag");
                };
                check_tag(&name).map_err(|error| FieldError::new("/scope/name", error.reason))?;
                (Scope::Tag { name }, "name")
            }
            _ => {
                let detail = "give `organization`, `project`, `tag` or `script`";
                return refuse("/scope/kind", detail);
            }
        };
        // What would be ignored is refused.
        if self.id.is_some() && takes != "id" {
            return refuse("/scope/id", "only a project and a script have one");
        }
        if self.name.is_some() && takes != "name" {
            return refuse("/scope/name", "only a tag has one");
        }
        Ok(scope)
    }
}

impl MaintenanceWindowBody {
    /// Checks everything and reports all that is wrong together.
    pub(super) fn check(self, now: DateTime<Utc>) -> Result<WindowContent, Problem> {
        let mut errors: Vec<FieldError> = Vec::new();
        errors.extend(script::check_name(&self.name).err().map(Into::into));
        let scope = self.scope.check().map_err(|error| errors.push(error));
        let window = self.window.check().map_err(|wrong| errors.extend(wrong));
        if let Ok((_, window)) = &window
            && Outlook::of(window, now, SHOWN).is_over()
        {
            errors.push(FieldError::new("/window", "it is over already"));
        }
        match (scope, window) {
            (Ok(scope), Ok((definition, window))) if errors.is_empty() => Ok(WindowContent {
                name: self.name,
                scope,
                definition,
                ends_at: window.ends_at(),
            }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}
