//! Six ways to tamper with the audit log by the hands of the database's owner, a hundred times each.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use vedette_core::{OrgId, ProjectId};
use vedette_store::{
    ChainId, ChainReport, Checkpoint, CheckpointKey, Project, Tampering, testing::TestDatabase,
};

use crate::{clock, on_each, owner, start};

const TIMES: u64 = 100;
const RECORDS: i64 = 24;

/// A connection of somebody who may do everything in the database.
enum Hands {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Hands {
    async fn of(database: &TestDatabase) -> Self {
        let mut hands = if database.store.is_embedded() {
            Self::Sqlite(SqliteConnection::connect(&database.url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(&database.url).await.unwrap())
        };
        let triggers = match hands {
            Self::Sqlite(_) => {
                "DROP TRIGGER audit_log_is_not_updated; DROP TRIGGER audit_log_is_not_deleted"
            }
            Self::Postgres(_) => "DROP TRIGGER audit_log_is_not_changed ON audit_log",
        };
        hands.run(triggers).await;
        for table in ["audit_log", "audit_heads", "audit_checkpoints"] {
            let keep = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
            hands.run(&keep).await;
        }
        hands
    }

    async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => drop(sql.execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(sql.execute(connection).await.unwrap()),
        }
    }

    async fn restore(&mut self) {
        for table in ["audit_log", "audit_heads", "audit_checkpoints"] {
            let restore =
                format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
            self.run(&restore).await;
        }
    }

    /// Bytes, or an id, as the database writes them.
    fn bytes(&self, bytes: &[u8]) -> String {
        let digits = hex::encode(bytes);
        match self {
            Self::Sqlite(_) => format!("X'{digits}'"),
            Self::Postgres(_) => format!("'\\x{digits}'::bytea"),
        }
    }

    fn id(&self, org: OrgId) -> String {
        match self {
            Self::Sqlite(_) => self.bytes(org.as_uuid().as_bytes()),
            Self::Postgres(_) => format!("'{org}'"),
        }
    }
}

/// Numbers that look like chance and are the same at each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, least: i64, most: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let span = u64::try_from(most - least + 1).unwrap();
        least + i64::try_from((self.0 >> 33) % span).unwrap()
    }
}

/// A chain with a checkpoint of its end, kept elsewhere, and one in the middle.
struct Crime<'a> {
    database: &'a TestDatabase,
    hands: Hands,
    org: OrgId,
    chain: String,
    dice: Dice,
    /// Record and hash, oldest first.
    original: Vec<(String, Vec<u8>)>,
    keys: [CheckpointKey; 1],
    elsewhere: Vec<Checkpoint>,
}

impl<'a> Crime<'a> {
    async fn on(database: &'a TestDatabase) -> Self {
        let store = &database.store;
        let keys = [CheckpointKey::new("1".to_owned(), &[1; 32]).unwrap()];
        let owner = owner(store, "anna").await;
        let mut elsewhere = Vec::new();
        for n in 1..RECORDS {
            let named = Project {
                id: ProjectId::generate(&clock()),
                name: format!("p{n}"),
                created_at: start(),
            };
            store.create_project(owner.org, &named, 100).await.unwrap();
            if n == RECORDS / 2 || n == RECORDS - 1 {
                let signed = store.sign_checkpoints(&keys[0], true, start()).await;
                let signed = signed.unwrap();
                store.put_checkpoints(&signed).await.unwrap();
                elsewhere.extend(signed);
            }
        }
        let entries = store.read_audit(owner.org.into(), 0, 1_000).await.unwrap();
        let hands = Hands::of(database).await;
        Self {
            chain: hands.id(owner.org),
            org: owner.org,
            original: entries
                .into_iter()
                .map(|entry| (entry.text, hex::decode(&entry.hash).unwrap()))
                .collect(),
            database,
            hands,
            dice: Dice(7),
            keys,
            elsewhere,
        }
    }

    async fn verify(&self, elsewhere: &[Checkpoint]) -> ChainReport {
        let chain = ChainId::from(self.org);
        let store = &self.database.store;
        store
            .verify_audit(chain, &self.keys, elsewhere)
            .await
            .unwrap()
    }

    /// Does it a hundred times, each time on the chain as it was.
    async fn commit(&mut self, name: &str, way: impl AsyncFn(&mut Self) -> Tampering) {
        for time in 0..TIMES {
            let before = self.verify(&self.elsewhere).await;
            assert_eq!((before.findings, before.records), (vec![], RECORDS as u64));
            let expected = way(self).await;
            let found = self.verify(&self.elsewhere).await.findings;
            assert!(
                found.contains(&expected),
                "{name}, time {time}: {found:?} without {expected:?}"
            );
            self.hands.restore().await;
        }
    }

    /// Writes records anew from a place on, and the head to fit them. What is not in the list is
    /// cut off.
    async fn rewrite(&mut self, from: usize, records: &[String]) {
        let chain = self.chain.clone();
        let first = i64::try_from(from).unwrap() + 1;
        let mut previous = match from {
            0 => genesis(self.org),
            _ => self.original[from - 1].1.clone(),
        };
        let mut sql = format!(
            "DELETE FROM audit_log WHERE chain_id = {chain} AND seq > {};",
            from + records.len()
        );
        for (seq, record) in (first..).zip(records) {
            previous = Sha256::new()
                .chain_update(&previous)
                .chain_update(record)
                .finalize()
                .to_vec();
            let hash = self.hands.bytes(&previous);
            let _ = write!(
                sql,
                "UPDATE audit_log SET record = '{record}', hash = {hash} \
                 WHERE chain_id = {chain} AND seq = {seq};"
            );
        }
        let (last, hash) = (from + records.len(), self.hands.bytes(&previous));
        let _ = write!(
            sql,
            "UPDATE audit_heads SET seq = {last}, hash = {hash} WHERE chain_id = {chain}"
        );
        self.hands.run(&sql).await;
    }

    /// Also takes the checkpoints out of the database, so that only those elsewhere are left.
    async fn forget_checkpoints(&mut self) {
        self.hands.run("DELETE FROM audit_checkpoints").await;
    }
}

fn genesis(org: OrgId) -> Vec<u8> {
    Sha256::new()
        .chain_update("vedette audit chain 1\n")
        .chain_update(org.as_uuid().as_bytes())
        .finalize()
        .to_vec()
}

fn forged(record: &str) -> String {
    let forged = record.replace(r#""kind":"system""#, r#""kind":"anonymous""#);
    assert_ne!(forged, record);
    forged
}

async fn alter(crime: &mut Crime<'_>) -> Tampering {
    let seq = crime.dice.roll(1, RECORDS);
    let place = usize::try_from(seq).unwrap() - 1;
    let record = forged(&crime.original[place].0);
    let chain = &crime.chain;
    // In every second case with a hash that fits the record: then the one behind does not.
    let with_hash = crime.dice.roll(0, 1) == 1 && seq < RECORDS;
    let (hash, expected) = if with_hash {
        let previous = match place {
            0 => genesis(crime.org),
            _ => crime.original[place - 1].1.clone(),
        };
        let hash = Sha256::new().chain_update(previous).chain_update(&record);
        (hash.finalize().to_vec(), seq + 1)
    } else {
        (crime.original[place].1.clone(), seq)
    };
    let hash = crime.hands.bytes(&hash);
    let sql = format!(
        "UPDATE audit_log SET record = '{record}', hash = {hash} \
         WHERE chain_id = {chain} AND seq = {seq}"
    );
    crime.hands.run(&sql).await;
    Tampering::Altered { seq: expected }
}

async fn delete(crime: &mut Crime<'_>) -> Tampering {
    let seq = crime.dice.roll(1, RECORDS - 1);
    let chain = &crime.chain;
    let sql = format!("DELETE FROM audit_log WHERE chain_id = {chain} AND seq = {seq}");
    crime.hands.run(&sql).await;
    Tampering::Gap { seq: seq + 1 }
}

/// Makes room behind a record and puts one in whose hash fits it.
async fn insert(crime: &mut Crime<'_>) -> Tampering {
    let seq = crime.dice.roll(2, RECORDS);
    let place = usize::try_from(seq).unwrap() - 1;
    let chain = crime.chain.clone();
    let record = forged(&crime.original[place].0);
    let hash = Sha256::new()
        .chain_update(&crime.original[place - 1].1)
        .chain_update(&record);
    let hash = crime.hands.bytes(&hash.finalize());
    let sql = format!(
        "UPDATE audit_log SET seq = seq + 1000 WHERE chain_id = {chain} AND seq >= {seq}; \
         UPDATE audit_log SET seq = seq - 999 WHERE chain_id = {chain} AND seq >= 1000; \
         INSERT INTO audit_log (chain_id, seq, at, action, actor_id, target, record, hash) \
         SELECT chain_id, {seq}, at, action, actor_id, target, '{record}', {hash} \
         FROM audit_log WHERE chain_id = {chain} AND seq = {}; \
         UPDATE audit_heads SET seq = seq + 1 WHERE chain_id = {chain}",
        seq + 1
    );
    crime.hands.run(&sql).await;
    Tampering::Altered { seq: seq + 1 }
}

async fn swap(crime: &mut Crime<'_>) -> Tampering {
    let one = crime.dice.roll(1, RECORDS - 1);
    let other = crime.dice.roll(one + 1, RECORDS);
    let chain = crime.chain.clone();
    let sql = format!(
        "UPDATE audit_log SET seq = -1 WHERE chain_id = {chain} AND seq = {one}; \
         UPDATE audit_log SET seq = {one} WHERE chain_id = {chain} AND seq = {other}; \
         UPDATE audit_log SET seq = {other} WHERE chain_id = {chain} AND seq = -1"
    );
    crime.hands.run(&sql).await;
    Tampering::Altered { seq: one }
}

/// With a head that fits, and without the checkpoints: nothing in the database shows it.
async fn cut_the_tail(crime: &mut Crime<'_>) -> Tampering {
    let left = crime.dice.roll(1, RECORDS - 1);
    let records: Vec<_> = crime
        .original
        .iter()
        .map(|(record, _)| record.clone())
        .collect();
    let left = usize::try_from(left).unwrap();
    crime.rewrite(0, &records[..left]).await;
    crime.forget_checkpoints().await;
    let unseen = crime.verify(&[]).await;
    assert_eq!(unseen.findings, [], "only a checkpoint elsewhere shows it");
    Tampering::Checkpoint { seq: RECORDS }
}

async fn replace_all(crime: &mut Crime<'_>) -> Tampering {
    let first = usize::try_from(crime.dice.roll(0, RECORDS - 1)).unwrap();
    let records: Vec<_> = crime.original[first..]
        .iter()
        .enumerate()
        .map(|(place, (record, _))| {
            if place == 0 {
                forged(record)
            } else {
                record.clone()
            }
        })
        .collect();
    crime.rewrite(first, &records).await;
    crime.forget_checkpoints().await;
    let unseen = crime.verify(&[]).await;
    assert_eq!(unseen.findings, [], "only a checkpoint elsewhere shows it");
    Tampering::Checkpoint { seq: RECORDS }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_ways_to_tamper_are_found() {
    on_each(async |database| {
        let mut crime = Crime::on(database).await;
        crime.commit("alter", alter).await;
        crime.commit("delete", delete).await;
        crime.commit("insert", insert).await;
        crime.commit("swap", swap).await;
        crime.commit("cut", cut_the_tail).await;
        crime.commit("replace", replace_all).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_beside_a_chain_is_compared_too() {
    on_each(async |database| {
        let mut crime = Crime::on(database).await;
        let chain = crime.chain.clone();
        let of_chain = format!("WHERE chain_id = {chain}");
        let cases = [
            (
                format!("UPDATE audit_log SET action = 'x' {of_chain} AND seq = 3"),
                Tampering::Columns { seq: 3 },
            ),
            (
                format!("UPDATE audit_log SET target = NULL {of_chain} AND seq = 4"),
                Tampering::Columns { seq: 4 },
            ),
            (
                format!("UPDATE audit_log SET record = 'x' {of_chain} AND seq = 5"),
                Tampering::Columns { seq: 5 },
            ),
            (
                format!("DELETE FROM audit_log {of_chain} AND seq = {RECORDS}"),
                Tampering::Head {
                    expected: Some(RECORDS),
                    found: RECORDS - 1,
                },
            ),
            (
                format!("DELETE FROM audit_heads {of_chain}"),
                Tampering::Head {
                    expected: None,
                    found: RECORDS,
                },
            ),
            (
                format!("UPDATE audit_log SET seq = 0 {of_chain} AND seq = {RECORDS}"),
                Tampering::Gap { seq: 0 },
            ),
            (
                format!("UPDATE audit_checkpoints SET signature = hash {of_chain}"),
                Tampering::Signature { seq: RECORDS },
            ),
            (
                format!("UPDATE audit_checkpoints SET seq = 2 {of_chain} AND seq = {RECORDS}"),
                Tampering::Signature { seq: 2 },
            ),
        ];
        for (sql, expected) in cases {
            crime.hands.run(&sql).await;
            let found = crime.verify(&[]).await.findings;
            assert!(found.contains(&expected), "{sql}: {found:?}");
            crime.hands.restore().await;
        }
        assert_eq!(crime.verify(&[]).await.findings, []);
    })
    .await;
}
