//! `vedette bench`: the figures of `docs/PERFORMANCE.md`, measured here and now, side by side in
//! one run, because absolute figures of shared machines wobble.

mod components;
mod isolated_vm;
#[cfg(target_os = "linux")]
mod isolation;
mod native;
mod parked;
mod ready;
mod soak;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};
use vedette_core::{Outcome, SourceLanguage, Status, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{Bytecode, RunInputs, Sandbox, SandboxOptions};

use crate::cli::{complain, say};

/// A small check as people write them: asynchronous, with JSON and a line of log. Both engines run
/// the very same text.
const SCRIPT: &str = r"
const answer = async (url) => ({ status: 200, body: JSON.stringify({ url, items: [1, 2, 3], state: 'ok' }) });

export default async function ({ params }) {
  const response = await answer(params.url);
  const body = JSON.parse(response.body);
  const sum = body.items.reduce((total, item) => total + item, 0);
  console.log('checked', body.url, sum);
  const ok = response.status === 200 && body.state === 'ok' && sum === 6;
  return { success: ok, latency: 1.5, message: ok ? 'fine' : 'not fine', data: { sum, state: body.state } };
}
";

/// Rounds of the side-by-side measurement, and runs of each engine in a round.
const ROUNDS: usize = 40;
const RUNS: usize = 100;
/// Runs at once in the sandbox of the other figures.
const CONCURRENT: usize = 64;
/// How long each throughput is measured.
const THROUGHPUT: Duration = Duration::from_secs(3);
/// Runs parked in a fetch that never ends: for the figure of one, and as many as one machine keeps.
const PARKED: usize = 1_000;
const MANY_PARKED: usize = 10_000;

/// Measures and prints. `soak` adds a million runs, which take some minutes.
pub(crate) fn bench(json: bool, soak: bool, components: &[PathBuf]) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        complain("this is a debug build; its figures mean nothing. Use `cargo run --release`.");
    }
    let sandbox = Sandbox::new(SandboxOptions {
        max_concurrent_runs: CONCURRENT,
        cache: None,
        guard: Guard::new(Policy::default())?,
        clock: Arc::new(SystemClock),
    })?;
    let mut figures = Map::new();
    let threads = std::thread::available_parallelism()?.get();
    let single = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let several = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;

    let bytecode = single
        .block_on(sandbox.compile(SCRIPT, SourceLanguage::JavaScript))
        .context("the script compiles")?;
    let p50 = single.block_on(measure_runs(&sandbox, &bytecode, &mut figures))?;
    isolated_vm::measure(p50, &mut figures)?;
    #[cfg(target_os = "linux")]
    {
        isolation::measure(&single, &several, &sandbox, &bytecode, &mut figures)?;
    }
    let run = {
        let (sandbox, bytecode) = (sandbox.clone(), bytecode.clone());
        move || {
            let (sandbox, bytecode) = (sandbox.clone(), bytecode.clone());
            async move { run_once(&sandbox, &bytecode).await }
        }
    };
    let one = single.block_on(throughput(1, run.clone()))?;
    let all = several.block_on(throughput(threads, run))?;
    figures.insert("runs_per_second_1_thread".to_owned(), json!(one.round()));
    figures.insert("runs_per_second_all_threads".to_owned(), json!(all.round()));
    figures.insert("threads".to_owned(), json!(threads));
    figures.insert("ratio_all_threads_over_1".to_owned(), rounded(all / one, 2));
    single.block_on(measure_compile(&sandbox, &mut figures))?;
    several.block_on(components::measure(components, &mut figures))?;
    let parked = several.block_on(parked::private_bytes_of(PARKED))?;
    figures.insert(
        "private_kib_per_parked_run".to_owned(),
        rounded(scaled(parked, 1 << 10) / scaled(PARKED as u64, 1), 1),
    );
    let many = several.block_on(parked::private_bytes_of(MANY_PARKED))?;
    figures.insert(
        "private_gib_of_10000_parked_runs".to_owned(),
        rounded(scaled(many, 1 << 30), 2),
    );
    figures.insert("ready_warm_ms".to_owned(), rounded(ready::warm_ms()?, 1));
    if soak {
        soak::measure(&single, &sandbox, &bytecode, &mut figures)?;
    }

    if json {
        say(&Value::Object(figures).to_string());
    } else {
        for (name, value) in &figures {
            say(&format!("{name:<32} {value}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whole runs in the sandbox and outside of it, in turns, so that both meet the same weather.
async fn measure_runs(
    sandbox: &Sandbox,
    bytecode: &Bytecode,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<f64> {
    let native = native::Native::start(SCRIPT);
    let (mut sandboxed, mut outside) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for _ in 0..RUNS {
            let began = Instant::now();
            run_once(sandbox, bytecode).await?;
            sandboxed.push(began.elapsed());
        }
        outside.extend(native.run(RUNS)?);
        if round == 0 {
            // To warm up.
            sandboxed.clear();
            outside.clear();
        }
    }
    let sandboxed_p50 = percentile(&mut sandboxed, 50);
    let outside_p50 = percentile(&mut outside, 50);
    figures.insert("sandboxed_run_p50_us".to_owned(), rounded(sandboxed_p50, 1));
    figures.insert(
        "sandboxed_run_p99_us".to_owned(),
        rounded(percentile(&mut sandboxed, 99), 1),
    );
    figures.insert(
        "native_rquickjs_run_p50_us".to_owned(),
        rounded(outside_p50, 1),
    );
    figures.insert(
        "native_rquickjs_run_p99_us".to_owned(),
        rounded(percentile(&mut outside, 99), 1),
    );
    figures.insert(
        "ratio_native_over_sandboxed".to_owned(),
        rounded(outside_p50 / sandboxed_p50, 2),
    );
    Ok(sandboxed_p50)
}

async fn run_once(sandbox: &Sandbox, bytecode: &Bytecode) -> anyhow::Result<()> {
    ensure_success(&sandbox.run(bytecode, inputs()).await)
}

fn ensure_success(outcome: &Outcome) -> anyhow::Result<()> {
    ensure!(
        outcome.status == Status::Success,
        "a run of the benchmark failed: {outcome:?}"
    );
    Ok(())
}

fn inputs() -> RunInputs {
    let mut params = Map::new();
    params.insert("url".to_owned(), json!("https://example.com/"));
    RunInputs {
        params,
        ..RunInputs::default()
    }
}

/// Runs a second, with so many tasks that each run one after the other.
async fn throughput<R>(
    tasks: usize,
    run: impl Fn() -> R + Clone + Send + 'static,
) -> anyhow::Result<f64>
where
    R: Future<Output = anyhow::Result<()>> + Send,
{
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (run, count) = (run.clone(), count.clone());
            tokio::spawn(async move {
                while began.elapsed() < THROUGHPUT {
                    run().await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of runs")]
    let runs = count.load(Ordering::Relaxed) as f64;
    Ok(runs / began.elapsed().as_secs_f64())
}

/// Medians of ten, for 10 KB of functions that differ: the compilation, and from the source to the
/// end of its first run.
async fn measure_compile(
    sandbox: &Sandbox,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<()> {
    let mut source = "export default () => ({ success: true });\n".to_owned();
    for number in 0.. {
        if source.len() >= 10_000 {
            break;
        }
        let function = format!(
            "export function check{number}(list, limit = {number}) {{\n  const found = list.filter(\
             (item) => item.value > limit);\n  return found.length > 0 ? `found ${{found.length}}` \
             : 'none';\n}}\n"
        );
        source.push_str(&function);
    }
    let (mut compiled, mut run) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let began = Instant::now();
        let bytecode = sandbox.compile(&source, SourceLanguage::JavaScript).await?;
        compiled.push(began.elapsed());
        run_once(sandbox, &bytecode).await?;
        run.push(began.elapsed());
    }
    let ms = |times: &mut [Duration]| rounded(percentile(times, 50) / 1_000.0, 2);
    figures.insert("compile_10kb_ms".to_owned(), ms(&mut compiled));
    figures.insert("compile_and_first_run_10kb_ms".to_owned(), ms(&mut run));
    Ok(())
}

/// Microseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn scaled(count: u64, unit: u64) -> f64 {
    count as f64 / unit as f64
}

fn rounded(value: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    json!((value * scale).round() / scale)
}
