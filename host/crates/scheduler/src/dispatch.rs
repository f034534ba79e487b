//! Fires each claimed slot at its time, as places come free.
//!
//! Nothing here waits for the database or copies a script: a thousand slots of the same second
//! must all be on their way within milliseconds.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use vedette_core::ExecutionId;

use crate::{
    due_heap::DueHeap,
    fair_queue::{Charge, FairQueue},
    held::{Fate, HeldSlot},
    measures,
    places::{ByHand, Ended, Place, Waiting},
    run::run_slot,
    shared::{Alarm, Shared},
};

pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    claimed: mpsc::UnboundedReceiver<Vec<HeldSlot>>,
    by_hand: mpsc::UnboundedReceiver<ByHand>,
    /// Claimed, not due yet.
    heap: DueHeap<HeldSlot>,
    /// Due, waiting for a place.
    queue: FairQueue<Waiting>,
    /// Places that came free.
    ended: mpsc::UnboundedReceiver<Ended>,
    ended_sender: mpsc::UnboundedSender<Ended>,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        claimed: mpsc::UnboundedReceiver<Vec<HeldSlot>>,
        by_hand: mpsc::UnboundedReceiver<ByHand>,
    ) -> Self {
        let (ended_sender, ended) = mpsc::unbounded_channel();
        Self {
            queue: FairQueue::new(shared.config.concurrency),
            shared,
            claimed,
            by_hand,
            heap: DueHeap::new(),
            ended,
            ended_sender,
        }
    }

    /// Fires until told to stop, then hands back what has not begun.
    pub(crate) async fn run(mut self) {
        let _alarm = Alarm {
            name: "dispatch",
            broken: self.shared.broken.clone(),
        };
        // The wall clock may be set at any time, so the wait for the next slot is computed anew
        // at every turn, and a turn comes with each tick at the latest.
        let mut tick = interval(self.shared.config.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.fire();
            let next = self.heap.next_due().map(|due_at| self.instant_of(due_at));
            tokio::select! {
                () = self.shared.stop.cancelled() => break,
                batch = self.claimed.recv() => match batch {
                    Some(slots) => self.hold(slots),
                    None => break,
                },
                Some(asked) = self.by_hand.recv() => {
                    self.queue.push(asked.org, Waiting::ByHand(asked.place));
                }
                Some((charge, used)) = self.ended.recv() => self.end(&charge, used),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                _ = tick.tick() => self.sweep_queue(),
            }
        }
        self.hand_back_all().await;
    }

    fn hold(&mut self, slots: Vec<HeldSlot>) {
        for slot in slots {
            self.heap.push(slot.scheduled_at(), slot);
        }
    }

    /// The moment of a wall clock time, as the wall clock stands now.
    fn instant_of(&self, time: DateTime<Utc>) -> Instant {
        let ahead = (time - self.shared.clock.now())
            .to_std()
            .unwrap_or_default();
        let now = Instant::now();
        now.checked_add(ahead).unwrap_or(now)
    }

    fn end(&mut self, charge: &Charge, used: Duration) {
        self.queue.end(charge, used);
    }

    /// Starts what is due, each organization's in order, as far as there are places.
    fn fire(&mut self) {
        while let Ok((charge, used)) = self.ended.try_recv() {
            self.end(&charge, used);
        }
        let now = self.shared.clock.now();
        while let Some(slot) = self.heap.pop_due(now) {
            let fate = slot.fate(now);
            let used_up = self.shared.used_up(slot.org_id(), now);
            match (fate, used_up) {
                (Fate::Run, Some(quota)) => self.settle(slot, Fate::Refused(quota), now),
                _ => self
                    .queue
                    .push(slot.org_id(), Waiting::Slot(Box::new(slot))),
            }
        }
        let shared = Arc::clone(&self.shared);
        while let Some((waiting, charge)) = self.queue.next(|org| shared.share(org)) {
            let slot = match waiting {
                Waiting::Slot(slot) => *slot,
                Waiting::ByHand(asked) => {
                    let place = Place::new(charge, self.ended_sender.clone());
                    // Nobody waits any more when the run was given up: the place comes back.
                    drop(asked.send(place));
                    continue;
                }
            };
            let fate = slot.fate(now);
            if fate != Fate::Run {
                self.queue.give_back(&charge);
                self.settle(slot, fate, now);
                continue;
            }
            shared.let_go(slot.org_id());
            // The run is handed over here, with its place; when the runtime's threads get to it
            // under a herd is part of the run.
            let place = Place::new(charge, self.ended_sender.clone());
            let executed_at = shared.clock.now();
            let run = run_slot(Arc::clone(&shared), slot, executed_at, place);
            shared.runs.spawn(run);
        }
        let free = self.queue.free_places();
        shared.free_places.store(free, Ordering::Release);
        let (length, places) = (self.queue.len(), shared.config.concurrency);
        measures::places(length, places.saturating_sub(free), places);
    }

    /// Settles slots that became hopeless while they waited for a place.
    fn sweep_queue(&mut self) {
        let now = self.shared.clock.now();
        let over = self.queue.sweep(|waiting| match waiting {
            Waiting::Slot(slot) => slot.fate(now) != Fate::Run,
            Waiting::ByHand(asked) => asked.is_closed(),
        });
        for waiting in over {
            if let Waiting::Slot(slot) = waiting {
                let fate = slot.fate(now);
                self.settle(*slot, fate, now);
            }
        }
    }

    fn settle(&self, slot: HeldSlot, fate: Fate, now: DateTime<Utc>) {
        let shared = Arc::clone(&self.shared);
        shared.let_go(slot.org_id());
        // Tasks of their own: the channel may be full and the database slow.
        match fate {
            Fate::Missed(reason) => {
                let id = ExecutionId::generate(&*shared.clock);
                let missed = slot.into_missed(id, now, reason);
                self.shared
                    .runs
                    .spawn(async move { shared.record(missed).await });
            }
            Fate::Refused(quota) => {
                let id = ExecutionId::generate(&*shared.clock);
                let refused = slot.into_refused(id, now, quota);
                self.shared
                    .runs
                    .spawn(async move { shared.record(refused).await });
            }
            Fate::HandBack | Fate::Run => {
                let leases = vec![slot.lease()];
                self.shared
                    .runs
                    .spawn(async move { shared.hand_back(leases).await });
            }
        }
    }

    async fn hand_back_all(mut self) {
        // Runs by hand that wait are given up.
        self.by_hand.close();
        let queued = self.queue.take_all().into_iter();
        let queued = queued.filter_map(|waiting| match waiting {
            Waiting::Slot(slot) => Some(*slot),
            Waiting::ByHand(_) => None,
        });
        let queued: Vec<_> = queued.collect();
        // A claim may be under way; its end closes the channel.
        while let Some(slots) = self.claimed.recv().await {
            self.hold(slots);
        }
        let slots: Vec<_> = self.heap.take_all().chain(queued).collect();
        for slot in &slots {
            self.shared.let_go(slot.org_id());
        }
        self.shared
            .hand_back(slots.iter().map(HeldSlot::lease).collect())
            .await;
    }
}
