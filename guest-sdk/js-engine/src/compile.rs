//! Source to bytecode, with the place of an error in the user's own file.

use javy::quickjs::{CatchResultExt, Error, Module, Object, Value, WriteOptions};

use crate::{bindings::CompileError, event_loop::thrown, realm};

/// Compiles one module. It is parsed and linked, and not run.
pub fn compile(name: &str, source: String) -> Result<Vec<u8>, CompileError> {
    realm::with(|realm| {
        realm.runtime.context().with(|ctx| {
            // Debug information stays, because errors at run time name lines; the source goes,
            // because it would be stored twice.
            let options = WriteOptions {
                strip_source: true,
                ..WriteOptions::default()
            };
            let written: Result<Vec<u8>, Error> =
                Module::declare(ctx.clone(), name, source).and_then(|module| module.write(options));
            written
                .catch(&ctx)
                .map_err(|error| describe(name, &thrown(&ctx, error)))
        })
    })
}

fn describe(name: &str, error: &Value<'_>) -> CompileError {
    let text = |object: &Object<'_>, key: &str| object.get::<_, String>(key).ok();
    let Some(object) = error.as_object() else {
        let message = error
            .get::<String>()
            .unwrap_or_else(|_| "the source does not compile".into());
        return CompileError {
            message,
            line: None,
            column: None,
        };
    };
    let kind = text(object, "name").unwrap_or_else(|| "Error".to_owned());
    let message = text(object, "message").unwrap_or_default();
    let place = text(object, "stack").and_then(|stack| find_place(name, &stack));
    CompileError {
        message: format!("{kind}: {message}"),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
    }
}

/// The first `name:line:column` in a stack.
fn find_place(name: &str, stack: &str) -> Option<(u32, u32)> {
    let after = stack.split_once(&format!("{name}:"))?.1;
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let line = number(after)?;
    let column = after
        .split_once(':')
        .and_then(|(_, rest)| number(rest))
        .unwrap_or(1);
    Some((line, column))
}
