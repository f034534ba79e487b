//! Tests of quorums: over all combinations of a few locations.

use super::{
    Standing::{Firing, Ok as Well, Unknown},
    *,
};

#[test]
fn quorums_are_read_as_they_are_written() {
    for json in ["\"any\"", "\"majority\"", "\"all\"", "1", "50"] {
        let json: Value = serde_json::from_str(json).expect("JSON");
        let quorum = Quorum::read(&json).expect("a quorum");
        assert_eq!(quorum.to_json(), json);
    }
    assert_eq!(Quorum::read(&2.0.into()), Ok(Quorum::AtLeast(2)));
    for json in [
        "0", "51", "1.5", "-1", "\"some\"", "null", "[]", "\"2\"", "1e99",
    ] {
        let json: Value = serde_json::from_str(json).expect("JSON");
        let error = Quorum::read(&json).expect_err("no quorum");
        assert_eq!(error.pointer, "/quorum");
        assert!(error.reason.contains("any, majority, all"));
    }
}

#[test]
fn locations_vote_and_those_without_data_do_not() {
    for (locations, any, majority, all, two) in [
        (&[][..], Unknown, Unknown, Unknown, Unknown),
        (&[Unknown, Unknown], Unknown, Unknown, Unknown, Unknown),
        (&[Well, Well, Unknown], Well, Well, Well, Well),
        (&[Firing, Well, Well], Firing, Well, Well, Well),
        (&[Firing, Firing, Well], Firing, Firing, Well, Firing),
        (&[Firing, Well], Firing, Well, Well, Well),
        (&[Firing, Well, Unknown], Firing, Well, Well, Well),
        (&[Firing, Firing, Unknown], Firing, Firing, Firing, Firing),
        // The only one that can say says that it is down.
        (&[Firing, Unknown, Unknown], Firing, Firing, Firing, Firing),
    ] {
        let judge = |quorum: Quorum| quorum.judge(locations.iter().copied());
        assert_eq!(judge(Quorum::Any), any, "{locations:?}");
        assert_eq!(judge(Quorum::Majority), majority, "{locations:?}");
        assert_eq!(judge(Quorum::All), all, "{locations:?}");
        assert_eq!(judge(Quorum::AtLeast(2)), two, "{locations:?}");
    }
}

#[test]
fn whoever_agrees_or_falls_silent_changes_nothing_to_the_contrary() {
    let quorums = [
        Quorum::Any,
        Quorum::Majority,
        Quorum::All,
        Quorum::AtLeast(0),
        Quorum::AtLeast(3),
    ];
    let all = [Well, Firing, Unknown];
    for quorum in quorums {
        for number in 0..3_usize.pow(4) {
            let locations: Vec<_> = (0..4)
                .map(|place| all[number / 3_usize.pow(place) % 3])
                .collect();
            let judge = |locations: &[Standing]| quorum.judge(locations.iter().copied());
            let before = judge(&locations);
            for place in 0..4 {
                let mut other = locations.clone();
                other[place] = Firing;
                if before == Firing {
                    assert_eq!(judge(&other), Firing, "{quorum:?} {locations:?}");
                }
                other[place] = Well;
                if before == Well {
                    assert_eq!(judge(&other), Well, "{quorum:?} {locations:?}");
                }
                // Silence of one that is well makes nothing well, of one that fires nothing fire.
                other[place] = Unknown;
                match (locations[place], before) {
                    (Well, Firing) => assert_eq!(judge(&other), Firing, "{quorum:?} {locations:?}"),
                    (Firing, Well) => assert_ne!(judge(&other), Firing, "{quorum:?} {locations:?}"),
                    _ => {}
                }
            }
            let is_known = locations.iter().any(|standing| *standing != Unknown);
            assert_eq!(before != Unknown, is_known);
            if before == Firing {
                assert!(locations.contains(&Firing), "{quorum:?} {locations:?}");
            }
            if before == Well {
                assert!(locations.contains(&Well), "{quorum:?} {locations:?}");
            }
        }
    }
}

#[test]
fn the_unknown_changes_nothing() {
    assert_eq!(Firing.change_from(Well), Some(Change::Fired));
    assert_eq!(Firing.change_from(Unknown), Some(Change::Fired));
    assert_eq!(Well.change_from(Firing), Some(Change::Recovered));
    for before in [Well, Firing, Unknown] {
        assert_eq!(Unknown.change_from(before), None);
        assert_eq!(before.change_from(before), None);
    }
    assert_eq!(Well.change_from(Unknown), None);
}
