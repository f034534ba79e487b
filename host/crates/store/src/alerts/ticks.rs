//! What happens without an execution: to rules, as when a script is silent or a certificate comes near its end, and to
//! incidents that nobody sees to.

use chrono::TimeDelta;
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;
use vedette_core::{Clock, OrgId, ScriptId, slot::DEFAULT_LOCATION};

use super::{Changes, evaluate::Cause, follow_ups::load_asked, load_alerts, write_alerts};
use crate::{
    Store, StoreError,
    db::{in_tx, on_db},
};

/// Scripts of one transaction.
const SCRIPTS: i64 = 100;

/// When to look again at what does not read: it was said loudly, and nothing came of the look.
const UNREAD_LOOK: TimeDelta = TimeDelta::hours(1);
/// Puts off what is due of scripts: the new time, now, and the ids of the scripts stand between the parts.
const PUT_OFF: [[&str; 4]; 2] = [
    [
        "UPDATE alert_rule_states SET next_tick_at = ",
        " WHERE next_tick_at <= ",
        " AND rule_id IN (SELECT id FROM alert_rules WHERE script_id IN (",
        "))",
    ],
    [
        "UPDATE incidents SET next_notice_at = ",
        " WHERE next_notice_at <= ",
        " AND script_id IN (",
        ")",
    ],
];

const DUE_TICKS: &str = "SELECT rules.org_id, rules.script_id FROM alert_rule_states AS states \
    JOIN alert_rules AS rules ON rules.id = states.rule_id JOIN scripts ON scripts.id = rules.script_id \
    AND NOT scripts.is_deleted AND scripts.is_enabled \
    WHERE states.next_tick_at <= $1 AND states.location = $2 \
    UNION SELECT incidents.org_id, incidents.script_id FROM incidents \
    JOIN incident_states AS known ON known.script_id = incidents.script_id \
    WHERE incidents.next_notice_at <= $1 LIMIT $3";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[DUE_TICKS];

#[derive(FromRow)]
struct DueRow {
    org_id: Uuid,
    script_id: Uuid,
}

impl Store {
    /// Does what time does to the rules and incidents that are due, of some scripts. Answers of how many: if that is
    /// any, there may be more.
    pub async fn tick_alerts(&self, clock: &dyn Clock) -> Result<u64, StoreError> {
        let now = clock.now();
        let due: Vec<DueRow> = on_db!(self, pool => {
            sqlx::query_as(DUE_TICKS)
                .bind(now)
                .bind(DEFAULT_LOCATION)
                .bind(SCRIPTS)
                .fetch_all(pool)
                .await?
        });
        if due.is_empty() {
            return Ok(0);
        }
        let mut scripts: Vec<ScriptId> = due
            .iter()
            .map(|row| ScriptId::from_uuid(row.script_id))
            .collect();
        scripts.sort_unstable();
        let org = |script: ScriptId| {
            let mut rows = due.iter();
            let row = rows.find(|row| row.script_id == script.as_uuid());
            OrgId::from_uuid(row.map(|row| row.org_id).unwrap_or_default())
        };
        let lock = self.db.lock_slots();
        in_tx!(self, D, tx => {
            let mut select = QueryBuilder::<D>::new("SELECT script_id FROM slots WHERE location = ");
            select.push_bind(DEFAULT_LOCATION).push(" AND script_id IN (");
            let mut ids = select.separated(", ");
            for script in &scripts {
                ids.push_bind(script.as_uuid());
            }
            // In the order of the recorder, so that the two never wait for each other.
            select.push(") ORDER BY script_id").push(lock);
            let _: Vec<(Uuid,)> = select.build_query_as().persistent(false).fetch_all(&mut *tx).await?;
            let mut alerts = load_alerts!(D, tx, org, &scripts, now);
            let asked = load_asked!(D, tx, &scripts);
            let mut changes = Changes::default();
            for alerts in &mut alerts {
                alerts.tick(Cause::time(now, clock), &mut changes);
                alerts.follow_up(&asked, Cause::time(now, clock), &mut changes);
            }
            write_alerts!(D, tx, changes);
            // What is due still would be looked at again at once, for ever.
            for [set, if_due, of_scripts, end] in PUT_OFF {
                let mut update = QueryBuilder::<D>::new(set);
                update.push_bind(now + UNREAD_LOOK).push(if_due).push_bind(now).push(of_scripts);
                let mut ids = update.separated(", ");
                for script in &scripts {
                    ids.push_bind(script.as_uuid());
                }
                update.push(end);
                update.build().persistent(false).execute(&mut *tx).await?;
            }
        });
        self.outbox.notify_one();
        Ok(due.len() as u64)
    }
}
