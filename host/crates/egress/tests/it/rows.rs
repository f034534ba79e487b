//! The rows of `corpora/ssrf.tsv`.

/// One row. The corpus's own names end in `.test`, which the guard refuses; `.example.com`, which
/// it does not, stands for it everywhere. No packet for it leaves: nothing here asks the real DNS.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) input: String,
    pub(crate) expected: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) setup: &'static str,
    pub(crate) canonical: &'static str,
}

/// All rows in order.
pub(crate) fn all() -> Vec<Row> {
    include_str!("../corpora/ssrf.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [id, input, expected, _, kind, _, stage, setup, canonical] = fields[..] else {
                panic!("not nine fields: {line}");
            };
            // Some rows quote a text inside their prose, with the escapes doubled.
            let input: String = serde_json::from_str(&format!("\"{input}\"")).unwrap();
            Row {
                id,
                input: with_public_names(&input),
                expected,
                kind,
                stage,
                setup,
                canonical,
            }
        })
        .collect()
}

/// Rows of one kind.
pub(crate) fn of_kind(kind: &str) -> Vec<Row> {
    let mut rows = all();
    rows.retain(|row| row.kind == kind);
    assert!(!rows.is_empty(), "no rows of kind {kind}");
    rows
}

pub(crate) fn with_public_names(text: &str) -> String {
    ["public", "other", "target"]
        .iter()
        .fold(text.to_owned(), |text, name| {
            text.replace(&format!("{name}.test"), &format!("{name}.example.com"))
        })
}
