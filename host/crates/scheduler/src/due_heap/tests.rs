//! Tests of the heap against a sorted list.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_000_000_000 + millis).expect("in range")
}

fn pop_all_due(heap: &mut DueHeap<usize>, now: DateTime<Utc>) -> Vec<usize> {
    std::iter::from_fn(|| heap.pop_due(now)).collect()
}

#[test]
fn nothing_is_handed_out_before_its_time() {
    let mut heap = DueHeap::new();
    heap.push(at(10), 1);
    assert_eq!(heap.pop_due(at(10) - TimeDelta::microseconds(1)), None);
    assert_eq!(heap.next_due(), Some(at(10)));
    assert_eq!(heap.pop_due(at(10)), Some(1));
    assert_eq!(heap.next_due(), None);
}

#[test]
fn at_the_same_time_the_order_of_arrival_counts() {
    let mut heap = DueHeap::new();
    for item in 0..100 {
        heap.push(at(0), item);
    }
    assert_eq!(pop_all_due(&mut heap, at(0)), (0..100).collect::<Vec<_>>());
}

#[test]
fn everything_is_taken_out_at_the_end() {
    let mut heap = DueHeap::new();
    for item in 0..10 {
        heap.push(at(1_000), item);
    }
    let mut taken: Vec<_> = heap.take_all().collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..10).collect::<Vec<_>>());
    assert_eq!(heap.next_due(), None);
}

proptest! {
    #[test]
    fn it_agrees_with_a_sorted_list(
        dues in prop::collection::vec(0..50_i64, 0..200), steps in prop::collection::vec(0..20_i64, 0..10),
    ) {
        let mut heap = DueHeap::new();
        for (item, due) in dues.iter().enumerate() {
            heap.push(at(*due), item);
        }
        let mut expected: Vec<(i64, usize)> =
            dues.iter().enumerate().map(|(item, due)| (*due, item)).collect();
        expected.sort_unstable();
        let mut now = 0;
        for step in steps {
            now += step;
            let due = expected.partition_point(|(due, _)| *due <= now);
            let items: Vec<_> = expected.drain(..due).map(|(_, item)| item).collect();
            prop_assert_eq!(pop_all_due(&mut heap, at(now)), items);
            prop_assert_eq!(heap.next_due(), expected.first().map(|(due, _)| at(*due)));
        }
    }
}
