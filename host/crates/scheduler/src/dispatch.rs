//! Fires each claimed slot at its time, as places come free.
//!
//! Nothing here waits for the database or copies a script: a thousand slots of the same second
//! must all be on their way within milliseconds.

use std::{collections::VecDeque, future::poll_fn, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::PollSemaphore;
use vedette_core::ExecutionId;

use crate::{
    due_heap::DueHeap,
    held::{Fate, HeldSlot},
    run::run_slot,
    shared::{Alarm, Shared},
};

pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    claimed: mpsc::UnboundedReceiver<Vec<HeldSlot>>,
    /// Claimed, not due yet.
    heap: DueHeap<HeldSlot>,
    /// Due, waiting for a place.
    queue: VecDeque<HeldSlot>,
    /// Keeps the queue's turn among those who wait for a place, such as runs started by hand.
    turn: PollSemaphore,
    /// A place that came free for the queue.
    place: Option<OwnedSemaphorePermit>,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        claimed: mpsc::UnboundedReceiver<Vec<HeldSlot>>,
    ) -> Self {
        let turn = PollSemaphore::new(Arc::clone(&shared.places));
        Self {
            shared,
            claimed,
            heap: DueHeap::new(),
            queue: VecDeque::new(),
            turn,
            place: None,
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
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                place = poll_fn(|cx| self.turn.poll_acquire(cx)), if !self.queue.is_empty() => {
                    match place {
                        Some(place) => self.place = Some(place),
                        None => break,
                    }
                }
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

    /// Starts what is due, in order, as far as there are places.
    fn fire(&mut self) {
        let now = self.shared.clock.now();
        while let Some(slot) = self.heap.pop_due(now) {
            self.queue.push_back(slot);
        }
        while let Some(slot) = self.queue.pop_front() {
            let fate = slot.fate(now);
            if fate != Fate::Run {
                self.settle(slot, fate, now);
                continue;
            }
            let place = self.place.take().or_else(|| self.free_place());
            let Some(place) = place else {
                self.queue.push_front(slot);
                break;
            };
            self.shared.let_go(1);
            // The run is handed over here, with its place; when the runtime's threads get to it
            // under a herd is part of the run.
            let executed_at = self.shared.clock.now();
            let shared = Arc::clone(&self.shared);
            self.shared
                .runs
                .spawn(run_slot(shared, slot, executed_at, place));
        }
        if self.queue.is_empty() {
            // Gives up the turn, and with it a place that may have come with it meanwhile.
            self.turn = PollSemaphore::new(Arc::clone(&self.shared.places));
            self.place = None;
        }
    }

    fn free_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.places).try_acquire_owned().ok()
    }

    /// Settles slots that became hopeless while they waited for a place.
    fn sweep_queue(&mut self) {
        let now = self.shared.clock.now();
        for slot in std::mem::take(&mut self.queue) {
            match slot.fate(now) {
                Fate::Run => self.queue.push_back(slot),
                fate => self.settle(slot, fate, now),
            }
        }
    }

    fn settle(&self, slot: HeldSlot, fate: Fate, now: DateTime<Utc>) {
        let shared = Arc::clone(&self.shared);
        shared.let_go(1);
        // Tasks of their own: the channel may be full and the database slow.
        match fate {
            Fate::Missed(reason) => {
                let id = ExecutionId::generate(&*shared.clock);
                let missed = slot.into_missed(id, now, reason);
                self.shared
                    .runs
                    .spawn(async move { shared.record(missed).await });
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
        // A claim may be under way; its end closes the channel.
        while let Some(slots) = self.claimed.recv().await {
            self.hold(slots);
        }
        let slots: Vec<_> = self.heap.take_all().chain(self.queue).collect();
        self.shared.let_go(slots.len());
        self.shared
            .hand_back(slots.iter().map(HeldSlot::lease).collect())
            .await;
    }
}
