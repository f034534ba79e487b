//! Rows that no caller would write: changed by hand, or text that a database does not take.

use serde_json::json;
use vedette_core::{LogLevel, LogLine, ScriptVersionId};
use vedette_store::{RecordResult, StoreError, Updated};

use crate::{
    PAGE, at, by_hand, change, claim_at, clock, count, finished, javascript, new_script, on_each,
    owner, script, session, start, success,
};

#[tokio::test]
async fn a_corrupt_script_does_not_hold_up_others() {
    let damages = [
        "timezone = 'Mars/Olympus'",
        "cron_expression = 'whenever'",
        "timeout_seconds = -1",
        "parameters = '[]'",
        "env_vars = '{\"A\": 1}'",
    ];
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        for (number, damage) in damages.iter().enumerate() {
            let mut content = change(&owner, start());
            content.name = format!("bad {number}");
            store
                .create_script(new_script(&owner, content))
                .await
                .unwrap();
            let sql = format!("UPDATE scripts SET {damage} WHERE name = 'bad {number}'");
            assert_eq!(by_hand(database, &sql).await, 1);
        }
        let good = script(store, &owner).await.id;
        let due = at("2026-11-24T12:00:10Z");
        let claimed = store.claim_due(&claim_at(due)).await.unwrap();
        assert_eq!(
            claimed
                .iter()
                .map(|slot| slot.script_id)
                .collect::<Vec<_>>(),
            [good]
        );
        assert!(
            store.claim_due(&claim_at(due)).await.unwrap().is_empty(),
            "all are leased"
        );
        assert_eq!(count(database, "slots WHERE lease_token = 1").await, 6);
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_broke_during_the_run_ends_without_a_next_slot() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        let broken = script(store, &owner).await;
        let due = at("2026-11-24T12:00:10Z");
        let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
        by_hand(database, "UPDATE scripts SET timezone = 'Mars/Olympus'").await;
        let results = store
            .record_executions(&[finished(&slot, success())], &clock())
            .await;
        assert_eq!(results.unwrap(), [RecordResult::Recorded]);
        assert_eq!(
            store
                .get_script(owner.org, broken.id)
                .await
                .unwrap()
                .unwrap()
                .next_run_at,
            None
        );
    })
    .await;
}

#[tokio::test]
async fn an_edit_mends_a_schedule_that_does_not_read() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        let broken = script(store, &owner).await;
        by_hand(database, "UPDATE scripts SET timezone = 'Mars/Olympus'").await;
        let mend = change(&owner, at("2026-11-24T12:00:35Z"));
        let Updated::Done(mended) = store
            .update_script(owner.org, broken.id, mend, None)
            .await
            .unwrap()
        else {
            panic!("it is there")
        };
        assert_eq!(mended.next_run_at, Some(at("2026-11-24T12:00:40Z")));
    })
    .await;
}

#[tokio::test]
async fn a_script_disabled_during_its_run_leaves_no_slot_behind() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        let made = script(store, &owner).await;
        let due = at("2026-11-24T12:00:10Z");
        let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
        let mut off = change(&owner, due);
        off.is_enabled = false;
        store
            .update_script(owner.org, made.id, off, None)
            .await
            .unwrap();
        let leased = "slots WHERE scheduled_at IS NOT NULL AND leased_until IS NOT NULL";
        assert_eq!(count(database, leased).await, 1, "it is left to its run");
        let done = finished(&slot, success());
        store.record_executions(&[done], &clock()).await.unwrap();
        let free = "slots WHERE scheduled_at IS NULL AND leased_until IS NULL";
        assert_eq!(count(database, free).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_does_not_convert_names_itself() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        let made = script(store, &owner).await;
        by_hand(database, "UPDATE scripts SET timeout_seconds = -5").await;
        let error = store.get_script(owner.org, made.id).await.unwrap_err();
        let StoreError::Corrupt { table, id, what } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (*table, id.as_str()),
            ("scripts", made.id.to_string().as_str())
        );
        assert!(what.contains("-5"), "{what}");
        assert!(!error.is_retryable());
    })
    .await;
}

#[tokio::test]
async fn a_disabled_user_calls_no_more_and_a_former_member_for_nobody() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        let id = session(store, &owner).await;
        by_hand(database, "UPDATE users SET is_disabled = (1 = 1)").await;
        assert!(store.find_caller(id, start()).await.unwrap().is_none());
        assert!(
            store
                .find_login("anna")
                .await
                .unwrap()
                .unwrap()
                .user
                .is_disabled
        );
        by_hand(database, "UPDATE users SET is_disabled = (1 = 0)").await;
        assert!(store.find_caller(id, start()).await.unwrap().is_some());
        by_hand(database, "DELETE FROM memberships").await;
        // Still somebody, but nobody of that organization.
        let caller = store.find_caller(id, start()).await.unwrap();
        assert!(caller.unwrap().member.is_none());
        let login = store.find_login("anna").await.unwrap();
        assert!(login.unwrap().org_id.is_none());
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_deleted_script_stays() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        let made = script(store, &owner).await;
        let due = at("2026-11-24T12:00:10Z");
        let slot = store.claim_due(&claim_at(due)).await.unwrap().remove(0);
        let mut outcome = success();
        outcome.logs.push(LogLine {
            log_level: LogLevel::Info,
            message: "hello".to_owned(),
            timestamp: due,
        });
        store
            .record_executions(&[finished(&slot, outcome)], &clock())
            .await
            .unwrap();
        let tables = [
            "slots",
            "script_versions",
            "script_executions",
            "script_execution_logs",
        ];
        for table in tables {
            assert_eq!(count(database, table).await, 1, "{table}");
        }
        assert!(store.delete_script(owner.org, made.id).await.unwrap());
        for table in tables {
            assert_eq!(count(database, table).await, 0, "{table}");
        }
        assert!(!store.delete_script(owner.org, made.id).await.unwrap());
    })
    .await;
}

/// `PostgreSQL` keeps no NUL, neither in text nor in JSON; SQLite does. Callers keep it away; here
/// it must be kept whole or refused, never cut or half-written.
#[tokio::test]
async fn nul_survives_or_is_refused_with_nothing_half_written() {
    on_each(async |database| {
        let store = &database.store;
        let keeps_nul = store.is_embedded();
        let owner = owner(store, "anna").await;
        let mut in_source = change(&owner, start());
        in_source.program = javascript("a\0b");
        let mut in_json = change(&owner, start());
        in_json.parameters.insert("a".to_owned(), json!("x\0y"));
        let mut in_env = change(&owner, start());
        in_env.env_vars.insert("A".to_owned(), "x\0y".to_owned());
        for content in [in_source, in_json, in_env] {
            match store.create_script(new_script(&owner, content)).await {
                Ok(made) => {
                    assert!(keeps_nul);
                    assert_eq!(
                        store.get_script(owner.org, made.id).await.unwrap(),
                        Some(made)
                    );
                }
                Err(error) => assert!(!keeps_nul && !error.is_retryable(), "{error:?}"),
            }
        }
        let expected = if keeps_nul { 3 } else { 0 };
        for table in ["scripts", "script_versions", "slots"] {
            assert_eq!(count(database, table).await, expected, "{table}");
        }

        let made = script(store, &owner).await;
        let mut renamed = change(&owner, start());
        renamed.program = javascript("new");
        renamed.version_id = ScriptVersionId::generate(&clock());
        renamed.name = String::from("a\0");
        let updated = store.update_script(owner.org, made.id, renamed, None).await;
        assert_eq!(updated.is_ok(), keeps_nul);
        if let Ok(updated) = updated {
            assert!(matches!(updated, Updated::Done(script) if script.name == "a\0"));
        } else {
            assert_eq!(
                store.get_script(owner.org, made.id).await.unwrap(),
                Some(made)
            );
            assert_eq!(count(database, "script_versions").await, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn an_outcome_that_is_refused_can_be_recorded_in_other_words() {
    on_each(async |database| {
        let store = &database.store;
        let owner = owner(store, "anna").await;
        for _ in 0..3 {
            script(store, &owner).await;
        }
        let due = at("2026-11-24T12:00:10Z");
        let slots = store.claim_due(&claim_at(due)).await.unwrap();
        let mut batch: Vec<_> = slots.iter().map(|slot| finished(slot, success())).collect();
        batch[1].outcome.message = Some("\0".to_owned());
        let together = store.record_executions(&batch, &clock()).await;
        if store.is_embedded() {
            assert_eq!(together.unwrap(), [RecordResult::Recorded; 3]);
        } else {
            let error = together.unwrap_err();
            assert!(!error.is_retryable(), "{error:?}");
            assert_eq!(
                count(database, "script_executions").await,
                0,
                "all or nothing"
            );
            assert!(
                store.claim_due(&claim_at(due)).await.unwrap().is_empty(),
                "still leased"
            );
        }
        batch[1].outcome.message = Some("in other words".to_owned());
        let again = store.record_executions(&batch, &clock()).await.unwrap();
        assert_eq!(again, [RecordResult::Recorded; 3]);
        assert_eq!(count(database, "script_executions").await, 3);
        let listed = store
            .list_executions(owner.org, slots[1].script_id, PAGE)
            .await
            .unwrap();
        assert_eq!(listed.items.len(), 1);
    })
    .await;
}
