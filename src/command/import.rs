//! `temoin import FOLDER|ZIP --appeal …`: what somebody handed over, through the same intake as a witness's files.
//!
//! One submission per run, opened by the operator in the officer's name. Every file keeps its path as a claim. A file that
//! cannot be taken is named, the others still count, and the exit code says so.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::mpsc;

use crate::app::App;
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::appeal::{Appeal, normal_code};
use crate::domain::submission::{Statement, Submission};
use crate::domain::upload::FileClaims;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};
use crate::intake::{self, Accepted, Origin};

/// Members of a ZIP file; far above what a mailbox has, and small enough to be listed.
const ZIP_MEMBERS_MAX: usize = 200_000;

#[derive(clap::Args)]
pub struct Import {
    /// A folder, or a ZIP file
    path: PathBuf,
    /// Code of the appeal
    #[arg(long)]
    appeal: String,
    /// Who took it in
    #[arg(long)]
    officer: String,
    /// Where it comes from: whose stick, which mailbox
    #[arg(long)]
    source: String,
    /// One JSON object per file
    #[arg(long)]
    json: bool,
}

/// Bytes read at once, and how many such pieces wait between the reading thread and the intake.
const PIECE_BYTES: usize = 256 * 1024;
const PIECES: usize = 4;

pub async fn import(flags: &Flags, asked: Import) -> Result<ExitCode> {
    if asked.officer.trim().is_empty() || asked.source.trim().is_empty() {
        return Err(Error::Invalid { field: "officer", why: "name the officer and the source".into() });
    }
    let app = App::open(Config::load(flags)?).await?;
    let code = normal_code(&asked.appeal).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let appeal = db::appeals::by_code(&mut tx, &code).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let hand_in = HandIn::open(&asked.path)?;
    let files = hand_in.list()?;
    let mut opened = vec![hand_over(&app, &appeal, &asked).await?];
    let bar = ProgressBar::new(files.iter().map(|f| f.size).sum()).with_style(
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}, {eta} left  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (mut refused, mut files_in, mut bytes_in, most) = (0, 0, 0, &appeal.budgets);
    for (n, file) in files.iter().enumerate() {
        bar.set_message(format!("{} of {}", n + 1, files.len()));
        // What is more than one hand-over may hold goes on in the next: nobody carries a stick in twice.
        if files_in >= most.submission_files_max || files_in > 0 && bytes_in + file.size > most.submission_bytes_max {
            opened.push(hand_over(&app, &appeal, &asked).await?);
            (files_in, bytes_in) = (0, 0);
        }
        let done = match file.passed_over {
            Some(why) => Err(Error::Invalid { field: "path", why: why.into() }),
            None => one(&app, &appeal, opened[opened.len() - 1].id, &hand_in, file, &bar).await,
        };
        if done.is_ok() {
            (files_in, bytes_in) = (files_in + 1, bytes_in + file.size);
        }
        refused += u64::from(done.is_err());
        report(&asked, file, &done, &bar);
    }
    bar.finish_and_clear();
    let taken = files.len() as u64 - refused;
    if !asked.json {
        let receipts: Vec<String> = opened.iter().map(|o| o.receipt.grouped()).collect();
        let word = if receipts.len() == 1 { "Receipt" } else { "Receipts" };
        say!("{taken} files taken in, {refused} refused. {word}: {}", receipts.join(" "));
    }
    app.db.close().await;
    Ok(ExitCode::from(u8::from(refused > 0)))
}

/// Opens a hand-over for what was brought.
async fn hand_over(app: &Arc<App>, appeal: &Appeal, asked: &Import) -> Result<intake::Opened> {
    let (officer, source) = (shown(&asked.officer, 200), shown(&asked.source, 1_000));
    let words = format!("{source} ({officer})");
    let opened = intake::open(app, appeal, Origin::HandIn { officer, source }).await?;
    intake::state(app, opened.id, &Statement { words, ..Statement::default() }, None).await?;
    Ok(opened)
}

fn report(asked: &Import, file: &Entry, done: &Result<Accepted>, bar: &ProgressBar) {
    let line = match (done, asked.json) {
        (Ok(a), true) => json!({"path": file.path(), "exhibit": a.exhibit, "sha256": a.sha256, "size": a.size}).to_string(),
        (Err(e), true) => json!({"path": file.path(), "error": e.status_and_code().1}).to_string(),
        (Err(e), false) => format!("not taken: {}: {e}", shown(&file.path(), 1_000)),
        (Ok(_), false) => return,
    };
    bar.suspend(|| say!("{line}"));
}

/// One file to take in.
struct Entry {
    /// Its path within what was handed over, as it stands there: names on a stick need not be text.
    name: PathBuf,
    size: u64,
    /// Its place in the ZIP file.
    index: Option<usize>,
    /// Why it is named and not taken.
    passed_over: Option<&'static str>,
}

const NO_FILE: &str = "a link, a pipe or a device, and no file";
const ENCRYPTED: &str = "it is encrypted: unpack it with its password, and import the folder";

impl Entry {
    fn path(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }
}

/// What was handed over. A ZIP's directory is read once.
#[derive(Clone)]
enum HandIn {
    Folder(PathBuf),
    Zip(Arc<Mutex<zip::ZipArchive<File>>>),
}

impl HandIn {
    fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let file = File::open(path).map_err(|e| Error::Internal(format!("{} cannot be read: {e}", path.display())))?;
        let zip = zip::ZipArchive::new(file).map_err(|e| unreadable(&e))?;
        // The reader knows members by their names, and of two of one name the last.
        if zip.has_duplicate_names() {
            let why = "several files of one name in this ZIP file: unpack it with a program that keeps all of them, and import the folder";
            return Err(Error::Invalid { field: "path", why: why.into() });
        }
        Ok(Self::Zip(Arc::new(Mutex::new(zip))))
    }

    /// Everything that is there, in the order of the paths. Links are named and not followed: they lead out of what was handed over.
    fn list(&self) -> Result<Vec<Entry>> {
        let mut files = Vec::new();
        match self {
            Self::Folder(root) => {
                let mut folders = vec![root.clone()];
                while let Some(folder) = folders.pop() {
                    for entry in std::fs::read_dir(&folder)? {
                        let entry = entry?;
                        let kind = entry.file_type()?;
                        if kind.is_dir() {
                            folders.push(entry.path());
                        } else {
                            let name = entry.path().strip_prefix(root).map(Path::to_owned).unwrap_or_default();
                            let passed_over = (!kind.is_file()).then_some(NO_FILE);
                            let size = if kind.is_file() { entry.metadata()?.len() } else { 0 };
                            files.push(Entry { name, size, index: None, passed_over });
                        }
                    }
                }
            }
            Self::Zip(zip) => {
                let mut zip = zip.lock().map_err(Error::internal)?;
                if zip.len() > ZIP_MEMBERS_MAX {
                    let why = format!("{} files in one ZIP file; at most {ZIP_MEMBERS_MAX}: unpack it and import the folder", zip.len());
                    return Err(Error::Invalid { field: "from", why });
                }
                for index in 0..zip.len() {
                    let entry = zip.by_index_raw(index).map_err(|e| unreadable(&e))?;
                    if !entry.is_dir() {
                        let name = entry.name().map_err(|e| unreadable(&e))?.into_owned();
                        let passed_over = if entry.encrypted() { Some(ENCRYPTED) } else { (!entry.is_file()).then_some(NO_FILE) };
                        files.push(Entry { name: name.into(), size: entry.size(), index: Some(index), passed_over });
                    }
                }
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// Reads one file from beginning to end. Blocks.
    fn read(&self, name: &Path, index: Option<usize>, to: &mpsc::Sender<Result<Bytes>>, bar: &ProgressBar) -> Result<()> {
        match (self, index) {
            (Self::Folder(root), _) => pump(&mut File::open(root.join(name))?, to, bar),
            (Self::Zip(zip), Some(index)) => {
                let mut zip = zip.lock().map_err(Error::internal)?;
                let mut entry = zip.by_index(index).map_err(|e| unreadable(&e))?;
                pump(&mut entry, to, bar)
            }
            (Self::Zip(_), None) => Err(Error::NotFound),
        }
    }
}

fn unreadable(e: &zip::result::ZipError) -> Error {
    Error::Invalid { field: "path", why: format!("neither a folder nor a ZIP file that can be read: {e}") }
}

async fn one(app: &Arc<App>, appeal: &Appeal, submission: Id, hand_in: &HandIn, file: &Entry, bar: &ProgressBar) -> Result<Accepted> {
    let mut tx = app.db.read().await?;
    let submission = db::submissions::by_id(&mut tx, submission).await?;
    let appeal = db::appeals::by_id(&mut tx, appeal.id).await?;
    drop(tx);
    let taken = take(app, &appeal, &submission, hand_in, file, bar).await;
    if let Err(refusal) = &taken {
        intake::reject(app, &submission, refusal).await?;
    }
    taken
}

async fn take(
    app: &Arc<App>,
    appeal: &Appeal,
    submission: &Submission,
    hand_in: &HandIn,
    file: &Entry,
    bar: &ProgressBar,
) -> Result<Accepted> {
    let room = intake::room(app, appeal, submission, intake::Coming { here: 0, more: Some(file.size) }).await?;
    let (send, receive) = mpsc::channel(PIECES);
    let (source, name, index, counted) = (hand_in.clone(), file.name.clone(), file.index, bar.clone());
    // A reader that fails sends its error as the last piece; one that nobody listens to any more ends.
    let reader = tokio::task::spawn_blocking(move || {
        if let Err(e) = source.read(&name, index, &send, &counted) {
            let _ = send.blocking_send(Err(e));
        }
    });
    let body = futures_util::stream::unfold(receive, |mut receive| async move { Some((receive.recv().await?, receive)) });
    // The length is what the medium says, which may lie: it bounds nothing and is not checked.
    let received = intake::receive(app, submission.id, room, None, None, body).await?;
    if let Err(e) = reader.await {
        // It broke off in the middle, and what came is not the file.
        received.staged.discard().await;
        return Err(Error::internal(e));
    }
    let name = file.name.as_os_str().as_bytes().to_vec();
    let claims = FileClaims { name, media_type: None, relative_path: Some(file.path()) };
    intake::accept(app, appeal, submission, received, claims, None).await
}

fn pump(from: &mut impl Read, to: &mpsc::Sender<Result<Bytes>>, bar: &ProgressBar) -> Result<()> {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let n = from.read(&mut piece)?;
        if n == 0 {
            return Ok(());
        }
        piece.truncate(n);
        bar.inc(n as u64);
        if to.blocking_send(Ok(Bytes::from(piece))).is_err() {
            return Ok(());
        }
    }
}
