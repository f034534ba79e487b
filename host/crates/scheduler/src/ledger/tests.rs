//! Tests of what is claimed next.

use uuid::Uuid;

use super::*;

const ROOM: usize = 1_600;

fn org(number: u128) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(number))
}

fn hold(ledger: &mut Ledger, number: u128, count: usize) {
    (0..count).for_each(|_| ledger.take_up(org(number)));
}

/// The next claim, as the claim loop makes them.
fn next_claim(ledger: &Ledger) -> Option<NextClaim> {
    let first = ledger.first_claim(ROOM);
    first.or_else(|| ledger.claim_of_few(ROOM))
}

/// Claims for one organization that has very much due until it gets no more. Answers what it holds.
fn flood(ledger: &mut Ledger, number: u128) -> usize {
    let mut held = 0;
    while let Some(next) = next_claim(ledger) {
        if next.skip.contains(&org(number)) {
            break;
        }
        let count = next.limit.min(next.most_of_one.unwrap_or(usize::MAX));
        hold(ledger, number, count);
        held += count;
    }
    held
}

#[test]
fn one_organization_alone_gets_most_of_the_room() {
    let mut ledger = Ledger::default();
    let held = flood(&mut ledger, 1);
    assert!((ROOM * 3 / 4..ROOM).contains(&held), "{held}");
}

/// Floods leave room, and when there are so many that they do not, a few slots of whoever holds none
/// are claimed all the same.
#[test]
fn after_any_number_of_floods_the_next_one_is_claimed() {
    let mut ledger = Ledger::default();
    for number in 0..20 {
        assert!(flood(&mut ledger, number) >= FEW, "flood {number}");
        let next = next_claim(&ledger).expect("room");
        assert!(next.limit > 0 && next.skip.contains(&org(number)));
        assert!(!next.skip.contains(&org(100)));
    }
    let next = next_claim(&ledger).expect("a reserve");
    assert_eq!(next.most_of_one, Some(FEW));
    assert_eq!(next.skip.len(), 20);
}

#[test]
fn there_is_an_end_to_what_is_held() {
    let mut ledger = Ledger::default();
    let mut number = 0;
    while let Some(next) = next_claim(&ledger) {
        number += 1;
        hold(
            &mut ledger,
            number,
            next.limit.min(next.most_of_one.unwrap_or(usize::MAX)),
        );
        assert!(ledger.total <= ROOM + ROOM / 4 + 1, "{}", ledger.total);
    }
    assert!(ledger.total >= ROOM);
}

#[test]
fn who_was_left_with_few_has_more_claimed_when_they_are_gone() {
    let mut ledger = Ledger::default();
    flood(&mut ledger, 1);
    hold(&mut ledger, 2, FEW);
    ledger.claimed(ROOM, true);
    let gone = (1..=FEW).find(|_| ledger.let_go(org(2), ROOM));
    assert_eq!(gone, Some(FEW / 2));
    assert!(!ledger.let_go(org(2), ROOM), "once is enough");

    // Nothing more is due: nothing is to be claimed.
    let mut ledger = Ledger::default();
    hold(&mut ledger, 2, FEW);
    ledger.claimed(ROOM, false);
    assert!(!(0..FEW).any(|_| ledger.let_go(org(2), ROOM)));
    assert!(ledger.of.is_empty());
}
