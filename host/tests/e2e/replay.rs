//! `vedette check --record`, `vedette replay`, and the recordings of a server.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    target::Target,
    vedette::{Server, run, wait_for},
};

const CANARY: &str = "canary-5f0c-of-the-environment";

/// Fails or succeeds by the status, and sends a variable that the target sees.
const SCRIPT: &str = "export default async ({ params, env }) => { \
    const r = await fetch(params.url + '?k=' + encodeURIComponent(env.KEY ?? 'none'), \
      { headers: { 'x-key': env.KEY ?? 'none' } }); \
    await new Promise((done) => setTimeout(done, 5)); \
    return { success: r.ok, message: `answered ${r.status} at ${Date.now()} (${Math.random()})`, \
      data: await r.text() }; };";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Exit code, standard output and standard error.
fn vedette(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().expect("it ended by itself"),
        text(output.stdout),
        text(output.stderr),
    )
}

fn replay(arguments: &[&str]) -> (i32, Value) {
    let (code, out, error) = vedette(&[&["replay", "--json"], arguments].concat());
    (
        code,
        serde_json::from_str(&out).unwrap_or(json!({ "error": error })),
    )
}

/// Records a run against a target that is gone afterwards.
fn record(folder: &Folder, script: &str, status: u16, more: &[&str]) -> (i32, Value, String) {
    let target = Target::start();
    target.set("/page?k=none", status, "a page");
    let url = format!("url={}", target.url("/page"));
    let file = folder
        .path("run.json")
        .into_os_string()
        .into_string()
        .unwrap();
    let fixed = [
        "check",
        script,
        "--param",
        &url,
        "--allow",
        "127.0.0.0/8",
        "--json",
        "--record",
        &file,
    ];
    let (code, out, error) = vedette(&[&fixed, more].concat());
    (code, serde_json::from_str(&out).expect(&error), file)
}

#[test]
fn a_recorded_run_is_repeated_without_its_target() {
    let folder = Folder::new();
    let script = folder.file("monitor.js", SCRIPT);
    for (status, expected) in [(200, 0), (503, 1)] {
        let (code, outcome, file) = record(&folder, &script, status, &[]);
        assert_eq!(code, expected, "{outcome}");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner only");
        let (code, replayed) = replay(&[&file]);
        assert_eq!(code, expected, "{replayed}");
        for field in ["status", "error_class", "message", "result", "fuel_used"] {
            assert_eq!(replayed[field], outcome[field], "{field}");
        }
        assert_eq!(replayed["recorded"]["fuel_used"], outcome["fuel_used"]);
        assert_eq!(
            (
                &replayed["same_outcome"],
                &replayed["same_fuel"],
                &replayed["diverged"]
            ),
            (&json!(true), &json!(true), &Value::Null)
        );
        let (code, text, _) = vedette(&["replay", &file]);
        assert_eq!(code, expected);
        assert!(
            text.contains("the same outcome, the same fuel figure"),
            "{text}"
        );
    }
}

#[test]
fn an_edited_script_is_tried_on_the_recorded_answers() {
    let folder = Folder::new();
    let script = folder.file("monitor.js", SCRIPT);
    let (code, _, file) = record(&folder, &script, 503, &[]);
    assert_eq!(code, 1);
    let edited = folder.file("edited.js", &SCRIPT.replace("r.ok", "r.status === 503"));
    let (code, replayed) = replay(&[&file, "--script", &edited]);
    assert_eq!(
        (code, &replayed["status"]),
        (0, &json!("success")),
        "{replayed}"
    );
    assert_eq!(
        (&replayed["is_edited"], &replayed["same_outcome"]),
        (&json!(true), &json!(false))
    );
    let elsewhere = folder.file("other.js", &SCRIPT.replace("?k=", "?other="));
    let (code, replayed) = replay(&[&file, "--script", &elsewhere]);
    assert_eq!(
        (code, &replayed["error_class"]),
        (2, &json!("script_error")),
        "{replayed}"
    );
    assert!(
        replayed["message"]
            .as_str()
            .unwrap()
            .contains("is not in the recording")
    );
    let broken = folder.file("broken.js", "export default (");
    let (code, replayed) = replay(&[&file, "--script", &broken]);
    assert_eq!(
        (code, &replayed["error_class"]),
        (2, &json!("compile_error")),
        "{replayed}"
    );
}

#[test]
fn typescript_is_repeated_and_edited_as_well() {
    let folder = Folder::new();
    let script = folder.file(
        "monitor.ts",
        "type Page = { status: number }; export default async ({ params }: { params: { url: string } }) => { \
         const page: Page = await fetch(params.url + '?k=none'); return { success: page.status === 200 }; };",
    );
    let (code, outcome, file) = record(&folder, &script, 503, &[]);
    assert_eq!(code, 1, "{outcome}");
    let (code, replayed) = replay(&[&file]);
    assert_eq!(
        (code, &replayed["same_outcome"], &replayed["same_fuel"]),
        (1, &json!(true), &json!(true)),
        "{replayed}"
    );
    let edited = folder.file("edited.js", &SCRIPT.replace("r.ok", "true"));
    assert_eq!(replay(&[&file, "--script", &edited]).0, 0);
}

#[test]
fn no_value_of_a_variable_is_in_the_file() {
    let folder = Folder::new();
    let script = folder.file("monitor.js", SCRIPT);
    let key = format!("KEY={CANARY}");
    let (_, outcome, file) = record(&folder, &script, 200, &["--env", &key]);
    assert_eq!(outcome["status"], "success");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    assert!(text.contains("[env:KEY]"), "{text}");
    let (code, with) = replay(&[&file, "--env", &key]);
    assert_eq!(
        (code, &with["same_outcome"], &with["same_fuel"]),
        (0, &json!(true), &json!(true))
    );
    assert_eq!(with["doubts"], json!([]), "the target did not tell it");
    let (code, without) = replay(&[&file]);
    assert_eq!(
        (code, &without["same_outcome"]),
        (0, &json!(true)),
        "{without}"
    );
    let doubt = without["doubts"][0].as_str().unwrap();
    assert!(doubt.contains("KEY"), "{doubt}");
}

#[test]
fn what_cannot_be_repeated_says_why() {
    let folder = Folder::new();
    let script = folder.file("monitor.js", SCRIPT);
    let (_, _, file) = record(&folder, &script, 200, &[]);
    let recording: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let changed = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut value = recording.clone();
        change(&mut value);
        folder.file(name, &value.to_string())
    };
    for (change, code, words) in [
        (
            &(|v: &mut Value| v["format"] = json!(7)) as &dyn Fn(&mut Value),
            64,
            "format 7",
        ),
        (
            &|v| v["engine"] = json!("f".repeat(64)),
            64,
            "recorded with the engine",
        ),
        (&|v| v["seed"] = json!(1e300), 64, "not a recording"),
        (
            &|v| v["waits"][0]["elapsed_ms"] = json!(u64::MAX),
            64,
            "elapsed_ms",
        ),
        (&|v| v["source"] = Value::Null, 64, "--script"),
        (
            &|v| v["truncated"] = json!(["the answer to request 1 (9 bytes)"]),
            70,
            "request 1",
        ),
        (&|v| v["outcome"]["message"] = json!("another"), 70, ""),
        (&|v| v["outcome"]["fuel_used"] = json!(1), 0, ""),
    ] {
        let file = changed("changed.json", change);
        let (found, out, error) = vedette(&["replay", &file]);
        assert_eq!(found, code, "{words}: {out}{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
    for text in ["", "no JSON", "{}"] {
        let file = folder.file("nonsense.json", text);
        assert_eq!(vedette(&["replay", &file]).0, 64, "{text}");
    }
    assert_eq!(vedette(&["replay", "/no/such/file"]).0, 64);
    let nowhere = ["check", &script, "--record", "/no/such/folder/run.json"];
    let (code, _, error) = vedette(&nowhere);
    assert_eq!(code, 64, "{error}");
    let broken = folder.file("broken.js", "export default (");
    let kept = folder.path("never.json");
    let (code, _, error) = vedette(&["check", &broken, "--record", kept.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(error.contains("nothing is recorded"), "{error}");
    assert!(!kept.exists());
}

/// The statuses of all executions that ended, oldest first, each with its recording.
fn recordings(server: &Server, script: &str) -> Vec<(String, Option<Value>)> {
    let mut all = server.executions(script);
    all.reverse();
    all.iter()
        .map(|run| {
            let id = run["id"].as_str().unwrap();
            let path = format!("/api/v1/executions/{id}/recording");
            let (status, body) = server.call("GET", &path, None);
            assert!(status == 200 || status == 404, "{status}");
            let status_of_run = run["status"].as_str().unwrap().to_owned();
            (status_of_run, (status == 200).then_some(body))
        })
        .collect()
}

#[test]
fn a_server_keeps_failures_and_the_first_success_after_one() {
    let target = Target::start();
    let folder = Folder::new();
    let mut server = Server::start(&folder.path("data"));
    server.sign_in();
    let script = json!({
        "name": "recorded", "script_body": SCRIPT, "interval_seconds": 3600,
        "parameters": { "url": target.url("/page") }, "env_vars": { "KEY": CANARY },
    });
    let (status, made) = server.call("POST", "/api/v1/scripts", Some(&script));
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let page = format!("/page?k={CANARY}");
    for status in [200, 200, 503, 503, 200, 200] {
        target.set(&page, status, &format!("{status}: {CANARY}"));
        let (code, run) = server.call("POST", &format!("/api/v1/scripts/{id}/run"), None);
        assert_eq!(code, 200, "{run}");
    }
    let kept = recordings(&server, id);
    let shape: Vec<_> = kept
        .iter()
        .map(|(status, kept)| (status.as_str(), kept.is_some()))
        .collect();
    assert_eq!(
        shape,
        [
            ("success", false),
            ("success", false),
            ("failure", true),
            ("failure", true),
            ("success", true),
            ("success", false)
        ]
    );
    drop(target);
    for (status, recording) in &kept {
        let Some(recording) = recording else { continue };
        // As it stands in the table.
        let text = recording.to_string();
        assert!(
            !text.contains(CANARY) && text.contains("[env:KEY]"),
            "{text}"
        );
        let file = folder.file("run.json", &text);
        let (code, replayed) = replay(&[&file, "--env", &format!("KEY={CANARY}")]);
        assert_eq!(code, i32::from(status == "failure"), "{replayed}");
        assert_eq!(&replayed["same_outcome"], &json!(true), "{replayed}");
    }
}

/// Runs by their slots know of the run before by their claim.
#[test]
fn scheduled_runs_are_kept_too() {
    let target = Target::start();
    let folder = Folder::new();
    let mut server = Server::start(&folder.path("data"));
    server.sign_in();
    target.set("/", 500, "no");
    let id = server.make_script(&target.url("/"));
    wait_for("a recording of a failure", || {
        let kept = recordings(&server, &id);
        kept.iter()
            .any(|(status, kept)| status == "failure" && kept.is_some())
            .then_some(())
    });
    target.set("/", 200, "yes");
    wait_for("two successes", || {
        let kept = recordings(&server, &id);
        let successes: Vec<_> = kept
            .iter()
            .filter(|(status, _)| status == "success")
            .collect();
        (successes.len() > 1).then(|| {
            assert!(successes[0].1.is_some(), "the first one after a failure");
            assert!(successes[1].1.is_none(), "and not the next");
        })
    });
}
