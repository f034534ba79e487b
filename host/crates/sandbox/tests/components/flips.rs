//! W05, W28 and W29: files with one bit that is another.

use std::{fs, panic, path::Path};

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use vedette_core::ErrorClass;
use vedette_sandbox::{
    ArtifactCache,
    component::{Artifact, LoadedComponent, compile, digest, inspect},
};

use crate::{assert_sentence, golden, guest::Guest, inputs, limits, run_with};

const FLIPS: usize = 1_000;

/// A large component takes a build for tests a tenth of a second each: fewer, unless all are asked for
/// as in the tests of hostile scripts.
#[expect(
    clippy::disallowed_methods,
    reason = "how long these tests take is asked for by the one who starts them"
)]
fn flips_of_large() -> usize {
    match std::env::var("VEDETTE_HOSTILE").as_deref() {
        Ok("full") => FLIPS,
        _ => 100,
    }
}

/// Of those that are still admitted, so many are compiled and run.
const RUNS: usize = 30;

/// The same bits in every run of the tests.
fn flips(length: usize, count: usize) -> impl Iterator<Item = (usize, u8)> {
    let mut random = ChaCha20Rng::from_seed([5; 32]);
    let length = length as u64;
    std::iter::repeat_with(move || {
        let at = usize::try_from(random.next_u64() % length).unwrap();
        (at, 1 << (random.next_u32() % 8))
    })
    .take(count)
}

/// Inspects every one, and gives those that are still admitted.
fn admitted(honest: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut admitted = Vec::new();
    for (at, bit) in flips(honest.len(), count) {
        let mut bytes = honest.to_vec();
        bytes[at] ^= bit;
        match panic::catch_unwind(|| inspect(&bytes)) {
            Ok(Ok(_)) => admitted.push(bytes),
            Ok(Err(refusal)) => {
                assert_ne!(refusal.class, ErrorClass::PlatformError, "{at}, {bit}");
                assert_sentence(&refusal.message);
            }
            Err(cause) => panic!("{cause:?} at byte {at}, bit {bit}"),
        }
    }
    admitted
}

/// A flipped component may do anything that a component may, within its limits.
async fn run_flipped(bytes: &[u8]) {
    let loaded = compile(bytes).and_then(|artifact| LoadedComponent::load(&artifact));
    let component = match loaded {
        Ok(component) => component,
        Err(refusal) => {
            assert_ne!(refusal.class, ErrorClass::PlatformError, "{refusal}");
            assert_sentence(&refusal.message);
            return;
        }
    };
    let outcome = run_with(&component, inputs(limits())).await;
    assert_ne!(
        outcome.error_class,
        Some(ErrorClass::PlatformError),
        "{outcome:#?}"
    );
}

#[tokio::test]
async fn w05_bits_of_a_rust_component() {
    let admitted = admitted(golden::RUST, FLIPS);
    assert!(
        (RUNS..FLIPS).contains(&admitted.len()),
        "{} of {FLIPS}",
        admitted.len()
    );
    let step = admitted.len() / RUNS;
    for bytes in admitted.iter().step_by(step).take(RUNS) {
        run_flipped(bytes).await;
    }
}

/// It takes seconds to compile: only what is read of it is looked at here.
#[test]
fn w05_bits_of_a_javascript_component() {
    let admitted = admitted(golden::QJS, flips_of_large());
    let (some, all) = (admitted.len(), flips_of_large());
    assert!((1..all).contains(&some), "{some} of {all}");
}

fn the_file_in(folder: &Path) -> std::path::PathBuf {
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let [file] = files.as_slice() else {
        panic!("one file, not {files:?}")
    };
    file.clone()
}

/// Files are written to be read only.
fn replace(file: &Path, bytes: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
}

#[test]
fn w29_native_code_that_was_altered_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::new(folder.path(), [7; 32]);
    let bytes = Guest::new("(call $success)").bytes();
    let name = digest(&bytes);
    assert!(cache.component(&name).is_none());
    let artifact = compile(&bytes).unwrap();
    cache.store_component(&name, &artifact).unwrap();
    let file = the_file_in(folder.path());
    let honest = fs::read(&file).unwrap();
    for (at, bit) in flips(honest.len(), FLIPS) {
        let mut altered = honest.clone();
        altered[at] ^= bit;
        replace(&file, &altered);
        assert!(cache.component(&name).is_none(), "byte {at}, bit {bit}");
    }
    for cut in [0, 31, 32, 33, honest.len() - 1] {
        replace(&file, &honest[..cut]);
        assert!(cache.component(&name).is_none(), "{cut} bytes");
    }
    replace(&file, &[honest.as_slice(), b"\0"].concat());
    assert!(cache.component(&name).is_none());
    replace(&file, &honest);
    let taken = cache
        .component(&name)
        .map(|artifact| artifact.bytes().to_vec());
    assert_eq!(taken.as_deref(), Some(artifact.bytes()));
    let other_key = ArtifactCache::new(folder.path(), [8; 32]);
    assert!(other_key.component(&name).is_none());
}

#[test]
fn w29_native_code_of_another_component_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ArtifactCache::new(folder.path(), [7; 32]);
    let honest = Guest::new("(call $success)").bytes();
    let other = Guest::new("(unreachable)").bytes();
    cache
        .store_component(&digest(&honest), &compile(&honest).unwrap())
        .unwrap();
    let file = the_file_in(folder.path());
    let others = tempfile::tempdir().unwrap();
    let cache_of_others = ArtifactCache::new(others.path(), [7; 32]);
    cache_of_others
        .store_component(&digest(&other), &compile(&other).unwrap())
        .unwrap();
    replace(&file, &fs::read(the_file_in(others.path())).unwrap());
    assert!(cache.component(&digest(&honest)).is_none());
}

/// What is no native code of this program does not load, and is our fault: it is in our own store.
#[test]
fn w28_native_code_of_another_program_does_not_load() {
    let honest = compile(&Guest::new("(call $success)").bytes()).unwrap();
    for bytes in [
        Vec::new(),
        b"\x7fELF".to_vec(),
        honest.bytes()[..100].to_vec(),
        vec![0; 1_000],
    ] {
        let refusal = LoadedComponent::load(&Artifact::from_own(bytes))
            .err()
            .unwrap();
        assert_eq!(refusal.class, ErrorClass::PlatformError);
        assert_sentence(&refusal.message);
    }
}
