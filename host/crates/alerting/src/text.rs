//! Making foreign text harmless for whoever reads it, and short enough for whoever takes it.
//!
//! Lengths are in UTF-16 units, which is what most services count; a text is never longer in them
//! than it is in UTF-8 bytes, and never shorter than it is in characters.

use std::fmt::Write as _;

/// What stands at the end of a text that was cut.
const ELLIPSIS: char = '…';

/// One line without control characters, without what turns or hides text, at most `most` units. Of a long text only
/// the beginning is read.
pub(crate) fn clean_line(text: &str, most: usize) -> String {
    clean(text, most, ' ')
}

/// Several lines, otherwise as [`clean_line`].
pub(crate) fn clean_block(text: &str, most: usize) -> String {
    clean(text, most, '\n')
}

fn clean(text: &str, most: usize, line_end: char) -> String {
    let mut previous = ' ';
    let characters = text.chars().filter_map(move |character| {
        let is_second_half = character == '\n' && previous == '\r';
        previous = character;
        match character {
            '\n' if is_second_half => None,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(line_end),
            '\t' => Some(' '),
            other => (!is_unwanted(other)).then_some(other),
        }
    });
    let mut cleaned = fit_characters(
        characters.skip_while(|character| character.is_whitespace()),
        most,
        |character, written| written.push(character),
    );
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// Control characters, and characters that are not seen but change what is.
fn is_unwanted(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Direction of text: "Trojan Source", CVE-2021-42574.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Without width. The joiners U+200C and U+200D are parts of words and of emoji.
            | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            // Annotations, and the tags that nobody sees.
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
        // No characters at all (Unicode, section 23.7).
        || matches!(u32::from(character) & 0xffff, 0xfffe | 0xffff)
        || matches!(character, '\u{fdd0}'..='\u{fdef}')
}

/// As much of a text as has `most` units.
pub(crate) fn cut(text: &str, most: usize) -> String {
    fit(text, most, |character, written| written.push(character))
}

/// As much of a text as has `most` units when each of its characters is written by `escape`: no escape is cut
/// in two.
pub(crate) fn fit(text: &str, most: usize, escape: impl Fn(char, &mut String)) -> String {
    fit_characters(text.chars(), most, escape)
}

fn fit_characters(
    characters: impl Iterator<Item = char>,
    most: usize,
    escape: impl Fn(char, &mut String),
) -> String {
    let mut written = String::new();
    let mut units = 0;
    // Where the sign of a cut still finds room.
    let mut last_good = 0;
    for character in characters {
        let start = written.len();
        escape(character, &mut written);
        units += units_of(&written[start..]);
        if units > most {
            written.truncate(last_good);
            if most > 0 {
                written.push(ELLIPSIS);
            }
            return written;
        }
        if units < most {
            last_good = written.len();
        }
    }
    written
}

/// A text written by `escape`, however long it gets.
pub(crate) fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    fit(text, usize::MAX, escape)
}

/// UTF-16 units of a text.
pub(crate) fn units_of(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// As many of the lines as have `most` units together, and how many are left out.
pub(crate) fn fit_lines(lines: &[String], omitted: usize, most: usize) -> String {
    /// Room for the last line, which says how many there are besides.
    const REST: usize = 40;
    let mut written = String::new();
    let mut units = 0;
    for (index, line) in lines.iter().enumerate() {
        let left = most.saturating_sub(units + 1);
        let is_last = index + 1 == lines.len() && omitted == 0;
        let room = if is_last {
            left
        } else {
            left.saturating_sub(REST)
        };
        if units_of(line) > room && index > 0 {
            return with_rest(written, lines.len() - index + omitted);
        }
        if index > 0 {
            written.push('\n');
            units += 1;
        }
        let line = cut(line, room);
        units += units_of(&line);
        written.push_str(&line);
    }
    with_rest(written, omitted)
}

fn with_rest(written: String, omitted: usize) -> String {
    if omitted > 0 {
        return format!("{written}\n… and {omitted} more");
    }
    written
}

/// For the text and the quoted attributes of HTML (OWASP, rule 1 and 2 against cross-site scripting).
pub(crate) fn html(character: char, written: &mut String) {
    match character {
        '&' => written.push_str("&amp;"),
        '<' => written.push_str("&lt;"),
        '>' => written.push_str("&gt;"),
        '"' => written.push_str("&quot;"),
        '\'' => written.push_str("&#39;"),
        other => written.push(other),
    }
}

/// Between the quotes of a string of JSON (RFC 8259 section 7). What HTML and JavaScript read in another way is
/// escaped too.
pub(crate) fn json(character: char, written: &mut String) {
    match character {
        '"' => written.push_str("\\\""),
        '\\' => written.push_str("\\\\"),
        '\n' => written.push_str("\\n"),
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' | '\u{7f}' => {
            // Writing to a `String` cannot fail.
            let _ = write!(written, "\\u{:04x}", u32::from(character));
        }
        other => written.push(other),
    }
}

/// A part of a URL, or of a form: all but the unreserved characters (RFC 3986 section 2.3).
pub(crate) fn percent(character: char, written: &mut String) {
    if character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~') {
        written.push(character);
        return;
    }
    let mut bytes = [0; 4];
    for byte in character.encode_utf8(&mut bytes).bytes() {
        let _ = write!(written, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_taken_out() {
        let hostile = "\u{1b}[31ma\0b\u{202e}c\u{200b}d\r\ne\u{2028}f\u{e0041}\u{ffff}";
        assert_eq!(clean_line(hostile, 100), "[31mabcd e f");
        assert_eq!(clean_block(hostile, 100), "[31mabcd\ne\nf");
        assert_eq!(clean_line(" \n a \n ", 100), "a");
        assert_eq!(clean_line("👩\u{200d}🚒 äöü", 100), "👩\u{200d}🚒 äöü");
    }

    #[test]
    fn a_cut_is_seen_and_no_escape_is_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("🚒🚒🚒", 5), "🚒🚒…");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(fit("<<<", 8, html), "&lt;…");
        assert_eq!(fit("<<", 8, html), "&lt;&lt;");
        for most in 0..40 {
            assert!(units_of(&fit("a<ü🚒&\"'>", most, html)) <= most);
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let lines: Vec<String> = (1..=9)
            .map(|n| format!("line {n} {}", "x".repeat(20)))
            .collect();
        assert_eq!(fit_lines(&lines[..2], 0, 100).lines().count(), 2);
        assert!(fit_lines(&lines[..2], 3, 100).ends_with("\n… and 3 more"));
        let text = fit_lines(&lines, 1, 120);
        assert!(
            text.ends_with("… and 8 more") && units_of(&text) <= 120,
            "{text}"
        );
        let long = fit_lines(&["y".repeat(500)], 0, 100);
        assert!(long.ends_with('…') && units_of(&long) <= 100);
    }

    #[test]
    fn escapes_are_those_of_their_language() {
        assert_eq!(
            escaped("<a href='x\">&", html),
            "&lt;a href=&#39;x&quot;&gt;&amp;"
        );
        let text = "\"\\\n\u{1}</script>&\u{2028}🚒";
        let read: String = serde_json::from_str(&format!("\"{}\"", escaped(text, json))).unwrap();
        assert_eq!(read, text);
        assert!(!escaped(text, json).contains('<'));
        assert_eq!(escaped("a b&c=d/ü", percent), "a%20b%26c%3Dd%2F%C3%BC");
    }
}
