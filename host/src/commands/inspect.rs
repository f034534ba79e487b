//! `vedette inspect`

use std::{path::Path, process::ExitCode, time::Duration};

use owo_colors::{OwoColorize as _, Stream};
use serde_json::{Map, Value, json};
use vedette_core::{ComponentFacts, ComponentRefusal, Digest, ErrorClass};
use vedette_sandbox::component::{digest, inspect};

use crate::{
    cli::{EXIT_USAGE, complain, say},
    commands::check::compiled,
};

/// Tells what a component is, and whether a server would take it.
pub(crate) fn inspect_component(file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            complain(&format!("{} cannot be read: {error}", file.display()));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let digest = digest(&bytes);
    let inspected = inspect(&bytes);
    let compiled = match &inspected {
        Ok(_) => tokio::runtime::Runtime::new()?.block_on(compile(&bytes)),
        Err(refusal) => Err(refusal.clone()),
    };
    let found = Found {
        digest,
        size_bytes: bytes.len(),
        facts: inspected.ok(),
        compiled,
    };
    if as_json {
        say(&found.as_json().to_string());
    } else {
        found.tell();
    }
    Ok(ExitCode::from(match &found.compiled {
        Ok(_) => 0,
        Err(refusal) if refusal.class == ErrorClass::PlatformError => 2,
        Err(_) => 1,
    }))
}

/// What came of compiling.
struct Compiled {
    /// `None`: it was compiled before, here or by `vedette check`.
    took: Option<Duration>,
    native_bytes: usize,
}

/// As a server does it, to the component that can run.
async fn compile(bytes: &[u8]) -> Result<Compiled, ComponentRefusal> {
    let (artifact, took) = compiled(bytes).await?;
    Ok(Compiled {
        took,
        native_bytes: artifact.bytes().len(),
    })
}

struct Found {
    digest: Digest,
    size_bytes: usize,
    facts: Option<ComponentFacts>,
    compiled: Result<Compiled, ComponentRefusal>,
}

impl Found {
    fn as_json(&self) -> Value {
        let mut object = match serde_json::to_value(&self.facts) {
            Ok(Value::Object(facts)) => facts,
            _ => Map::new(),
        };
        let refusal = self.compiled.as_ref().err();
        object.insert("digest".to_owned(), json!(self.digest));
        object.insert("size_bytes".to_owned(), json!(self.size_bytes));
        object.insert("accepted".to_owned(), json!(self.compiled.is_ok()));
        object.insert("error_class".to_owned(), json!(refusal.map(|r| r.class)));
        object.insert("reason".to_owned(), json!(refusal.map(|r| &r.message)));
        if let Ok(compiled) = &self.compiled {
            object.insert("native_bytes".to_owned(), json!(compiled.native_bytes));
            let took_ms = compiled.took.map(|took| took.as_secs_f64() * 1_000.0);
            object.insert("compile_ms".to_owned(), json!(took_ms));
        }
        Value::Object(object)
    }

    fn tell(&self) {
        match &self.compiled {
            Ok(_) => {
                let word = "accepted";
                say(&word
                    .if_supports_color(Stream::Stdout, |text| text.green())
                    .to_string());
            }
            Err(refusal) => {
                let word = format!("refused {}", refusal.class);
                let word = word.if_supports_color(Stream::Stdout, |text| text.red());
                say(&format!("{word}  {}", refusal.message));
            }
        }
        say(&format!(
            "  sha256:{}, {} bytes",
            self.digest, self.size_bytes
        ));
        if let Some(facts) = &self.facts {
            say(&format!(
                "  {} functions, {} KiB of memory at its start",
                facts.functions,
                facts.memory_bytes / 1024
            ));
            for producer in &facts.producers {
                say(&format!(
                    "  {} {} {}",
                    producer.field, producer.name, producer.version
                ));
            }
            let capabilities: Vec<_> = facts.capabilities.iter().map(|c| c.as_str()).collect();
            say(&format!("  capabilities: {}", capabilities.join(", ")));
            for import in &facts.imports {
                say(&format!("  import {import}"));
            }
            for export in &facts.exports {
                say(&format!("  export {export}"));
            }
        }
        if let Ok(compiled) = &self.compiled {
            let when = compiled.took.map_or("before".to_owned(), |took| {
                format!("in {:.1} s", took.as_secs_f64())
            });
            say(&format!(
                "  compiled {when} to {} KiB of native code",
                compiled.native_bytes / 1024
            ));
        }
    }
}
