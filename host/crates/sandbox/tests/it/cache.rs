//! The compiled engine on disk.

use std::{fs, sync::Arc};

use vedette_core::{SourceLanguage, SystemClock};
use vedette_egress::{Guard, Policy};
use vedette_sandbox::{ArtifactCache, RunInputs, Sandbox, SandboxOptions};

fn open(cache: ArtifactCache) -> Sandbox {
    Sandbox::new(SandboxOptions {
        max_concurrent_runs: 1,
        cache: Some(cache),
        guard: Guard::new(Policy::default()).unwrap(),
        clock: Arc::new(SystemClock),
    })
    .unwrap()
}

async fn works(sandbox: &Sandbox) {
    let bytecode = sandbox
        .compile(
            "export default () => ({ success: true });",
            SourceLanguage::JavaScript,
        )
        .await
        .unwrap();
    let outcome = sandbox.run(&bytecode, RunInputs::default()).await;
    assert_eq!(
        outcome.status,
        vedette_core::Status::Success,
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn a_cached_engine_is_used_only_if_it_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let key = [7; 32];
    works(&open(ArtifactCache::new(folder.path(), key))).await;
    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let [file] = files.as_slice() else {
        panic!("one file, not {files:?}")
    };
    let honest = fs::read(file).unwrap();

    // Used as it is: the file stays the one that was written.
    let written = fs::metadata(file).unwrap().modified().unwrap();
    works(&open(ArtifactCache::new(folder.path(), key))).await;
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written);

    // One bit anywhere, or another key: compiled anew, and written anew.
    let mut tampered = honest.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    fs::remove_file(file).unwrap();
    fs::write(file, &tampered).unwrap();
    works(&open(ArtifactCache::new(folder.path(), key))).await;
    assert_ne!(fs::read(file).unwrap(), tampered);
    works(&open(ArtifactCache::new(folder.path(), [8; 32]))).await;
    assert_ne!(fs::read(file).unwrap()[..32], honest[..32]);
}

#[tokio::test]
async fn typescript_is_paid_for_at_its_first_use_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::new(folder.path(), [7; 32]);
    let stripper = || {
        let names = fs::read_dir(folder.path()).unwrap();
        let mut paths = names.map(|file| file.unwrap().path());
        paths.find(|path| path.display().to_string().contains("/ts-strip-"))
    };
    let sandbox = open(cache.clone());
    works(&sandbox).await;
    assert_eq!(stripper(), None);
    let typed = "export default (): object => ({ success: true });";
    let compiled = sandbox.compile(typed, SourceLanguage::TypeScript).await;
    assert!(compiled.is_ok(), "{compiled:?}");
    let file = stripper().expect("it was compiled");
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    let compiled = open(cache).compile(typed, SourceLanguage::TypeScript).await;
    assert!(compiled.is_ok(), "{compiled:?}");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
}
