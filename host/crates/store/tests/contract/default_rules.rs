//! The rules that scripts of a project begin with.

use chrono::TimeDelta;
use serde_json::json;
use vedette_core::{
    ChannelId, Clock as _, OrgId, ProjectId, ScriptId,
    alert::{
        Severity,
        follow_up::{EscalationStep, FollowUp},
        state::Phase,
    },
};
use vedette_store::{
    AlertRule, AuditFilter, AuditRecord, ChainId, DefaultRule, NewScript, Project, RuleContent,
    Script, ScriptChange, SetDefaultRules, Store, Updated, both_databases,
};

use crate::{
    Owner, PAGE,
    alerts::{content, definition, rule},
    change,
    channels::channel,
    clock, new_script,
    outbox::{World, content as down, failure},
    owner, script, start, success,
};

both_databases!(
    a_script_gets_a_copy_of_each_rule,
    what_exists_is_not_changed,
    a_script_may_be_made_without_them,
    channels_of_others_are_none,
    channels_that_are_gone_are_left_out,
    a_copy_fires_and_tells_as_any_rule,
    a_copy_notices_silence,
);

fn default_rule(content: RuleContent, channels: &[ChannelId]) -> DefaultRule {
    DefaultRule {
        content,
        channel_ids: channels.to_vec(),
    }
}

/// Its channels in the order in which they are kept.
fn step(after_minutes: u32, channels: &[ChannelId]) -> EscalationStep {
    let mut channel_ids = channels.to_vec();
    channel_ids.sort_unstable();
    EscalationStep {
        after_minutes,
        channel_ids,
    }
}

/// Two rules: one that tells and escalates, and one that is not looked at.
fn two(told: ChannelId, louder: ChannelId) -> Vec<DefaultRule> {
    let slow = definition(&json!({ "type": "latency", "threshold_ms": 1000, "operator": ">" }));
    let follow_up = FollowUp {
        remind_after_minutes: Some(60),
        escalation: vec![step(15, &[louder]), step(30, &[told, louder])],
    };
    let down = RuleContent {
        severity: Severity::Critical,
        follow_up,
        ..down("down")
    };
    let slow = RuleContent {
        is_enabled: false,
        ..content("slow", slow)
    };
    vec![default_rule(down, &[told]), default_rule(slow, &[])]
}

async fn set(store: &Store, owner: &Owner, rules: &[DefaultRule]) {
    let set = store
        .set_default_rules(owner.org, owner.project, rules.to_vec())
        .await;
    assert_eq!(set.unwrap(), SetDefaultRules::Done(rules.to_vec()));
}

async fn defaults(store: &Store, owner: &Owner) -> Vec<DefaultRule> {
    let rules = store.list_default_rules(owner.org, owner.project).await;
    rules.unwrap().expect("the project is there")
}

/// The rules of a script in the order in which they were made.
async fn rules_of(store: &Store, owner: &Owner, script: ScriptId) -> Vec<AlertRule> {
    let listed = store.list_alert_rules(owner.org, script, PAGE).await;
    let mut rules = listed.unwrap().items;
    rules.reverse();
    rules
}

/// What the rules of a script say, as defaults would.
async fn as_defaults(store: &Store, owner: &Owner, script: ScriptId) -> Vec<DefaultRule> {
    let mut found = Vec::new();
    for rule in rules_of(store, owner, script).await {
        let channels = store.list_rule_channels(owner.org, rule.id).await;
        found.push(default_rule(
            rule.content,
            &channels.unwrap().expect("the rule is there"),
        ));
    }
    found
}

async fn records(store: &Store, org: OrgId) -> Vec<AuditRecord> {
    let chain = ChainId::from(org);
    let log = store.list_audit(chain, &AuditFilter::default(), PAGE).await;
    let mut records: Vec<_> = log
        .unwrap()
        .items
        .into_iter()
        .map(|one| one.record)
        .collect();
    records.reverse();
    records
}

async fn a_script_gets_a_copy_of_each_rule(store: Store) {
    let anna = owner(&store, "anna").await;
    assert_eq!(defaults(&store, &anna).await, []);
    let told = channel(&store, &anna, "night").await.id;
    let louder = channel(&store, &anna, "day").await.id;
    let two = two(told, louder);
    set(&store, &anna, &two).await;
    assert_eq!(defaults(&store, &anna).await, two);
    let made = script(&store, &anna).await;
    assert_eq!(as_defaults(&store, &anna, made.id).await, two);
    let rules = rules_of(&store, &anna, made.id).await;
    for (rule, phase) in rules.iter().zip([Some(Phase::Ok), None]) {
        assert_eq!((rule.phase, rule.revision), (phase, 1));
        assert_eq!(
            (rule.created_by, rule.created_at, rule.updated_at),
            (anna.user, start(), start())
        );
    }
    let records = records(&store, anna.org).await;
    let last: Vec<_> = records[records.len() - 4..].iter().collect();
    let actions: Vec<_> = last.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "default_alert_rules.update",
            "script.create",
            "alert_rule.create",
            "alert_rule.create"
        ]
    );
    assert_eq!(last[0].target, Some(anna.project.to_string()));
    assert_eq!(last[0].before, Some(json!({ "rules": [] })));
    let after = last[0].after.as_ref().unwrap();
    assert_eq!(after["rules"][0]["channel_ids"], json!([told]));
    for (record, rule) in last[2..].iter().zip(&rules) {
        assert_eq!(record.target, Some(rule.id.to_string()));
    }
    let after = last[2].after.as_ref().unwrap();
    assert_eq!(
        (&after["name"], &after["script_id"], &after["channels"]),
        (&json!("down"), &json!(made.id), &json!([told]))
    );
}

async fn what_exists_is_not_changed(store: Store) {
    let anna = owner(&store, "anna").await;
    let bert = owner(&store, "bert").await;
    let before = script(&store, &anna).await;
    let own = rule(&store, &anna, before.id, down("own")).await;
    set(&store, &anna, &[default_rule(down("one"), &[])]).await;
    let made = script(&store, &anna).await;
    set(&store, &anna, &[default_rule(down("other"), &[])]).await;
    let names = async |script| -> Vec<String> {
        let rules = rules_of(&store, &anna, script).await.into_iter();
        rules.map(|rule| rule.content.name).collect()
    };
    assert_eq!(rules_of(&store, &anna, before.id).await, [own]);
    assert_eq!(names(made.id).await, ["one"]);
    assert_eq!(names(script(&store, &anna).await.id).await, ["other"]);
    // They are of one project, and of one organization.
    let project = Project {
        id: ProjectId::generate(&clock()),
        name: "shop".to_owned(),
        created_at: start(),
    };
    assert!(store.create_project(anna.org, &project, 10).await.unwrap());
    let elsewhere = ScriptChange {
        project_id: project.id,
        ..change(&anna, start())
    };
    let there = new_script(&anna, elsewhere.clone());
    let there = store.create_script(there).await.unwrap();
    assert_eq!(names(there.id).await, [""; 0]);
    // A script that is moved takes its rules along, and gets no others.
    let moved = store
        .update_script(anna.org, made.id, elsewhere, None)
        .await;
    assert!(matches!(moved.unwrap(), Updated::Done(_)));
    assert_eq!(names(made.id).await, ["one"]);
    let back = change(&anna, start());
    let moved = store.update_script(anna.org, there.id, back, None).await;
    assert!(matches!(moved.unwrap(), Updated::Done(_)));
    assert_eq!(names(there.id).await, [""; 0]);
    for (org, project) in [
        (bert.org, anna.project),
        (anna.org, ProjectId::generate(&clock())),
    ] {
        assert_eq!(store.list_default_rules(org, project).await.unwrap(), None);
        let set = store.set_default_rules(org, project, Vec::new()).await;
        assert_eq!(set.unwrap(), SetDefaultRules::NoProject);
    }
    assert_eq!(defaults(&store, &anna).await.len(), 1);
    set(&store, &anna, &[]).await;
    assert_eq!(names(script(&store, &anna).await.id).await, [""; 0]);
}

async fn a_script_may_be_made_without_them(store: Store) {
    let anna = owner(&store, "anna").await;
    set(&store, &anna, &[default_rule(down("down"), &[])]).await;
    let new = NewScript {
        has_default_rules: false,
        ..new_script(&anna, change(&anna, start()))
    };
    let made: Script = store.create_script(new).await.unwrap();
    assert_eq!(rules_of(&store, &anna, made.id).await, []);
}

async fn channels_of_others_are_none(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let own = channel(&store, &anna, "own").await.id;
    let his = channel(&store, &bert, "his").await.id;
    let known = [default_rule(down("down"), &[own])];
    set(&store, &anna, &known).await;
    for missing in [his, ChannelId::generate(&clock())] {
        let escalating = RuleContent {
            follow_up: FollowUp {
                remind_after_minutes: None,
                escalation: vec![step(5, &[missing])],
            },
            ..down("down")
        };
        for rules in [
            vec![default_rule(down("down"), &[own, missing])],
            vec![default_rule(escalating, &[own])],
        ] {
            let set = store.set_default_rules(anna.org, anna.project, rules).await;
            assert_eq!(set.unwrap(), SetDefaultRules::NoChannel(missing));
        }
    }
    assert_eq!(defaults(&store, &anna).await, known);
}

async fn channels_that_are_gone_are_left_out(store: Store) {
    let anna = owner(&store, "anna").await;
    let told = channel(&store, &anna, "night").await.id;
    let louder = channel(&store, &anna, "day").await.id;
    let mut rules = two(told, louder);
    set(&store, &anna, &rules).await;
    assert!(store.delete_channel(anna.org, louder).await.unwrap());
    // A step that nobody is left of goes, too.
    rules[0].content.follow_up.escalation = vec![step(30, &[told])];
    assert_eq!(defaults(&store, &anna).await, rules);
    let made = script(&store, &anna).await;
    assert_eq!(as_defaults(&store, &anna, made.id).await, rules);
    assert!(store.delete_channel(anna.org, told).await.unwrap());
    rules[0].channel_ids = Vec::new();
    rules[0].content.follow_up.escalation = Vec::new();
    let made = script(&store, &anna).await;
    assert_eq!(as_defaults(&store, &anna, made.id).await, rules);
    // What is read can be set again.
    set(&store, &anna, &rules).await;
}

async fn a_copy_fires_and_tells_as_any_rule(store: Store) {
    let mut world = World::new(&store).await;
    let told = channel(&store, &world.owner, "night").await.id;
    let louder = channel(&store, &world.owner, "day").await.id;
    set(&store, &world.owner, &two(told, louder)).await;
    world.script = script(&store, &world.owner).await.id;
    world.run(failure()).await;
    assert_eq!(world.events(told).await, ["down"]);
    world.clock.advance(TimeDelta::minutes(16));
    assert_eq!(store.tick_alerts(&world.clock).await.unwrap(), 1);
    assert_eq!(world.events(louder).await, ["escalated"]);
    world.run(success()).await;
    assert_eq!(world.events(told).await, ["down", "up"]);
}

async fn a_copy_notices_silence(store: Store) {
    let anna = owner(&store, "anna").await;
    let silent = definition(&json!({ "type": "no_data", "intervals": 3 }));
    set(
        &store,
        &anna,
        &[default_rule(content("silent", silent), &[])],
    )
    .await;
    let running = script(&store, &anna).await.id;
    let paused = ScriptChange {
        is_enabled: false,
        ..change(&anna, start())
    };
    let paused = new_script(&anna, paused);
    let paused = store.create_script(paused).await.unwrap().id;
    let clock = clock();
    // As of a rule that is made: three slots of ten seconds from the first on, and the time that a run may take.
    clock.advance(TimeDelta::seconds(140));
    assert_eq!(
        store.tick_alerts(&clock).await.unwrap(),
        1,
        "{}",
        clock.now()
    );
    for (script, phase) in [(running, Phase::Firing), (paused, Phase::Ok)] {
        let rules = rules_of(&store, &anna, script).await;
        assert_eq!(rules[0].phase, Some(phase));
    }
}
