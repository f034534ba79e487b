//! Strict JSON: what two readers could take differently is refused, and every refusal names the
//! field.
//!
//! A key that is given twice, nesting without end, and an array where an object belongs are all
//! let through by serde's derived readers in one place or another, hence a first pass over the
//! text that builds nothing.

use std::{collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_path_to_error::{Path, Segment, Track};

use crate::problem::{FieldError, Problem};

/// Deepest nesting of a body. Parameters have a lower limit of their own.
const MAX_DEPTH: usize = 64;

/// Reads a body, which must be one object.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    read(bytes, Strict { levels: MAX_DEPTH })?;
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        // Derived readers take an array for a structure, field by field.
        return Err(Problem::invalid(vec![FieldError::new(
            "",
            "the body must be an object",
        )]));
    }
    read(bytes, PhantomData)
}

fn read<'de, S: DeserializeSeed<'de>>(bytes: &'de [u8], seed: S) -> Result<S::Value, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    match seed.deserialize(tracked) {
        Ok(value) => json.end().map(|()| value).map_err(|error| not_json(&error)),
        Err(error) if error.is_data() => Err(Problem::invalid(vec![field(&track.path(), &error)])),
        Err(error) => Err(not_json(&error)),
    }
}

/// The text has the line and the column.
fn not_json(error: &serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is not JSON: {error}"))
}

/// What is wrong, and where.
fn field(path: &Path, error: &serde_json::Error) -> FieldError {
    let text = error.to_string();
    let detail = text.split(" at line ").next().unwrap_or(&text);
    let mut names: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => "?".to_owned(),
        })
        .collect();
    // serde names a field that is missing, unknown or given twice, and the path may end above it.
    let quoted = detail
        .split_once(" field `")
        .and_then(|(_, rest)| rest.split_once('`'));
    if let Some((name, _)) = quoted
        && names.last().is_none_or(|last| last != name)
    {
        names.push(name.to_owned());
    }
    let add = |pointer: String, name: &String| pointer + "/" + &escape(name);
    let pointer = names.iter().fold(String::new(), add);
    FieldError::new(pointer, detail)
}

/// Escapes one token of a JSON pointer (RFC 6901 section 3).
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Goes over a value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Strict {
    levels: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1);
        let too_deep = || E::custom(format_args!("nested more than {MAX_DEPTH} levels deep"));
        levels.map(|levels| Self { levels }).ok_or_else(too_deep)
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            seen.insert(key);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
