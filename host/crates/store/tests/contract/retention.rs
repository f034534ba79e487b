//! What has had its time goes.

use chrono::TimeDelta;
use vedette_core::{Clock as _, Projects};
use vedette_store::{HistoryFilter, IncidentFilter, Store, both_databases};

use crate::{
    PAGE,
    outbox::{World, failure},
    start, success,
};

both_databases!(old_incidents_and_history_go);

async fn old_incidents_and_history_go(store: Store) {
    let world = World::new(&store).await;
    let org = world.owner.org;
    let counts = async || {
        let all = Projects::All;
        let incidents = store.list_incidents(org, &all, IncidentFilter::default(), PAGE);
        let history = store.list_alert_history(org, &all, HistoryFilter::default(), PAGE);
        (
            incidents.await.unwrap().items.len(),
            history.await.unwrap().items.len(),
        )
    };
    world.run(failure()).await;
    world.run(success()).await;
    let before = world.clock.now() + TimeDelta::seconds(1);
    world.run(failure()).await;
    world.run(success()).await;
    world.run(failure()).await;
    assert_eq!(counts().await, (3, 5));
    assert_eq!(store.delete_incidents_before(start(), 9).await.unwrap(), 0);
    assert_eq!(
        store.delete_alert_history_before(start(), 9).await.unwrap(),
        0
    );
    assert_eq!(store.delete_incidents_before(before, 9).await.unwrap(), 1);
    assert_eq!(
        store.delete_alert_history_before(before, 1).await.unwrap(),
        1
    );
    assert_eq!(
        store.delete_alert_history_before(before, 9).await.unwrap(),
        1
    );
    assert_eq!(counts().await, (2, 3));
    let later = world.clock.now() + TimeDelta::days(400);
    assert_eq!(
        store.delete_incidents_before(later, 9).await.unwrap(),
        1,
        "one goes on"
    );
    assert_eq!(
        store.delete_alert_history_before(later, 9).await.unwrap(),
        3
    );
    assert_eq!(counts().await, (1, 0));
}
