//! The parent's side of confinement: one process a file, given an open file as its standard input and
//! nothing else, stopped when it takes too long or says too much. Whatever it does, the exhibit gets an
//! honest note and the queue goes on.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;

use super::Outcome;
use crate::app::{App, random};
use crate::error::{Error, Result};

/// Bytes of the child's answer; pictures and metadata together come nowhere near.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// The hidden subcommand by which the program calls itself.
pub const SUBCOMMAND: &str = "__examine";

pub async fn run(app: &App, key: &str, size: u64, media_type: &str) -> Result<Outcome> {
    let file = fetch(app, key, size).await?;
    let limits = &app.config.examine;
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .arg(SUBCOMMAND)
        .arg(media_type)
        .arg(limits.memory_bytes_max.to_string())
        .arg(limits.cpu_seconds_max.to_string())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return Err(Error::Internal("the examining process has no output".into()));
    };
    let mut answer = Vec::new();
    let work = async {
        stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        child.wait().await
    };
    let note = match tokio::time::timeout(Duration::from_secs(limits.wall_seconds_max), work).await {
        Err(_) => "stopped-too-slow",
        Ok(Err(_)) => "stopped",
        Ok(Ok(status)) if status.success() => match last_outcome(&answer) {
            Some(outcome) => return Ok(outcome),
            None => "answered-nonsense",
        },
        Ok(Ok(_)) => "stopped-at-limit",
    };
    // With whatever it started: its whole process group.
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill().await;
    tracing::warn!(note, media_type, "an examination was stopped");
    // What it had read before it was stopped still counts.
    let mut outcome = last_outcome(&answer).unwrap_or_default();
    outcome.notes.push(note.to_owned());
    Ok(outcome)
}

/// The last whole line of the answer: metadata come first, then again with the pictures.
fn last_outcome(answer: &[u8]) -> Option<Outcome> {
    answer.split(|b| *b == b'\n').rev().find_map(|line| serde_json::from_slice::<Outcome>(line).ok()).map(Outcome::bounded)
}

/// The blob as an open, nameless file: the child can read it and nothing beside it.
async fn fetch(app: &App, key: &str, size: u64) -> Result<File> {
    let folder = app.config.data.join("tmp");
    let path = folder.join(data_encoding::HEXLOWER.encode(&random::<16>()));
    let mut reader = app.blobs.open_range(key, 0, size).await?;
    let mut file = tokio::task::spawn_blocking(move || -> std::io::Result<File> {
        std::fs::create_dir_all(&folder)?;
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    })
    .await
    .map_err(Error::internal)??;
    while let Some(chunk) = reader.next().await {
        let chunk = chunk?;
        file = tokio::task::spawn_blocking(move || file.write_all(&chunk).map(|()| file)).await.map_err(Error::internal)??;
    }
    file.rewind()?;
    Ok(file)
}
