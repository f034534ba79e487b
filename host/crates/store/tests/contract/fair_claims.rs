//! Claims where one organization has more slots due than there is room: the others get theirs.

use std::{collections::HashMap, time::Instant};

use chrono::TimeDelta;
use vedette_core::{OrgId, ScriptId};
use vedette_store::{ClaimRequest, ClaimedSlot, ScriptChange, SlotLease, Store, both_databases};

use crate::{Owner, at, by_hand, change, claim_at, new_script, on_each, owner, script, start};

both_databases!(
    a_claim_of_few_takes_from_everybody,
    who_is_skipped_gets_nothing,
    disabled_scripts_take_no_place,
    claims_of_few_share_the_slots,
    a_claim_tells_whether_somebody_held_the_slot,
);

/// An owner with scripts that are all due at 12:00:10.
async fn many(store: &Store, name: &str, count: usize) -> Owner {
    let owner = owner(store, name).await;
    for _ in 0..count {
        script(store, &owner).await;
    }
    owner
}

fn few(most: u32, limit: u32) -> ClaimRequest {
    ClaimRequest {
        limit,
        most_of_one: Some(most),
        ..claim_at(at("2026-11-24T12:00:10Z"))
    }
}

fn counts(claimed: &[ClaimedSlot]) -> HashMap<OrgId, usize> {
    let mut counts = HashMap::new();
    for slot in claimed {
        *counts.entry(slot.org_id).or_default() += 1;
    }
    counts
}

async fn a_claim_of_few_takes_from_everybody(store: Store) {
    let flood = many(&store, "flood", 30).await;
    let honest = many(&store, "honest", 2).await;
    let claimed = store.claim_due(&few(3, 1_000)).await.unwrap();
    assert_eq!(
        counts(&claimed),
        HashMap::from([(flood.org, 3), (honest.org, 2)])
    );
    // The next ones: what is leased takes no place.
    let claimed = store.claim_due(&few(3, 1_000)).await.unwrap();
    assert_eq!(counts(&claimed), HashMap::from([(flood.org, 3)]));

    // Where there is not enough for all, everybody's first comes before anybody's second.
    let other = many(&store, "other", 5).await;
    let claimed = store.claim_due(&few(3, 3)).await.unwrap();
    let counts = counts(&claimed);
    assert!(
        counts[&other.org] >= 1 && counts[&flood.org] >= 1,
        "{counts:?}"
    );
    assert_eq!(claimed.len(), 3);
}

async fn who_is_skipped_gets_nothing(store: Store) {
    let flood = many(&store, "flood", 5).await;
    let honest = many(&store, "honest", 2).await;
    for most_of_one in [None, Some(2)] {
        let request = ClaimRequest {
            most_of_one,
            skip: vec![flood.org, OrgId::generate(&crate::clock())],
            ..few(2, 1)
        };
        let claimed = store.claim_due(&request).await.unwrap();
        assert_eq!(counts(&claimed), HashMap::from([(honest.org, 1)]));
    }
    let claimed = store.claim_due(&few(9, 100)).await.unwrap();
    assert_eq!(counts(&claimed), HashMap::from([(flood.org, 5)]));
}

async fn disabled_scripts_take_no_place(store: Store) {
    let owner = owner(&store, "anna").await;
    let mut disabled = Vec::new();
    for _ in 0..5 {
        disabled.push(script(&store, &owner).await.id);
    }
    // Claimed by a node that never comes back, and disabled meanwhile: their slots keep their times.
    let held = store.claim_due(&few(9, 100)).await.unwrap();
    assert_eq!(held.len(), 5);
    for id in disabled {
        let off = ScriptChange {
            is_enabled: false,
            ..change(&owner, start())
        };
        store.update_script(owner.org, id, off, None).await.unwrap();
    }
    let late = ScriptChange {
        cron_expression: Some("*/11 * * * * *".to_owned()),
        ..change(&owner, start())
    };
    let enabled = store
        .create_script(new_script(&owner, late))
        .await
        .unwrap()
        .id;
    let later = ClaimRequest {
        now: at("2026-11-24T12:05:00Z"),
        ..few(1, 100)
    };
    let claimed = store.claim_due(&later).await.unwrap();
    let ids: Vec<ScriptId> = claimed.iter().map(|slot| slot.script_id).collect();
    assert_eq!(ids, [enabled]);
}

async fn claims_of_few_share_the_slots(store: Store) {
    many(&store, "flood", 40).await;
    many(&store, "honest", 10).await;
    let claims = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.claim_due(&few(5, 8)).await.unwrap() })
    });
    let mut claimed = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        claimed.extend(claim.await.unwrap());
    }
    // One that met the rows of others while they were locked may have got less: the rest is free.
    while claimed.len() < 50 {
        let more = store.claim_due(&few(5, 8)).await.unwrap();
        assert!(!more.is_empty(), "{} of 50", claimed.len());
        claimed.extend(more);
    }
    let mut ids: Vec<_> = claimed.iter().map(|slot| slot.script_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50, "no slot was claimed twice");
}

async fn a_claim_tells_whether_somebody_held_the_slot(store: Store) {
    many(&store, "anna", 1).await;
    let first = store.claim_due(&few(1, 1)).await.unwrap().remove(0);
    assert!(!first.was_held);
    let lease = SlotLease {
        script_id: first.script_id,
        org_id: first.org_id,
        lease_token: first.lease_token,
    };
    store.release_slots(&[lease]).await.unwrap();
    // Over before the script is due again.
    let request = ClaimRequest {
        lease: TimeDelta::seconds(2),
        ..few(1, 1)
    };
    let again = store.claim_due(&request).await.unwrap().remove(0);
    assert!(!again.was_held, "it was given back");
    let later = ClaimRequest {
        now: request.now + request.look_ahead + request.lease + TimeDelta::seconds(1),
        ..request
    };
    let taken_over = store.claim_due(&later).await.unwrap().remove(0);
    assert!(taken_over.was_held, "whoever had it is gone");
}

/// A large table: how long claims take is printed, for people who read the output; that they need no more
/// than the first slots of each organization is seen in the plan.
#[tokio::test]
async fn a_claim_of_few_reads_few_slots() {
    on_each(async |database| {
        let store = &database.store;
        let flood = owner(store, "flood").await;
        script(store, &flood).await;
        let new_id = if store.is_embedded() {
            "randomblob(16)"
        } else {
            "gen_random_uuid()"
        };
        for number in 0..50 {
            let honest = owner(store, &format!("honest{number}")).await;
            script(store, &honest).await;
        }
        // Copies of the scripts that are there: 19,999 more of the flood, 99 more of everybody else.
        let copy = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 19999) \
             INSERT INTO scripts (id, org_id, project_id, owner_id, name, is_enabled, \
             cron_expression, timezone, script_body, language, version_id, version_number, \
             parameters, env_vars, timeout_seconds, revision, created_at, updated_at) \
             SELECT {new_id}, scripts.org_id, project_id, owner_id, scripts.name, is_enabled, \
             cron_expression, timezone, script_body, language, version_id, version_number, \
             parameters, env_vars, timeout_seconds, revision, scripts.created_at, updated_at \
             FROM n JOIN scripts ON i < 100 OR scripts.org_id IN (SELECT org_id FROM memberships \
             JOIN users ON users.id = user_id AND username = 'flood')"
        );
        by_hand(database, &copy).await;
        let slots = "INSERT INTO slots (script_id, location, org_id, scheduled_at, lease_token) \
             SELECT scripts.id, (SELECT location FROM slots LIMIT 1), org_id, \
             (SELECT MIN(scheduled_at) FROM slots), 0 FROM scripts \
             WHERE NOT EXISTS (SELECT 1 FROM slots WHERE slots.script_id = scripts.id)";
        by_hand(database, slots).await;
        by_hand(database, "ANALYZE").await;

        let name = if store.is_embedded() {
            "SQLite"
        } else {
            "PostgreSQL"
        };
        let mut held = Vec::new();
        for request in [few(8, 250), few(8, 1_000), claim_at(few(1, 1).now)] {
            let request = ClaimRequest {
                skip: held.clone(),
                ..request
            };
            let began = Instant::now();
            let claimed = store.claim_due(&request).await.unwrap();
            println!(
                "{name}, 25,000 slots due: {} claimed in {:?}, {} organizations skipped",
                claimed.len(),
                began.elapsed(),
                request.skip.len()
            );
            let counts = counts(&claimed);
            if let Some(most) = request.most_of_one {
                assert!(
                    counts.values().all(|count| *count <= most as usize),
                    "{counts:?}"
                );
                assert_eq!(counts.len(), 51 - request.skip.len(), "everybody gets some");
            }
            held = vec![flood.org];
        }
    })
    .await;
}
