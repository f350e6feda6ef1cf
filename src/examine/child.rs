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

/// `args`: media type, bytes of memory, seconds of processor time. Writes one JSON document a line: what the file says
/// of itself as soon as that is known, and all of it again with the pictures. If a decoder dies, the first line counts.
pub fn run(args: &[String]) -> Result<()> {
    let [media_type, memory, cpu] = args else {
        return Err(Error::Internal("this command is for Témoin itself".into()));
    };
    let number = |text: &str| text.parse::<u64>().map_err(Error::internal);
    confine(number(memory)?, number(cpu)?)?;
    let mut file = File::open("/dev/stdin")?;
    read(&mut file, media_type, &say)
}

fn confine(memory: u64, cpu_s: u64) -> Result<()> {
    let limits = [(Resource::AS, memory), (Resource::CPU, cpu_s), (Resource::FSIZE, 64 << 20), (Resource::NOFILE, 64), (Resource::CORE, 0)];
    for (resource, limit) in limits {
        resource.set(limit, limit)?;
    }
    no_sockets()
}

/// Refuses with EPERM what opens sockets or reaches into other processes: socket, socketpair, io_uring_setup, _enter
/// and _register (which could open them, too), ptrace, process_vm_readv, process_vm_writev. The rest stays allowed.
fn no_sockets() -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    const REFUSED: [i64; 8] = [41, 53, 425, 426, 427, 101, 310, 311];
    #[cfg(target_arch = "aarch64")]
    const REFUSED: [i64; 8] = [198, 199, 425, 426, 427, 117, 270, 271];
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = REFUSED.into_iter().map(|c| (c, vec![])).collect();
    let arch = std::env::consts::ARCH.try_into().map_err(Error::internal)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), arch).map_err(Error::internal)?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(Error::internal)?;
    seccompiler::apply_filter(&program).map_err(Error::internal)
}

fn say(outcome: &Outcome) -> Result<()> {
    let mut line = serde_json::to_vec(outcome).map_err(Error::internal)?;
    line.push(b'\n');
    let mut out = std::io::stdout();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}

fn read(file: &mut File, media_type: &str, say: &dyn Fn(&Outcome) -> Result<()>) -> Result<()> {
    let mut out = Outcome::default();
    match media_type.split('/').next().unwrap_or_default() {
        "image" => {
            let mut bytes = Vec::new();
            if file.take(PHOTO_BYTES_MAX).read_to_end(&mut bytes).is_err() {
                out.notes.push("unreadable".into());
                return say(&out);
            }
            let orientation = exif::read(&bytes, media_type, &mut out);
            say(&out)?;
            pictures::of_photo(&bytes, media_type, orientation, &mut out);
        }
        "video" | "audio" => {
            if matches!(media_type, "video/mp4" | "video/quicktime" | "video/3gpp" | "audio/mp4") {
                isobmff::read_movie(file, &mut out);
            } else {
                out.notes.push("metadata-not-read".into());
            }
            say(&out)?;
            if media_type.starts_with("video/") && file.rewind().is_ok() {
                pictures::of_video(media_type, &mut out);
            }
        }
        _ => out.notes.push("not-read".into()),
    }
    say(&out)
}
