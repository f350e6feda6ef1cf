//! The parent's side of confinement: one process a file, given an open file as its standard input and
//! nothing else, stopped when it takes too long or says too much. Whatever it does, the exhibit gets an
//! honest note and the queue goes on.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::Outcome;
use super::child::Task;
use crate::app::{App, random};
use crate::blobs::Staged;
use crate::config;
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// Bytes of the child's answer; pictures and metadata together come nowhere near.
const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// Of a proxy.
const PROXY_BYTES_MAX: u64 = 4 << 30;
const PIECE_BYTES: usize = 256 << 10;

/// The hidden subcommand by which the program calls itself.
pub const SUBCOMMAND: &str = "__examine";

/// Examines the bytes under a key.
pub async fn run(app: &App, key: &str, size: u64, media_type: &str) -> Result<Outcome> {
    of_file(&app.config.examine, fetch(app, key, size).await?, media_type).await
}

/// Examines an open file.
pub async fn of_file(limits: &config::Examine, file: File, media_type: &str) -> Result<Outcome> {
    let task = Task {
        media_type: media_type.to_owned(),
        memory_bytes: limits.memory_bytes_max,
        cpu_seconds: limits.cpu_seconds_max,
        trust: limits.trust_list.clone(),
        proxy: false,
    };
    let mut child = spawn(file, &task)?;
    let group = group_of(&child);
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
            Some(outcome) => {
                end_group(group);
                return Ok(outcome);
            }
            None => "answered-nonsense",
        },
        Ok(Ok(_)) => "stopped-at-limit",
    };
    end(&mut child, group).await;
    tracing::warn!(note, media_type, "an examination was stopped");
    // What it had read before it was stopped still counts.
    let mut outcome = last_outcome(&answer).unwrap_or_default();
    outcome.notes.push(note.to_owned());
    Ok(outcome)
}

/// By what a process is confined here: an empty picture is read to see.
pub async fn confinement(limits: &config::Examine) -> Result<Vec<String>> {
    Ok(of_file(limits, File::open("/dev/null")?, "application/octet-stream").await?.confined)
}

fn spawn(file: File, task: &Task) -> Result<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .arg(SUBCOMMAND)
        .arg(serde_json::to_string(task).map_err(Error::internal)?)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?)
}

type Group = Option<rustix::process::Pid>;

/// The process group that it leads, while it still has a number.
fn group_of(child: &Child) -> Group {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
}

/// Ends whatever it started and left behind, however it ended itself.
fn end_group(group: Group) {
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

async fn end(child: &mut Child, group: Group) {
    end_group(group);
    let _ = child.kill().await;
}

/// The last whole line of the answer: metadata come first, then again with the pictures.
fn last_outcome(answer: &[u8]) -> Option<Outcome> {
    answer.split(|b| *b == b'\n').rev().find_map(|line| serde_json::from_slice::<Outcome>(line).ok()).map(Outcome::bounded)
}

/// Makes the copy that browsers play, straight into the store; gives its hash and length. An error: there is none, and why.
pub async fn proxy(app: &App, key: &str, size: u64, media_type: &str, staged: &mut Staged) -> Result<(Sha256, u64)> {
    let limits = &app.config.examine;
    let task = Task {
        media_type: media_type.to_owned(),
        memory_bytes: limits.memory_bytes_max,
        cpu_seconds: limits.proxy_seconds_max,
        trust: String::new(),
        proxy: true,
    };
    let mut child = spawn(fetch(app, key, size).await?, &task)?;
    let group = group_of(&child);
    let Some(mut stdout) = child.stdout.take() else {
        return Err(Error::Internal("the converting process has no output".into()));
    };
    let work = async {
        let (mut hash, mut total) = (Midstate::default(), 0u64);
        loop {
            let mut buffer = Vec::with_capacity(PIECE_BYTES);
            if stdout.read_buf(&mut buffer).await? == 0 {
                break;
            }
            total += buffer.len() as u64;
            if total > PROXY_BYTES_MAX {
                return Err(Error::Internal("the proxy grows too large".into()));
            }
            hash.update(&buffer);
            staged.append(buffer.into()).await?;
        }
        let status = child.wait().await?;
        if status.success() && total > 0 {
            Ok((hash.finish(), total))
        } else {
            Err(Error::Internal(format!("no proxy could be made ({status})")))
        }
    };
    // Twice the processor's time: others use it, too.
    let done = tokio::time::timeout(Duration::from_secs(limits.proxy_seconds_max.saturating_mul(2)), work).await;
    let done = done.unwrap_or_else(|_| Err(Error::Internal("the proxy takes too long".into())));
    match done {
        Ok(_) => end_group(group),
        Err(_) => end(&mut child, group).await,
    }
    done
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
    let mut came = 0;
    while let Some(chunk) = reader.next().await {
        let chunk = chunk?;
        came += chunk.len() as u64;
        file = tokio::task::spawn_blocking(move || file.write_all(&chunk).map(|()| file)).await.map_err(Error::internal)??;
    }
    // Less than there is says nothing about the file.
    if came != size {
        return Err(Error::TryLater);
    }
    file.rewind()?;
    Ok(file)
}
