//! What tests of rules and incidents have in common: a rule, and slots that end as a test says.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vedette_core::{ChannelId, Clock as _, ExecutionId, MissedReason, Outcome, ScriptId, Status};
use vedette_store::{ClaimRequest, CreatedChannel, FinishedSlot, NewChannel};

use crate::world::{Account, World};

/// A rule that fires at once, and recovers at once, with members replaced, or left out where the change says null.
pub(crate) fn rule_body(change: &Value) -> Value {
    let mut body = json!({
        "name": "down",
        "rule_definition":
            { "type": "status_change", "consecutive_failures": 1, "consecutive_successes": 1 },
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

pub(crate) fn rules_of(script: &str) -> String {
    format!("/api/v1/scripts/{script}/alert-rules")
}

impl World {
    /// Makes a rule, and gives its path.
    pub(crate) async fn rule(&self, account: &Account, script: &str, change: Value) -> String {
        self.clock.advance(TimeDelta::seconds(1));
        let made = self
            .post(account, &rules_of(script), rule_body(&change))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        format!(
            "/api/v1/alert-rules/{}",
            made.json()["id"].as_str().unwrap()
        )
    }

    /// Makes a channel of an account's organization, and gives its id.
    pub(crate) async fn stored_channel(&self, account: &Account, name: &str) -> String {
        let me = self.get(account, "/api/v1/users/me").await.json();
        let new = NewChannel {
            id: ChannelId::generate(self.clock.as_ref()),
            org_id: me["organization_id"].as_str().unwrap().parse().unwrap(),
            owner_id: account.id.parse().unwrap(),
            name: name.to_owned(),
            kind: "email".to_owned(),
            config: json!({ "recipients": ["anna@example.com"] }),
            secret: "{}".to_owned().into(),
            is_enabled: true,
            created_at: self.clock.now(),
        };
        let id = new.id.to_string();
        let made = self.database.store.create_channel(new).await.unwrap();
        assert!(matches!(made, CreatedChannel::Done(_)));
        id
    }

    /// Lets the next slot of a script, which is due every 30 seconds, end so. Gives the execution's id.
    pub(crate) async fn slot(&self, script: &str, status: Status) -> String {
        self.slot_after(TimeDelta::seconds(30), script, status)
            .await
    }

    /// Lets the slot of a script that is due after a time end so. Gives the execution's id.
    pub(crate) async fn slot_after(&self, time: TimeDelta, script: &str, status: Status) -> String {
        self.clock.advance(time);
        let script: ScriptId = script.parse().unwrap();
        let claim = ClaimRequest {
            now: self.clock.now(),
            look_ahead: TimeDelta::zero(),
            lease: TimeDelta::minutes(1),
            owner: "node".to_owned(),
            limit: 1_000,
            most_of_one: None,
            skip: Vec::new(),
            absent_until: chrono::DateTime::UNIX_EPOCH,
        };
        let slots = self.database.store.claim_due(&claim).await.unwrap();
        let mut slots = slots.into_iter();
        let slot = slots.find(|slot| slot.script_id == script);
        let slot = slot.expect("it is due");
        let mut outcome = Outcome::missed("expected 200, got 503");
        outcome.status = status;
        outcome.message = outcome.message.filter(|_| status != Status::Success);
        let done = FinishedSlot {
            execution_id: ExecutionId::generate(self.clock.as_ref()),
            script_id: script,
            org_id: slot.org_id,
            version_id: slot.version_id,
            scheduled_at: slot.scheduled_at,
            is_recheck: slot.is_recheck,
            lease_token: slot.lease_token,
            executed_at: slot.scheduled_at,
            outcome,
            missed_reason: None,
            skipped_reason: MissedReason::Overlap,
        };
        let id = done.execution_id.to_string();
        let store = &self.database.store;
        let recorded = store.record_executions(&[done], self.clock.as_ref()).await;
        assert_eq!(recorded.unwrap(), [vedette_store::RecordResult::Recorded]);
        id
    }

    /// The only incident of a script, which is there when it failed and has a rule.
    pub(crate) async fn incident(&self, account: &Account, script: &str) -> String {
        let path = format!("/api/v1/incidents?script_id={script}");
        let listed = self.get(account, &path).await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        listed["items"][0]["id"].as_str().unwrap().to_owned()
    }
}
