//! Texts within messages.

use std::borrow::Cow;

/// Longest value that a message repeats, in bytes.
pub(crate) const VALUE_BYTES: usize = 300;
/// As much of a body as a message repeats, in bytes.
pub(crate) const BODY_BYTES: usize = 80;
/// As much of a URL as a message repeats, in bytes.
pub(crate) const URL_BYTES: usize = 200;

/// The text, or its beginning.
pub(crate) fn brief(text: &str, most_bytes: usize) -> Cow<'_, str> {
    if text.len() <= most_bytes {
        return text.into();
    }
    let end = text.floor_char_boundary(most_bytes);
    format!("{}…", &text[..end]).into()
}

/// The error's own words, without the line and column that mean nothing to a reader who does not see
/// the text.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    if text.ends_with(&place) {
        text.truncate(text.len() - place.len());
    }
    brief(&text, VALUE_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(brief("short", 5), "short");
        assert_eq!(brief("größe", 3), "gr…");
    }
}
