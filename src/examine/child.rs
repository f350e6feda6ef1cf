//! The child's side: limits first, then the file.
//!
//! Memory, processor time, output and open files are limited by the kernel (`setrlimit`); a seccomp
//! filter refuses every new socket, for this process and for ffmpeg, which it may start. A panic, an
//! abort or a limit ends this process only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use rlimit::Resource;
use seccompiler::{SeccompAction, SeccompFilter};

use super::{Outcome, exif, isobmff, pictures};
use crate::error::{Error, Result};

/// Bytes of a photo that are read at all; the largest real ones (raw, 200 Mpx) stay below.
const PHOTO_BYTES_MAX: u64 = 256 << 20;

/// `args`: media type, bytes of memory, seconds of processor time. Writes one JSON document.
pub fn run(args: &[String]) -> Result<()> {
    let [media_type, memory, cpu] = args else {
        return Err(Error::Internal("this command is for Témoin itself".into()));
    };
    let number = |text: &str| text.parse::<u64>().map_err(Error::internal);
    confine(number(memory)?, number(cpu)?)?;
    let mut file = File::open("/dev/stdin")?;
    let outcome = read(&mut file, media_type);
    let answer = serde_json::to_vec(&outcome).map_err(Error::internal)?;
    std::io::stdout().write_all(&answer)?;
    Ok(())
}

fn confine(memory: u64, cpu_s: u64) -> Result<()> {
    let limits = [(Resource::AS, memory), (Resource::CPU, cpu_s), (Resource::FSIZE, 64 << 20), (Resource::NOFILE, 64), (Resource::CORE, 0)];
    for (resource, limit) in limits {
        resource.set(limit, limit)?;
    }
    no_sockets()
}

/// Refuses `socket` and `socketpair` with EPERM; everything else stays allowed.
fn no_sockets() -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    const SOCKET_CALLS: [i64; 2] = [41, 53];
    #[cfg(target_arch = "aarch64")]
    const SOCKET_CALLS: [i64; 2] = [198, 199];
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = SOCKET_CALLS.into_iter().map(|c| (c, vec![])).collect();
    let arch = std::env::consts::ARCH.try_into().map_err(Error::internal)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), arch).map_err(Error::internal)?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(Error::internal)?;
    seccompiler::apply_filter(&program).map_err(Error::internal)
}

fn read(file: &mut File, media_type: &str) -> Outcome {
    let mut out = Outcome::default();
    let kind = media_type.split('/').next().unwrap_or_default();
    match kind {
        "image" => photo(file, media_type, &mut out),
        "video" | "audio" => video(file, media_type, &mut out),
        _ => out.notes.push("not-read".into()),
    }
    out
}

fn photo(file: &mut File, media_type: &str, out: &mut Outcome) {
    let mut bytes = Vec::new();
    if file.take(PHOTO_BYTES_MAX).read_to_end(&mut bytes).is_err() {
        out.notes.push("unreadable".into());
        return;
    }
    let orientation = exif::read(&bytes, media_type, out);
    pictures::of_photo(&bytes, media_type, orientation, out);
}

fn video(file: &mut File, media_type: &str, out: &mut Outcome) {
    let iso = matches!(media_type, "video/mp4" | "video/quicktime" | "video/3gpp" | "audio/mp4");
    if iso {
        isobmff::read_movie(file, out);
    } else {
        out.notes.push("metadata-not-read".into());
    }
    if media_type.starts_with("video/") && file.rewind().is_ok() {
        pictures::of_video(media_type, out);
    }
}
