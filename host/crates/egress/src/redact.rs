//! Takes the values of variables out of texts and bytes.
//!
//! A value is found as it is, percent-encoded in whatever way, in JSON's escapes, in hex, and in
//! base64 also as part of a longer text, as in `btoa(user + ':' + password)`. What else a script
//! or a target does to a value cannot be found: a digest, a reversed text, half of it.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem;
use serde_json::Value;

/// Values shorter than this are left: they would be found everywhere.
const LEAST_VALUE_BYTES: usize = 4;
/// And the same for the part of a base64 text that does not depend on what stands beside it.
const LEAST_BASE64_BYTES: usize = 5;

/// See [`restore`].
const MOST_RESTORED_BYTES: usize = 8 * 1024 * 1024;

/// Replaces values by the names of their variables.
pub struct Redactor {
    patterns: Vec<Pattern>,
    /// A value was found since the start.
    pub found: bool,
    /// And in a form that [`restore`] does not bring back.
    lost: bool,
}

struct Pattern {
    value: String,
    placeholder: String,
    forms: Vec<Form>,
}

/// A text to look for.
struct Form {
    finder: memmem::Finder<'static>,
    /// The base64 character before, or after, has some bits of the value.
    is_open_before: bool,
    is_open_after: bool,
}

impl Form {
    fn new(text: &[u8], is_open_before: bool, is_open_after: bool) -> Self {
        Self {
            finder: memmem::Finder::new(text).into_owned(),
            is_open_before,
            is_open_after,
        }
    }

    fn widen(&self, bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
        if self.is_open_before {
            start = start.saturating_sub(1);
        }
        if self.is_open_after {
            end = (end + 1).min(bytes.len());
            while bytes.get(end) == Some(&b'=') {
                end += 1;
            }
        }
        (start, end)
    }
}

/// What stands for the value of `name`.
pub fn placeholder(name: &str) -> String {
    format!("[env:{name}]")
}

impl Redactor {
    /// Replaces the values of variables, by [`placeholder`].
    pub fn new(variables: &BTreeMap<String, String>) -> Self {
        let variables = variables.iter();
        Self::with_placeholders(variables.map(|(name, value)| (value.clone(), placeholder(name))))
    }

    /// Replaces each value by a text of its own.
    pub fn with_placeholders(values: impl Iterator<Item = (String, String)>) -> Self {
        let patterns = values
            .filter(|(value, _)| value.len() >= LEAST_VALUE_BYTES)
            .map(|(value, placeholder)| Pattern {
                forms: forms(&value),
                value,
                placeholder,
            })
            .collect();
        Self {
            patterns,
            found: false,
            lost: false,
        }
    }

    /// Bytes without values.
    pub fn bytes<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let places = self.places(bytes);
        if places.is_empty() {
            return Cow::Borrowed(bytes);
        }
        self.found = true;
        let mut clean = Vec::with_capacity(bytes.len());
        let mut done = 0;
        for (start, end, pattern) in places {
            let pattern = &self.patterns[pattern];
            // Where two overlap, all of both goes.
            if start >= done {
                clean.extend_from_slice(&bytes[done..start]);
                clean.extend_from_slice(pattern.placeholder.as_bytes());
                self.lost |= bytes[start..end] != *pattern.value.as_bytes();
            } else {
                self.lost |= end > done;
            }
            done = done.max(end);
        }
        clean.extend_from_slice(&bytes[done..]);
        Cow::Owned(clean)
    }

    /// Whether `f` takes out a value for good.
    pub fn watch<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = std::mem::take(&mut self.lost);
        let value = f(self);
        let is_lost = self.lost;
        self.lost |= before;
        (value, is_lost)
    }

    /// The same for bytes that nobody needs as they were.
    pub fn owned(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        match self.bytes(&bytes) {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(clean) => clean,
        }
    }

    /// A text without values.
    pub fn text(&mut self, text: &str) -> String {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text.to_owned(),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The text without values; also without the beginning of one at its end if it has about the
    /// most bytes that it may have, so that it may have been cut there. `None`: nothing was found.
    pub fn cut_text(&mut self, text: &str, most_bytes: usize) -> Option<String> {
        let mut clean = self.bytes(text.as_bytes());
        let may_be_cut = text.len() + LEAST_VALUE_BYTES > most_bytes;
        // In what is left of it, so that no whole value is torn.
        if let Some((start, pattern)) = may_be_cut.then(|| self.begun(&clean)).flatten() {
            (self.found, self.lost) = (true, true);
            let placeholder = self.patterns[pattern].placeholder.as_bytes();
            clean.to_mut().truncate(start);
            clean.to_mut().extend_from_slice(placeholder);
        }
        match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(String::from_utf8_lossy(&clean).into_owned()),
        }
    }

    /// Where the bytes end with the beginning of a value: the first such place, and the pattern.
    fn begun(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let last = bytes.len().checked_sub(LEAST_VALUE_BYTES)?;
        let patterns = self.patterns.iter().enumerate();
        let places = patterns.flat_map(|(index, pattern)| {
            pattern.forms.iter().filter_map(move |form| {
                let needle = form.finder.needle();
                let first = (bytes.len() + 1).saturating_sub(needle.len());
                let start = (first..=last).find(|start| needle.starts_with(&bytes[*start..]))?;
                Some((form.widen(bytes, start, bytes.len()).0, index))
            })
        });
        places.min()
    }

    /// JSON without values, also in names.
    pub fn json(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            // A number that holds a value becomes a text without it.
            Value::Number(number) => {
                let text = number.to_string();
                match self.bytes(text.as_bytes()) {
                    Cow::Borrowed(_) => value.clone(),
                    Cow::Owned(bytes) => {
                        self.lost = true;
                        Value::String(String::from_utf8_lossy(&bytes).into_owned())
                    }
                }
            }
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, member)| (self.text(name), self.json(member)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// What would stand for the first value in a text, if there is one.
    pub fn first_in(&self, text: &str) -> Option<&str> {
        let (_, _, pattern) = *self.places(text.as_bytes()).first()?;
        Some(&self.patterns[pattern].placeholder)
    }

    /// Start, end and pattern of each value, in order; of those that begin at one place, the
    /// longest first.
    fn places(&self, bytes: &[u8]) -> Vec<(usize, usize, usize)> {
        let mut places = Vec::new();
        if self.patterns.is_empty() {
            return places;
        }
        self.find(bytes, |start, end| (start, end), &mut places);
        if bytes.contains(&b'%') {
            self.find_decoded(bytes, false, &mut places);
        }
        if bytes.contains(&b'+') {
            self.find_decoded(bytes, true, &mut places);
        }
        places.sort_unstable_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        places
    }

    fn find(
        &self,
        bytes: &[u8],
        origin: impl Fn(usize, usize) -> (usize, usize),
        places: &mut Vec<(usize, usize, usize)>,
    ) {
        for (index, pattern) in self.patterns.iter().enumerate() {
            for form in &pattern.forms {
                let length = form.finder.needle().len();
                places.extend(form.finder.find_iter(bytes).map(|start| {
                    let (start, end) = form.widen(bytes, start, start + length);
                    let (start, end) = origin(start, end);
                    (start, end, index)
                }));
            }
        }
    }

    /// Looks at what percent-encoded bytes mean, and at `+` as a space where forms write it so.
    fn find_decoded(
        &self,
        bytes: &[u8],
        plus_is_space: bool,
        places: &mut Vec<(usize, usize, usize)>,
    ) {
        let mut decoded = Vec::with_capacity(bytes.len());
        // Where each decoded byte began, and where the last one ended.
        let mut origins = Vec::with_capacity(bytes.len() + 1);
        let mut at = 0;
        while at < bytes.len() {
            origins.push(at);
            let escape = bytes.get(at + 1..at + 3).and_then(|digits| {
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).ok()?;
                Some(byte[0])
            });
            match (bytes[at], escape) {
                (b'%', Some(byte)) => {
                    decoded.push(byte);
                    at += 3;
                }
                (b'+', _) if plus_is_space => {
                    decoded.push(b' ');
                    at += 1;
                }
                (byte, _) => {
                    decoded.push(byte);
                    at += 1;
                }
            }
        }
        origins.push(bytes.len());
        self.find(
            &decoded,
            |start, end| (origins[start], origins[end]),
            places,
        );
    }
}

/// The value in every form that is looked for.
fn forms(value: &str) -> Vec<Form> {
    let bytes = value.as_bytes();
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut texts = vec![
        bytes.to_vec(),
        hex::encode(bytes).into_bytes(),
        hex::encode_upper(bytes).into_bytes(),
        json.as_bytes()[1..json.len() - 1].to_vec(),
    ];
    texts.dedup();
    let plain = texts.into_iter().map(|text| Form::new(&text, false, false));
    let alphabets = [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD];
    let base64 = alphabets
        .into_iter()
        .flat_map(|alphabet| (0..3).filter_map(move |before| base64_form(alphabet, bytes, before)));
    plain.chain(base64).collect()
}

/// The characters that a value has in a base64 text when so many bytes stand before it (modulo
/// three), without those that it shares with its neighbours.
fn base64_form(alphabet: &GeneralPurpose, value: &[u8], before: usize) -> Option<Form> {
    let mut padded = vec![0; before];
    padded.extend_from_slice(value);
    let text = alphabet.encode(&padded).into_bytes();
    let (first, last) = (before * 8, padded.len() * 8);
    let core = text.get(first.div_ceil(6)..last / 6)?;
    let form = || Form::new(core, first % 6 != 0, last % 6 != 0);
    (core.len() >= LEAST_BASE64_BYTES).then(form)
}

/// Puts values back where placeholders stand: for a replay that is given them. What would become
/// larger than any body may be is left as it is.
pub fn restore(bytes: &[u8], values: &[(String, String)]) -> Vec<u8> {
    let mut restored = bytes.to_vec();
    for (name, value) in values {
        let placeholder = placeholder(name);
        let finder = memmem::Finder::new(placeholder.as_bytes());
        let places: Vec<usize> = finder.find_iter(&restored).collect();
        if restored.len() + places.len() * value.len() > MOST_RESTORED_BYTES {
            continue;
        }
        let (before, mut done) = (std::mem::take(&mut restored), 0);
        for at in places {
            restored.extend_from_slice(&before[done..at]);
            restored.extend_from_slice(value.as_bytes());
            done = at + placeholder.len();
        }
        restored.extend_from_slice(&before[done..]);
    }
    restored
}

/// The same for JSON.
pub fn restore_json(value: &Value, values: &[(String, String)]) -> Value {
    let text = |text: &String| {
        let restored = restore(text.as_bytes(), values);
        String::from_utf8(restored).unwrap_or_else(|_| text.clone())
    };
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => items
            .iter()
            .map(|item| restore_json(item, values))
            .collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| (text(name), restore_json(member, values)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor(pairs: &[(&str, &str)]) -> Redactor {
        let variables: BTreeMap<String, String> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Redactor::new(&variables)
    }

    #[test]
    fn a_value_is_found_in_every_form_that_is_promised() {
        let value = "s3cr+t/\"wört\" 1";
        let form = "s3cr%2Bt%2F%22w%C3%B6rt%22+1";
        let lower = "s3cr%2bt%2f%22w%c3%b6rt%22%201";
        let mixed = "s3cr+t/%22w%C3%B6rt%22%201";
        let json = serde_json::to_string(value).unwrap();
        let (hex, upper) = (hex::encode(value), hex::encode_upper(value));
        for text in [value, form, lower, mixed, &json, &hex, &upper] {
            let clean = redactor(&[("KEY", value)]).text(&format!("a={text}&b"));
            assert!(clean.starts_with("a=") && clean.ends_with("&b"), "{clean}");
            assert!(clean.contains("[env:KEY]"), "{text}: {clean}");
            assert!(clean.len() < 20, "nothing of it is left: {clean}");
        }
    }

    #[test]
    fn a_value_is_found_inside_a_longer_base64_text() {
        let value = "hunter2-hunter2";
        for before in ["", "u", "us", "anna:", "anna@example.com:"] {
            for after in ["", "x", "xy", ":tail"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}{value}{after}"));
                let clean = redactor(&[("PASSWORD", value)]).text(&text);
                assert!(
                    clean.contains("[env:PASSWORD]"),
                    "{before}|{after}: {clean}"
                );
                let left = clean.replace("[env:PASSWORD]", "");
                // What stands beside it, but for the characters that it shares with the value.
                let plain = before.len() + after.len();
                assert!(
                    left.len() <= (plain * 4).div_ceil(3),
                    "{before}|{after}: {clean}"
                );
            }
        }
    }

    #[test]
    fn overlapping_values_leave_nothing_over() {
        let mut both = redactor(&[("A", "abcdef"), ("B", "defghi"), ("C", "abcd")]);
        assert_eq!(both.text("<abcdefghi>"), "<[env:A]>");
        assert_eq!(both.text("<abcd>"), "<[env:C]>");
        assert!(both.found && both.lost);
        let mut plain = redactor(&[("A", "abcdef")]);
        let (clean, is_lost) = plain.watch(|redactor| redactor.text("<abcdef>"));
        assert_eq!((clean.as_str(), is_lost), ("<[env:A]>", false));
        let (_, is_lost) = plain.watch(|redactor| redactor.text("%61bcdef"));
        assert!(is_lost);
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let mut redactor = super::tests::redactor(&[("SHORT", "abc"), ("KEY", "value-of-key")]);
        for text in ["abc", "value-of-ke", "%", "%zz", "100%", "a+b%2", "größe"] {
            assert_eq!(redactor.text(text), text);
        }
        assert!(!redactor.found);
        assert_eq!(
            redactor.json(&json!({"value-of-key": ["value-of-key", 1, null]})),
            json!({"[env:KEY]": ["[env:KEY]", 1, null]})
        );
        let mut pin = super::tests::redactor(&[("PIN", "4711")]);
        assert_eq!(pin.json(&json!([4711, 47])), json!(["[env:PIN]", 47]));
    }

    #[test]
    fn what_was_taken_out_can_be_put_back() {
        let values = [
            ("A".to_owned(), "one".to_owned()),
            ("B".to_owned(), "[env:A]".to_owned()),
        ];
        assert_eq!(
            restore(b"[env:A][env:B]-[env:C]", &values),
            b"one[env:A]-[env:C]"
        );
    }
}
