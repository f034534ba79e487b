//! Which channels an alert rule tells.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;
use sqlx::{AssertSqlSafe, QueryBuilder};
use uuid::Uuid;
use vedette_core::{AlertRuleId, ChannelId, OrgId};

use crate::{
    AuditAction, Store, StoreError,
    audit::{Event, audit},
    db::{in_tx, on_db},
};

const FIND_RULE: &str = "SELECT id FROM alert_rules WHERE org_id = $1 AND id = $2";
const LIST_RULE_CHANNELS: &str = "SELECT channel_id FROM alert_rule_channels \
    JOIN alert_rules ON alert_rules.id = rule_id WHERE org_id = $1 AND rule_id = $2 \
    ORDER BY channel_id";
const CHANNELS_OF_RULES: &str = "SELECT rule_id, channel_id FROM alert_rule_channels \
    JOIN alert_rules ON alert_rules.id = rule_id WHERE org_id = ";
const DETACH_ALL: &str = "DELETE FROM alert_rule_channels WHERE rule_id = $1";
pub(crate) const ATTACH: &str =
    "INSERT INTO alert_rule_channels (rule_id, channel_id) VALUES ($1, $2)";

#[cfg(feature = "testing")]
pub(super) const ALL_SQL: &[&str] = &[FIND_RULE, LIST_RULE_CHANNELS, DETACH_ALL, ATTACH];

/// What became of setting the channels of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetChannels {
    /// They are the rule's.
    Done,
    /// No such rule in this organization.
    NoRule,
    /// No such channel in this organization; nothing was changed.
    NoChannel(ChannelId),
}

impl Store {
    /// The channels that a rule tells. `None`: no such rule in this organization.
    pub async fn list_rule_channels(
        &self,
        org: OrgId,
        rule: AlertRuleId,
    ) -> Result<Option<Vec<ChannelId>>, StoreError> {
        let ids: Vec<Uuid> = on_db!(self, pool => {
            let found: Option<Uuid> = sqlx::query_scalar(FIND_RULE)
                .bind(org.as_uuid())
                .bind(rule.as_uuid())
                .fetch_optional(pool)
                .await?;
            if found.is_none() {
                return Ok(None);
            }
            sqlx::query_scalar(LIST_RULE_CHANNELS)
                .bind(org.as_uuid())
                .bind(rule.as_uuid())
                .fetch_all(pool)
                .await?
        });
        Ok(Some(ids.into_iter().map(ChannelId::from_uuid).collect()))
    }

    /// The channels that each of some rules of an organization tells; those without one are not among them.
    pub async fn channels_of_rules(
        &self,
        org: OrgId,
        rules: &[AlertRuleId],
    ) -> Result<HashMap<AlertRuleId, Vec<ChannelId>>, StoreError> {
        let mut found: HashMap<AlertRuleId, Vec<ChannelId>> = HashMap::new();
        if rules.is_empty() {
            return Ok(found);
        }
        let rows: Vec<(Uuid, Uuid)> = on_db!(self, pool => {
            let mut query = QueryBuilder::new(CHANNELS_OF_RULES);
            query.push_bind(org.as_uuid()).push(" AND rule_id IN (");
            let mut places = query.separated(", ");
            for rule in rules {
                places.push_bind(rule.as_uuid());
            }
            query.push(") ORDER BY channel_id");
            query.build_query_as().persistent(false).fetch_all(pool).await?
        });
        for (rule, channel) in rows {
            let rule = AlertRuleId::from_uuid(rule);
            found
                .entry(rule)
                .or_default()
                .push(ChannelId::from_uuid(channel));
        }
        Ok(found)
    }

    /// Sets the channels that a rule tells, in place of those before. Whoever was told that something is down is
    /// told that it is over all the same.
    pub async fn set_rule_channels(
        &self,
        org: OrgId,
        rule: AlertRuleId,
        channels: &[ChannelId],
    ) -> Result<SetChannels, StoreError> {
        let wanted: BTreeSet<ChannelId> = channels.iter().copied().collect();
        let lock_rule = format!("{FIND_RULE}{}", self.db.lock_owner());
        let share = self.db.share_rows();
        in_tx!(self, D, tx => {
            let found: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(lock_rule))
                .bind(org.as_uuid())
                .bind(rule.as_uuid())
                .fetch_optional(&mut *tx)
                .await?;
            if found.is_none() {
                return Ok(SetChannels::NoRule);
            }
            if !wanted.is_empty() {
                let mut select = QueryBuilder::<D>::new("SELECT id FROM notification_channels WHERE org_id = ");
                select.push_bind(org.as_uuid()).push(" AND id IN (");
                let mut places = select.separated(", ");
                for channel in &wanted {
                    places.push_bind(channel.as_uuid());
                }
                select.push(")").push(share);
                let there: Vec<Uuid> =
                    select.build_query_scalar().persistent(false).fetch_all(&mut *tx).await?;
                let missing = wanted.iter().find(|channel| !there.contains(&channel.as_uuid()));
                if let Some(missing) = missing {
                    return Ok(SetChannels::NoChannel(*missing));
                }
            }
            let before: Vec<Uuid> = sqlx::query_scalar(LIST_RULE_CHANNELS)
                .bind(org.as_uuid())
                .bind(rule.as_uuid())
                .fetch_all(&mut *tx)
                .await?;
            if before.iter().copied().eq(wanted.iter().map(|channel| channel.as_uuid())) {
                return Ok(SetChannels::Done);
            }
            sqlx::query(DETACH_ALL).bind(rule.as_uuid()).execute(&mut *tx).await?;
            for channel in &wanted {
                sqlx::query(ATTACH)
                    .bind(rule.as_uuid())
                    .bind(channel.as_uuid())
                    .execute(&mut *tx)
                    .await?;
            }
            let (before, after) = (json!({ "channels": before }), json!({ "channels": wanted }));
            audit!(self, tx, org, Event::changed(AuditAction::AlertRuleUpdate, rule, before, after));
        });
        Ok(SetChannels::Done)
    }
}
