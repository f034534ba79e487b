//! Every row of the corpus against the guard as it is, in a network of the test's own. To repeat,
//! with the table: `cargo test -p vedette-egress --test it every_row -- --nocapture`.

mod addresses;
mod dns;
mod names;
mod namespace;
mod rebinding;
mod redirects;
mod requests;
mod responses;
mod seals;
mod world;

use std::{
    collections::BTreeMap, fmt::Display, io::Write as _, process::Output, thread, time::Duration,
};

use crate::rows;

/// What became of one row.
pub(crate) struct Outcome {
    id: &'static str,
    found: Result<(), String>,
}

impl Outcome {
    pub(crate) fn new(id: &'static str, found: Result<(), String>) -> Self {
        Self { id, found }
    }
}

/// One claim about a row.
pub(crate) fn must(holds: bool, what: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_string()) }
}

/// Rows that cannot be told end to end, and where they are told instead.
const TABLE_ONLY: &[(&str, &str)] = &[(
    "R-029",
    "a line break ends a header, so that none arrives inside one: `redirect::tests`",
)];

/// Far longer than any scenario takes.
const MOST: Duration = Duration::from_mins(5);

/// The scenarios that make up the corpus, with the environment that each runs in.
const SCENARIOS: &[(&str, &[(&str, &str)])] = &[
    ("response", &[]),
    ("addr", &[]),
    ("url", &[]),
    ("redirect", &[]),
    ("redirect-flow", &[]),
    ("dns", &[]),
    ("request", &[]),
    ("crowd", &[]),
    ("E-004", &[("https_proxy", names::PROXY)]),
    ("E-005", &[("ALL_PROXY", names::PROXY)]),
    ("E-008", &[("NO_PROXY", "*")]),
];

#[test]
fn every_row_of_the_corpus_holds_end_to_end() {
    let outputs: Vec<Option<Output>> = thread::scope(|scope| {
        let running: Vec<_> = SCENARIOS
            .iter()
            .map(|(scenario, env)| scope.spawn(|| namespace::run(scenario, env)))
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut found = BTreeMap::new();
    for output in outputs {
        let Some(output) = output else { return };
        let text = succeeded(&output);
        for line in text.lines().filter_map(|line| line.strip_prefix("row\t")) {
            let (id, verdict) = line.split_once('\t').unwrap();
            let twice = found.insert(id.to_owned(), verdict.to_owned());
            assert_eq!(twice, None, "{id} was run twice");
        }
    }
    let mut kinds: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows::all() {
        let [rows, end_to_end, in_tables] = kinds.entry(row.kind).or_default();
        *rows += 1;
        let is_table = TABLE_ONLY.iter().any(|(id, _)| *id == row.id);
        match found.remove(row.id) {
            Some(verdict) if verdict == "passed" && !is_table => *end_to_end += 1,
            None if is_table => *in_tables += 1,
            other => wrong.push(format!("{}: {}: {other:?}", row.id, row.input)),
        }
    }
    println!("kind            rows  end to end  by table");
    for (kind, [rows, end_to_end, in_tables]) in &kinds {
        println!("{kind:15} {rows:4}  {end_to_end:10}  {in_tables:8}");
    }
    for (id, why) in TABLE_ONLY {
        println!("{id}: {why}");
    }
    assert!(wrong.is_empty(), "not passed:\n{}", wrong.join("\n"));
    assert!(found.is_empty(), "not in the corpus: {found:?}");
}

#[test]
fn a_canary_sees_whoever_dials_it() {
    alone("canaries");
}

#[test]
fn no_order_of_answers_gets_past_the_guard() {
    alone("rebinding");
}

#[test]
fn one_bad_answer_among_many_refuses_the_name() {
    alone("many answers");
}

#[test]
fn a_sealed_secret_goes_to_its_hosts_only() {
    alone("seals");
}

fn alone(scenario: &str) {
    if let Some(output) = namespace::run(scenario, &[]) {
        succeeded(&output);
    }
}

fn succeeded(output: &Output) -> String {
    let (out, err) = (
        namespace::text(&output.stdout),
        namespace::text(&output.stderr),
    );
    let ended = out.lines().any(|line| line == namespace::ENDED);
    assert!(output.status.success() && ended, "{out}\n{err}");
    out
}

/// What the tests above start again in a namespace.
#[test]
#[ignore = "needs a namespace, which the other tests of this module make"]
fn inside() {
    let scenario = std::env::var_os(namespace::SCENARIO_VARIABLE).expect("a scenario");
    let mut out = std::io::stdout();
    // The harness has left its own words on this line.
    writeln!(out).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = async {
        match scenario.to_str().unwrap() {
            "addr" => addresses::addresses().await,
            "url" => addresses::urls().await,
            "redirect" => redirects::locations().await,
            "redirect-flow" => redirects::flows().await,
            "dns" => names::answers().await,
            "request" => requests::all().await,
            "crowd" => requests::crowd().await,
            "response" => responses::all().await,
            "canaries" => addresses::canaries().await,
            "rebinding" => rebinding::rounds().await,
            "seals" => seals::all().await,
            "many answers" => rebinding::many_answers().await,
            row => names::environment(row).await,
        }
    };
    let outcomes = runtime
        .block_on(async { tokio::time::timeout(MOST, running).await })
        .expect("the scenario ends");
    for Outcome { id, found } in outcomes {
        let verdict = found.err().unwrap_or_else(|| "passed".to_owned());
        writeln!(out, "row\t{id}\t{}", verdict.replace('\n', " ")).unwrap();
    }
    writeln!(out, "{}", namespace::ENDED).unwrap();
}
