//! `URL` against the data of web-platform-tests, which the package of the `url` crate carries.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::{assert_success, data, inputs, run_with};

/// What the `url` crate gets wrong, and its own tests list as well. All of it is about `file:` URLs
/// with a drive letter or several slashes in a row, which no check can fetch.
const KNOWN_FAILURES: &[&str] = &[
    "</> against <file://h/C:/a/b>",
    "<file:\\\\//>",
    "<file:\\\\\\\\>",
    "<file:\\\\\\\\?fox>",
    "<file:\\\\\\\\#guppy>",
    "<file://spider///>",
    "<file:\\\\localhost//>",
    "<file://\\/localhost//cat>",
    "<file://localhost//a//../..//>",
    "</////mouse> against <file:///elephant>",
    "<\\/localhost//pig> against <file://lion/>",
    "<//localhost//pig> against <file://lion/>",
    "</..//localhost//pig> against <file://lion/>",
    "<C|> against <file://host/dir/file>",
    "<C|> against <file://host/D:/dir1/dir2/file>",
    "<C|#> against <file://host/dir/file>",
    "<C|?> against <file://host/dir/file>",
    "<C|/> against <file://host/dir/file>",
    "<C|\n/> against <file://host/dir/file>",
    "<C|\\> against <file://host/dir/file>",
    "</c:/foo/bar> against <file://host/path>",
    "<file://example.net/C:/>",
    "<file://1.2.3.4/C:/>",
    "<file://[1::8]/C:/>",
    "<C|/> against <file://host/>",
    "</C:/> against <file://host/>",
    "<file:C:/> against <file://host/>",
    "<file:/C:/> against <file://host/>",
    "<file://localhost//a//../..//foo>",
    "<file://localhost////foo>",
    "<file:////foo>",
    "<file:////one/two> against <file:///>",
    "<////one/two> against <file:///>",
    "<file:///.//> against <file:////>",
    "<file:.//p>",
    "<file:/.//p>",
];

/// The same for setters. Besides `file:` these are unknown schemes with a path that begins with two
/// slashes.
const KNOWN_SETTER_FAILURES: &[&str] = &[
    "<non-spec:/.//p> set hostname to <h>",
    "<non-spec:/.//p> set hostname to <>",
    "<foo:///some/path> set pathname to <>",
    "<file://monkey/> set pathname to <\\\\>",
    "<file:///unicorn> set pathname to <//\\/>",
    "<file:///unicorn> set pathname to <//monkey/..//>",
    "<non-spec:/> set pathname to </.//p>",
    "<non-spec:/> set pathname to </..//p>",
    "<non-spec:/> set pathname to <//p>",
    "<non-spec:/.//> set pathname to <p>",
];

/// Gives the rows that fail, as text.
const PARSING: &str = "export default ({ params: { rows } }) => { \
    const parts = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', \
      'pathname', 'search', 'hash']; \
    const isRight = (row) => { \
      const base = row.base ?? undefined; \
      if (row.failure) { \
        let thrown; try { new URL(row.input, base); } catch (error) { thrown = error; } \
        return thrown instanceof TypeError && !URL.canParse(row.input, base) && URL.parse(row.input, base) === null; \
      } \
      const url = new URL(row.input, base); \
      return URL.canParse(row.input, base) && parts.every((part) => !(part in row) || url[part] === row[part]) \
        && (row.searchParams === undefined || url.searchParams.toString() === row.searchParams) \
        && new URL(url.href).href === url.href; \
    }; \
    const passes = (row) => { try { return isRight(row); } catch { return false; } }; \
    const label = (row) => `<${row.input}>` + (row.base == null ? '' : ` against <${row.base}>`); \
    return { success: true, data: rows.filter((row) => !passes(row)).map(label) }; };";

const SETTING: &str = "export default ({ params: { rows } }) => { \
    const isRight = ({ attribute, href, new_value, expected }) => { \
      const url = new URL(href); url[attribute] = new_value; \
      return Object.entries(expected).every(([part, value]) => url[part] === value); \
    }; \
    const passes = (row) => { try { return isRight(row); } catch { return false; } }; \
    const label = (row) => `<${row.href}> set ${row.attribute} to <${row.new_value}>`; \
    return { success: true, data: rows.filter((row) => !passes(row)).map(label) }; };";

/// A run takes that many rows.
const ROWS_OF_A_RUN: usize = 200;

async fn failing(source: &str, rows: &[Value]) -> Vec<String> {
    let mut failing = Vec::new();
    for some in rows.chunks(ROWS_OF_A_RUN) {
        let outcome = run_with(source, inputs(json!({ "rows": some }), &[])).await;
        assert_success(&outcome);
        failing.extend(serde_json::from_value::<Vec<String>>(data(&outcome)).unwrap());
    }
    failing
}

/// A file of the tests of the `url` crate, at the version that the host is built with.
fn wpt(file: &str) -> Value {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        // The packages of other systems are not there.
        .args(["--filter-platform", host.unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&cargo.stdout)
        .unwrap_or_else(|_| panic!("cargo: {}", String::from_utf8_lossy(&cargo.stderr)));
    let packages = metadata["packages"].as_array().unwrap();
    let url = packages.iter().find(|package| package["name"] == "url");
    let manifest = Path::new(url.unwrap()["manifest_path"].as_str().unwrap());
    let path = manifest.with_file_name("tests").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("the package of the url crate has no {file}: {error}");
    });
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn urls_are_parsed_as_the_standard_says() {
    let file = wpt("urltestdata.json");
    let rows = file
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row.is_object());
    let rows: Vec<Value> = rows.cloned().collect();
    assert_eq!(rows.len(), 819);
    assert_eq!(failing(PARSING, &rows).await, KNOWN_FAILURES);
}

#[tokio::test]
async fn parts_of_a_url_are_set_as_the_standard_says() {
    let file = wpt("setters_tests.json");
    let mut rows = Vec::new();
    for (attribute, cases) in file.as_object().unwrap() {
        if attribute == "comment" {
            continue;
        }
        for case in cases.as_array().unwrap() {
            let mut row = case.clone();
            row["attribute"] = json!(attribute);
            rows.push(row);
        }
    }
    assert_eq!(rows.len(), 254);
    assert_eq!(failing(SETTING, &rows).await, KNOWN_SETTER_FAILURES);
}
