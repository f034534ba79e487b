//! Places for runs: whoever has one may run, until it is dropped.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use vedette_core::OrgId;

use crate::{fair_queue::Charge, held::HeldSlot};

/// A place that came free again, and how long it was taken.
pub(crate) type Ended = (Charge, Duration);

/// Someone who waits for a place.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A slot that is due.
    Slot(Box<HeldSlot>),
    /// A run that was started by hand.
    ByHand(oneshot::Sender<Place>),
}

/// A run by hand that asks for a place.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) org: OrgId,
    pub(crate) place: oneshot::Sender<Place>,
}

/// The right to run; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` only while it is dropped.
    charge: Option<Charge>,
    began: Instant,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Place {
    pub(crate) fn new(charge: Charge, ended: mpsc::UnboundedSender<Ended>) -> Self {
        Self {
            charge: Some(charge),
            began: Instant::now(),
            ended,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(charge) = self.charge.take() {
            // Nobody counts places any more when the scheduler has ended.
            drop(self.ended.send((charge, self.began.elapsed())));
        }
    }
}
