//! `vedette egress explain`, over the whole corpus of URLs.

use std::{io::Write as _, process::Stdio};

use serde_json::Value;

use crate::vedette::{binary, run};

#[test]
fn the_verdict_of_every_url_of_the_corpus_is_right() {
    let corpus = include_str!("../../crates/egress/tests/corpora/ssrf.tsv");
    let rows: Vec<(&str, String, &str)> = corpus
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[4] == "url")
        .map(|row| {
            (
                row[0],
                serde_json::from_str(&format!("\"{}\"", row[1])).unwrap(),
                row[2],
            )
        })
        // One URL a line is the command's own form; these have a line break inside.
        .filter(|(_, url, _): &(&str, String, &str)| !url.contains(['\n', '\r']))
        .collect();
    assert!(rows.len() > 130, "{} rows", rows.len());
    let mut child = binary()
        .args(["egress", "explain", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for (_, url, _) in &rows {
        writeln!(input, "{url}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let answers: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(answers.len(), rows.len());
    for ((id, url, expected), answer) in rows.iter().zip(&answers) {
        assert_eq!(answer["input"], url.as_str());
        assert_eq!(answer["verdict"], *expected, "{id} {url:?}: {answer}");
    }
}

#[test]
fn a_line_that_is_not_text_is_denied_and_the_next_one_answered() {
    let mut child = binary()
        .args(["egress", "explain", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"http://\xff.example/\nhttps://example.com/\r\nhttps://example.org/")
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let verdicts: Vec<_> = answers.iter().map(|answer| &answer["verdict"]).collect();
    assert_eq!(verdicts, ["deny", "allow", "allow"]);
    assert_eq!(answers[0]["stage"], "parse");
    assert_eq!(answers[1]["input"], "https://example.com/");
}

#[test]
fn one_url_is_explained_for_people() {
    let output = run(&["egress", "explain", "http://0x7f.1/"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("deny") && text.contains("loopback") && text.contains("RFC 1122"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
    let output = run(&[
        "egress",
        "explain",
        "http://0x7f.1/",
        "--allow",
        "127.0.0.0/8",
    ]);
    assert_eq!(output.status.code(), Some(0));
}
