//! Signed checkpoints of the audit log, written where the database's owner need not have a hand in.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};
use vedette_core::Clock;
use vedette_store::{Checkpoint, CheckpointKey, Store};

/// Between two looks for chains that have grown.
const LOOK: Duration = Duration::from_mins(1);

/// Writes checkpoints as long as a server runs.
pub(crate) struct Checkpoints {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Checkpoints {
    /// Begins to write them, signed by a key, into a file that only grows.
    pub(crate) fn begin(
        store: Store,
        key: CheckpointKey,
        file: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_last = tokio::select! {
                    _ = looks.tick() => false,
                    // An error means that the sender is gone: the end as well.
                    _ = stopped.wait_for(|stopped| *stopped) => true,
                };
                if let Err(error) = write(&store, &key, &file, is_last, clock.as_ref()).await {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "checkpoints of the audit log cannot be written"
                    );
                }
                if is_last {
                    return;
                }
            }
        });
        Self { stop, task }
    }

    /// Writes a last one of each chain that has grown.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the checkpoints of the audit log ended in a panic");
        }
    }
}

/// First elsewhere, then into the database: what is in the database only shows nothing.
async fn write(
    store: &Store,
    key: &CheckpointKey,
    file: &Path,
    all: bool,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let signed = store.sign_checkpoints(key, all, clock.now()).await?;
    if signed.is_empty() {
        return Ok(());
    }
    let (path, lines) = (file.to_owned(), lines(&signed)?);
    tokio::task::spawn_blocking(move || append(&path, &lines))
        .await?
        .with_context(|| format!("{} (audit.checkpoint_file)", file.display()))?;
    for checkpoint in &signed {
        let checkpoint = serde_json::to_string(checkpoint)?;
        tracing::info!(checkpoint, "a checkpoint of the audit log");
    }
    store.put_checkpoints(&signed).await?;
    Ok(())
}

fn lines(checkpoints: &[Checkpoint]) -> serde_json::Result<String> {
    let lines = checkpoints.iter().map(|checkpoint| {
        let line = serde_json::to_string(checkpoint)?;
        Ok(line + "\n")
    });
    lines.collect()
}

fn append(path: &Path, lines: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if has_torn_end(&mut file)? {
        file.write_all(b"\n")?;
    }
    file.write_all(lines.as_bytes())?;
    file.sync_all()
}

/// Whether the last line was not written to its end: the power failed.
fn has_torn_end(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The checkpoints of a file, and the numbers of the lines that are none.
pub(crate) fn read(path: &Path) -> anyhow::Result<(Vec<Checkpoint>, Vec<usize>)> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("the checkpoints {} cannot be read", path.display()))?;
    let (mut checkpoints, mut others) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        match serde_json::from_str(line) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(_) => others.push(number),
        }
    }
    Ok((checkpoints, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_torn_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit").join("checkpoints.jsonl");
        let line = r#"{"chain":"00000000-0000-0000-0000-000000000000","seq":1,"hash":"ab","at":"2026-11-29T12:00:00Z","key_id":"1","signature":"cd"}"#;
        append(&path, &format!("{line}\n")).unwrap();
        append(&path, &line[..50]).unwrap();
        append(&path, &format!("{line}\n{line}\n")).unwrap();
        let (read, others) = read(&path).unwrap();
        assert_eq!((read.len(), others), (3, vec![2]));
        assert_eq!(lines(&read[..1]).unwrap(), format!("{line}\n"));
    }
}
