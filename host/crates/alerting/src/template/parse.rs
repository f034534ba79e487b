//! Reading a template: text and tags into nodes.

use super::{
    LISTS, MAX_TEMPLATE_BYTES, MAX_TEMPLATE_DEPTH, Name, Node, Subject, TemplateError, VARIABLES,
};

/// Longest part of a tag that an error repeats, in characters.
const SHOWN_CHARS: usize = 40;

pub(super) fn parse(source: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        source,
        at: 0,
        line: 1,
        done: Vec::new(),
        open: Vec::new(),
    };
    if source.len() > MAX_TEMPLATE_BYTES {
        let bytes = source.len();
        return Err(parser.error(format!(
            "the template has {bytes} bytes, at most {MAX_TEMPLATE_BYTES} are allowed"
        )));
    }
    if source.contains('\0') {
        return Err(parser.error("the template must not contain a NUL character"));
    }
    while parser.step()? {}
    match parser.open.pop() {
        None => Ok(parser.done),
        Some(open) => Err(TemplateError {
            line: open.line,
            reason: format!("`{{{{#{0}}}}}` has no `{{{{/{0}}}}}`", open.name),
        }),
    }
}

/// A section whose end has not been seen.
struct Open<'a> {
    name: &'a str,
    subject: Subject,
    is_inverted: bool,
    line: usize,
    /// What was read before it began.
    before: Vec<Node>,
}

struct Parser<'a> {
    source: &'a str,
    /// Bytes that are read.
    at: usize,
    line: usize,
    /// Nodes of the innermost section.
    done: Vec<Node>,
    open: Vec<Open<'a>>,
}

impl<'a> Parser<'a> {
    fn error(&self, reason: impl Into<String>) -> TemplateError {
        TemplateError {
            line: self.line,
            reason: reason.into(),
        }
    }

    /// Reads text and the tag after it. `false`: there was no tag any more.
    fn step(&mut self) -> Result<bool, TemplateError> {
        let rest = &self.source[self.at..];
        let Some(start) = rest.find("{{") else {
            self.text(rest);
            return Ok(false);
        };
        let inside = &rest[start + 2..];
        let tag_line = self.line + rest[..start].matches('\n').count();
        let Some(length) = inside.find("}}") else {
            self.line = tag_line;
            return Err(self.error("a `{{` has no `}}`"));
        };
        let tag = &inside[..length];
        let end = start + 2 + length + 2;
        let is_written = !tag.trim_start().starts_with(['#', '^', '/', '!']);
        let (text_end, next) = match alone(self.source, self.at + start, self.at + end) {
            Some((line_start, line_end)) if !is_written => (line_start.max(self.at), line_end),
            _ => (self.at + start, self.at + end),
        };
        self.text(&self.source[self.at..text_end]);
        self.line = tag_line;
        self.tag(tag)?;
        self.line += self.source[self.at + start..next].matches('\n').count();
        self.at = next;
        Ok(true)
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.done.push(Node::Text(text.to_owned()));
        }
    }

    fn tag(&mut self, tag: &'a str) -> Result<(), TemplateError> {
        let tag = tag.trim();
        let (sigil, name) = match tag.chars().next() {
            Some(sigil @ ('#' | '^' | '/' | '!' | '{' | '&' | '>' | '=' | '<' | '$')) => {
                (sigil, tag[1..].trim())
            }
            _ => (' ', tag),
        };
        match sigil {
            '!' => Ok(()),
            '#' | '^' => self.begin(name, sigil == '^'),
            '/' => self.end(name),
            ' ' => {
                let value = self.name(name)?;
                self.done.push(Node::Value(value));
                Ok(())
            }
            '{' | '&' => Err(self.error("values are always escaped: write `{{name}}`")),
            _ => Err(self.error(
                "a tag is `{{name}}`, `{{#name}}`, `{{^name}}`, `{{/name}}` or `{{! remark}}`",
            )),
        }
    }

    fn begin(&mut self, name: &'a str, is_inverted: bool) -> Result<(), TemplateError> {
        if self.open.len() >= MAX_TEMPLATE_DEPTH {
            let reason = format!("sections are nested more than {MAX_TEMPLATE_DEPTH} deep");
            return Err(self.error(reason));
        }
        let list = LISTS.iter().find(|(list, _)| *list == name);
        let subject = match list {
            Some((list, _)) if !is_inverted && self.list().is_some() => {
                return Err(self.error(format!("the list `{list}` cannot stand inside of a list")));
            }
            Some((list, _)) => Subject::List(list),
            None => Subject::Value(self.name(name)?),
        };
        self.open.push(Open {
            name,
            subject,
            is_inverted,
            line: self.line,
            before: std::mem::take(&mut self.done),
        });
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), TemplateError> {
        match self.open.pop() {
            Some(open) if open.name == name => {
                let inner = std::mem::replace(&mut self.done, open.before);
                self.done.push(if open.is_inverted { Node::Inverted(open.subject, inner) } else { Node::Section(open.subject, inner) });
                Ok(())
            }
            Some(open) => Err(self.error(format!(
                "`{{{{/{}}}}}` where `{{{{/{}}}}}` should be, for the section that begins on line {}",
                shortened(name),
                open.name,
                open.line
            ))),
            None => {
                let name = shortened(name);
                Err(self.error(format!("`{{{{/{name}}}}}` ends a section that was not begun")))
            }
        }
    }

    /// The list whose elements are being written, if any.
    fn list(&self) -> Option<&'static [&'static str]> {
        let lists = self.open.iter().filter(|open| !open.is_inverted);
        lists
            .filter_map(|open| match open.subject {
                Subject::List(list) => LISTS.iter().find(|(name, _)| *name == list),
                Subject::Value(_) => None,
            })
            .map(|(_, fields)| *fields)
            .next()
    }

    fn name(&self, name: &str) -> Result<Name, TemplateError> {
        let known = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
        if let Some(field) = self.list().and_then(known) {
            return Ok(Name::Element(field));
        }
        if let Some(variable) = known(VARIABLES) {
            return Ok(Name::Outer(variable));
        }
        let reason = if name.is_empty() {
            "a tag has no name".to_owned()
        } else if LISTS.iter().any(|(list, _)| *list == name) {
            format!("`{name}` is a list: write `{{{{#{name}}}}} … {{{{/{name}}}}}`")
        } else if let Some((list, _)) = LISTS.iter().find(|(_, fields)| fields.contains(&name)) {
            format!("`{name}` is known inside of `{{{{#{list}}}}}` only")
        } else {
            let shown = shortened(name);
            let names = VARIABLES.join(", ");
            let inner = self.list().map(|fields| format!("{}, ", fields.join(", ")));
            let inner = inner.unwrap_or_default();
            format!("`{shown}` is not known here; known are {inner}{names}")
        };
        Err(self.error(reason))
    }
}

fn shortened(name: &str) -> String {
    match name.chars().count() {
        0..=SHOWN_CHARS => name.to_owned(),
        _ => name.chars().take(SHOWN_CHARS).chain(['…']).collect(),
    }
}

/// The whole line of a tag that stands alone on it, with the line's end: such a line leaves nothing behind
/// (Mustache specification, "standalone tags").
fn alone(source: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let is_blank = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
    };
    let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[end..]
        .find('\n')
        .map_or(source.len(), |at| end + at + 1);
    let after = source[end..line_end].trim_end_matches('\n');
    (is_blank(&source[line_start..start]) && is_blank(after)).then_some((line_start, line_end))
}
