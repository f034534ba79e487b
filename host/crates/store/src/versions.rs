//! The versions of a script, and how a program lies in the database.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;
use vedette_core::{
    ComponentState, Digest, OrgId, Program, ScriptId, ScriptVersionId, SourceLanguage, UserId,
};

use crate::{
    Page, PageRequest, Store, StoreError, component_blobs::read_state, components::read_digest,
    db::on_db,
};

/// What a version runs, for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionProgram {
    /// It is compiled from this source.
    Source {
        /// The source.
        text: String,
        /// What it is written in.
        language: SourceLanguage,
    },
    /// It is this component.
    Component {
        /// Names its bytes.
        digest: Digest,
        /// How the component stands at this moment; only `Ready` may run.
        state: ComponentState,
    },
}

/// A version as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSummary {
    /// Id.
    pub id: ScriptVersionId,
    /// Counts from 1.
    pub number: i64,
    /// What it runs.
    pub kind: VersionKind,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A program without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionKind {
    /// A source in this language.
    Source(SourceLanguage),
    /// This component.
    Component(Digest),
}

const GET_PROGRAM: &str = "SELECT script_versions.source, script_versions.language, \
    script_versions.component_digest, blobs.state, blocked.reason AS blocked_reason \
    FROM script_versions \
    LEFT JOIN component_blobs AS blobs ON blobs.digest = script_versions.component_digest \
    LEFT JOIN blocked_components AS blocked ON blocked.digest = script_versions.component_digest \
    WHERE script_versions.org_id = $1 AND script_versions.id = $2 \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = script_id AND NOT is_deleted)";
const GET_NUMBERED: &str = "SELECT id, source, language, component_digest FROM script_versions \
    WHERE org_id = $1 AND script_id = $2 AND number = $3 \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = $2 AND NOT is_deleted)";
/// Ids of versions sort by time only as far as clocks do; numbers always. A cursor that is none of
/// the script's begins at the newest.
const LIST_VERSIONS: &str = "SELECT id, number, language, component_digest, created_by, created_at \
    FROM script_versions WHERE org_id = $1 AND script_id = $2 AND number < COALESCE((SELECT \
    last.number FROM script_versions AS last WHERE last.script_id = $2 AND last.id = $3), \
    9223372036854775807) \
    AND EXISTS (SELECT 1 FROM scripts WHERE scripts.id = $2 AND NOT is_deleted) \
    ORDER BY number DESC LIMIT $4";

#[cfg(feature = "testing")]
pub(crate) const ALL_SQL: &[&str] = &[GET_PROGRAM, GET_NUMBERED, LIST_VERSIONS];

#[derive(FromRow)]
struct ProgramRow {
    source: String,
    language: String,
    component_digest: Option<Vec<u8>>,
    state: Option<String>,
    blocked_reason: Option<String>,
}

#[derive(FromRow)]
struct NumberedRow {
    id: Uuid,
    source: String,
    language: String,
    component_digest: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct SummaryRow {
    id: Uuid,
    number: i64,
    language: String,
    component_digest: Option<Vec<u8>>,
    created_by: Uuid,
    created_at: DateTime<Utc>,
}

/// A program as its columns are bound: source, language, digest. A component has an empty source,
/// and a language that means nothing.
pub(crate) fn program_columns(program: &Program) -> (&str, &'static str, Option<&[u8]>) {
    match program {
        Program::Source { text, language } => (text, language.as_str(), None),
        Program::Component(digest) => (
            "",
            SourceLanguage::JavaScript.as_str(),
            Some(digest.as_bytes().as_slice()),
        ),
    }
}

/// A program as its columns give it.
pub(crate) fn read_program(
    table: &'static str,
    id: Uuid,
    text: String,
    language: &str,
    digest: Option<&[u8]>,
) -> Result<Program, StoreError> {
    Ok(match read_kind(table, id, language, digest)? {
        VersionKind::Source(language) => Program::Source { text, language },
        VersionKind::Component(digest) => Program::Component(digest),
    })
}

fn read_kind(
    table: &'static str,
    id: Uuid,
    language: &str,
    digest: Option<&[u8]>,
) -> Result<VersionKind, StoreError> {
    if let Some(digest) = digest {
        return Ok(VersionKind::Component(read_digest(table, digest)?));
    }
    language
        .parse()
        .map(VersionKind::Source)
        .map_err(|error| StoreError::corrupt(table, &id, &error))
}

impl Store {
    /// What a version runs, and how its component stands at this moment: a component may have
    /// been blocked since the run before.
    pub async fn get_version_program(
        &self,
        org: OrgId,
        id: ScriptVersionId,
    ) -> Result<Option<VersionProgram>, StoreError> {
        let row: Option<ProgramRow> = on_db!(self, pool => {
            sqlx::query_as(GET_PROGRAM)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .fetch_optional(pool)
                .await?
        });
        let Some(row) = row else { return Ok(None) };
        let digest = row.component_digest.as_deref();
        let program = read_program(
            "script_versions",
            id.as_uuid(),
            row.source,
            &row.language,
            digest,
        )?;
        Ok(Some(match program {
            Program::Source { text, language } => VersionProgram::Source { text, language },
            Program::Component(digest) => VersionProgram::Component {
                digest,
                state: if row.blocked_reason.is_some() {
                    ComponentState::Blocked
                } else {
                    read_state(digest, row.state.as_deref().unwrap_or_default())?
                },
            },
        }))
    }

    /// The version of that number: its id and what it runs.
    pub async fn get_numbered_version(
        &self,
        org: OrgId,
        script: ScriptId,
        number: i64,
    ) -> Result<Option<(ScriptVersionId, Program)>, StoreError> {
        let row: Option<NumberedRow> = on_db!(self, pool => {
            sqlx::query_as(GET_NUMBERED)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .bind(number)
                .fetch_optional(pool)
                .await?
        });
        row.map(|row| {
            let digest = row.component_digest.as_deref();
            let program =
                read_program("script_versions", row.id, row.source, &row.language, digest)?;
            Ok((ScriptVersionId::from_uuid(row.id), program))
        })
        .transpose()
    }

    /// One page of a script's versions, newest first.
    pub async fn list_versions(
        &self,
        org: OrgId,
        script: ScriptId,
        page: PageRequest,
    ) -> Result<Page<VersionSummary>, StoreError> {
        let rows: Vec<SummaryRow> = on_db!(self, pool => {
            sqlx::query_as(LIST_VERSIONS)
                .bind(org.as_uuid())
                .bind(script.as_uuid())
                .bind(page.before())
                .bind(page.fetch_limit())
                .fetch_all(pool)
                .await?
        });
        let items = rows.into_iter().map(|row| {
            let digest = row.component_digest.as_deref();
            Ok(VersionSummary {
                id: ScriptVersionId::from_uuid(row.id),
                number: row.number,
                kind: read_kind("script_versions", row.id, &row.language, digest)?,
                created_by: UserId::from_uuid(row.created_by),
                created_at: row.created_at,
            })
        });
        let items = items.collect::<Result<_, StoreError>>()?;
        Ok(page.page(items, |version: &VersionSummary| version.id.as_uuid()))
    }
}
