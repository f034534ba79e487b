//! Tests of the fair queue by simulated runs: shares, order, and that nobody starves.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const ALL: usize = usize::MAX;

fn org(number: usize) -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(number as u128 + 1))
}

fn equal(_: OrgId) -> Share {
    Share {
        weight: 1,
        most: ALL,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Takes all that may begin.
fn take(queue: &mut FairQueue<usize>) -> Vec<(usize, Charge)> {
    std::iter::from_fn(|| queue.next(equal)).collect()
}

#[test]
fn one_organization_alone_leaves_a_quarter() {
    for (places, taken) in [(1, 1), (2, 2), (3, 3), (4, 3), (16, 12), (1_000, 750)] {
        let mut queue = FairQueue::new(places);
        (0..2_000).for_each(|item| queue.push(org(0), item));
        assert_eq!(take(&mut queue).len(), taken, "of {places} places");
    }
}

/// Lets the next one in: it must find a place although nothing ends.
fn check_next(queue: &mut FairQueue<usize>, floods: usize) {
    queue.push(org(99), 4_711);
    let begun = take(queue).into_iter().map(|(item, _)| item);
    assert_eq!(begun.collect::<Vec<_>>(), [4_711], "after {floods} floods");
}

#[test]
fn floods_at_one_time_leave_a_place_for_the_next() {
    for floods in 1..=20 {
        let mut queue = FairQueue::new(64);
        for flood in 0..floods {
            (0..1_000).for_each(|item| queue.push(org(flood), item));
        }
        take(&mut queue);
        check_next(&mut queue, floods);
    }
}

/// Those who come first have more until their runs end: on the default's places, five floods one after the
/// other leave some.
#[test]
fn floods_one_after_the_other_leave_a_place_for_the_next() {
    for floods in 1..=5 {
        let mut queue = FairQueue::new(1_024);
        for flood in 0..floods {
            (0..1_000).for_each(|item| queue.push(org(flood), item));
            take(&mut queue);
        }
        check_next(&mut queue, floods);
    }
}

#[test]
fn most_places_of_one_organization_are_kept() {
    let mut queue = FairQueue::new(100);
    let share = |_| Share { weight: 1, most: 2 };
    (0..10).for_each(|item| queue.push(org(0), item));
    let first = queue.next(share).expect("a place");
    assert!(queue.next(share).is_some());
    assert!(queue.next(share).is_none());
    queue.push(org(1), 77);
    assert_eq!(queue.next(share).map(|(item, _)| item), Some(77));
    queue.end(&first.1, seconds(1));
    assert_eq!(queue.next(share).map(|(item, _)| item), Some(2));
    assert!(queue.next(share).is_none());
    assert_eq!(queue.len(), 7);
}

/// Who was full did not wait, and has no claim to what others got meanwhile.
#[test]
fn nobody_saves_up_while_full_or_away() {
    let mut queue = FairQueue::new(5);
    let share = |asked| Share {
        weight: 1,
        most: if asked == org(0) { 1 } else { 3 },
    };
    queue.push(org(0), 0);
    queue.push(org(0), 1);
    let (_, charge) = queue.next(share).expect("a place");
    // The others run for hours meanwhile.
    for _ in 0..1_000 {
        queue.push(org(1), 100);
        let (item, charge) = queue.next(share).expect("a place");
        assert_eq!(item, 100);
        queue.end(&charge, seconds(60));
    }
    queue.end(&charge, seconds(1));
    (2..1_000).for_each(|item| queue.push(org(0), item));
    (0..1_000).for_each(|_| queue.push(org(1), 100));
    let mut of_others = 0;
    for _ in 0..100 {
        let (item, charge) = queue.next(|_| equal(org(0))).expect("a place");
        of_others += usize::from(item == 100);
        queue.end(&charge, seconds(60));
    }
    assert!((49..=51).contains(&of_others), "{of_others} of 100");
}

#[test]
fn a_place_that_was_not_needed_costs_nothing() {
    let mut queue = FairQueue::new(1);
    queue.push(org(0), 0);
    queue.push(org(0), 1);
    queue.push(org(1), 10);
    let (item, charge) = queue.next(equal).expect("a place");
    assert_eq!(item, 0);
    queue.give_back(&charge);
    assert_eq!(queue.next(equal).map(|(item, _)| item), Some(1));
}

#[test]
fn what_is_over_is_swept_and_who_owes_nothing_is_forgotten() {
    let mut queue = FairQueue::new(1);
    (0..10).for_each(|item| queue.push(org(item % 2), item));
    let mut over = queue.sweep(|item| *item >= 4);
    over.sort_unstable();
    assert_eq!(over, [4, 5, 6, 7, 8, 9]);
    assert_eq!(queue.len(), 4);
    let mut rest = queue.take_all();
    rest.sort_unstable();
    assert_eq!(rest, [0, 1, 2, 3]);
    assert!(queue.next(equal).is_none());
    assert!(queue.organizations.is_empty());
}

/// One organization of a simulation.
#[derive(Debug, Clone)]
struct Load {
    weight: u32,
    /// What its runs take, in milliseconds, over and over.
    runs: Vec<u64>,
}

fn loads() -> impl Strategy<Value = Vec<Load>> {
    let load = (1_u32..=4, prop::collection::vec(1_u64..=1_000, 1..8));
    let load = load.prop_map(|(weight, runs)| Load { weight, runs });
    prop::collection::vec(load, 2..6)
}

/// Runs a queue in which everybody always has something waiting, until `end` (ms). Answers how long each
/// organization has had places, and the numbers of its runs in the order in which they began.
fn simulate(places: usize, loads: &[Load], end: u64) -> Vec<(u64, Vec<usize>)> {
    let mut queue = FairQueue::new(places);
    let share = |asked: OrgId| Share {
        weight: (0..loads.len())
            .find(|number| org(*number) == asked)
            .map_or(1, |number| loads[number].weight),
        most: ALL,
    };
    let mut results = vec![(0, Vec::new()); loads.len()];
    for number in 0..loads.len() {
        (0..2).for_each(|item| queue.push(org(number), (number, item)));
    }
    let mut running = BinaryHeap::new();
    let mut charges = HashMap::new();
    let (mut now, mut runs) = (0, 0_u64);
    while now < end {
        while let Some(((number, item), charge)) = queue.next(share) {
            queue.push(org(number), (number, item + 2));
            let load = &loads[number];
            let takes = load.runs[item % load.runs.len()];
            results[number].1.push(item);
            results[number].0 += takes.min(end - now);
            running.push(Reverse((now + takes, runs)));
            charges.insert(runs, (charge, takes));
            runs += 1;
        }
        let Reverse((time, run)) = running.pop().expect("something runs");
        let (charge, takes) = charges.remove(&run).expect("it was begun");
        queue.end(&charge, Duration::from_millis(takes));
        now = time;
    }
    results
}

/// A share in a thousandth of milliseconds, so that nothing is rounded.
fn shares(loads: &[Load], total: u64) -> Vec<u64> {
    let weights: u64 = loads.iter().map(|load| u64::from(load.weight)).sum();
    let share = |load: &Load| total * 1_000 * u64::from(load.weight) / weights;
    loads.iter().map(share).collect()
}

proptest! {
    /// The bound of start-time fair queueing on one server: whatever its own and others' runs take, an
    /// organization that always waits is behind its share by one run of its own, and its share of one run of
    /// each other, at most.
    #[test]
    fn on_one_place_everybody_gets_their_share(loads in loads()) {
        let results = simulate(1, &loads, 100_000);
        let weights: u64 = loads.iter().map(|load| u64::from(load.weight)).sum();
        let longest: Vec<u64> = loads.iter().map(|load| *load.runs.iter().max().unwrap()).collect();
        for (number, share) in shares(&loads, 100_000).into_iter().enumerate() {
            let others: u64 = longest.iter().sum::<u64>() * u64::from(loads[number].weight) / weights;
            // The last run is cut off at the end of the simulation: one more of each.
            let behind = (longest[number] + others + longest.iter().max().unwrap()) * 1_000;
            prop_assert!(
                results[number].0 * 1_000 + behind >= share,
                "{number} got {} of {share} µs: {loads:?}", results[number].0
            );
            let begun = &results[number].1;
            prop_assert!(begun.iter().copied().eq(0..begun.len()), "first come, first served");
        }
    }

    /// On many places, a run more for each place may be under way of any of them; and a part of the places is
    /// kept free.
    #[test]
    fn on_many_places_nobody_starves(places in 2_usize..=32, loads in loads()) {
        let end = 60_000;
        let results = simulate(places, &loads, end);
        let used: u64 = results.iter().map(|result| result.0).sum();
        let slack = 2 * places as u64 * 1_000;
        // Half of the places are in use at any time: with five floods 15 of 16, with one three of four.
        prop_assert!(used * 2 >= places as u64 * end, "{used} of {}", places as u64 * end);
        let least = loads.iter().map(|load| u64::from(load.weight)).min().unwrap();
        let most = loads.iter().map(|load| u64::from(load.weight)).max().unwrap();
        for (number, share) in shares(&loads, used).into_iter().enumerate() {
            let got = results[number].0;
            if least == most {
                prop_assert!((got + slack) * 1_000 >= share, "{number} got {got} ms of {share} µs: {loads:?}");
            }
            prop_assert!(got > 0, "{number} starved: {loads:?}");
            let begun = &results[number].1;
            prop_assert!(begun.iter().copied().eq(0..begun.len()), "first come, first served");
        }
    }

    /// Whatever comes, ends and is swept, places are neither lost nor made.
    #[test]
    fn places_are_neither_lost_nor_made(
        places in 1_usize..=8,
        steps in prop::collection::vec((0_u8..4, 0_usize..4, 0_u64..2_000), 1..200),
    ) {
        let mut queue = FairQueue::new(places);
        let mut running: Vec<Charge> = Vec::new();
        let mut waiting = 0_usize;
        for (kind, number, takes) in steps {
            match kind {
                0 => {
                    queue.push(org(number), number);
                    waiting += 1;
                }
                1 => if let Some((_, charge)) = queue.next(equal) {
                    running.push(charge);
                    waiting -= 1;
                },
                2 if !running.is_empty() => {
                    let charge = running.remove(number % running.len());
                    queue.end(&charge, Duration::from_millis(takes));
                }
                3 => waiting -= queue.sweep(|item| *item == number).len(),
                _ => {}
            }
            prop_assert_eq!(queue.free_places(), places - running.len());
            prop_assert_eq!(queue.len(), waiting);
        }
        for charge in running.drain(..) {
            queue.end(&charge, Duration::from_millis(1));
        }
        let mut begun = 0;
        while let Some((_, charge)) = queue.next(equal) {
            begun += 1;
            queue.end(&charge, Duration::from_millis(1));
        }
        prop_assert_eq!(begun, waiting, "what waits is begun once there are places");
        prop_assert_eq!(queue.free_places(), places);
    }
}
