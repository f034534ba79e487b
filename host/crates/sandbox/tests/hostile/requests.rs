//! J58: every URL that the guard refuses, asked for by a script.

use std::sync::Arc;

use serde_json::json;
use vedette_core::{SourceLanguage, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{RunInputs, Sandbox, SandboxOptions};

use crate::alone;

struct Url {
    id: &'static str,
    text: String,
    stage: &'static str,
}

/// The rows of the guard's corpus that are refused before anything is resolved.
fn refused_urls() -> Vec<Url> {
    let corpus = include_str!("../../../egress/tests/corpora/ssrf.tsv");
    let rows = corpus
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[4] == "url" && row[2] == "deny")
        .map(|row| Url {
            id: row[0],
            text: serde_json::from_str(&format!("\"{}\"", row[1])).unwrap(),
            stage: row[6],
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refused_url_of_the_guard_s_corpus_is_refused_to_scripts() {
    let _alone = alone().await;
    // The guard of a server that allows nothing besides the public internet.
    let sandbox = Sandbox::new(SandboxOptions {
        max_concurrent_runs: 1,
        cache: None,
        guard: Guard::new(Policy::default()).unwrap(),
        clock: Arc::new(SystemClock),
    })
    .unwrap();
    let source = "export default async ({ params }) => { await fetch(params.url); return { success: true }; };";
    let bytecode = sandbox
        .compile(source, SourceLanguage::JavaScript)
        .await
        .unwrap();
    let urls = refused_urls();
    assert!(urls.len() > 100, "only {}", urls.len());
    for url in urls {
        let params = json!({ "url": url.text }).as_object().unwrap().clone();
        let inputs = RunInputs {
            params,
            ..RunInputs::default()
        };
        let outcome = sandbox.run(&bytecode, inputs).await;
        let shown = format!("{} {} stage {}: {outcome:#?}", url.id, url.text, url.stage);
        assert_eq!(outcome.status, Status::Error, "{shown}");
        let class = outcome.error_class.unwrap().as_str();
        let message = outcome.message.unwrap();
        // What is no URL at all is the script's mistake, and is told before the guard is asked.
        let is_refusal = match url.stage {
            "parse" => ["fetch_denied", "script_error"].contains(&class),
            stage => class == "fetch_denied" && message.contains(&format!("stage {stage}")),
        };
        assert!(is_refusal, "{shown}");
    }
}
