//! The value of a sealed secret is not in the memory of the process that runs the guest, not even while the
//! guest has an answer that repeats it.

use std::{collections::BTreeMap, fs, fs::File, os::unix::fs::FileExt as _};

use memchr::memmem;
use serde_json::{Value, json};
use vedette_core::{SealedSecret, SourceLanguage, sealed::read_allowed_hosts};
use vedette_sandbox::RunInputs;

use crate::{assert_success, script, start, target::Target, wait_for};

const VALUE: &str = "sealed-value-canary-4711";

/// Whether the texts are anywhere in the writable memory of a process.
fn find_in_memory(process: u32, texts: &[&str]) -> Vec<bool> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).expect("its memory can be read");
    let mut found = vec![false; texts.len()];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut at = start;
        // By parts that overlap, since one mapping may be large.
        let mut part = vec![0; 1024 * 1024 + 256];
        while at < end {
            let length = part.len().min(usize::try_from(end - at).unwrap());
            // What is mapped and has no page cannot be read.
            if let Ok(read) = memory.read_at(&mut part[..length], at) {
                for (text, found) in texts.iter().zip(&mut found) {
                    *found |= memmem::find(&part[..read], text.as_bytes()).is_some();
                }
            }
            at += 1024 * 1024;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn its_value_is_not_where_the_guest_is() {
    let target = Target::start();
    target.set("/echo", 200, &format!("<{VALUE}>"));
    let sandbox = start(1).await;
    let source = script(
        "const answer = await fetch(params.url + '/echo', { headers: { 'x-key': env.TOKEN } }); \
         const text = await answer.text(); \
         await fetch(params.url + '/wait/3000', { headers: { 'x-key': env.TOKEN } }); \
         return { success: text === `<${env.TOKEN}>` };",
    );
    let bytecode = sandbox
        .compile(&source, SourceLanguage::JavaScript)
        .await
        .unwrap();
    let secret = SealedSecret {
        value: VALUE.to_owned(),
        allowed_hosts: read_allowed_hosts(&[format!("http://{}", target.address)]).unwrap(),
    };
    let Value::Object(params) = json!({ "url": target.url("") }) else {
        unreachable!("an object")
    };
    let inputs = RunInputs {
        params,
        sealed: BTreeMap::from([("TOKEN".to_owned(), secret)]),
        ..RunInputs::default()
    };
    let process = sandbox.processes()[0].id;
    let running = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.run(&bytecode, inputs).await }
    });
    wait_for("the second request", || {
        (target.requests("/wait/3000") == 1).then_some(())
    })
    .await;
    let found = find_in_memory(process, &["sealed.TOKEN.", VALUE]);
    assert_eq!(
        found,
        [true, false],
        "the handle is there, the value is not"
    );
    assert_success(&running.await.unwrap());
}
