//! Who is told, and who is not, while a maintenance window or a silence is active.

use chrono::TimeDelta;
use serde_json::json;
use vedette_core::{
    AlertRuleId, ChannelId, Clock as _, ProjectId, Projects,
    alert::{Severity, rule::RuleDefinition, state::Phase},
    silence::{Scope, WindowText},
};
use vedette_store::{
    AlertTransition, HistoryFilter, IncidentFilter, Project, RuleContent, ScriptChange, Store,
    both_databases,
};

use crate::{
    PAGE, by_hand, change,
    channels::channel,
    maintenance::{self, once, silence, window},
    on_each,
    outbox::{World, content, failure, rule_with},
    start, success,
};

both_databases!(
    what_fires_in_a_window_is_told_once_after_it,
    what_recovers_in_a_window_is_never_told,
    an_incident_that_was_told_goes_on_in_a_window,
    a_window_comes_again_by_cron,
    a_window_that_is_deleted_ends,
    a_silence_keeps_back_what_it_matches,
    a_silence_matches_names_ids_tags_and_kinds,
    a_window_covers_what_its_scope_says,
    what_time_brings_is_told_after_the_window,
    uptime_does_not_see_maintenance,
    a_late_record_is_of_its_slot,
);

impl World<'_> {
    async fn incidents(&self) -> usize {
        let filter = IncidentFilter::default();
        let listed = self
            .store
            .list_incidents(self.owner.org, &Projects::All, filter, PAGE);
        listed.await.unwrap().items.len()
    }

    /// A rule beside the first one, with a channel of its own.
    async fn another(&self, name: &str, content: RuleContent) -> (AlertRuleId, ChannelId) {
        let rule = rule_with(self.store, &self.owner, self.script, content).await;
        let channel = channel(self.store, &self.owner, name).await.id;
        self.tells(rule.id, &[channel]).await;
        (rule.id, channel)
    }

    /// Lets a new rule, the only one, fire and recover, which is too seldom to flap. Answers whether that was told.
    async fn told_by_a_new_rule(&self, name: &str) -> bool {
        let (org, now) = (self.owner.org, self.clock.now());
        let first = self.store.delete_alert_rule(org, self.rule, now);
        first.await.unwrap();
        let (rule, channel) = self.another(name, content(name)).await;
        self.run(failure()).await;
        self.run(success()).await;
        let events = self.events(channel).await;
        assert!(events.is_empty() || events == ["down", "up"], "{events:?}");
        let now = self.clock.now();
        let deleted = self.store.delete_alert_rule(org, rule, now);
        assert!(deleted.await.unwrap());
        !events.is_empty()
    }

    /// Gives the script a tag.
    async fn tag(&self, tag: &str) {
        self.edit(ScriptChange {
            tags: vec![tag.to_owned()],
            ..change(&self.owner, start())
        })
        .await;
    }

    async fn phase(&self, rule: AlertRuleId) -> Option<Phase> {
        let rule = self.store.get_alert_rule(self.owner.org, rule).await;
        rule.unwrap().unwrap().phase
    }
}

fn definition(value: &serde_json::Value) -> RuleDefinition {
    RuleDefinition::read(value).unwrap()
}

/// Slots are on the tens after 12:00:00, and the tests begin a quarter of a second after that.
const AROUND_TWO_SLOTS: (i64, i64) = (15, 35);

async fn what_fires_in_a_window_is_told_once_after_it(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let (from, until) = AROUND_TWO_SLOTS;
    window(&store, &world.owner, Scope::Organization, once(from, until)).await;
    world.run(success()).await;
    for _ in 0..2 {
        world.run(failure()).await;
        assert_eq!(world.events(one).await, [""; 0]);
        assert_eq!(world.incidents().await, 0);
    }
    assert_eq!(world.phase(world.rule).await, Some(Phase::Firing));
    for _ in 0..2 {
        world.run(failure()).await;
        assert_eq!(world.events(one).await, ["down"]);
    }
    assert_eq!(world.incidents().await, 1);
    world.run(success()).await;
    assert_eq!(world.events(one).await, ["down", "up"]);
}

async fn what_recovers_in_a_window_is_never_told(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let (from, until) = AROUND_TWO_SLOTS;
    window(&store, &world.owner, Scope::Organization, once(from, until)).await;
    world.run(success()).await;
    world.run(failure()).await;
    for _ in 0..3 {
        world.run(success()).await;
    }
    assert_eq!(world.events(one).await, [""; 0]);
    assert_eq!(world.incidents().await, 0);
    // That it happened is known.
    let filter = HistoryFilter::default();
    let history = store.list_alert_history(world.owner.org, &Projects::All, filter, PAGE);
    let history = history.await.unwrap().items;
    let transitions: Vec<_> = history.iter().map(|entry| entry.transition).collect();
    assert_eq!(
        transitions,
        [AlertTransition::Recovered, AlertTransition::Fired]
    );
    // The next one is told as ever.
    world.run(failure()).await;
    assert_eq!(world.events(one).await, ["down"]);
}

async fn an_incident_that_was_told_goes_on_in_a_window(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let (from, until) = AROUND_TWO_SLOTS;
    window(&store, &world.owner, Scope::Organization, once(from, until)).await;
    world.run(failure()).await;
    world.run(failure()).await;
    assert_eq!(world.events(one).await, ["down"]);
    world.run(success()).await;
    assert_eq!(world.events(one).await, ["down", "up"], "in the window");
    world.run(success()).await;
    assert_eq!(world.events(one).await, ["down", "up"]);
}

async fn a_window_comes_again_by_cron(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let each_hour = WindowText {
        cron_expression: Some("0 * * * *".to_owned()),
        duration_minutes: Some(1),
        timezone: Some("Europe/Berlin".to_owned()),
        ..WindowText::default()
    };
    window(&store, &world.owner, Scope::Organization, each_hour).await;
    for hour in [0, 1] {
        let passed = world.clock.now() - start();
        let begin = TimeDelta::hours(hour) + TimeDelta::seconds(5);
        world.clock.advance(begin - passed);
        let before = world.events(one).await;
        for _ in 0..5 {
            world.run(failure()).await;
            assert_eq!(world.events(one).await, before);
        }
        // The slot of the first minute.
        world.run(failure()).await;
        world.run(success()).await;
        let after = world.events(one).await;
        assert_eq!(after[before.len()..], ["down", "up"]);
    }
}

async fn a_window_that_is_deleted_ends(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let made = window(&store, &world.owner, Scope::Organization, once(0, 1_000)).await;
    world.run(failure()).await;
    let org = world.owner.org;
    assert!(store.delete_maintenance_window(org, made.id).await.unwrap());
    assert_eq!(world.events(one).await, [""; 0], "it has to be seen again");
    world.run(failure()).await;
    assert_eq!(world.events(one).await, ["down"]);
}

async fn a_silence_keeps_back_what_it_matches(store: Store) {
    let world = World::new(&store).await;
    let mild = world.told("mild").await;
    let critical = RuleContent {
        severity: Severity::Critical,
        ..content("critical")
    };
    let (_, severe) = world.another("severe", critical).await;
    let (from, until) = AROUND_TWO_SLOTS;
    let matcher = ("severity", "!=", "critical");
    silence(&store, &world.owner, matcher, from, until).await;
    world.run(success()).await;
    for _ in 0..2 {
        world.run(failure()).await;
        assert_eq!(world.events(mild).await, [""; 0]);
        assert_eq!(world.events(severe).await, ["down"]);
    }
    world.run(failure()).await;
    assert_eq!(world.events(mild).await, ["down"], "the silence is over");
    assert_eq!(world.events(severe).await, ["down"]);
    assert_eq!(world.incidents().await, 1);
    world.run(success()).await;
    for channel in [mild, severe] {
        assert_eq!(world.events(channel).await, ["down", "up"]);
    }
}

async fn a_silence_matches_names_ids_tags_and_kinds(store: Store) {
    let world = World::new(&store).await;
    world.tag("shop").await;
    let project = world.owner.project.to_string();
    let script = world.script.to_string();
    for (name, matcher, is_told) in [
        ("by pattern", ("script", "=", "ch*k"), false),
        ("by id", ("script", "=", script.as_str()), false),
        ("another", ("script", "=", "shop"), true),
        ("by project", ("project", "=", project.as_str()), false),
        ("by no project", ("project", "!=", project.as_str()), true),
        ("by tag", ("tag", "=", "sh*"), false),
        ("by no tag", ("tag", "!=", "shop"), true),
        ("by another tag", ("tag", "!=", "shops"), false),
        ("by kind", ("rule_type", "=", "status_change"), false),
        ("by other kinds", ("rule_type", "!=", "status_change"), true),
    ] {
        let made = silence(&store, &world.owner, matcher, 0, 1_000).await;
        assert_eq!(world.told_by_a_new_rule(name).await, is_told, "{matcher:?}");
        let deleted = store.delete_silence(world.owner.org, made.id);
        assert!(deleted.await.unwrap());
    }
}

async fn a_window_covers_what_its_scope_says(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    let org = world.owner.org;
    let bert = crate::owner(&store, "bert").await;
    let other = Project {
        id: ProjectId::generate(&world.clock),
        name: "shop".to_owned(),
        created_at: start(),
    };
    assert!(store.create_project(org, &other, 10).await.unwrap());
    let neighbour = crate::script(&store, &world.owner).await.id;
    // None of them concerns the script.
    world.tag("shops").await;
    window(&store, &bert, Scope::Organization, once(0, 1_000)).await;
    for scope in [
        Scope::Project { id: other.id },
        Scope::Script { id: neighbour },
        Scope::Tag {
            name: "shop".to_owned(),
        },
    ] {
        window(&store, &world.owner, scope, once(0, 1_000)).await;
    }
    world.run(failure()).await;
    world.run(success()).await;
    assert_eq!(world.events(one).await, ["down", "up"]);
    for scope in [
        Scope::Organization,
        Scope::Tag {
            name: "shops".to_owned(),
        },
        Scope::Script { id: world.script },
        Scope::Project {
            id: world.owner.project,
        },
    ] {
        let made = window(&store, &world.owner, scope.clone(), once(0, 1_000)).await;
        world.run(failure()).await;
        world.run(success()).await;
        assert_eq!(world.events(one).await, ["down", "up"], "{scope:?}");
        assert!(store.delete_maintenance_window(org, made.id).await.unwrap());
    }
}

async fn what_time_brings_is_told_after_the_window(store: Store) {
    let world = World::new(&store).await;
    let silent = RuleContent {
        definition: definition(&json!({ "type": "no_data", "intervals": 3 })),
        ..content("silent")
    };
    let (rule, told) = world.another("silent", silent).await;
    world.run(success()).await;
    window(&store, &world.owner, Scope::Organization, once(60, 300)).await;
    let tick_at = async |seconds| {
        let passed = world.clock.now() - start();
        world.clock.advance(TimeDelta::seconds(seconds) - passed);
        while store.tick_alerts(&world.clock).await.unwrap() > 0 {}
    };
    for seconds in [180, 250, 299] {
        tick_at(seconds).await;
        assert_eq!(world.phase(rule).await, Some(Phase::Firing));
        assert_eq!(world.events(told).await, [""; 0]);
    }
    for seconds in [365, 430] {
        tick_at(seconds).await;
        assert_eq!(world.events(told).await, ["down"]);
    }
    world.run(success()).await;
    assert_eq!(world.events(told).await, ["down", "up"]);
}

async fn uptime_does_not_see_maintenance(store: Store) {
    let world = World::new(&store).await;
    let uptime = RuleContent {
        definition: definition(&json!({ "type": "uptime", "below_percent": 90, "window": "5m" })),
        ..content("uptime")
    };
    let (_, told) = world.another("uptime", uptime).await;
    for _ in 0..10 {
        world.run(success()).await;
    }
    // The slots of 12:01:50 to 12:02:20.
    window(&store, &world.owner, Scope::Organization, once(105, 145)).await;
    for _ in 0..4 {
        world.run(failure()).await;
    }
    // 10 of 11.
    world.run(failure()).await;
    assert_eq!(world.events(told).await, [""; 0]);
    // 10 of 12.
    world.run(failure()).await;
    assert_eq!(world.events(told).await, ["down"]);
    let time = start()..world.clock.now();
    let past = store.past_observations(world.owner.org, world.script, time, 100);
    let past = past.await.unwrap().observations;
    let announced: Vec<_> = past.iter().rev().map(|one| one.is_in_maintenance).collect();
    let expected = [[false; 10].as_slice(), &[true; 4], &[false; 2]].concat();
    assert_eq!(announced, expected);
    // A silence takes nothing out.
    let uptime = definition(&json!({ "type": "uptime", "below_percent": 10, "window": "5m" }));
    let uptime = RuleContent {
        definition: uptime,
        ..content("low")
    };
    let (low, quiet) = world.another("low", uptime).await;
    silence(&store, &world.owner, ("rule_type", "=", "uptime"), 0, 1_000).await;
    for _ in 0..10 {
        world.run(failure()).await;
    }
    assert_eq!(world.phase(low).await, Some(Phase::Firing));
    assert_eq!(world.events(quiet).await, [""; 0]);
}

async fn a_late_record_is_of_its_slot(store: Store) {
    let world = World::new(&store).await;
    let one = world.told("one").await;
    // The slot of 12:00:10 is recorded five seconds later, when the window is over.
    window(&store, &world.owner, Scope::Organization, once(8, 12)).await;
    world.run(failure()).await;
    assert_eq!(world.events(one).await, [""; 0]);
    world.run(failure()).await;
    assert_eq!(world.events(one).await, ["down"]);
}

#[tokio::test]
async fn what_does_not_read_mutes_nothing_and_holds_nothing_up() {
    on_each(async |database| {
        let store = &database.store;
        let world = World::new(store).await;
        let (month, all) = (2_592_000, Scope::Organization);
        let made = maintenance::window(store, &world.owner, all, once(0, month)).await;
        assert!(!world.told_by_a_new_rule("in a window").await);
        let deleted = store.delete_maintenance_window(world.owner.org, made.id);
        assert!(deleted.await.unwrap());
        silence(store, &world.owner, ("tag", "!=", "x"), 0, month).await;
        assert!(!world.told_by_a_new_rule("in a silence").await);
        let all = Scope::Organization;
        maintenance::window(store, &world.owner, all, once(0, month)).await;
        by_hand(database, "UPDATE silences SET matchers = '[]'").await;
        assert!(!world.told_by_a_new_rule("in a good window").await);

        let damages = [
            (
                "maintenance_windows",
                r#"definition = '{"cron_expression": "x"}'"#,
            ),
            ("maintenance_windows", "definition = '[]'"),
            ("silences", "matchers = '{}'"),
            (
                "silences",
                r#"matchers = '[{"label": "x", "operator": "=", "value": "y"}]'"#,
            ),
            // The other database does not take such texts.
            ("maintenance_windows", "definition = 'no JSON'"),
            ("silences", "matchers = ''"),
        ];
        let takes_all = store.is_embedded();
        for (table, damage) in &damages[..if takes_all { 6 } else { 4 }] {
            let sql = format!("UPDATE {table} SET {damage}");
            assert_eq!(by_hand(database, &sql).await, 1);
            assert!(world.told_by_a_new_rule(damage).await, "{damage}");
        }
    })
    .await;
}
