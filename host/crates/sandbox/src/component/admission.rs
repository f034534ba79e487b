//! Whether a file may be compiled, decided from its bytes.

use vedette_core::{ComponentFacts, ComponentRefusal, ErrorClass};
use wasmparser::{
    PrimitiveValType, Validator,
    component_types::{
        ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentItem,
        ComponentValType,
    },
    types::{Types, TypesRef},
};

use super::{counting, imports};
use crate::{engine::COMPONENT_FEATURES, limits::component as caps};

pub(super) type Refused = ComponentRefusal;

/// Longest name that is shown, in characters.
const SHOWN_CHARACTERS: usize = 100;
/// Names of exports that are told.
const EXPORTS: usize = 32;

/// Reads a component, and decides whether it may be compiled. It takes some tenths of a second for
/// the largest, and blocks.
///
/// # Errors
/// One sentence that says why not, for its author.
pub fn inspect(bytes: &[u8]) -> Result<ComponentFacts, ComponentRefusal> {
    outside(bytes)?;
    let counts = counting::count(bytes)?;
    let types = validate(bytes)?;
    let types = types.as_ref();
    let mut offered = Vec::new();
    for name in &counts.imports {
        offered.push(imports::admit(name)?);
        let item = types.component_item_for_import(name);
        if !matches!(item, Some(item) if matches!(item.ty, ComponentEntityType::Instance(_))) {
            let class = ErrorClass::AbiMismatch;
            return Err(refused(
                class,
                format!("its import {} is no interface", shown(name)),
            ));
        }
    }
    check_run(types)?;
    Ok(ComponentFacts {
        size_bytes: bytes.len() as u64,
        imports: counts.imports.iter().map(|name| shown(name)).collect(),
        exports: counts
            .exports
            .iter()
            .take(EXPORTS)
            .map(|name| shown(name))
            .collect(),
        producers: counts.producers,
        capabilities: imports::capabilities(&offered),
        functions: u32::try_from(counts.functions).unwrap_or(u32::MAX),
        memory_bytes: counts.memory_bytes,
    })
}

/// What the first bytes tell.
fn outside(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() > caps::UPLOAD_BYTES {
        let mib = caps::UPLOAD_BYTES / (1024 * 1024);
        return Err(invalid(format!("it has more than {mib} MiB")));
    }
    match bytes {
        [] => Err(invalid("it is empty")),
        _ if bytes.len() < 8 && b"\0asm\x0d\0\x01\0".starts_with(bytes) => {
            Err(invalid("it ends within its first eight bytes"))
        }
        [0x7f, b'E', b'L', b'F', ..] => Err(invalid(
            "it is native code, such as a precompiled .cwasm; upload the component that it was made from",
        )),
        [0x1f, 0x8b, ..] => Err(invalid("it is compressed; upload it as it is")),
        [0, b'a', b's', b'm', version, 0, 0, 0, ..] => match version {
            1 => Err(invalid(
                "it is a core module and not a component; build it for wasm32-wasip2, \
                 or make a component of it with a tool of its toolchain",
            )),
            version => Err(invalid(format!(
                "it is a core module of version {version}, which nobody knows"
            ))),
        },
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', low, high, layer, ..] => Err(invalid(format!(
            "it is of layer {layer} in version {}; components are of layer 1 in version 13",
            u16::from_le_bytes([*low, *high])
        ))),
        _ if is_text(bytes) => Err(invalid(
            "it is text; upload the binary form of the component",
        )),
        _ => Err(invalid("it does not begin as WebAssembly does")),
    }
}

/// The text format begins with a parenthesis, after blanks and comments.
fn is_text(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.starts_with(b"(") || start.starts_with(b";;")
}

fn validate(bytes: &[u8]) -> Result<Types, Refused> {
    let validated = Validator::new_with_features(COMPONENT_FEATURES).validate_all(bytes);
    validated.map_err(|error| match error.missing_wasm_feature() {
        Some(feature) => {
            let mut names = feature.iter_names().map(|(name, _)| spoken(name));
            let name = names
                .next()
                .unwrap_or_else(|| "another proposal".to_owned());
            invalid(format!(
                "it uses {name}, which is switched off here: {} (at byte {})",
                told(error.message()),
                error.offset()
            ))
        }
        // The one proposal for which the validator does not say so.
        None if error.message() == "multiple memories" => invalid(format!(
            "it uses multi-memory, which is switched off here (at byte {})",
            error.offset()
        )),
        None => counting::malformed(&error),
    })
}

/// `MULTI_MEMORY` as `multi-memory`.
fn spoken(feature: &str) -> String {
    feature.to_lowercase().replace('_', "-")
}

/// `run: func() -> result<verdict, string>`, as in `wit/v0.1.0/monitor.wit`. wasmtime looks again.
fn check_run(types: TypesRef<'_>) -> Result<(), Refused> {
    let run = types.component_item_for_export("run");
    let Some(ComponentItem { ty, .. }) = run else {
        return Err(refused(
            ErrorClass::MissingExport,
            "it does not export `run`, which is what is called".to_owned(),
        ));
    };
    let differs = |how: &str| {
        refused(
            ErrorClass::AbiMismatch,
            format!("its export `run` {how}; `func() -> result<verdict, string>` is expected"),
        )
    };
    let ComponentEntityType::Func(run) = *ty else {
        return Err(differs("is no function"));
    };
    if returns_verdict(types, run) {
        Ok(())
    } else {
        Err(differs("has another type"))
    }
}

fn returns_verdict(types: TypesRef<'_>, run: ComponentFuncTypeId) -> bool {
    let run = &types[run];
    let defined = |ty: ComponentValType| match ty {
        ComponentValType::Type(id) => Some(&types[id]),
        ComponentValType::Primitive(_) => None,
    };
    let is = |ty: ComponentValType, expected: PrimitiveValType| match ty {
        ComponentValType::Primitive(found) => found == expected,
        ComponentValType::Type(id) => {
            matches!(types[id], ComponentDefinedType::Primitive(found) if found == expected)
        }
    };
    let is_option = |ty: ComponentValType, expected: PrimitiveValType| matches!(defined(ty), Some(ComponentDefinedType::Option { ty, .. }) if is(*ty, expected));
    let Some(ComponentDefinedType::Result {
        ok: Some(ok),
        err: Some(err),
        ..
    }) = run.result.and_then(defined)
    else {
        return false;
    };
    let Some(ComponentDefinedType::Record(verdict)) = defined(*ok) else {
        return false;
    };
    let fields: Vec<_> = verdict
        .fields
        .iter()
        .map(|(name, ty)| (name.as_str(), *ty))
        .collect();
    let [
        ("success", success),
        ("latency", latency),
        ("message", message),
        ("data", data),
    ] = fields[..]
    else {
        return false;
    };
    !run.async_
        && run.params.is_empty()
        && is(*err, PrimitiveValType::String)
        && is(success, PrimitiveValType::Bool)
        && is_option(latency, PrimitiveValType::F64)
        && is_option(message, PrimitiveValType::String)
        && is_option(data, PrimitiveValType::String)
}

pub(super) fn refused(class: ErrorClass, message: String) -> Refused {
    ComponentRefusal { class, message }
}

pub(super) fn invalid(message: impl Into<String>) -> Refused {
    refused(ErrorClass::InvalidComponent, message.into())
}

pub(super) fn forbidden(message: String) -> Refused {
    refused(ErrorClass::ForbiddenImport, message)
}

/// A text of the component as it may be shown: names can have terminal escapes in them, letters
/// that turn the direction of writing, and any length.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == SHOWN_CHARACTERS {
            shown.push('…');
            break;
        }
        if character.is_ascii_graphic() || character == ' ' || character.is_alphanumeric() {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// A message of the validator or the compiler, some of which have several lines, as one.
pub(super) fn told(message: &str) -> String {
    let lines: Vec<_> = message
        .split('\n')
        .map(|line| line.trim_matches(' '))
        .collect();
    shown(&lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_what_could_mislead() {
        assert_eq!(shown("größe/../a b"), "größe/../a b");
        assert_eq!(shown("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(shown("\u{202e}evil\0"), "\\u{202e}evil\\u{0}");
        assert_eq!(shown(&"x".repeat(100_000)).chars().count(), 101);
    }
}
