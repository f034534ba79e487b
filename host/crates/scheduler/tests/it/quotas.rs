//! Quotas of a day: once one is used up, slots end in a row each and nothing runs.

use std::{sync::Arc, time::Duration};

use vedette_core::{ErrorClass, OwnQuotas, Quota, Status, SystemClock, UserId};
use vedette_store::{Store, both_databases};

use crate::{
    witness::Witness,
    world::{World, start, until},
};

both_databases!(a_quota_of_a_day_that_is_used_up_stops_the_runs);

async fn a_quota_of_a_day_that_is_used_up_stops_the_runs(store: Store) {
    let world = World::new(store).await;
    let other = world.another("eve").await;
    let script = world.every_second("ok").await;
    let others = other.every_second("ok").await;
    // Each run of the witness uses 42 units: the second one uses them up.
    set_fuel(&world, Some(84)).await;
    let witness = Arc::new(Witness::new());
    let scheduler = start(&world.store, &witness, 8);
    until("some slots are refused", async || {
        world.count(script, Status::Error).await >= 3
    })
    .await;
    let runs = witness.runs_of(script).len();
    assert!((2..=5).contains(&runs), "{runs}: what was claimed may run");
    let before = witness.runs_of(others).len();
    until("the other organization goes on", async || {
        witness.runs_of(others).len() >= before + 2
    })
    .await;
    assert_eq!(witness.runs_of(script).len(), runs);

    // An administrator gives more: it runs again.
    set_fuel(&world, None).await;
    until("it runs again", async || {
        witness.runs_of(script).len() > runs
    })
    .await;
    scheduler.drain(Duration::from_secs(10)).await;
    let rows = world.check_slots(script).await;
    let refused: Vec<_> = rows
        .iter()
        .filter(|row| row.status == Status::Error)
        .collect();
    assert!(refused.len() >= 3, "{rows:#?}");
    for row in refused {
        assert_eq!(row.error_class, Some(ErrorClass::QuotaExceeded));
        let message = row.message.as_deref().unwrap_or_default();
        assert!(message.contains("fuel_per_day"), "{message}");
    }
    assert_eq!(world.count(script, Status::Missed).await, 0, "{rows:#?}");
}

async fn set_fuel(world: &World, limit: Option<u64>) {
    let mut own = OwnQuotas::default();
    own.set(Quota::FuelPerDay, limit);
    let by: UserId = world.change("ok").changed_by;
    let now = vedette_core::Clock::now(&SystemClock);
    let set = world.store.set_own_quotas(world.org, &own, by, now).await;
    assert!(set.unwrap());
}
