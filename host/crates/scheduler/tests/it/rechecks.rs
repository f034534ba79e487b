//! A failure that a rule asks to confirm: the script runs again soon, and then as it is due.

use std::{sync::Arc, time::Duration};

use chrono::{SubsecRound as _, TimeDelta};
use serde_json::json;
use vedette_core::{
    AlertRuleId, Clock as _, Projects, ScriptId, Status, SystemClock,
    alert::{Severity, follow_up::FollowUp, rule::RuleDefinition},
    slot::RECHECK_DELAY,
};
use vedette_store::{
    CreatedRule, IncidentFilter, NewAlertRule, PageRequest, RuleContent, Store, Trigger,
    both_databases,
};

use crate::{
    witness::Witness,
    world::{World, start, until},
};

both_databases!(a_failure_is_rechecked_soon_and_then_forgotten);

/// A rule that fires with the first failure that is confirmed.
async fn rechecked(world: &World, script: ScriptId) {
    let definition = json!({ "type": "status_change", "consecutive_failures": 1, "recheck": true });
    let new = NewAlertRule {
        id: AlertRuleId::generate(&SystemClock),
        org_id: world.org,
        script_id: script,
        content: RuleContent {
            name: "down".to_owned(),
            definition: RuleDefinition::read(&definition).expect("it is a rule"),
            severity: Severity::Warning,
            is_enabled: true,
            follow_up: FollowUp::default(),
        },
        created_by: world.user,
        created_at: SystemClock.now(),
    };
    let made = world.store.create_alert_rule(new).await;
    assert!(matches!(made, Ok(CreatedRule::Done(_))), "{made:?}");
}

async fn a_failure_is_rechecked_soon_and_then_forgotten(store: Store) {
    let world = World::new(store).await;
    let due = SystemClock.now().trunc_subsecs(0) + TimeDelta::seconds(2);
    let script = world.daily("fails once", due).await;
    rechecked(&world, script).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 2);
    until("the failure and its recheck", async || {
        world.rows(script).await.len() >= 2
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;

    let rows = world.rows(script).await;
    let found: Vec<_> = rows.iter().map(|row| (row.trigger, row.status)).collect();
    let expected = [
        (Trigger::Schedule, Status::Failure),
        (Trigger::Recheck, Status::Success),
    ];
    assert_eq!(found, expected);
    let [failed, recheck] = [&rows[0], &rows[1]].map(|row| row.scheduled_at.unwrap());
    assert_eq!(failed, due);
    assert!(recheck - failed >= RECHECK_DELAY, "{rows:#?}");
    // It began at its time, as slots do: not with the next look into the database.
    assert!(
        rows[1].executed_at - recheck < TimeDelta::seconds(1),
        "{rows:#?}"
    );
    assert_eq!(witness.runs_of(script).len(), 2);
    let next = world.store.get_script(world.org, script).await.unwrap();
    assert_eq!(next.unwrap().next_run_at, Some(due + TimeDelta::days(1)));
    let page = PageRequest {
        limit: 100,
        cursor: None,
    };
    let filter = IncidentFilter::default();
    let incidents = world
        .store
        .list_incidents(world.org, &Projects::All, filter, page);
    assert!(incidents.await.unwrap().items.is_empty());
}
