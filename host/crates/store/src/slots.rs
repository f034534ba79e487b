//! Taking up slots under a lease, and giving them back.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Database, Encode, FromRow, QueryBuilder, Type, types::Json};
use uuid::Uuid;
use vedette_core::{
    Environment, MissedReason, OrgId, ProjectId, Schedule, ScriptId, ScriptVersionId,
    slot::{DEFAULT_LOCATION, recheck_at},
};

use crate::{
    Store, StoreError,
    db::in_tx,
    executions::push_executions,
    overdue::Overdue,
    record::INSERT_ROWS,
    scripts::read_seconds,
    variables::{EnvironmentRow, Opened, Owners, push_environments},
};

/// What a node asks for.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Now.
    pub now: DateTime<Utc>,
    /// Slots that fall due within this time are claimed too.
    pub look_ahead: TimeDelta,
    /// How long the slots are the node's: longer than any run may take.
    pub lease: TimeDelta,
    /// Names the node in the table, for people who look.
    pub owner: String,
    /// Most slots to claim.
    pub limit: u32,
    /// Most slots of each organization, where one organization's must not keep the others' out; `None`: the
    /// slots that are due first, whoever has them.
    pub most_of_one: Option<u32>,
    /// Organizations that get none.
    pub skip: Vec<OrgId>,
    /// Nobody could claim before this: what was due until then and does not run fell to that.
    pub absent_until: DateTime<Utc>,
}

impl ClaimRequest {
    /// Why a slot will not have run, if it comes to that. `was_held`: an earlier claim of it ended by itself.
    pub fn late_reason(&self, was_held: bool, scheduled_at: DateTime<Utc>) -> MissedReason {
        // Its lease ended by itself: a node that is gone held it.
        if was_held || scheduled_at <= self.absent_until {
            MissedReason::Downtime
        } else {
            MissedReason::Overloaded
        }
    }
}

/// A claimed slot with the inputs of its run.
#[derive(Debug, Clone)]
pub struct ClaimedSlot {
    /// The script.
    pub script_id: ScriptId,
    /// Its organization.
    pub org_id: OrgId,
    /// For logs.
    pub script_name: String,
    /// The version to run.
    pub version_id: ScriptVersionId,
    /// When it is due.
    pub scheduled_at: DateTime<Utc>,
    /// A rule asked for it, not the schedule.
    pub is_recheck: bool,
    /// Fences this claim against all others.
    pub lease_token: i64,
    /// Given to the run.
    pub parameters: Map<String, Value>,
    /// Given to the run: the variables of its levels, and over them the script's own. `None`: one of
    /// them does not open, so that the run cannot begin.
    pub env_vars: Option<Environment>,
    /// Time limit of the run.
    pub timeout_seconds: u32,
    /// Tells whether a later slot is due already.
    pub schedule: Schedule,
    /// The execution before was no success.
    pub after_failure: bool,
    /// An earlier claim of the slot ended by itself: whoever had it is gone.
    pub was_held: bool,
    /// Slots before this one that came too late to run and were recorded as missed with the claim.
    pub missed_before: usize,
}

/// Names one claim.
#[derive(Debug, Clone, Copy)]
pub struct SlotLease {
    /// The script.
    pub script_id: ScriptId,
    /// Its organization.
    pub org_id: OrgId,
    /// From the claim.
    pub lease_token: i64,
}

/// What a claim reads of each slot that it takes up.
macro_rules! due_columns {
    () => {
        "SELECT slots.script_id, slots.org_id, slots.scheduled_at, slots.is_recheck, slots.lease_token, \
         slots.leased_until IS NOT NULL AS was_held, slots.counts_from, scripts.name, scripts.version_id, \
         scripts.parameters, scripts.env_vars, scripts.timeout_seconds, scripts.cron_expression, \
         scripts.interval_seconds, scripts.timezone, scripts.project_id, \
         EXISTS (SELECT 1 FROM variables WHERE variables.org_id = slots.org_id) AS has_variables, \
         COALESCE((SELECT before.status <> 'success' FROM script_executions AS before \
         WHERE before.script_id = slots.script_id ORDER BY before.id DESC LIMIT 1), (1 = 0)) \
         AS after_failure "
    };
}

/// A script that was disabled while a node held its slot keeps the slot's time if that node never
/// came to its end; it must not run for that. Nor must one of an organization that is to be deleted.
const SELECT_DUE: &str = concat!(
    due_columns!(),
    "FROM slots JOIN scripts ON scripts.id = slots.script_id AND scripts.org_id = slots.org_id \
     JOIN organizations ON organizations.id = slots.org_id AND organizations.delete_after IS NULL \
     WHERE slots.scheduled_at <= $1 AND (slots.leased_until IS NULL OR slots.leased_until <= $2) \
     AND slots.location = $3 AND scripts.is_enabled"
);
const FIRST_DUE: &str = " ORDER BY slots.scheduled_at LIMIT $4";
/// The first slots of each organization. Its n-th is looked up in the index by organization, so that
/// the claim takes the same time whether an organization has ten slots waiting or a hundred thousand.
/// What is asked of `slots` is asked again outside: PostgreSQL looks at the newest state of a row that
/// it locks, and at that part of the statement only.
const FEW_BEFORE_SKIP: &str = concat!(
    due_columns!(),
    "FROM (SELECT candidates.script_id, ROW_NUMBER() OVER (PARTITION BY candidates.org_id \
     ORDER BY candidates.scheduled_at, candidates.script_id) AS place \
     FROM (SELECT organizations.id AS org_id, COALESCE((SELECT nth.scheduled_at FROM slots AS nth \
     JOIN scripts ON scripts.id = nth.script_id AND scripts.is_enabled \
     WHERE nth.org_id = organizations.id AND nth.scheduled_at <= $1 \
     AND (nth.leased_until IS NULL OR nth.leased_until <= $2) AND nth.location = $3 \
     ORDER BY nth.scheduled_at LIMIT 1 OFFSET CAST($4 AS BIGINT) - 1), $1) AS until \
     FROM organizations WHERE organizations.delete_after IS NULL"
);
const FEW_AFTER_SKIP: &str = ") AS waiting \
     CROSS JOIN slots AS candidates JOIN scripts ON scripts.id = candidates.script_id \
     WHERE candidates.org_id = waiting.org_id AND candidates.scheduled_at <= waiting.until \
     AND (candidates.leased_until IS NULL OR candidates.leased_until <= $2) \
     AND candidates.location = $3 AND scripts.is_enabled) AS ranked \
     JOIN slots ON slots.script_id = ranked.script_id AND slots.location = $3 \
     JOIN scripts ON scripts.id = slots.script_id AND scripts.org_id = slots.org_id \
     WHERE ranked.place <= $4 AND slots.scheduled_at <= $1 \
     AND (slots.leased_until IS NULL OR slots.leased_until <= $2) \
     ORDER BY ranked.place, slots.scheduled_at LIMIT $5";
const RELEASE_SLOT: &str = "UPDATE slots SET lease_owner = NULL, leased_until = NULL \
    WHERE org_id = $1 AND script_id = $2 AND location = $3 AND lease_token = $4";
const RELEASE_ALL: &str =
    "UPDATE slots SET lease_owner = NULL, leased_until = NULL WHERE leased_until IS NOT NULL";

#[cfg(feature = "testing")]
pub(crate) fn all_sql() -> Vec<&'static str> {
    // With nobody to skip; a test may forget what it prepares.
    let leak = |sql: String| -> &'static str { sql.leak() };
    vec![
        leak(format!("{SELECT_DUE}{FIRST_DUE}")),
        leak(format!("{FEW_BEFORE_SKIP}{FEW_AFTER_SKIP}")),
        RELEASE_SLOT,
        RELEASE_ALL,
    ]
}

#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "columns of their own")]
pub(crate) struct DueRow {
    pub(crate) script_id: Uuid,
    pub(crate) org_id: Uuid,
    pub(crate) scheduled_at: DateTime<Utc>,
    pub(crate) is_recheck: bool,
    /// Slots up to here have their rows already, from a change during the run before this one.
    pub(crate) counts_from: Option<DateTime<Utc>>,
    lease_token: i64,
    name: String,
    pub(crate) version_id: Uuid,
    // Read as any JSON first: one row of the wrong shape must not fail the others.
    parameters: Json<Value>,
    env_vars: Json<Value>,
    timeout_seconds: i64,
    cron_expression: Option<String>,
    interval_seconds: Option<i64>,
    timezone: String,
    after_failure: bool,
    pub(crate) was_held: bool,
    project_id: Uuid,
    /// Its organization has some.
    has_variables: bool,
    #[sqlx(skip)]
    pub(crate) missed_before: usize,
}

/// A schedule as its columns give it.
pub(crate) fn read_schedule(
    script: Uuid,
    cron: Option<&str>,
    interval: Option<i64>,
    timezone: &str,
) -> Result<Schedule, StoreError> {
    let interval = interval
        .map(|seconds| read_seconds(script, seconds))
        .transpose()?;
    Schedule::parse(ScriptId::from_uuid(script), cron, interval, timezone)
        .map_err(|error| StoreError::corrupt("scripts", &script, &error))
}

impl DueRow {
    pub(crate) fn schedule(&self) -> Result<Schedule, StoreError> {
        let cron = self.cron_expression.as_deref();
        read_schedule(self.script_id, cron, self.interval_seconds, &self.timezone)
    }

    /// Takes up a later slot of the same script instead.
    pub(crate) fn pass_over_to(&mut self, next: DateTime<Utc>) {
        self.scheduled_at = next;
        self.is_recheck = false;
        self.was_held = false;
        // A missed slot is no success.
        self.after_failure = true;
    }

    fn owners(&self) -> Owners {
        Owners {
            org: OrgId::from_uuid(self.org_id),
            project: ProjectId::from_uuid(self.project_id),
            script: ScriptId::from_uuid(self.script_id),
        }
    }

    fn into_claim(self, variables: &Opened) -> Result<ClaimedSlot, StoreError> {
        let owners = self.owners();
        let schedule = self.schedule()?;
        let corrupt = |error| StoreError::corrupt("scripts", &self.script_id, &error);
        let env_vars = serde_json::from_value(self.env_vars.0).map_err(corrupt)?;
        Ok(ClaimedSlot {
            schedule,
            timeout_seconds: read_seconds(self.script_id, self.timeout_seconds)?,
            script_id: ScriptId::from_uuid(self.script_id),
            org_id: OrgId::from_uuid(self.org_id),
            script_name: self.name,
            version_id: ScriptVersionId::from_uuid(self.version_id),
            scheduled_at: self.scheduled_at,
            is_recheck: self.is_recheck,
            lease_token: self.lease_token + 1,
            after_failure: self.after_failure,
            was_held: self.was_held,
            missed_before: self.missed_before,
            parameters: serde_json::from_value(self.parameters.0).map_err(corrupt)?,
            env_vars: readable(owners, variables.environment(owners, env_vars)),
        })
    }
}

/// The slot must end in a row also when its variables cannot be read: to leave it out would hide from
/// everybody that nothing is checked any more.
fn readable(owners: Owners, environment: Result<Environment, StoreError>) -> Option<Environment> {
    environment
        .inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, script.id = %owners.script, "its variables cannot be read");
        })
        .ok()
}

/// Where a script's slot moves on to.
pub(crate) struct Move {
    pub(crate) script: Uuid,
    /// The slot that it leaves, or the change of its schedule since.
    pub(crate) last: DateTime<Utc>,
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) is_recheck: bool,
}

impl Move {
    /// To where the schedule says.
    pub(crate) const fn by_schedule(
        script: Uuid,
        last: DateTime<Utc>,
        next: Option<DateTime<Utc>>,
    ) -> Self {
        Self {
            script,
            last,
            next,
            is_recheck: false,
        }
    }

    /// A recheck goes before, unless the schedule's next slot comes as soon.
    pub(crate) fn recheck(&mut self, now: DateTime<Utc>) {
        if let Some(soon) = recheck_at(self.last, self.next, now) {
            self.next = Some(soon);
            self.is_recheck = true;
        }
    }
}

/// `UPDATE` that sets slots of scripts, and with them what `besides` says.
pub(crate) fn push_moves<D>(query: &mut QueryBuilder<D>, moves: &[Move], besides: &'static str)
where
    D: Database,
    bool: for<'q> Encode<'q, D> + Type<D>,
    Uuid: for<'q> Encode<'q, D> + Type<D>,
    Option<DateTime<Utc>>: for<'q> Encode<'q, D> + Type<D>,
    &'static str: for<'q> Encode<'q, D> + Type<D>,
{
    query.push(
        "UPDATE slots SET scheduled_at = moved.column2, is_recheck = moved.column3, counts_from = NULL",
    );
    query.push(besides).push(" FROM (");
    query.push_values(moves, |mut values, moved| {
        values
            .push_bind(moved.script)
            .push_bind(moved.next)
            .push_bind(moved.is_recheck);
    });
    query.push(") AS moved WHERE slots.script_id = moved.column1 AND slots.location = ");
    query.push_bind(DEFAULT_LOCATION);
}

impl Store {
    /// Takes up slots that are due, of each script the latest: those before it are recorded as missed. No other
    /// claim gets them before the lease is over.
    ///
    /// A row that is corrupt is leased and left out, so that it cannot hold up the others; it is
    /// logged each time its lease is over.
    pub async fn claim_due(&self, claim: &ClaimRequest) -> Result<Vec<ClaimedSlot>, StoreError> {
        let select = self.select_due(claim);
        let (rows, variables): (Vec<DueRow>, Vec<EnvironmentRow>) = in_tx!(self, D, tx => {
            let mut select = sqlx::query_as(AssertSqlSafe(select))
                .bind(claim.now + claim.look_ahead)
                .bind(claim.now)
                .bind(DEFAULT_LOCATION);
            if let Some(most) = claim.most_of_one {
                select = select.bind(i64::from(most));
            }
            select = select.bind(i64::from(claim.limit));
            for org in &claim.skip {
                select = select.bind(org.as_uuid());
            }
            // Their number makes the text.
            let mut rows: Vec<DueRow> =
                select.persistent(claim.skip.is_empty()).fetch_all(&mut *tx).await?;
            if !rows.is_empty() {
                let mut update = QueryBuilder::<D>::new("UPDATE slots SET lease_owner = ");
                update.push_bind(&claim.owner).push(", leased_until = ");
                update.push_bind(claim.now + claim.look_ahead + claim.lease);
                update.push(", lease_token = lease_token + 1 WHERE location = ");
                update.push_bind(DEFAULT_LOCATION).push(" AND script_id IN (");
                let mut ids = update.separated(", ");
                for row in &rows {
                    ids.push_bind(row.script_id);
                }
                update.push(")");
                update.build().persistent(false).execute(&mut *tx).await?;
            }
            let overdue = Overdue::pass_over(&mut rows, claim);
            for missed in overdue.missed.chunks(INSERT_ROWS) {
                let mut insert = QueryBuilder::<D>::new("");
                push_executions(&mut insert, missed);
                insert.build().persistent(false).execute(&mut *tx).await?;
            }
            for moves in overdue.moves.chunks(INSERT_ROWS) {
                let mut update = QueryBuilder::<D>::new("");
                push_moves(&mut update, moves, "");
                update.build().persistent(false).execute(&mut *tx).await?;
            }
            let with_variables = rows.iter().filter(|row| row.has_variables);
            let owners: Vec<Owners> = with_variables.map(DueRow::owners).collect();
            let mut variables = Vec::new();
            if !owners.is_empty() {
                let mut query = QueryBuilder::<D>::new("");
                push_environments(&mut query, &owners);
                variables = query
                    .build_query_as()
                    .persistent(false)
                    .fetch_all(&mut *tx)
                    .await?;
            }
            (rows, variables)
        });
        let variables = Opened::open(&self.vault, variables);
        let claims = rows
            .into_iter()
            .filter_map(|row| match row.into_claim(&variables) {
                Ok(claim) => Some(claim),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "a slot cannot be run");
                    None
                }
            });
        Ok(claims.collect())
    }

    fn select_due(&self, claim: &ClaimRequest) -> String {
        let lock = self.db.skip_locked();
        let skip = |after: usize| {
            let numbers = (after + 1..).take(claim.skip.len());
            let places: Vec<_> = numbers.map(|number| format!("${number}")).collect();
            if places.is_empty() {
                return String::new();
            }
            format!(" AND organizations.id NOT IN ({})", places.join(", "))
        };
        match claim.most_of_one {
            None => format!("{SELECT_DUE}{}{FIRST_DUE}{lock}", skip(4)),
            Some(_) => format!("{FEW_BEFORE_SKIP}{}{FEW_AFTER_SKIP}{lock}", skip(5)),
        }
    }

    /// Gives slots back that were not run. A claim that is no longer the current one is nothing
    /// to do.
    pub async fn release_slots(&self, leases: &[SlotLease]) -> Result<(), StoreError> {
        in_tx!(self, tx => {
            for lease in leases {
                sqlx::query(RELEASE_SLOT)
                    .bind(lease.org_id.as_uuid())
                    .bind(lease.script_id.as_uuid())
                    .bind(DEFAULT_LOCATION)
                    .bind(lease.lease_token)
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// Ends every lease. Only for a process that knows that it is alone, at its start.
    pub async fn release_all_leases(&self) -> Result<u64, StoreError> {
        Ok(in_tx!(self, tx => {
            sqlx::query(RELEASE_ALL).execute(&mut *tx).await?.rows_affected()
        }))
    }
}
