//! Where the blocks of the realm shall lie in the snapshot: a few scripts run on trial, and what they
//! write to is put together (`guest-sdk/js-engine/src/placement.rs`).
//!
//! In the component that is rehearsed with, each block has pages of its own. Its memory is mapped from
//! the snapshot, so that the kernel knows which pages a run wrote to: it had to copy them.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use wasmtime::{
    Config, Engine, Store, StoreContextMut,
    component::{
        Component, ComponentType, Instance, Lift, Linker, Lower, Resource, ResourceAny,
        ResourceType, Val,
    },
};

use crate::snapshot::frozen_world;

const PAGE_BYTES: usize = 4096;

/// `placement` of the engine's WIT.
#[derive(Clone, Default, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Placement {
    #[component(name = "written-bytes")]
    written_bytes: u32,
    #[component(name = "read-bytes")]
    read_bytes: u32,
    places: Vec<u8>,
}

/// `block` of the engine's WIT.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Block {
    address: u32,
    bytes: u32,
    #[component(name = "is-freed")]
    is_freed: bool,
}

/// Runs each script of the folder in a snapshot for rehearsals.
pub(crate) async fn rehearse(snapshot: &[u8], folder: &Path) -> Result<Placement> {
    let mut config = Config::new();
    // Much of the memory is empty, and it must be mapped all the same.
    config.memory_guaranteed_dense_image_size(1 << 30);
    let engine = Engine::new(&config)?;
    let component = Component::new(&engine, snapshot)?;
    let (mut store, instance) = begin(&engine, &component).await?;
    let blocks = instance.get_typed_func::<(), (Vec<Block>,)>(&mut store, "blocks")?;
    let (blocks,) = blocks.call_async(&mut store, ()).await?;
    drop(store);
    let mut written = vec![false; blocks.len()];
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let pages = rehearse_one(&engine, &component, &path).await;
        let pages = pages.with_context(|| format!("rehearsing {}", path.display()))?;
        for (block, written) in blocks.iter().zip(&mut written) {
            let first = block.address as usize / PAGE_BYTES;
            let last = (block.address + block.bytes - 1) as usize / PAGE_BYTES;
            *written |= pages[first..=last].contains(&true);
        }
    }
    let mut placement = Placement::default();
    for (block, written) in blocks.iter().zip(written) {
        let place = if block.is_freed {
            0
        } else if written {
            placement.written_bytes += block.bytes;
            1
        } else {
            placement.read_bytes += block.bytes;
            2
        };
        placement.places.push(place);
    }
    Ok(placement)
}

/// By number of the page: whether a run of the script wrote to it.
async fn rehearse_one(engine: &Engine, component: &Component, path: &Path) -> Result<Vec<bool>> {
    let name = Val::String("check.js".to_owned());
    let source = Val::String(std::fs::read_to_string(path)?);
    let (mut store, instance) = begin(engine, component).await?;
    let bytecode = call(&mut store, &instance, "compile", &[name, source]).await?;
    // One memory at a time: see `linear_memory`.
    drop(store);
    let (mut store, instance) = begin(engine, component).await?;
    let verdict = call(&mut store, &instance, "run", &[bytecode]).await?;
    let success = ("success".to_owned(), Val::Bool(true));
    ensure!(
        matches!(&verdict, Val::Record(fields) if fields.contains(&success)),
        "it fails: {verdict:?}"
    );
    written_pages()
}

/// Calls an export that gives a result.
async fn call(
    store: &mut Store<()>,
    instance: &Instance,
    name: &str,
    arguments: &[Val],
) -> Result<Val> {
    let function = instance
        .get_func(&mut *store, name)
        .with_context(|| format!("the engine exports {name}"))?;
    let mut results = [Val::Bool(false)];
    function.call_async(store, arguments, &mut results).await?;
    let [result] = results;
    match result {
        Val::Result(Ok(Some(value))) => Ok(*value),
        other => bail!("{name} gives {other:?}"),
    }
}

/// Of the only instance of this process.
fn written_pages() -> Result<Vec<bool>> {
    // In `/proc/self/pagemap`, of the eight bytes of a page (Documentation/admin-guide/mm/pagemap.rst).
    const IS_PRESENT_OR_SWAPPED: u64 = 0b11 << 62;
    const IS_OF_FILE: u64 = 1 << 61;
    let memory = linear_memory(&std::fs::read_to_string("/proc/self/maps")?)?;
    let mut map = File::open("/proc/self/pagemap")?;
    map.seek(SeekFrom::Start((memory.start / PAGE_BYTES * 8) as u64))?;
    let mut entries = vec![0; memory.len() / PAGE_BYTES * 8];
    map.read_exact(&mut entries)?;
    let (entries, _) = entries.as_chunks();
    let entries = entries.iter().copied().map(u64::from_ne_bytes);
    Ok(entries
        .map(|page| page & IS_PRESENT_OR_SWAPPED != 0 && page & IS_OF_FILE == 0)
        .collect())
}

/// The addresses of the linear memory that is mapped from a snapshot: nothing accessible lies right
/// before it.
fn linear_memory(maps: &str) -> Result<Range<usize>> {
    let mut found: Vec<(Range<usize>, bool)> = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (addresses, rights) = (words.next(), words.next());
        let (start, end) = addresses
            .and_then(|text| text.split_once('-'))
            .context("maps")?;
        let address = |text| usize::from_str_radix(text, 16);
        let (start, end) = (address(start)?, address(end)?);
        if rights != Some("rw-p") {
            continue;
        }
        let is_snapshot = line.contains("wasm-memory-image");
        match found.last_mut() {
            Some((range, has_snapshot)) if range.end == start => {
                range.end = end;
                *has_snapshot |= is_snapshot;
            }
            _ => found.push((start..end, is_snapshot)),
        }
    }
    found.retain(|(_, has_snapshot)| *has_snapshot);
    ensure!(
        found.len() == 1,
        "{} memories are mapped from a snapshot, not one",
        found.len()
    );
    Ok(found.swap_remove(0).0)
}

async fn begin(engine: &Engine, component: &Component) -> Result<(Store<()>, Instance)> {
    let mut store = Store::new(engine, ());
    let linker = frozen_world(
        engine,
        component,
        Vec::new(),
        Placement::default(),
        answer_requests,
    )?;
    let instance = linker.instantiate_async(&mut store, component).await?;
    Ok((store, instance))
}

/// The host of a rehearsal: every request is answered at once, with the same response.
fn answer_requests(linker: &mut Linker<()>) -> wasmtime::Result<()> {
    type Cx<'a> = StoreContextMut<'a, ()>;
    struct Pending;
    let mut env = linker.instance("vedette:monitor/env@0.1.0")?;
    env.func_wrap("names", |_: Cx<'_>, (): ()| Ok((vec!["TOKEN".to_owned()],)))?;
    env.func_wrap("get", |_: Cx<'_>, (_,): (String,)| {
        Ok((Some("secret".to_owned()),))
    })?;
    let mut params = linker.instance("vedette:monitor/params@0.1.0")?;
    params.func_wrap("get", |_: Cx<'_>, (): ()| {
        Ok((r#"{"url":"https://example.com/"}"#.to_owned(),))
    })?;
    let mut console = linker.instance("vedette:monitor/console@0.1.0")?;
    console.func_new("log", |_, _, _, _| Ok(()))?;
    let mut fetch = linker.instance("vedette:monitor/fetch@0.1.0")?;
    fetch.resource(
        "pending-response",
        ResourceType::host::<Pending>(),
        |_, _| Ok(()),
    )?;
    fetch.func_new("start", |mut store, _, _, results| {
        let pending = Resource::<Pending>::new_own(0);
        let pending = ResourceAny::try_from_resource(pending, &mut store)?;
        results[0] = Val::Result(Ok(Some(Box::new(Val::Resource(pending)))));
        Ok(())
    })?;
    fetch.func_wrap(
        "wait-any",
        |_: Cx<'_>, (_, _): (Vec<Resource<Pending>>, Option<u32>)| Ok((vec![0_u32],)),
    )?;
    fetch.func_new_async(
        "[method]pending-response.take",
        |mut store, _, params, results| {
            Box::new(async move {
                // What was lent for the call.
                if let Some(Val::Resource(pending)) = params.first() {
                    pending.resource_drop_async(&mut store).await?;
                }
                results[0] = Val::Result(Ok(Some(Box::new(response()))));
                Ok(())
            })
        },
    )
}

fn response() -> Val {
    const BODY: &str = r#"{"items":[{"id":1,"name":"one"},{"id":2,"name":"two"}],"state": "ok"}"#;
    let text = |text: &str| Val::String(text.to_owned());
    let bytes = |text: &str| Val::List(text.bytes().map(Val::U8).collect());
    let some = |value: Val| Val::Option(Some(Box::new(value)));
    let record = |fields: Vec<(&str, Val)>| {
        let named = |(name, value): (&str, Val)| (name.to_owned(), value);
        Val::Record(fields.into_iter().map(named).collect())
    };
    let header =
        |name: &str, value: &str| record(vec![("name", text(name)), ("value", bytes(value))]);
    record(vec![
        ("status", Val::U16(200)),
        (
            "headers",
            Val::List(vec![
                header("content-type", "application/json"),
                header("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ]),
        ),
        ("body", bytes(BODY)),
        ("url", text("https://example.com/")),
        ("redirected", Val::Bool(false)),
        ("http-version", text("HTTP/1.1")),
        ("remote-address", some(text("192.0.2.1:443"))),
        (
            "timings",
            record(vec![
                ("dns", some(Val::U64(1_000))),
                ("connect", some(Val::U64(1_000))),
                ("tls", some(Val::U64(1_000))),
                ("first-byte", Val::U64(1_000)),
                ("download", Val::U64(1_000)),
                ("total", Val::U64(5_000)),
            ]),
        ),
        (
            "tls",
            some(record(vec![
                ("protocol", text("TLSv1.3")),
                ("subject", text("CN=example.com")),
                ("issuer", text("CN=example")),
                ("not-before", Val::S64(0)),
                ("not-after", Val::S64(1)),
                ("chain-not-after", Val::S64(1)),
            ])),
        ),
    ])
}
