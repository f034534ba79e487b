//! What a script is to run: a source, a template's source, or a component. All that can be wrong
//! with the choice, and with what was chosen.

use serde_json::{Map, Value};
use vedette_core::{ComponentState, Digest, OrgId, Program, ProgramKind, SourceLanguage, script};
use vedette_store::{Component, Template};

use crate::{
    ApiState, SourceError, parameters,
    problem::{FieldError, Problem},
};

/// The fields of a body that say what is to run.
pub(super) struct Choice<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) script_body: Option<&'a str>,
    pub(super) language: Option<&'a str>,
    /// As it was asked for, whether there is such a template or not.
    pub(super) has_template_id: bool,
    pub(super) template: Option<&'a Template>,
    pub(super) component: Option<&'a str>,
}

/// Finds out what is to run, and notes all that is wrong. `old` is what the script runs now.
pub(super) async fn choose(
    state: &ApiState,
    org: OrgId,
    choice: Choice<'_>,
    old: Option<&Program>,
    parameters: &mut Map<String, Value>,
    errors: &mut Vec<FieldError>,
) -> Result<Option<Program>, Problem> {
    let language = read_word::<SourceLanguage>(
        "/language",
        choice.language,
        SourceLanguage::ALL.iter().map(|word| word.as_str()),
        errors,
    );
    let kinds = ProgramKind::ALL.iter().map(|word| word.as_str());
    let kind = read_word::<ProgramKind>("/kind", choice.kind, kinds, errors);
    if choice.kind.is_some() && kind.is_none() {
        return Ok(None);
    }
    if kind == Some(ProgramKind::Component) {
        return choose_component(state, org, &choice, old, errors).await;
    }
    if choice.component.is_some() {
        let detail = "goes with `kind`: `component`";
        errors.push(FieldError::new("/component", detail));
    }
    let kept = match old {
        Some(Program::Source { language, .. }) => *language,
        _ => SourceLanguage::JavaScript,
    };
    match (choice.script_body, choice.template) {
        (Some(text), None) if !choice.has_template_id => {
            let language = language.unwrap_or(kept);
            errors.extend(check_source(state, text, language).await?);
            let text = text.to_owned();
            Ok(Some(Program::Source { text, language }))
        }
        (None, Some(template)) => {
            let written_in = SourceLanguage::JavaScript;
            if language.is_some_and(|asked| asked != written_in) {
                let detail = "templates are written in `javascript`";
                errors.push(FieldError::new("/language", detail));
            }
            errors.extend(parameters::apply(&template.parameter_schema, parameters));
            Ok(Some(Program::Source {
                text: template.script_body.clone(),
                language: written_in,
            }))
        }
        (None, None) if choice.has_template_id => Ok(None),
        _ => {
            let detail = "give either `script_body` or `template_id`";
            errors.push(FieldError::new("/script_body", detail));
            Ok(None)
        }
    }
}

async fn choose_component(
    state: &ApiState,
    org: OrgId,
    choice: &Choice<'_>,
    old: Option<&Program>,
    errors: &mut Vec<FieldError>,
) -> Result<Option<Program>, Problem> {
    let given = [
        ("/script_body", choice.script_body.is_some()),
        ("/template_id", choice.has_template_id),
        ("/language", choice.language.is_some()),
    ];
    let wrong = given.into_iter().filter(|(_, is_given)| *is_given);
    errors.extend(
        wrong.map(|(pointer, _)| FieldError::new(pointer, "does not go with `kind`: `component`")),
    );
    let Some(text) = choice.component else {
        let detail = "give the digest of a component; see GET /api/v1/components";
        errors.push(FieldError::new("/component", detail));
        return Ok(None);
    };
    let Ok(digest) = text.parse() else {
        let detail = "a digest is 64 hexadecimal digits";
        errors.push(FieldError::new("/component", detail));
        return Ok(None);
    };
    let program = Program::Component(digest);
    // What it runs already may be blocked by now, and it must be possible to disable it.
    if old != Some(&program) {
        errors.extend(check_component(state, org, digest).await?);
    }
    Ok(Some(program))
}

/// What keeps a script of an organization from being given a component now.
pub(super) async fn check_component(
    state: &ApiState,
    org: OrgId,
    digest: Digest,
) -> Result<Option<FieldError>, Problem> {
    let now = state.clock.now();
    let component = state.store.get_component(org, digest, now).await?;
    let Some(component) = component else {
        let detail = "there is no such component here; see GET /api/v1/components";
        return Ok(Some(FieldError::new("/component", detail)));
    };
    if let Some(detail) = not_ready(&component) {
        return Ok(Some(FieldError::new("/component", detail)));
    }
    if state.store.requires_component_signature(org).await? && !component.is_signed(now) {
        let detail = "no key that is valid now has signed it; upload it again with a signature";
        return Ok(Some(FieldError::new("/component", detail)));
    }
    Ok(None)
}

fn not_ready(component: &Component) -> Option<String> {
    match component.state {
        ComponentState::Ready => None,
        ComponentState::Pending | ComponentState::Compiling => {
            Some("the component is not compiled yet; try again in a moment".to_owned())
        }
        ComponentState::Refused => {
            let refusal = component.refusal.as_ref();
            let why = refusal.map_or("", |refusal| &refusal.message);
            Some(format!("the component is refused: {why}"))
        }
        ComponentState::Blocked => {
            let why = component.blocked_reason.as_deref().unwrap_or_default();
            Some(format!("an administrator has blocked the component: {why}"))
        }
    }
}

fn read_word<T: std::str::FromStr>(
    pointer: &str,
    word: Option<&str>,
    all: impl Iterator<Item = &'static str>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let read = word?.parse();
    if read.is_err() {
        let words: Vec<_> = all.map(|word| format!("`{word}`")).collect();
        let detail = format!("is one of {}", words.join(", "));
        errors.push(FieldError::new(pointer, detail));
    }
    read.ok()
}

/// Size first, then the compiler.
async fn check_source(
    state: &ApiState,
    source: &str,
    language: SourceLanguage,
) -> Result<Option<FieldError>, Problem> {
    if let Err(error) = script::check_source(source) {
        return Ok(Some(error.into()));
    }
    match state.engine.check_source(source, language).await {
        Ok(()) => Ok(None),
        Err(SourceError::Invalid {
            message,
            line,
            column,
        }) => {
            let place = match (line, column) {
                (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
                (Some(line), None) => format!(" (line {line})"),
                _ => String::new(),
            };
            Ok(Some(FieldError::new(
                "/script_body",
                format!("{message}{place}"),
            )))
        }
        Err(SourceError::Unavailable) => Err(Problem::unavailable(
            "the source could not be checked just now",
        )),
    }
}
