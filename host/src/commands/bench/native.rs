//! The same script on QuickJS itself, outside of any sandbox: a fresh runtime and context for each
//! run, since that is what keeps runs apart there.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rquickjs::{
    Context, Ctx, Function, Module, Object, Promise, Runtime, Value, WriteOptions,
    promise::PromiseState,
};

/// Runs a script on a thread of its own: what the compilation of the sandbox's engine leaves of the
/// heap must not slow it down.
pub(crate) struct Native {
    ask: mpsc::Sender<usize>,
    took: mpsc::Receiver<anyhow::Result<Vec<Duration>>>,
}

impl Native {
    pub(crate) fn start(source: &'static str) -> Self {
        let (ask, asked) = mpsc::channel::<usize>();
        let (tell, took) = mpsc::channel();
        thread::spawn(move || {
            let script = Script::compile(source);
            for count in asked {
                let times = match &script {
                    Ok(script) => script.run_times(count),
                    Err(error) => Err(anyhow::format_err!("{error:#}")),
                };
                if tell.send(times).is_err() {
                    return;
                }
            }
        });
        Self { ask, took }
    }

    /// So many runs one after the other, and how long each of them took.
    pub(crate) fn run(&self, count: usize) -> anyhow::Result<Vec<Duration>> {
        self.ask.send(count)?;
        self.took.recv()?
    }
}

/// A script compiled once.
struct Script {
    bytecode: Vec<u8>,
}

impl Script {
    fn compile(source: &str) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let bytecode = Context::full(&runtime)?.with(|ctx| {
            let options = WriteOptions {
                strip_source: true,
                ..WriteOptions::default()
            };
            Module::declare(ctx, "monitor.js", source)?.write(options)
        })?;
        Ok(Self { bytecode })
    }

    fn run_times(&self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let timed = || {
            let began = Instant::now();
            self.run().map(|()| began.elapsed())
        };
        std::iter::repeat_with(timed).take(count).collect()
    }

    /// Everything that a run in the sandbox does: inputs as JSON, a log, the verdict read.
    fn run(&self) -> anyhow::Result<()> {
        let runtime = Runtime::new()?;
        let context = Context::full(&runtime)?;
        context.with(|ctx| {
            let console = Object::new(ctx.clone())?;
            console.set("log", Function::new(ctx.clone(), log)?)?;
            ctx.globals().set("console", console)?;
            #[expect(unsafe_code, reason = "bytecode is loaded in no other way")]
            // SAFETY: `compile` made it, in this process, with this engine.
            let module = unsafe { Module::load(ctx.clone(), &self.bytecode) }?;
            let (module, loaded) = module.eval()?;
            settle(&ctx, &loaded)?;
            let main: Function<'_> = module.get("default")?;
            let argument = Object::new(ctx.clone())?;
            argument.set(
                "params",
                ctx.json_parse(r#"{"url":"https://example.com/"}"#)?,
            )?;
            let promise: Promise<'_> = main.call((argument,))?;
            let verdict = settle(&ctx, &promise)?;
            let verdict = verdict.as_object().context("a verdict")?;
            anyhow::ensure!(verdict.get::<_, bool>("success")?, "the run failed");
            let data: Value<'_> = verdict.get("data")?;
            ctx.json_stringify(data)?.context("data")?.to_string()?;
            Ok(())
        })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what a script passes is owned"
)]
fn log(first: String, second: String, third: i32) {
    std::hint::black_box(format!("{first} {second} {third}"));
}

fn settle<'js>(ctx: &Ctx<'js>, promise: &Promise<'js>) -> anyhow::Result<Value<'js>> {
    while promise.state() == PromiseState::Pending && ctx.execute_pending_job() {}
    Ok(promise
        .result::<Value<'js>>()
        .context("the promise is settled")??)
}
