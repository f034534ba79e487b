//! Slots in random lives: runs that end well or not, nodes that die, schedules that are replaced, scripts that are
//! paused. Each due slot ends in exactly one row, and so does each recheck.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use vedette_core::{Clock as _, Outcome, Schedule};
use vedette_store::{
    ClaimRequest, ClaimedSlot, FinishedSlot, RecordResult, ScriptChange, SlotLease, Store, Trigger,
    both_databases,
};

use crate::{
    alerts::failure,
    claim_at,
    rechecks::{Checked, every},
    success,
};

both_databases!(every_slot_and_every_recheck_ends_in_one_row);

const LIVES: u64 = 4;
const STEPS: usize = 400;
const SCHEDULES: [&str; 3] = ["*/10 * * * * *", "0 * * * * *", "5,20,50 * * * * *"];

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

/// A script of a test, and what is to be found of it at the end.
struct Life<'a> {
    checked: Checked<'a>,
    dice: Dice,
    cron: &'static str,
    is_enabled: bool,
    /// Since when its schedule is what it is.
    since: DateTime<Utc>,
    /// Slots that have come due, and what started them.
    due: BTreeMap<DateTime<Utc>, Trigger>,
    /// What a node is at, or was when it died.
    held: Option<ClaimedSlot>,
}

impl Life<'_> {
    async fn step(&mut self) {
        self.pass_time();
        match self.dice.roll(40) {
            0..18 => self.claim().await,
            18..36 => self.finish().await,
            36 => self.hand_back().await,
            37 => self.edit().await,
            _ => {
                let ticked = self.checked.store.tick_alerts(&self.checked.clock);
                ticked.await.unwrap();
            }
        }
    }

    fn pass_time(&mut self) {
        let millis = i64::try_from(self.dice.roll(6_000)).unwrap();
        self.checked.clock.advance(TimeDelta::milliseconds(millis));
    }

    async fn claim(&mut self) {
        let request = ClaimRequest {
            look_ahead: TimeDelta::zero(),
            lease: TimeDelta::seconds(20),
            ..claim_at(self.checked.clock.now())
        };
        let slots = self.checked.store.claim_due(&request).await.unwrap();
        let mut slots = slots.into_iter();
        let claimed = slots.find(|slot| slot.script_id == self.checked.script);
        // Who still has it from an earlier claim may come late with it.
        if claimed.is_some() && (self.held.is_none() || self.dice.roll(2) == 0) {
            self.held = claimed;
        }
    }

    async fn finish(&mut self) {
        let Some(slot) = &self.held else { return };
        let outcome = match self.dice.roll(6) {
            0..2 => failure(),
            2..5 => success(),
            _ => Outcome::missed("it came to nothing"),
        };
        let done = self.checked.done(slot, outcome);
        let recorded = self.record(&done).await;
        if recorded == RecordResult::Recorded && self.dice.roll(4) == 0 {
            // Nobody heard of it.
            self.pass_time();
            assert_eq!(self.record(&done).await, RecordResult::Recorded);
        }
        self.held = None;
    }

    async fn record(&mut self, done: &FinishedSlot) -> RecordResult {
        let before = self.checked.next().await;
        let recorded = self.checked.record(done).await;
        let next = self.checked.next().await;
        let schedule = Schedule::cron(self.cron, "UTC").unwrap();
        let just_before = TimeDelta::microseconds(1);
        let is_regular = |next| schedule.next_after(next - just_before) == Some(next);
        if let Some(recheck) = next.filter(|next| before != Some(*next) && !is_regular(*next)) {
            assert!(recheck >= self.checked.clock.now() + TimeDelta::seconds(5));
            self.due.insert(recheck, Trigger::Recheck);
        }
        recorded
    }

    async fn hand_back(&mut self) {
        let Some(slot) = self.held.take() else { return };
        // Or it dies.
        if self.dice.roll(2) == 0 {
            let lease = SlotLease {
                script_id: slot.script_id,
                org_id: slot.org_id,
                lease_token: slot.lease_token,
            };
            self.checked.store.release_slots(&[lease]).await.unwrap();
        }
    }

    /// Another schedule, or a pause, or the end of one.
    async fn edit(&mut self) {
        let choice = self.dice.roll(SCHEDULES.len() + 2);
        let (cron, is_enabled) = match SCHEDULES.get(choice) {
            Some(cron) => (*cron, true),
            None => (self.cron, !self.is_enabled),
        };
        self.set(cron, is_enabled).await;
    }

    async fn set(&mut self, cron: &'static str, is_enabled: bool) {
        if (cron, is_enabled) == (self.cron, self.is_enabled) {
            return;
        }
        let now = self.checked.clock.now();
        self.note_due();
        // A recheck that was still to come goes with its schedule.
        self.due.retain(|slot, _| *slot <= now);
        let change = ScriptChange {
            is_enabled,
            ..every(cron, &self.checked.owner, now)
        };
        self.checked.update(change).await;
        (self.cron, self.is_enabled) = (cron, is_enabled);
    }

    /// The slots of the schedule since it is what it is.
    fn note_due(&mut self) {
        let now = self.checked.clock.now();
        if self.is_enabled {
            let schedule = Schedule::cron(self.cron, "UTC").unwrap();
            let mut slot = schedule.next_after(self.since);
            while let Some(due) = slot.filter(|due| *due <= now) {
                let other = self.due.insert(due, Trigger::Schedule);
                assert_eq!(other, None, "a recheck in the place of a slot");
                slot = schedule.next_after(due);
            }
        }
        self.since = now;
    }

    /// Runs what is due until nothing is.
    async fn settle(&mut self) {
        self.set(self.cron, true).await;
        self.checked.clock.advance(TimeDelta::seconds(30));
        self.held = None;
        loop {
            self.claim().await;
            let Some(slot) = self.held.take() else { break };
            let done = self.checked.done(&slot, success());
            self.record(&done).await;
        }
        self.note_due();
        let now = self.checked.clock.now();
        self.due.retain(|slot, _| *slot <= now);
    }
}

async fn every_slot_and_every_recheck_ends_in_one_row(store: Store) {
    let mut rechecks = 0;
    for seed in 1..=LIVES {
        let checked = Checked::of(&store, &format!("anna{seed}"), SCHEDULES[0], 100).await;
        let mut life = Life {
            since: checked.clock.now(),
            checked,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            cron: SCHEDULES[0],
            is_enabled: true,
            due: BTreeMap::new(),
            held: None,
        };
        for _ in 0..STEPS {
            life.step().await;
        }
        life.settle().await;
        let rows = life.checked.rows().await;
        let found: Vec<_> = rows.iter().map(|row| (row.0, row.1)).collect();
        let due: Vec<_> = life.due.into_iter().collect();
        assert_eq!(found, due, "seed {seed}");
        rechecks += due
            .iter()
            .filter(|(_, trigger)| *trigger == Trigger::Recheck)
            .count();
    }
    assert!(rechecks >= 10, "they lived: {rechecks}");
}
