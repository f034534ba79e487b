//! From the built JavaScript engine to the files that the host carries: bytecode of its JavaScript
//! half, and the snapshot of the component with its realm built.
//!
//! Clocks and random numbers stand still meanwhile.

use std::path::Path;

use anyhow::{Context as _, Result};
use wasmtime::{
    Config, Engine, Store, StoreContextMut,
    component::{Component, Linker, LinkerInstance},
};
use wasmtime_wizer::Wizer;

use crate::rehearsal::{Placement, rehearse};

/// The JavaScript half of the realm, in the order of use: the body of one function.
const PRELUDE: &[&str] = &[
    "errors", "url", "timers", "events", "abort", "headers", "body", "response", "fetch",
    "console", "base64", "verdict", "warm_up", "globals",
];

/// A module that exports the function; QuickJS compiles nothing else ahead.
fn read_prelude(folder: &Path) -> Result<String> {
    let mut source = "export default function (host) {\n".to_owned();
    for name in PRELUDE {
        let path = folder.join(name).with_extension("js");
        source += &std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
    }
    Ok(source + "\n}")
}

/// Compiles the JavaScript half and takes the snapshot. Gives the files of `prebuilt/`.
pub(crate) async fn assemble(component: &[u8], js: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    let engine = Engine::new(&config)?;
    let prelude = compile_part(&engine, component, "prelude", &read_prelude(js)?).await?;
    let mut sources = std::fs::read_dir(js.join("parts"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    sources.sort();
    let rehearsal = take_snapshot(&engine, component, &prelude, Placement::default()).await?;
    let placement = rehearse(&rehearsal, &js.join("rehearsals")).await?;
    let snapshot = take_snapshot(&engine, component, &prelude, placement).await?;
    let mut files = vec![("js-engine.wasm".to_owned(), snapshot)];
    for path in sources {
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.context("the name of a part is UTF-8")?.to_owned();
        let source = std::fs::read_to_string(&path)?;
        let bytecode = compile_part(&engine, component, &name, &source).await;
        files.push((format!("parts/{name}.bin"), bytecode.with_context(|| name)?));
    }
    Ok(files)
}

/// Runs `init` and writes the component anew with the memory as it is then.
async fn take_snapshot(
    engine: &Engine,
    component: &[u8],
    prelude: &[u8],
    placement: Placement,
) -> Result<Vec<u8>> {
    let mut store = Store::new(engine, ());
    let mut wizer = Wizer::new();
    // The component goes on exporting `init`, which wizer cannot take out of a component; the
    // host never calls it.
    wizer.init_func("init").keep_init_func(true);
    let snapshot = wizer.run_component(&mut store, component, async |store, component| {
        let linker = frozen_world(
            store.engine(),
            component,
            prelude.to_vec(),
            placement.clone(),
            |_| Ok(()),
        )?;
        linker.instantiate_async(store, component).await
    });
    let (bytes, _) = snapshot.await?;
    Ok(bytes)
}

async fn compile_part(
    engine: &Engine,
    component: &[u8],
    name: &str,
    source: &str,
) -> Result<Vec<u8>> {
    let component = Component::new(engine, component)?;
    let mut store = Store::new(engine, ());
    let linker = frozen_world(engine, &component, Vec::new(), Placement::default(), |_| {
        Ok(())
    })?;
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let compile =
        instance.get_typed_func::<(&str, &str), (Vec<u8>,)>(&mut store, "compile-part")?;
    let (bytecode,) = compile.call_async(&mut store, (name, source)).await?;
    Ok(bytecode)
}

/// Imports while the snapshot is taken: time stands still, random numbers are constant, the
/// environment is empty, and everything that `more` does not add ends the build.
pub(crate) fn frozen_world(
    engine: &Engine,
    component: &Component,
    prelude: Vec<u8>,
    placement: Placement,
    more: impl FnOnce(&mut Linker<()>) -> wasmtime::Result<()>,
) -> wasmtime::Result<Linker<()>> {
    let mut linker = Linker::new(engine);
    linker.root().func_wrap(
        "part",
        move |_: StoreContextMut<'_, ()>, (_,): (String,)| Ok((prelude.clone(),)),
    )?;
    linker
        .root()
        .func_wrap("place-blocks", move |_: StoreContextMut<'_, ()>, (): ()| {
            Ok((placement.clone(),))
        })?;
    more(&mut linker)?;
    let ty = component.component_type();
    for (name, _) in ty.imports(engine) {
        let Some(interface) = name.split('@').next() else {
            continue;
        };
        freeze(&mut linker, name, interface)?;
    }
    linker.allow_shadowing(true);
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

fn freeze(linker: &mut Linker<()>, name: &str, interface: &str) -> wasmtime::Result<()> {
    type Cx<'a> = StoreContextMut<'a, ()>;
    let instance =
        |linker: &mut Linker<()>,
         f: &dyn Fn(&mut LinkerInstance<'_, ()>) -> wasmtime::Result<()>| {
            f(&mut linker.instance(name)?)
        };
    match interface {
        "wasi:clocks/wall-clock" => instance(linker, &|i| {
            i.func_wrap("now", |_: Cx<'_>, (): ()| {
                Ok((Datetime {
                    seconds: 0,
                    nanoseconds: 0,
                },))
            })
        }),
        "wasi:clocks/monotonic-clock" => instance(linker, &|i| {
            i.func_wrap("now", |_: Cx<'_>, (): ()| Ok((0u64,)))
        }),
        "wasi:random/random" => instance(linker, &|i| {
            i.func_wrap("get-random-bytes", |_: Cx<'_>, (len,): (u64,)| {
                Ok((vec![0u8; usize::try_from(len)?],))
            })?;
            i.func_wrap("get-random-u64", |_: Cx<'_>, (): ()| Ok((0u64,)))
        }),
        "wasi:random/insecure-seed" => instance(linker, &|i| {
            i.func_wrap("insecure-seed", |_: Cx<'_>, (): ()| Ok(((0u64, 0u64),)))
        }),
        "wasi:cli/environment" => instance(linker, &|i| {
            i.func_wrap("get-environment", |_: Cx<'_>, (): ()| {
                Ok((Vec::<(String, String)>::new(),))
            })
        }),
        _ => Ok(()),
    }
}

#[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}
