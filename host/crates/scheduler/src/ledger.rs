//! How many slots this node holds for each organization, and how many more it may claim. Pure.
//!
//! Held slots fall due within seconds or wait for a place. Without a bound for each organization, one whose
//! slots wait would hold all of the room, and nobody else's would be claimed in time.

use std::collections::HashMap;

use vedette_core::OrgId;

#[cfg(test)]
mod tests;

/// Most slots of one statement.
const MAX_CLAIM: usize = 1_000;
/// Slots of an organization that are claimed also when others take up all of the room.
const FEW: usize = 8;
/// Below this part of the room, only organizations that hold few slots get more.
const SCARCE: usize = 16;
/// An organization gets more while it holds less than this many times the room that is left.
const TIMES_LEFT: usize = 3;

/// What to claim next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NextClaim {
    /// Most slots.
    pub(crate) limit: usize,
    /// Most slots of each organization; `None`: any number.
    pub(crate) most_of_one: Option<usize>,
    /// Organizations that get none.
    pub(crate) skip: Vec<OrgId>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    total: usize,
    of: HashMap<OrgId, Held>,
    more_is_due: bool,
}

#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// More may be due than it was given.
    wants_more: bool,
}

impl Ledger {
    /// What to claim of the slots that are due first, whoever has them, when there is room for `room` slots
    /// altogether. `None`: what is left of it is for organizations that hold few.
    pub(crate) fn first_claim(&self, room: usize) -> Option<NextClaim> {
        let left = room.saturating_sub(self.total);
        // Not all at once, so that something is left for those who come later.
        let limit = (left - left / 4).min(MAX_CLAIM);
        (left > room / SCARCE).then(|| NextClaim {
            limit,
            most_of_one: None,
            skip: self.holding(left.saturating_mul(TIMES_LEFT)),
        })
    }

    /// What to claim when slots of others are due earlier: a few of each organization that holds few. `None`:
    /// the reserve for that is used up too.
    pub(crate) fn claim_of_few(&self, room: usize) -> Option<NextClaim> {
        let (few, reserve) = (few(room), room / 4 + 1);
        let limit = (room + reserve).saturating_sub(self.total).min(MAX_CLAIM);
        (limit > 0).then(|| NextClaim {
            limit,
            most_of_one: Some(few),
            skip: self.holding(few),
        })
    }

    fn holding(&self, least: usize) -> Vec<OrgId> {
        let many = self.of.iter().filter(|(_, held)| held.count >= least);
        many.map(|(org, _)| *org).collect()
    }

    pub(crate) fn take_up(&mut self, org: OrgId) {
        self.total += 1;
        self.of.entry(org).or_default().count += 1;
    }

    /// Tells at the end of a claim whether slots that are due were left behind.
    pub(crate) fn claimed(&mut self, room: usize, more_is_due: bool) {
        self.more_is_due = more_is_due;
        let few = few(room);
        for held in self.of.values_mut() {
            held.wants_more = more_is_due && held.count >= few;
        }
    }

    /// A slot is held no longer. `true`: time to claim others, because an organization has few that could
    /// have more, or all have less than half of `room` together.
    pub(crate) fn let_go(&mut self, org: OrgId, room: usize) -> bool {
        self.total = self.total.saturating_sub(1);
        let mut is_hungry = false;
        if let Some(held) = self.of.get_mut(&org) {
            held.count = held.count.saturating_sub(1);
            is_hungry = held.wants_more && held.count <= few(room) / 2;
            if is_hungry {
                held.wants_more = false;
            }
            if held.count == 0 {
                self.of.remove(&org);
            }
        }
        is_hungry || (self.more_is_due && self.total <= room / 2)
    }
}

fn few(room: usize) -> usize {
    (room / 8).clamp(1, FEW)
}
