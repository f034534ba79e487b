//! Bytecode to verdict.

use javy::quickjs::{Array, CatchResultExt, Ctx, Function, Promise, Value};

use crate::{
    bindings::{
        RunError, Verdict,
        vedette::monitor::{env, params},
    },
    event_loop::{self, Unsettled, thrown},
    modules::{self, Module},
    realm::{self, Realm},
    rejections,
};

/// Longest error text that leaves the engine, in bytes. The host cuts again.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Runs a script's default export and reads its verdict.
pub fn run(bytecode: &[u8]) -> Result<Verdict, RunError> {
    event_loop::start_clock();
    realm::with(|realm| {
        realm.runtime.context().with(|ctx| {
            run_module(&ctx, realm, bytecode).map_err(|error| match error {
                Failure::Known(error) => error,
                Failure::Open(Unsettled::Deadlock) => RunError::Deadlock(
                    "the script awaits something that nothing can settle: no request and no timer \
                     is pending"
                        .to_owned(),
                ),
                Failure::Open(Unsettled::Rejected(value)) => explain(&ctx, realm, value),
            })
        })
    })
}

enum Failure<'js> {
    Known(RunError),
    Open(Unsettled<'js>),
}

fn run_module<'js>(
    ctx: &Ctx<'js>,
    realm: &Realm,
    bytecode: &[u8],
) -> Result<Verdict, Failure<'js>> {
    let rejected = |error| Failure::Open(Unsettled::Rejected(thrown(ctx, error)));
    // SAFETY: the host gives back only what `compile` of this very engine made, and bytecode
    // that is not can harm nothing but this instance.
    let module = unsafe { Module::load(ctx, bytecode) };
    modules::end_static_imports();
    let evaluated = module.and_then(Module::evaluate);
    let (exports, loaded) = evaluated.catch(ctx).map_err(rejected)?;
    event_loop::settle(ctx, realm, &loaded).map_err(Failure::Open)?;
    let main = exports.get::<_, Function<'js>>("default").map_err(|_| {
        // The exception that the failed conversion left behind is replaced by our own words.
        let _ = ctx.catch();
        Failure::Known(RunError::MissingExport(
            "the script has no default export that is a function: write `export default async \
             function ({ params, env }) { … }`"
                .to_owned(),
        ))
    })?;
    let variables: Vec<String> = env::names()
        .into_iter()
        .filter_map(|name| env::get(&name).map(|value| [name, value]))
        .flatten()
        .collect();
    let promise: Promise<'js> = realm
        .invoke(ctx)
        .call((main, params::get(), variables))
        .catch(ctx)
        .map_err(rejected)?;
    let parts = event_loop::settle(ctx, realm, &promise).map_err(Failure::Open)?;
    let forgotten = rejections::log(ctx, realm);
    let verdict = read_verdict(&parts).map_err(Failure::Known)?;
    match forgotten {
        Some(failed) if verdict.success => Err(Failure::Known(RunError::AssertionFailed(failed))),
        _ => Ok(verdict),
    }
}

/// More than any verdict may have, and less than passes to the host in one call. The prelude refuses
/// such texts before, as long as the script left it as it was.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

fn read_verdict(parts: &Value<'_>) -> Result<Verdict, RunError> {
    let read = |parts: &Array<'_>| -> javy::quickjs::Result<Verdict> {
        Ok(Verdict {
            success: parts.get(0)?,
            latency: parts.get(1)?,
            message: parts.get(2)?,
            data: parts.get(3)?,
        })
    };
    let verdict = parts
        .as_array()
        .and_then(|parts| read(parts).ok())
        .ok_or_else(|| RunError::ResultInvalid("the verdict could not be read".to_owned()))?;
    let texts = [&verdict.message, &verdict.data];
    if texts
        .into_iter()
        .flatten()
        .any(|text| text.len() > MAX_TEXT_BYTES)
    {
        return Err(RunError::ResultTooLarge(
            "the verdict is larger than 1 MiB".to_owned(),
        ));
    }
    Ok(verdict)
}

/// Asks the prelude what a thrown value means.
fn explain<'js>(ctx: &Ctx<'js>, realm: &Realm, value: Value<'js>) -> RunError {
    // QuickJS throws null when not even an error object fits into memory any more.
    if value.is_null() && realm::memory_was_full() {
        return RunError::MemoryLimit("the script used up its memory".to_owned());
    }
    let explained: javy::quickjs::Result<(String, String)> = realm
        .explain(ctx)
        .call::<_, Array<'js>>((value,))
        .and_then(|pair| Ok((pair.get(0)?, pair.get(1)?)));
    let Ok((kind, mut message)) = explained else {
        let _ = ctx.catch();
        return RunError::Thrown("an error whose text could not be read".to_owned());
    };
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    }
    match kind.as_str() {
        "target-failed" => RunError::TargetFailed(message),
        "assertion-failed" => RunError::AssertionFailed(message),
        "fetch-denied" => RunError::FetchDenied(message),
        "fetch-limit" => RunError::FetchLimit(message),
        "memory-limit" => RunError::MemoryLimit(message),
        "result-invalid" => RunError::ResultInvalid(message),
        "result-too-large" => RunError::ResultTooLarge(message),
        _ => RunError::Thrown(message),
    }
}
