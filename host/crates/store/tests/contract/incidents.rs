//! Incidents: what makes one of several rules, what ends one, and what people do about it.

use chrono::TimeDelta;
use serde_json::json;
use vedette_core::{
    Clock as _, ErrorClass, Projects,
    alert::{Severity, state::Phase},
};
use vedette_store::{
    ChangedIncident, HistoryFilter, Incident, IncidentAction, IncidentEventKind, IncidentFilter,
    IncidentStage, RuleContent, ScriptChange, Store, both_databases, testing::TestDatabase,
};

use crate::{
    PAGE,
    alerts::{Runs, content, definition, down, error, failure, kinds, rule},
    at, by_hand, change, clock, on_each, owner, script, success,
};

both_databases!(
    rules_of_one_script_share_an_incident,
    rules_that_fire_together_make_one_incident,
    who_is_looked_at_no_more_has_no_incident,
    people_acknowledge_comment_and_resolve,
    incidents_are_filtered,
);

async fn rules_of_one_script_share_an_incident(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let broken = RuleContent {
        severity: Severity::Critical,
        ..content(
            "broken",
            definition(&json!({ "type": "error", "consecutive": 1 })),
        )
    };
    rule(&store, &anna, runs.script, content("down", down())).await;
    rule(&store, &anna, runs.script, broken).await;
    for _ in 0..3 {
        runs.run(failure()).await;
    }
    runs.run(error(ErrorClass::ScriptError)).await;
    let detail = runs.incident().await;
    assert_eq!(
        detail.incident.severity,
        Severity::Critical,
        "as the worst of them"
    );
    runs.run(success()).await;
    // The check is well again, the target not yet.
    assert_eq!(runs.incident().await.incident.stage(), IncidentStage::Open);
    runs.run(success()).await;
    let detail = runs.incident().await;
    assert_eq!(
        kinds(&detail),
        [
            IncidentEventKind::Opened,
            IncidentEventKind::RuleFired,
            IncidentEventKind::RuleFired,
            IncidentEventKind::RuleRecovered,
            IncidentEventKind::Resolved
        ]
    );
    assert_eq!(runs.transitions().await.len(), 4);
}

async fn rules_that_fire_together_make_one_incident(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    for (name, severity) in [("low", Severity::Info), ("high", Severity::Critical)] {
        let content = RuleContent {
            severity,
            ..content(name, down())
        };
        rule(&store, &anna, runs.script, content).await;
    }
    for _ in 0..3 {
        runs.run(failure()).await;
    }
    let detail = runs.incident().await;
    assert_eq!(detail.incident.severity, Severity::Critical);
    assert_eq!(kinds(&detail).len(), 3);
}

async fn who_is_looked_at_no_more_has_no_incident(store: Store) {
    let anna = owner(&store, "anna").await;
    let fire = async |runs: &Runs<'_>| {
        for _ in 0..3 {
            runs.run(failure()).await;
        }
    };
    let of = async |runs: &Runs<'_>| {
        let filter = IncidentFilter {
            script: Some(runs.script),
            stage: None,
        };
        let page = store
            .list_incidents(anna.org, &Projects::All, filter, PAGE)
            .await;
        page.unwrap().items.remove(0)
    };
    // The script is paused, and begins anew after that.
    let runs = Runs::new(&store, &anna).await;
    let one = rule(&store, &anna, runs.script, content("down", down())).await;
    fire(&runs).await;
    let paused = ScriptChange {
        is_enabled: false,
        changed_at: runs.clock.now(),
        ..change(&anna, runs.clock.now())
    };
    store
        .update_script(anna.org, runs.script, paused.clone(), None)
        .await
        .unwrap();
    let incident = of(&runs).await;
    assert_eq!(incident.resolution.as_deref(), Some("script_paused"));
    let resumed = ScriptChange {
        is_enabled: true,
        ..paused
    };
    store
        .update_script(anna.org, runs.script, resumed, None)
        .await
        .unwrap();
    runs.run(failure()).await;
    assert_eq!(runs.phase(&one).await, Some(Phase::Pending { count: 1 }));
    assert_eq!(runs.incidents().await.len(), 1);

    // The rule is disabled, is another one, or is gone.
    for case in 0..3 {
        let runs = Runs::new(&store, &anna).await;
        let one = rule(&store, &anna, runs.script, content("down", down())).await;
        fire(&runs).await;
        assert_eq!(of(&runs).await.stage(), IncidentStage::Open);
        let now = runs.clock.now();
        match case {
            0 => {
                let disabled = RuleContent {
                    is_enabled: false,
                    ..one.content
                };
                store
                    .update_alert_rule(anna.org, one.id, disabled, now, None)
                    .await
                    .unwrap();
            }
            1 => {
                let other = content("down", definition(&json!({ "type": "error" })));
                store
                    .update_alert_rule(anna.org, one.id, other, now, None)
                    .await
                    .unwrap();
            }
            _ => assert!(
                store
                    .delete_alert_rule(anna.org, one.id, now)
                    .await
                    .unwrap()
            ),
        }
        let incident = of(&runs).await;
        assert_eq!(
            incident.resolution.as_deref(),
            Some("rule_removed"),
            "{case}"
        );
    }
}

async fn people_acknowledge_comment_and_resolve(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let runs = Runs::new(&store, &anna).await;
    rule(&store, &anna, runs.script, content("down", down())).await;
    for _ in 0..3 {
        runs.run(failure()).await;
    }
    let id = runs.incident().await.incident.id;
    let foreign = store.change_incident(
        bert.org,
        id,
        &IncidentAction::Resolve,
        bert.user,
        &runs.clock,
    );
    assert!(matches!(foreign.await, Ok(ChangedIncident::NotFound)));
    assert_eq!(store.get_incident(bert.org, id).await.unwrap(), None);

    let ChangedIncident::Done(detail) = runs.change(IncidentAction::Acknowledge).await else {
        panic!("it is acknowledged")
    };
    assert_eq!(detail.incident.stage(), IncidentStage::Acknowledged);
    assert_eq!(detail.incident.acknowledged_by, Some(anna.user));
    assert!(matches!(
        runs.change(IncidentAction::Acknowledge).await,
        ChangedIncident::NotNow
    ));
    let said = IncidentAction::Comment("the disk is full".to_owned());
    let ChangedIncident::Done(detail) = runs.change(said.clone()).await else {
        panic!("it is said")
    };
    let last = detail.events.last().unwrap();
    assert_eq!(last.message.as_deref(), Some("the disk is full"));
    assert_eq!(
        (last.kind, last.user_id),
        (IncidentEventKind::Comment, Some(anna.user))
    );
    let ChangedIncident::Done(detail) = runs.change(IncidentAction::Resolve).await else {
        panic!("it is resolved")
    };
    assert_eq!(detail.incident.resolution.as_deref(), Some("person"));
    assert_eq!(detail.incident.resolved_by, Some(anna.user));
    assert!(matches!(
        runs.change(IncidentAction::Resolve).await,
        ChangedIncident::NotNow
    ));
    // What is over may be talked about.
    assert!(matches!(runs.change(said).await, ChangedIncident::Done(_)));

    // It goes on failing: nobody is told again before it was well.
    runs.run(failure()).await;
    assert_eq!(runs.incidents().await.len(), 1);
    for outcome in [success(), success(), failure(), failure(), failure()] {
        runs.run(outcome).await;
    }
    assert_eq!(runs.incidents().await.len(), 2);
}

async fn incidents_are_filtered(store: Store) {
    let anna = owner(&store, "anna").await;
    let runs = Runs::new(&store, &anna).await;
    let other = script(&store, &anna).await.id;
    rule(&store, &anna, runs.script, content("down", down())).await;
    for _ in 0..3 {
        runs.run(failure()).await;
    }
    let count = async |projects: &Projects, script, stage| {
        let filter = IncidentFilter { script, stage };
        let page = store.list_incidents(anna.org, projects, filter, PAGE).await;
        page.unwrap().items.len()
    };
    assert_eq!(
        count(&Projects::All, Some(runs.script), Some(IncidentStage::Open)).await,
        1
    );
    assert_eq!(count(&Projects::All, Some(other), None).await, 0);
    for stage in [IncidentStage::Acknowledged, IncidentStage::Resolved] {
        assert_eq!(count(&Projects::All, None, Some(stage)).await, 0);
    }
    let only = |project| Projects::Only(vec![project]);
    assert_eq!(count(&only(anna.project), None, None).await, 1);
    let unknown = vedette_core::ProjectId::generate(&clock());
    assert_eq!(count(&only(unknown), None, None).await, 0);
    assert_eq!(count(&Projects::Only(Vec::new()), None, None).await, 0);

    let history = async |filter: HistoryFilter| {
        let projects = only(anna.project);
        let page = store.list_alert_history(anna.org, &projects, filter, PAGE);
        page.await.unwrap().items.len()
    };
    let at = at("2026-11-24T12:00:30Z");
    let all = HistoryFilter::default();
    assert_eq!(history(all).await, 1);
    assert_eq!(
        history(HistoryFilter {
            from: Some(at),
            ..all
        })
        .await,
        1
    );
    assert_eq!(
        history(HistoryFilter {
            until: Some(at),
            ..all
        })
        .await,
        0
    );
    assert_eq!(
        history(HistoryFilter {
            script: Some(other),
            ..all
        })
        .await,
        0
    );
}

/// One row that is corrupt keeps nothing from being recorded, and begins anew.
#[tokio::test]
async fn what_does_not_read_begins_anew() {
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let runs = Runs::new(store, &anna).await;
        let one = rule(store, &anna, runs.script, content("down", down())).await;
        for _ in 0..3 {
            runs.run(failure()).await;
        }
        by_hand(
            database,
            "UPDATE alert_rule_states SET state = '{\"v\": 99}'",
        )
        .await;
        by_hand(database, "UPDATE incident_states SET state = 'nonsense'").await;
        runs.run(failure()).await;
        assert_eq!(runs.phase(&one).await, Some(Phase::Pending { count: 1 }));
        let rows = store.list_executions(anna.org, runs.script, PAGE).await;
        assert_eq!(rows.unwrap().items.len(), 4);
        // The incident that nobody knows any more is over, and another one can begin.
        let stages = async || {
            let mut incidents = runs.incidents().await;
            incidents.sort_by_key(|incident| incident.opened_at);
            incidents.iter().map(Incident::stage).collect::<Vec<_>>()
        };
        assert_eq!(stages().await, [IncidentStage::Resolved]);
        runs.run(failure()).await;
        runs.run(failure()).await;
        assert_eq!(
            stages().await,
            [IncidentStage::Resolved, IncidentStage::Open]
        );
        // And the other way round.
        by_hand(database, "DELETE FROM incidents").await;
        runs.run(failure()).await;
        assert!(stages().await.is_empty());
        for outcome in [success(), success(), failure(), failure(), failure()] {
            runs.run(outcome).await;
        }
        assert_eq!(stages().await, [IncidentStage::Open]);
    })
    .await;
}

/// Time would look at it again and again, in one go.
#[tokio::test]
async fn what_does_not_read_is_looked_at_again_later() {
    on_each(async |database: &TestDatabase| {
        let store = &database.store;
        let anna = owner(store, "anna").await;
        let runs = Runs::new(store, &anna).await;
        let silent = definition(&json!({ "type": "no_data", "intervals": 3 }));
        rule(store, &anna, runs.script, content("silent", silent)).await;
        runs.run(success()).await;
        by_hand(database, "UPDATE alert_rules SET rule_definition = '{}'").await;
        let clock = &runs.clock;
        clock.advance(TimeDelta::days(1));
        assert_eq!(store.tick_alerts(clock).await.unwrap(), 1);
        assert_eq!(store.tick_alerts(clock).await.unwrap(), 0);
        clock.advance(TimeDelta::hours(1));
        assert_eq!(store.tick_alerts(clock).await.unwrap(), 1);
    })
    .await;
}
