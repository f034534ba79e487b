//! `vedette sign`

use std::{
    fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, anyhow, bail};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

use crate::cli::{EXIT_USAGE, complain, say};

/// Characters of base64 in a line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// Signs a component, or makes a key. What it is for goes to standard output.
pub(crate) fn sign(file: Option<&Path>, key: Option<&Path>, new_key: Option<&Path>) -> ExitCode {
    let done = match (file, key, new_key) {
        (Some(file), Some(key), None) => signature(file, key),
        (None, None, Some(new_key)) => make_key(new_key),
        _ => Err(anyhow!("give a component and --key, or --new-key")),
    };
    match done {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Over exactly the bytes of the file.
fn signature(file: &Path, key: &Path) -> anyhow::Result<String> {
    let bytes =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(STANDARD.encode(read_key(key)?.sign(&bytes)))
}

fn read_key(path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let shown = path.display();
    let pem = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem)
        .map_err(|_| anyhow!("{shown} is no private key in PEM"))?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
        .map_err(|_| anyhow!("{shown} is no Ed25519 key"))
}

/// A key in a new file that only its owner can read; the public key is given back.
fn make_key(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let made = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
        .map_err(|_| anyhow!("no key could be made"))?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(made.as_ref())
        .map_err(|_| anyhow!("no key could be made"))?;
    let base64 = STANDARD.encode(made.as_ref());
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in base64.as_bytes().chunks(PEM_LINE) {
        pem.push_str(std::str::from_utf8(line)?);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{shown} is there already; a key is never written over")
        }
        opened => opened.with_context(|| format!("{shown} cannot be written"))?,
    };
    file.write_all(pem.as_bytes())
        .with_context(|| format!("{shown} cannot be written"))?;
    Ok(STANDARD.encode(pair.public_key()))
}
