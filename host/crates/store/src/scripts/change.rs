//! Making and changing scripts. A change of the schedule reaches the script's slot in the same
//! transaction.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, QueryBuilder, types::Json};
use vedette_core::{
    OrgId, Quota, Schedule, ScriptId, ScriptVersionId, TemplateId, slot::DEFAULT_LOCATION,
};

use super::{
    GET_SCRIPT, LOCK_SLOT, NewScript, Script, ScriptChange, ScriptRow, Updated,
    parents::check_parent,
};
use crate::{
    AuditAction, Store, StoreError,
    alerts::{defaults::copy_defaults, pause_alerts, time_alerts},
    audit::{Event, Snapshot as _, audit},
    components::LOCK_COMPONENT,
    db::in_tx,
    executions::push_executions,
    members::LOCK_ORG,
    projects::GET_PROJECT,
    quotas::{COUNT_SCRIPTS, check_quota},
    record::INSERT_ROWS,
    replaced::{SlotRow, rows_of_passed},
    versions::program_columns,
};

const INSERT_SCRIPT: &str = "INSERT INTO scripts (id, org_id, project_id, owner_id, template_id, \
    name, is_enabled, cron_expression, interval_seconds, timezone, script_body, language, \
    component_digest, version_id, version_number, parameters, env_vars, timeout_seconds, revision, \
    created_at, updated_at, parent_id, tags) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, \
    $15, $16, $17, 1, $18, $18, $19, $20)";
const INSERT_VERSION: &str = "INSERT INTO script_versions \
    (id, script_id, org_id, number, source, language, component_digest, created_by, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const INSERT_SLOT: &str = "INSERT INTO slots \
    (script_id, location, org_id, scheduled_at, lease_token) VALUES ($1, $2, $3, $4, 0)";
const UPDATE_SCRIPT: &str = "UPDATE scripts SET name = $1, is_enabled = $2, cron_expression = $3, \
    interval_seconds = $4, timezone = $5, script_body = $6, language = $7, \
    component_digest = $8, version_id = $9, version_number = $10, parameters = $11, env_vars = $12, \
    timeout_seconds = $13, revision = revision + 1, template_id = $14, updated_at = $15, \
    project_id = $16, parent_id = $17, tags = $18 WHERE org_id = $19 AND id = $20 AND revision = $21";
/// A slot that is leased is left to its run's completion, which reads the new schedule. The token
/// goes on, so that a worker whose lease is over cannot record the slot that it had.
const MOVE_SLOT: &str = "UPDATE slots SET scheduled_at = $1, lease_owner = NULL, \
    leased_until = NULL, lease_token = lease_token + 1, counts_from = NULL, is_recheck = (1 = 0) \
    WHERE org_id = $2 AND script_id = $3 AND location = $4 \
    AND (leased_until IS NULL OR leased_until <= $5)";
const COUNT_FROM: &str = "UPDATE slots SET counts_from = $1 \
    WHERE org_id = $2 AND script_id = $3 AND location = $4 AND leased_until > $1";
const LAST_SLOT: &str = "SELECT scheduled_at FROM script_executions \
    WHERE org_id = $1 AND script_id = $2 AND location = $3 AND scheduled_at >= $4 \
    ORDER BY scheduled_at DESC LIMIT 1";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[
    INSERT_SCRIPT,
    INSERT_VERSION,
    INSERT_SLOT,
    UPDATE_SCRIPT,
    MOVE_SLOT,
    COUNT_FROM,
    LAST_SLOT,
];

impl ScriptChange {
    /// `None` when disabled.
    fn schedule(&self, script: ScriptId) -> Result<Option<Schedule>, StoreError> {
        if !self.is_enabled {
            return Ok(None);
        }
        let cron = self.cron_expression.as_deref();
        Schedule::parse(script, cron, self.interval_seconds, &self.timezone)
            .map(Some)
            .map_err(|error| StoreError::corrupt("scripts", &script, &error))
    }

    /// The first slot after a time; `None` when disabled or never due.
    fn first_slot(
        &self,
        script: ScriptId,
        after: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let schedule = self.schedule(script)?;
        Ok(schedule.and_then(|schedule| schedule.next_after(after)))
    }
}

/// Makes sure that a script's component is there, and stays until the transaction ends.
macro_rules! hold_component {
    ($tx:ident, $sql:expr, $org:expr, $digest:expr) => {
        if let Some(digest) = $digest {
            let held: Option<(i64,)> = sqlx::query_as(AssertSqlSafe($sql))
                .bind($org.as_uuid())
                .bind(digest)
                .fetch_optional(&mut *$tx)
                .await?;
            if held.is_none() {
                return Err(StoreError::ComponentMissing);
            }
        }
    };
}

/// Makes sure that a script's project is one of the organization, and stays until the transaction
/// ends.
macro_rules! hold_project {
    ($tx:ident, $sql:expr, $org:expr, $project:expr) => {
        let held = sqlx::query(AssertSqlSafe($sql))
            .bind($org.as_uuid())
            .bind($project.as_uuid())
            .fetch_optional(&mut *$tx)
            .await?;
        if held.is_none() {
            return Err(StoreError::ProjectMissing);
        }
    };
}

/// Keeps the program of a change as a version.
macro_rules! insert_version {
    ($tx:ident, $org:expr, $script:expr, $id:expr, $number:expr, $change:expr) => {{
        let (source, language, component) = program_columns(&$change.program);
        sqlx::query(INSERT_VERSION)
            .bind($id.as_uuid())
            .bind($script.as_uuid())
            .bind($org.as_uuid())
            .bind($number)
            .bind(source)
            .bind(language)
            .bind(component)
            .bind($change.changed_by.as_uuid())
            .bind($change.changed_at)
            .execute(&mut *$tx)
            .await?;
    }};
}

/// Gives the slots of the schedule that is replaced their rows, and the script its next slot.
macro_rules! reschedule {
    ($D:ident, $tx:ident, $org:expr, $id:expr, $old:expr, $slot:expr, $change:expr) => {{
        let passed = rows_of_passed($old, $slot, $change.changed_at);
        for rows in passed.chunks(INSERT_ROWS) {
            let mut insert = QueryBuilder::<$D>::new("");
            push_executions(&mut insert, rows);
            insert.build().persistent(false).execute(&mut *$tx).await?;
        }
        if $change.is_enabled {
            time_alerts!($D, $tx, $org, $id, $change.changed_at, !$old.is_enabled);
        } else {
            pause_alerts!($D, $tx, $org, $id, $change.changed_at);
        }
        sqlx::query(COUNT_FROM)
            .bind($change.changed_at)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .bind(DEFAULT_LOCATION)
            .execute(&mut *$tx)
            .await?;
        // A change may come late, after a slot of its time has run: none is taken twice.
        let last: Option<(DateTime<Utc>,)> = sqlx::query_as(LAST_SLOT)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .bind(DEFAULT_LOCATION)
            .bind($change.changed_at)
            .fetch_optional(&mut *$tx)
            .await?;
        let after = last.map_or($change.changed_at, |(last,)| last);
        let first_slot = $change.first_slot($id, after)?;
        sqlx::query(MOVE_SLOT)
            .bind(first_slot)
            .bind($org.as_uuid())
            .bind($id.as_uuid())
            .bind(DEFAULT_LOCATION)
            .bind($change.changed_at)
            .execute(&mut *$tx)
            .await?;
    }};
}

impl Store {
    /// Makes a script, its first version, its slot and, if it is to have them, the default rules of its project.
    ///
    /// # Errors
    /// [`StoreError::ProjectMissing`] or [`StoreError::ComponentMissing`] when the organization does
    /// not have its project or component, [`StoreError::Parent`] when its parent cannot be that.
    pub async fn create_script(&self, new: NewScript) -> Result<Script, StoreError> {
        // A transaction of many statements is too large for the stack of whoever waits for it.
        Box::pin(self.insert_script(new)).await
    }

    async fn insert_script(&self, new: NewScript) -> Result<Script, StoreError> {
        let content = &new.content;
        let schedule = content.schedule(new.id)?;
        let first_slot = content.first_slot(new.id, content.changed_at)?;
        let lock_component = format!("{LOCK_COMPONENT}{}", self.db.share_rows());
        let lock_project = format!("{GET_PROJECT}{}", self.db.share_rows());
        let (source, language, component) = program_columns(&content.program);
        let script = Script {
            id: new.id,
            org_id: new.org_id,
            project_id: content.project_id,
            owner_id: content.changed_by,
            template_id: content.template_id,
            parent_id: content.parent_id,
            tags: content.tags.clone(),
            name: content.name.clone(),
            is_enabled: content.is_enabled,
            cron_expression: content.cron_expression.clone(),
            interval_seconds: content.interval_seconds,
            timezone: content.timezone.clone(),
            program: content.program.clone(),
            version_id: content.version_id,
            version_number: 1,
            parameters: content.parameters.clone(),
            env_vars: content.env_vars.clone(),
            timeout_seconds: content.timeout_seconds,
            revision: 1,
            next_run_at: first_slot,
            created_at: content.changed_at,
            updated_at: content.changed_at,
        };
        let lock_org = format!("{LOCK_ORG}{}", self.db.lock_owner());
        in_tx!(self, D, tx => {
            check_quota!(self, tx, new.org_id.as_uuid(), Quota::Scripts, COUNT_SCRIPTS);
            hold_project!(tx, lock_project, new.org_id, content.project_id);
            hold_component!(tx, lock_component, new.org_id, component);
            if let Some(parent) = content.parent_id {
                check_parent!(tx, lock_org, new.org_id, new.id, parent);
            }
            sqlx::query(INSERT_SCRIPT)
                .bind(new.id.as_uuid())
                .bind(new.org_id.as_uuid())
                .bind(content.project_id.as_uuid())
                .bind(content.changed_by.as_uuid())
                .bind(content.template_id.map(TemplateId::as_uuid))
                .bind(&content.name)
                .bind(content.is_enabled)
                .bind(&content.cron_expression)
                .bind(content.interval_seconds.map(i64::from))
                .bind(&content.timezone)
                .bind(source)
                .bind(language)
                .bind(component)
                .bind(content.version_id.as_uuid())
                .bind(Json(&content.parameters))
                .bind(Json(&content.env_vars))
                .bind(i64::from(content.timeout_seconds))
                .bind(content.changed_at)
                .bind(content.parent_id.map(ScriptId::as_uuid))
                .bind(Json(&content.tags))
                .execute(&mut *tx)
                .await?;
            insert_version!(tx, new.org_id, new.id, content.version_id, 1_i64, content);
            sqlx::query(INSERT_SLOT)
                .bind(new.id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .bind(new.org_id.as_uuid())
                .bind(first_slot)
                .execute(&mut *tx)
                .await?;
            let rules = if new.has_default_rules {
                copy_defaults!(self, D, tx, &script, schedule.as_ref())
            } else {
                Vec::new()
            };
            let made = Event::made(AuditAction::ScriptCreate, script.id, script.snapshot());
            audit!(self, tx, new.org_id, made);
            for made in rules {
                audit!(self, tx, new.org_id, made);
            }
        });
        Ok(script)
    }

    /// Replaces what a user decides about a script. With `expected_revision`, only if the script
    /// has that revision.
    ///
    /// # Errors
    /// [`StoreError::ProjectMissing`] or [`StoreError::ComponentMissing`] when the organization does
    /// not have its project or component, [`StoreError::Parent`] when its parent cannot be that.
    pub async fn update_script(
        &self,
        org: OrgId,
        id: ScriptId,
        change: ScriptChange,
        expected_revision: Option<i64>,
    ) -> Result<Updated, StoreError> {
        // A transaction of many statements is too large for the stack of whoever waits for it.
        Box::pin(self.replace_script(org, id, change, expected_revision)).await
    }

    async fn replace_script(
        &self,
        org: OrgId,
        id: ScriptId,
        change: ScriptChange,
        expected_revision: Option<i64>,
    ) -> Result<Updated, StoreError> {
        let lock_slot = format!("{LOCK_SLOT}{}", self.db.lock_slots());
        let lock_component = format!("{LOCK_COMPONENT}{}", self.db.share_rows());
        let lock_project = format!("{GET_PROJECT}{}", self.db.share_rows());
        let (source, language, component) = program_columns(&change.program);
        let lock_org = format!("{LOCK_ORG}{}", self.db.lock_owner());
        let updated: Script = in_tx!(self, D, tx => {
            // Before the slot: nobody who has a slot waits for the organization.
            if let Some(parent) = change.parent_id {
                check_parent!(tx, lock_org, org, id, parent);
            }
            let slot: Option<SlotRow> = sqlx::query_as(AssertSqlSafe(lock_slot))
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .fetch_optional(&mut *tx)
                .await?;
            let row: Option<ScriptRow> = sqlx::query_as(GET_SCRIPT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(Updated::NotFound) };
            let old = Script::try_from(row)?;
            if expected_revision.is_some_and(|expected| expected != old.revision) {
                return Ok(Updated::Stale);
            }
            hold_project!(tx, lock_project, org, change.project_id);
            hold_component!(tx, lock_component, org, component);
            let (version_id, version_number) = next_version(&old, &change);
            let changed = sqlx::query(UPDATE_SCRIPT)
                .bind(&change.name)
                .bind(change.is_enabled)
                .bind(&change.cron_expression)
                .bind(change.interval_seconds.map(i64::from))
                .bind(&change.timezone)
                .bind(source)
                .bind(language)
                .bind(component)
                .bind(version_id.as_uuid())
                .bind(version_number)
                .bind(Json(&change.parameters))
                .bind(Json(&change.env_vars))
                .bind(i64::from(change.timeout_seconds))
                .bind(change.template_id.map(TemplateId::as_uuid))
                .bind(change.changed_at)
                .bind(change.project_id.as_uuid())
                .bind(change.parent_id.map(ScriptId::as_uuid))
                .bind(Json(&change.tags))
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(old.revision)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(Updated::Stale);
            }
            if version_number != old.version_number {
                insert_version!(tx, org, id, version_id, version_number, &change);
            }
            if reschedules(&old, &change) {
                reschedule!(D, tx, org, id, &old, slot.as_ref(), &change);
            }
            let row: ScriptRow = sqlx::query_as(GET_SCRIPT)
                .bind(org.as_uuid())
                .bind(id.as_uuid())
                .bind(DEFAULT_LOCATION)
                .fetch_one(&mut *tx)
                .await?;
            let updated = Script::try_from(row)?;
            let (before, after) = (old.snapshot(), updated.snapshot());
            audit!(self, tx, org, Event::changed(AuditAction::ScriptUpdate, id, before, after));
            updated
        });
        Ok(Updated::Done(Box::new(updated)))
    }
}

/// The version after a change: another one only for another program.
fn next_version(old: &Script, change: &ScriptChange) -> (ScriptVersionId, i64) {
    if old.program == change.program {
        (old.version_id, old.version_number)
    } else {
        (change.version_id, old.version_number + 1)
    }
}

/// Whether a change concerns the slot: a new name must not delay a run.
fn reschedules(old: &Script, change: &ScriptChange) -> bool {
    old.is_enabled != change.is_enabled
        || old.cron_expression != change.cron_expression
        || old.interval_seconds != change.interval_seconds
        || old.timezone != change.timezone
}
