//! Where each row of the corpus is: a script of `rows/`, a test elsewhere, not for JavaScript, or
//! not yet there. A row that is not yet there is never counted as passed.

use std::collections::{BTreeMap, BTreeSet};

use crate::rows;

const CORPUS: &str = include_str!("corpora/hostile_guests.md");

enum Place {
    /// A test with a name, in the file that is given from the root of the repository.
    Test(&'static str, &'static str),
    /// Something that no script can do: components, which cannot be uploaded yet.
    ComponentsOnly,
    /// Nothing of the kind is in this host.
    NotHere(&'static str),
    NotYet(&'static str),
}
use Place::{ComponentsOnly, NotHere, NotYet, Test};

const HOSTILE: &str = "host/crates/sandbox/tests/hostile";

const ELSEWHERE: &[(&str, Place)] = &[
    (
        "J30",
        Test(
            "host/crates/sandbox/tests/it/secrets.rs",
            "logs_results_and_messages_are_masked",
        ),
    ),
    (
        "J31",
        Test(
            "host/crates/sandbox/tests/it/secrets.rs",
            "errors_are_masked",
        ),
    ),
    (
        "J58",
        Test(
            "requests.rs",
            "every_refused_url_of_the_guard_s_corpus_is_refused_to_scripts",
        ),
    ),
    (
        "J65",
        Test(
            "host/crates/api/tests/it/hostile.rs",
            "parameters_beyond_their_limits_never_reach_a_script",
        ),
    ),
    (
        "J73",
        Test(
            "host/crates/api/tests/it/hostile.rs",
            "bytecode_is_no_source",
        ),
    ),
    ("X03", ComponentsOnly),
    ("X04", ComponentsOnly),
    ("X05", ComponentsOnly),
    ("X11", ComponentsOnly),
    ("X12", ComponentsOnly),
    ("X14", ComponentsOnly),
    (
        "X26",
        Test("tenants.rs", "nothing_of_one_tenant_is_seen_by_the_next"),
    ),
    (
        "X27",
        Test("abandoned.rs", "a_run_can_be_dropped_at_any_moment"),
    ),
    (
        "X29",
        NotYet("a process with little address space: with runs in processes of their own"),
    ),
    (
        "X30",
        Test(
            "host/crates/sandbox/tests/it/cache.rs",
            "a_cached_engine_is_used_only_if_it_verifies",
        ),
    ),
    (
        "X31",
        NotHere("there is no epoch ticker: fuel makes a run yield, and the clock is tokio's"),
    ),
    (
        "M01",
        Test(
            "host/crates/scheduler/tests/it/fairness.rs",
            "a_flood_of_loops_leaves_others_on_time",
        ),
    ),
    (
        "M03",
        Test("tenants.rs", "tarpits_of_one_tenant_hold_up_no_other"),
    ),
    (
        "M05",
        NotYet("slots of one second start together, by design"),
    ),
    (
        "M06",
        NotYet("look-ups are bounded by the run, not over all runs"),
    ),
    (
        "M07",
        NotYet(
            "accounts cannot be deleted; a script that is: `a_script_that_is_deleted_takes_its_run_along`",
        ),
    ),
    (
        "M08",
        Test(
            "host/crates/store/tests/contract/variables.rs",
            "a_changed_value_is_for_the_next_claim",
        ),
    ),
    ("M10", Test("tenants.rs", "clocks_are_coarse_under_load")),
    ("M11", Test("survival.rs", "the_whole_table_is_survived")),
];

/// Ids of a section's table, by its heading.
fn listed(heading: &str) -> Vec<&'static str> {
    let section = CORPUS.split_once(heading).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let ids = section.lines().filter_map(|line| {
        let id = line.strip_prefix("| ")?.split(' ').next()?;
        id.chars()
            .nth(1)
            .is_some_and(|c| c.is_ascii_digit())
            .then_some(id)
    });
    ids.collect()
}

#[test]
fn every_row_of_the_corpus_has_its_place() {
    let mut scripts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows::all() {
        *scripts.entry(row.id).or_default() += row.sources.len();
        if let Some(expected) = row.instead_of {
            println!("another class: {}: instead of {expected}", row.id);
        }
    }
    let elsewhere: BTreeMap<&str, &Place> =
        ELSEWHERE.iter().map(|(id, place)| (*id, place)).collect();
    assert_eq!(elsewhere.len(), ELSEWHERE.len(), "an id is there twice");
    let mut known = BTreeSet::new();
    println!(
        "section                rows  scripts  as scripts  other tests  not yet  not for scripts"
    );
    for (name, heading, least) in [
        ("4 JavaScript", "## 4. JavaScript guests", 45),
        ("6 run time", "## 6. Wasm components: run time", 23),
        ("7 many guests", "## 7. Many guests together", 8),
    ] {
        let ids = listed(heading);
        assert!(ids.len() >= least, "{heading}: only {ids:?} were read");
        let (mut here, mut count, mut tests, mut open, mut other) = (0, 0, 0, 0, 0);
        for id in ids {
            known.insert(id);
            match (scripts.get(id), elsewhere.get(id)) {
                (Some(sources), None) => {
                    here += 1;
                    count += sources;
                }
                (None, Some(Test(..))) => tests += 1,
                (None, Some(NotYet(_))) => open += 1,
                (None, Some(ComponentsOnly | NotHere(_))) => other += 1,
                (None, None) => panic!("{id} of the corpus is nowhere"),
                (Some(_), Some(_)) => panic!("{id} is here and elsewhere"),
            }
        }
        let rows = here + tests + open + other;
        println!(
            "{name:<22} {rows:>4}  {count:>7}  {here:>10}  {tests:>11}  {open:>7}  {other:>15}"
        );
    }
    for (id, place) in ELSEWHERE {
        assert!(known.contains(id), "{id} is not in the corpus");
        match place {
            NotYet(why) => println!("not yet: {id}: {why}"),
            NotHere(why) => println!("not for scripts: {id}: {why}"),
            ComponentsOnly => println!("not for scripts: {id}: components cannot be uploaded"),
            Test(file, test) => assert_is_a_test(file, test),
        }
    }
    // Rows of our own have ids of our own.
    let own = scripts.keys().filter(|id| !known.contains(*id));
    let (own, sources) = own.fold((0, 0), |(ids, sources), id| {
        assert!(id.starts_with('B'), "{id} is not in the corpus");
        (ids + 1, sources + scripts[id])
    });
    println!("rows that are not listed: {own}, with {sources} scripts");
    assert!(own >= 15, "only {own}");
}

/// A test that was renamed or taken out takes the row's claim with it.
fn assert_is_a_test(file: &str, test: &str) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../..");
    let path = if file.contains('/') {
        format!("{root}/{file}")
    } else {
        format!("{root}/{HOSTILE}/{file}")
    };
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(
        source.contains(&format!("fn {test}(")),
        "no test {test} in {path}"
    );
}
