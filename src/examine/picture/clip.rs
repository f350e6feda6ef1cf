//! Clips through ffmpeg, where it is installed. It inherits this process's limits, its lack of a network and its view of the files;
//! the demuxer is forced, so that a playlist in disguise is not followed.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use image::DynamicImage;
use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::getrlimit;

use super::decode::{self, Decoded};
use super::prints;
use crate::domain::likeness::Prints;
use crate::domain::value::Sha256;
use crate::examine::Outcome;

/// Frames that are kept, and up to which every keyframe is decoded; of longer clips every second, third, …: enough for a sheet and for
/// finding a clip's like.
const FRAMES_MAX: usize = 96;
const KEYFRAMES_S: f64 = 48.0;
/// Up to this length every keyframe is decoded; of longer clips some moments.
const WHOLE_S: f64 = 300.0;
const MOMENTS: u32 = 24;
/// Up to this many pixels and seconds a frame is taken every second besides: the copies that go round are small, and their keyframes
/// are elsewhere than the original's.
const SMALL_PIXELS: u64 = 1_280 * 720;
const SMALL_S: f64 = 180.0;
const FRAME_PX: u32 = 512;
/// Of what ffmpeg says and makes.
const SAID_BYTES_MAX: u64 = 2 << 20;
const MADE_BYTES_MAX: u64 = 128 << 20;
const SHEET_COLUMNS: u32 = 4;
const SHEET_FRAMES: usize = 16;
const TILE_PX: u32 = 320;

/// ffmpeg's name of the reader for a type.
pub fn demuxer(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "video/mp4" | "video/quicktime" | "video/3gpp" => "mov",
        "video/webm" | "video/x-matroska" => "matroska",
        "video/x-msvideo" => "avi",
        "video/mp2t" => "mpegts",
        "video/mpeg" => "mpeg",
        "video/x-ms-asf" => "asf",
        "video/x-flv" => "flv",
        _ => return None,
    })
}

/// ffmpeg on the file that is this process's standard input.
pub fn ffmpeg(demuxer: &str, before: &[&str], after: &[&str]) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1", "-protocol_whitelist", "file"])
        .args(before)
        .args(["-f", demuxer, "-i", "/dev/stdin"])
        .args(after)
        .stdin(Stdio::inherit())
        .stderr(Stdio::piped());
    command
}

/// ffmpeg's own name and version, for the record.
pub fn tool() -> Option<String> {
    let said = Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().nth(2).map(|version| format!("ffmpeg/{version}"))
}

/// What an output is, or why there is none: `no-ffmpeg`, `no-poster`.
fn run(mut command: Command) -> Result<(Vec<u8>, String), &'static str> {
    let mut child = started(&mut command)?;
    let said = child.stderr.take();
    let told = std::thread::spawn(move || {
        let mut text = Vec::new();
        // (What is not heard out ends it: a bent file is complained about millions of times.)
        let _ = said.map(|said| said.take(SAID_BYTES_MAX).read_to_end(&mut text));
        text
    });
    let mut made = Vec::new();
    let _ = child.stdout.take().map(|out| out.take(MADE_BYTES_MAX).read_to_end(&mut made));
    let told = told.join().unwrap_or_default();
    // It has said and made enough, or it is over.
    let _ = child.kill();
    child.wait().map_err(|_| "no-poster")?;
    // A clip that breaks off still has frames.
    Ok((made, String::from_utf8_lossy(&told).into_owned()))
}

/// Starts it with what is left of the processor time that one file may take, all that it is given to together.
fn started(command: &mut Command) -> Result<Child, &'static str> {
    let spent = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |u| u.user_time().tv_sec() + u.system_time().tv_sec());
    let left =
        getrlimit(rustix::process::Resource::Cpu).current.map_or(u64::MAX, |all| all.saturating_sub(u64::try_from(spent).unwrap_or(0)));
    if left == 0 {
        return Err("stopped-at-limit");
    }
    let child = command.stdout(Stdio::piped()).spawn().map_err(|_| "no-ffmpeg")?;
    if left != u64::MAX {
        let limit = rustix::process::Rlimit { current: Some(left), maximum: Some(left) };
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::prlimit(pid, rustix::process::Resource::Cpu, limit);
    }
    Ok(child)
}

pub struct Frames {
    pub poster: Decoded,
    /// Frames for the sheet with their moments in seconds.
    pub shown: Vec<(f64, DynamicImage)>,
    pub prints: Prints,
}

/// Decodes the frames that are needed.
pub fn frames(demuxer: &str, out: &Outcome) -> Result<Frames, &'static str> {
    let duration = out.found.duration_us.map_or(0.0, |us| us as f64 / 1e6);
    let pixels = u64::from(out.found.shape.width.unwrap_or(0)) * u64::from(out.found.shape.height.unwrap_or(0));
    let mut shown = if duration > WHOLE_S { moments(demuxer, duration)? } else { keyframes(demuxer, duration)? };
    let mut all: Vec<_> = shown.iter().filter_map(|(_, frame)| prints::of_frame(frame)).collect();
    if pixels > 0 && pixels <= SMALL_PIXELS && duration <= SMALL_S {
        let every_second = each(demuxer, &[], "fps=1")?;
        all.extend(every_second.iter().filter_map(|(_, frame)| prints::of_frame(frame)));
        // A clip with one keyframe is shown by its seconds.
        if shown.len() < 4 && every_second.len() > shown.len() {
            shown = every_second;
        }
    }
    let mut distinct: Vec<_> = Vec::new();
    for print in all {
        // A still scene has one fingerprint, not sixty.
        if distinct.len() < FRAMES_MAX
            && !distinct.iter().any(|(_, p): &(_, crate::domain::likeness::Printed)| p.hash.distance(&print.1.hash) <= 4)
        {
            distinct.push(print);
        }
    }
    // The first frame that is not black or blank, else the first.
    let at = shown.iter().find(|(_, f)| prints::of_frame(f).is_some()).or(shown.first()).map(|(at, _)| *at).ok_or("no-poster")?;
    Ok(Frames { poster: poster(demuxer, at)?, shown, prints: Prints(distinct) })
}

/// Every keyframe, or every second, third, … when there are many.
fn keyframes(demuxer: &str, duration: f64) -> Result<Vec<(f64, DynamicImage)>, &'static str> {
    // Cameras set a keyframe about once a second.
    let every = ((duration / KEYFRAMES_S).ceil() as u32).max(1);
    let found = each(demuxer, &["-skip_frame", "nokey"], &format!("select=not(mod(n\\,{every}))"))?;
    if found.is_empty() { each(demuxer, &[], "select=lt(n\\,1)") } else { Ok(found) }
}

/// Some moments of a long clip, each found by seeking.
fn moments(demuxer: &str, duration: f64) -> Result<Vec<(f64, DynamicImage)>, &'static str> {
    let mut found = Vec::new();
    for n in 0..MOMENTS {
        let at = duration * (f64::from(n) + 0.5) / f64::from(MOMENTS);
        let seek = format!("{at:.3}");
        let mut one = each(demuxer, &["-noaccurate_seek", "-ss", &seek], "select=lt(n\\,1)")?;
        found.extend(one.pop().map(|(_, frame)| (at, frame)));
    }
    Ok(found)
}

/// The frames that a filter selects, small, with their moments.
fn each(demuxer: &str, before: &[&str], select: &str) -> Result<Vec<(f64, DynamicImage)>, &'static str> {
    let filter = format!("{select},scale='min({FRAME_PX},iw)':-2,showinfo");
    let count = FRAMES_MAX.to_string();
    let after = [
        "-an",
        "-sn",
        "-dn",
        "-frames:v",
        &count,
        "-vsync",
        "passthrough",
        "-vf",
        &filter,
        "-f",
        "image2pipe",
        "-c:v",
        "mjpeg",
        "-q:v",
        "3",
        "pipe:1",
    ];
    // (The moments are told beside the frames; the last level that is named holds.)
    let before: Vec<&str> = ["-loglevel", "info"].iter().chain(before).copied().collect();
    let (pictures, said) = run(ffmpeg(demuxer, &before, &after))?;
    let times = said.lines().filter(|l| l.contains("showinfo") && l.contains("pts_time:"));
    let times = times.map(|l| l.split("pts_time:").nth(1).and_then(|t| t.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0));
    let frames = split(&pictures).into_iter().filter_map(|jpeg| Some(decode::jpeg(jpeg, FRAME_PX).ok()?.picture));
    Ok(times.zip(frames).collect())
}

/// JPEGs one after another.
fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while bytes.starts_with(b"\xff\xd8") && all.len() < FRAMES_MAX {
        let (one, rest) = bytes.split_at(crate::examine::read::jpeg_length(bytes));
        all.push(one);
        bytes = rest;
    }
    all
}

/// One frame at the size of the view.
fn poster(demuxer: &str, at: f64) -> Result<Decoded, &'static str> {
    let seek = format!("{at:.3}");
    let seek: &[&str] = if at > 0.05 { &["-ss", &seek] } else { &[] };
    let after = [
        "-an",
        "-sn",
        "-dn",
        "-frames:v",
        "1",
        "-vf",
        "scale='min(1280,iw)':-2",
        "-f",
        "image2pipe",
        "-c:v",
        "mjpeg",
        "-q:v",
        "3",
        "pipe:1",
    ];
    let (picture, _) = run(ffmpeg(demuxer, seek, &after))?;
    decode::jpeg(&picture, super::VIEW_PX).map_err(|_| "no-poster")
}

pub struct Sheet {
    pub picture: DynamicImage,
    /// The moments of its tiles, in seconds.
    pub at: Vec<String>,
}

/// Frames evenly chosen, side by side in reading order.
pub fn sheet(frames: &Frames) -> Option<Sheet> {
    let count = frames.shown.len().min(SHEET_FRAMES);
    if count < 2 {
        return None;
    }
    let chosen: Vec<&(f64, DynamicImage)> = (0..count).map(|n| &frames.shown[n * frames.shown.len() / count]).collect();
    let (w, h) = (chosen[0].1.width().max(1), chosen[0].1.height().max(1));
    let (tile_w, tile_h) = if w >= h { (TILE_PX, (TILE_PX * h / w).max(1)) } else { ((TILE_PX * w / h).max(1), TILE_PX) };
    let columns = SHEET_COLUMNS.min(u32::try_from(count).ok()?);
    let rows = u32::try_from(count).ok()?.div_ceil(columns);
    let mut picture = image::RgbImage::from_pixel(columns * tile_w, rows * tile_h, image::Rgb([24, 24, 24]));
    for ((_, frame), n) in chosen.iter().zip(0u32..) {
        let tile = frame.resize_exact(tile_w, tile_h, image::imageops::FilterType::Triangle).to_rgb8();
        image::imageops::replace(&mut picture, &tile, i64::from(n % columns * tile_w), i64::from(n / columns * tile_h));
    }
    Some(Sheet { picture: DynamicImage::ImageRgb8(picture), at: chosen.iter().map(|(at, _)| format!("{at:.1}")).collect() })
}

/// Digest of the first picture track's packets, or else of the first sound track's: the same in another container.
pub fn samples(demuxer: &str) -> Option<Sha256> {
    ["0:v:0?", "0:a:0?"].into_iter().find_map(|track| {
        let after = ["-map", track, "-c", "copy", "-f", "data", "pipe:1"];
        let mut packets = started(ffmpeg(demuxer, &[], &after).stderr(Stdio::null())).ok()?;
        let digest = packets.stdout.take().and_then(|out| Sha256::of_reader(out, |_| {}).ok());
        packets.wait().ok()?;
        digest.filter(|(_, size)| *size > 0).map(|(sha256, _)| sha256)
    })
}

/// An AVIF picture. ffmpeg reads those of one piece; one that is tiled would be shown in part, so its size is held against what the file
/// declares.
pub fn still(bytes: &[u8]) -> decode::Result {
    let declared = crate::examine::read::heif_size(bytes).ok_or("undecodable")?;
    let after = ["-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "pipe:1"];
    let (picture, _) = run(ffmpeg("mov", &["-noautorotate"], &after))?;
    let picture = image::load_from_memory_with_format(&picture, image::ImageFormat::Png).map_err(|_| "no-preview")?;
    // (How a mirror is meant, writers do not agree: none is better than a wrong one.)
    if (picture.width(), picture.height()) != (declared.width, declared.height) || declared.mirrored {
        return Err("no-preview");
    }
    let picture = match declared.rotation {
        90 => picture.rotate90(),
        180 => picture.rotate180(),
        270 => picture.rotate270(),
        _ => picture,
    };
    Ok(Decoded { picture, profile: None, pixels: None })
}
