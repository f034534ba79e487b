//! The guard's corpus as users meet it: `vedette egress explain`, and a script that tries.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::vedette::{binary, run};

/// Id, input and verdict of the rows of one kind.
fn rows(kind: &str) -> impl Iterator<Item = (&'static str, String, &'static str)> {
    include_str!("../../crates/egress/tests/corpora/ssrf.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(move |row| row[4] == kind)
        .map(|row| {
            let input = serde_json::from_str(&format!("\"{}\"", row[1])).unwrap();
            (row[0], input, row[2])
        })
}

#[test]
fn the_verdict_of_every_url_of_the_corpus_is_right() {
    let rows: Vec<_> = rows("url")
        // One URL a line is the command's own form; these have a line break inside.
        .filter(|(_, url, _)| !url.contains(['\n', '\r']))
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

/// In a namespace whose loopback device has every address, so that nothing reaches anyone; then
/// what the kernel counted.
const ALONE: &str = r#"
set -e
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
echo inside
"$@"
echo
cat /proc/self/net/snmp
"#;

/// What came of each URL in a script that tries them all, and how many connections were begun;
/// `None` where there can be no namespace and none is required.
fn try_in_a_script(urls: &[String]) -> Option<(Vec<String>, u64)> {
    let urls = serde_json::to_string(urls).unwrap();
    let mut file = tempfile::NamedTempFile::with_suffix(".js").unwrap();
    write!(
        file,
        "export default async function () {{
            const tries = {urls}.map((url) =>
                fetch(url).then(() => 'answered', (error) => error.code ?? error.name));
            return {{ success: true, data: await Promise.all(tries) }};
        }}"
    )
    .unwrap();
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", ALONE, "sh"])
        .args([env!("CARGO_BIN_EXE_vedette"), "check", "--json"])
        .arg(file.path())
        .output();
    let (text, why) = match output {
        Ok(output) => (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ),
        Err(error) => (String::new(), error.to_string()),
    };
    let Some(text) = text.strip_prefix("inside\n") else {
        let hint = format!(
            "a network namespace cannot be made; it needs `unshare` (util-linux), `ip` (iproute2), \
             IPv6, and the right to make user namespaces: {why}"
        );
        let is_required = std::env::var_os("VEDETTE_REQUIRE_SERVICES").is_some();
        assert!(!is_required, "{hint}");
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED: {hint}");
        }
        return None;
    };
    let (told, counters) = text.split_once("\n\n").expect(&why);
    let outcome: Value = serde_json::from_str(told).expect(told);
    let codes: Vec<String> = serde_json::from_value(outcome["result"]["data"].clone()).expect(told);
    // The names of the counters stand in one line, their values in the next.
    let mut tcp = counters.lines().filter(|line| line.starts_with("Tcp: "));
    let names = tcp.next().unwrap().split(' ');
    let mut pairs = names.zip(tcp.next().unwrap().split(' '));
    let (_, connects) = pairs.find(|(name, _)| *name == "ActiveOpens").unwrap();
    Some((codes, connects.parse().unwrap()))
}

#[test]
fn no_script_gets_past_the_guard() {
    let literal = |address: String| {
        if address.contains(':') {
            format!("http://[{address}]/")
        } else {
            format!("http://{address}/")
        }
    };
    let addresses = rows("addr").map(|(id, address, verdict)| (id, literal(address), verdict));
    let denied: Vec<_> = rows("url")
        .chain(addresses)
        .filter(|(_, _, verdict)| *verdict == "deny")
        .map(|(_, url, _)| url)
        .collect();
    assert!(denied.len() > 200, "{}", denied.len());
    let mut refusals = 0;
    // A run may make fifty requests.
    for urls in denied.chunks(50) {
        let Some((codes, connects)) = try_in_a_script(urls) else {
            return;
        };
        assert_eq!(connects, 0, "{urls:?}: {codes:?}");
        assert_eq!(codes.len(), urls.len());
        assert!(
            !codes.contains(&"answered".to_owned()),
            "{urls:?}: {codes:?}"
        );
        refusals += codes.iter().filter(|code| *code == "denied").count();
    }
    // The rest are no URLs, which the engine may tell before the guard does.
    assert!(refusals > 180, "{refusals} of {}", denied.len());
    // What may leave does, and is counted: nobody listens there.
    let allowed = ["http://8.8.8.8:8443/".to_owned()];
    let (codes, connects) = try_in_a_script(&allowed).unwrap();
    assert_eq!(
        (codes, connects),
        (vec!["connection-refused".to_owned()], 1)
    );
}
