//! The child's side: confined first, then the file.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use super::{Outcome, cage, credentials, picture, read};
use crate::error::{Error, Result};

/// Bytes of a photo that are read at all; the largest real ones (raw, 200 Mpx) stay below.
const PHOTO_BYTES_MAX: u64 = 256 << 20;

/// What the child is to do, as its one argument.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    pub media_type: String,
    pub memory_bytes: u64,
    pub cpu_seconds: u64,
    /// A file of certificates whose signatures on content credentials are called listed; empty: none.
    pub trust: String,
    /// Make a copy that browsers play, instead.
    pub proxy: bool,
}

/// `args`: the task, as JSON. Writes one JSON document a line: what the file says of itself as soon as that is known, and all of it again
/// with the pictures. If a decoder dies, the first line counts. Of a proxy it writes the bytes.
pub fn run(args: &[String]) -> Result<()> {
    let task: Task = match args {
        [task] => serde_json::from_str(task).map_err(Error::internal)?,
        _ => return Err(Error::Internal("this command is for Témoin itself".into())),
    };
    // The last file that it opens.
    let trust = if task.trust.is_empty() { None } else { std::fs::read_to_string(&task.trust).ok() };
    // Where memory runs out, this process goes and not the server.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let confined = cage::enter(task.memory_bytes, task.cpu_seconds, task.proxy)?;
    if task.proxy {
        return picture::convert(&task.media_type);
    }
    let mut file = File::open("/dev/stdin")?;
    let mut out = Outcome { confined: confined.iter().map(|c| (*c).to_owned()).collect(), ..Outcome::default() };
    examine(&mut file, &task.media_type, trust.as_deref(), &mut out)
}

fn say(out: &mut Outcome) -> Result<()> {
    let peak = |who| getrusage(who).map_or(0, |u| u64::try_from(u.max_rss()).unwrap_or(0));
    out.peak_kb = peak(UsageWho::RUSAGE_SELF).max(peak(UsageWho::RUSAGE_CHILDREN));
    *out = std::mem::take(out).bounded();
    let mut line = serde_json::to_vec(out).map_err(Error::internal)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout();
    stdout.write_all(&line)?;
    stdout.flush()?;
    Ok(())
}

fn examine(file: &mut File, media_type: &str, trust: Option<&str>, out: &mut Outcome) -> Result<()> {
    match media_type.split('/').next().unwrap_or_default() {
        "image" => {
            let mut bytes = Vec::new();
            if file.take(PHOTO_BYTES_MAX).read_to_end(&mut bytes).is_err() {
                out.notes.push("unreadable".into());
                return say(out);
            }
            let mut read = read::photo(&bytes, media_type, out);
            read::tail(&mut read, out);
            say(out)?;
            if !read::modest(&bytes, media_type) {
                out.notes.push("refused-structure".into());
                return say(out);
            }
            picture::of_photo(&bytes, media_type, &read, out);
            say(out)?;
            // Last, because a bent file can keep it busy for long.
            credentials::of_bytes(&bytes, media_type, trust, out);
        }
        "video" | "audio" => {
            read::recording(file, media_type, out);
            say(out)?;
            // Without its table of contents nothing of it can be shown; ffmpeg would walk all of it for that, again and again.
            // Nor of a container in which the readers, who know its kind, found no track.
            let known = matches!(
                media_type,
                "video/mp4" | "video/quicktime" | "video/3gpp" | "video/webm" | "video/x-matroska" | "video/x-msvideo"
            );
            if out.notes.iter().any(|n| n == "no-moov") || known && out.found.streams.is_empty() {
                out.notes.push("no-poster".into());
            } else if media_type.starts_with("video/") {
                picture::of_video(media_type, out);
            } else {
                picture::of_audio(media_type, out);
            }
            say(out)?;
            file.rewind()?;
            credentials::of_file(file, media_type, trust, out);
        }
        _ => out.notes.push("not-read".into()),
    }
    say(out)
}
