//! What examination costs, as processor time measured side by side in one run: a photo's pictures beside `vipsthumbnail`, its metadata
//! beside `exiftool` in batch, a minute of video, and a day like Boston's from a sample of both.
//!
//! `infra/servers.sh cargo bench --bench examine`; `TEMOIN_BENCH_MEDIA=FOLDER` takes the photographs from there instead of drawing them.
//! The readers and the picture maker are the program's own files, called in this process as the confined child calls them; what the
//! confined child costs as a whole is measured from the program itself (`temoin examine`).

#![allow(dead_code, unused_imports)]

#[path = "../src/domain"]
mod domain {
    pub mod appeal;
    pub mod capture;
    pub mod derivative;
    pub mod exhibit;
    pub mod indicator;
    pub mod likeness;
    pub mod submission;
    pub mod value;
}
#[path = "../src/error.rs"]
mod error;
#[path = "../src/examine"]
mod examine {
    mod outcome;
    pub mod picture;
    pub mod read;
    pub use outcome::{Made, Outcome};
}

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};
use nix::sys::resource::{UsageWho, getrusage};

use examine::{Outcome, picture, read};

const ROUNDS: usize = 5;
/// Boston, 2013: photos and videos, as the README of this folder takes them.
const PHOTOS: f64 = 113_000.0;
const VIDEOS: f64 = 10_000.0;

fn cpu(who: UsageWho) -> f64 {
    let u = getrusage(who).unwrap();
    let s = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    s(u.user_time()) + s(u.system_time())
}

/// Processor seconds of this process, the median of some rounds.
fn own(mut work: impl FnMut()) -> f64 {
    median((0..ROUNDS).map(|_| {
        let before = cpu(UsageWho::RUSAGE_SELF);
        work();
        cpu(UsageWho::RUSAGE_SELF) - before
    }))
}

/// Processor seconds of another program and of all that it starts.
fn of(program: &str, args: &[&str], files: &[PathBuf]) -> Option<f64> {
    let run = || {
        let before = cpu(UsageWho::RUSAGE_CHILDREN);
        let mut command = Command::new(program);
        command.args(args).args(files).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(std::env::temp_dir());
        command.status().ok()?;
        Some(cpu(UsageWho::RUSAGE_CHILDREN) - before)
    };
    run()?;
    Some(median((0..ROUNDS).filter_map(|_| run())))
}

fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// A photo of 12 Mpx, of about 3 MB, with the metadata of a phone.
fn drawn(n: u32, path: &Path) {
    let picture = RgbImage::from_fn(4_032, 3_024, |x, y| {
        let wave = |a: u32, b: u32| (f64::from(x * a + y * b + n * 977) / 700.0).sin() * 60.0;
        let noise = f64::from((x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).wrapping_add(n)) >> 9 & 31);
        let v = 100.0 + wave(3, 1) + wave(1, 4) + noise;
        Rgb([v as u8, (v * 0.9) as u8, (v * 0.7) as u8])
    });
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).unwrap();
    std::fs::write(path, bytes).unwrap();
    let told = [
        "-Make=Phone",
        "-Model=P1",
        "-Software=1.0",
        "-DateTimeOriginal=2026:07:14 22:10:00",
        "-SubSecTimeOriginal=123",
        "-OffsetTimeOriginal=+02:00",
        "-GPSLatitude=48.8566",
        "-GPSLatitudeRef=N",
        "-GPSLongitude=2.3522",
        "-GPSLongitudeRef=E",
        "-GPSAltitude=35",
        "-GPSImgDirection=180",
        "-q",
        "-overwrite_original",
    ];
    assert!(Command::new("exiftool").args(told).arg(path).status().unwrap().success());
}

/// Photos of 10 Mpx and more below a folder.
fn found(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found(&path, ending, out);
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
            && (ending != "jpg" || image::image_dimensions(&path).is_ok_and(|(w, h)| w * h > 10_000_000))
        {
            out.push(path);
        }
    }
}

/// Processor seconds, the most memory in kB, and of how many files pictures were made.
fn temoin(files: &[PathBuf]) -> (f64, u64, usize) {
    let seconds = of(env!("CARGO_BIN_EXE_temoin"), &["examine"], files).unwrap();
    let said = Command::new(env!("CARGO_BIN_EXE_temoin")).arg("examine").args(files).current_dir(std::env::temp_dir()).output().unwrap();
    let lines = String::from_utf8(said.stdout).unwrap();
    let outcomes: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let shown = outcomes.iter().filter(|v| !v["made"].as_array().unwrap().is_empty()).count();
    (seconds, outcomes.iter().filter_map(|v| v["peak_kb"].as_u64()).max().unwrap(), shown)
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (mut photos, mut heics) = (Vec::new(), Vec::new());
    if let Ok(media) = std::env::var("TEMOIN_BENCH_MEDIA") {
        found(Path::new(&media), "jpg", &mut photos);
        found(Path::new(&media), "heic", &mut heics);
    }
    for n in 0..12 {
        photos.push(folder.path().join(format!("{n}.jpg")));
        drawn(n, photos.last().unwrap());
    }
    let contents: Vec<Vec<u8>> = photos.iter().map(|p| std::fs::read(p).unwrap()).collect();
    let n = photos.len() as f64;
    let megabytes = contents.iter().map(Vec::len).sum::<usize>() as f64 / 1e6 / n;
    println!("{n} JPEGs of 10 Mpx and more, {megabytes:.1} MB each; processor time per photo:");

    // Pictures.
    let each = |with: &dyn Fn(&[u8], &mut Outcome)| own(|| contents.iter().for_each(|b| with(b, &mut Outcome::default()))) / n;
    let metadata = each(&|bytes, out| {
        read::photo(bytes, "image/jpeg", out);
    });
    let pictures = each(&|bytes, out| {
        assert!(picture::previews(bytes, "image/jpeg", 1, out).is_some());
        assert_eq!(out.made.len(), 2);
    });
    let all = each(&|bytes, out| {
        let mut read = read::photo(bytes, "image/jpeg", out);
        read::tail(&mut read, out);
        picture::of_photo(bytes, "image/jpeg", &read, out);
    });
    println!("two pictures, 1,280 and 512 px: {:.1} ms; with metadata, digest and fingerprints: {:.1} ms", pictures * 1e3, all * 1e3);
    let to = format!("{}/%s.out.jpg", folder.path().display());
    let vips = |px: &str| of("vipsthumbnail", &["-s", px, "-o", &to], &photos);
    match vips("1280").zip(vips("512")) {
        Some((large, small)) => {
            let (large, small) = (large / n, small / n);
            println!(
                "vipsthumbnail, the same two, all files in one process: {:.1} + {:.1} ms; ratio {:.2}",
                large * 1e3,
                small * 1e3,
                (large + small) / pictures
            );
        }
        None => println!("vipsthumbnail is not installed (libvips-tools): not measured"),
    }

    // Metadata, many files in one process for both.
    let exiftool = of("exiftool", &["-json", "-n", "-q"], &photos).unwrap() / n;
    println!("metadata: {:.3} ms; exiftool in batch: {:.1} ms; ratio {:.0}", metadata * 1e3, exiftool * 1e3, exiftool / metadata);

    // As a whole: a process that is confined, reads, makes pictures.
    let (whole, peak, shown) = temoin(&photos);
    assert_eq!(shown, photos.len(), "pictures were made");
    let photo = whole / n;
    println!("a confined examination as a whole: {:.1} ms, at most {} MB of memory", photo * 1e3, peak / 1_024);
    let photo = if heics.is_empty() {
        photo
    } else {
        let (seconds, peak, shown) = temoin(&heics);
        let heic = seconds / heics.len() as f64;
        println!("{} HEIC files, {shown} of them with a picture: {:.1} ms each, at most {} MB", heics.len(), heic * 1e3, peak / 1_024);
        (2.0 * photo + heic) / 3.0
    };

    // A minute of 1080p, with what a hand-held phone makes of it: noise and movement.
    let clip = folder.path().join("minute.mp4");
    let source = "testsrc2=size=1920x1080:rate=30:duration=60,noise=alls=12:allf=t";
    let args = [
        "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-b:v", "10M", "-pix_fmt",
        "yuv420p",
    ];
    assert!(Command::new("ffmpeg").args(args).arg(&clip).status().unwrap().success());
    let size = std::fs::metadata(&clip).unwrap().len() as f64 / 1e6;
    let floor = ["-v", "error", "-nostdin", "-an", "-f", "null", "-", "-threads", "1", "-skip_frame", "nokey", "-i"];
    let floor = of("ffmpeg", &floor, std::slice::from_ref(&clip)).unwrap();
    println!("ffmpeg alone, decoding the keyframes of a minute of 1080p to nothing: {floor:.2} s");
    let (video, peak, shown) = temoin(&[clip]);
    assert_eq!(shown, 1, "a poster was made");
    println!("a minute of 1080p ({size:.0} MB), poster, contact sheet and fingerprints: {video:.2} s, at most {} MB", peak / 1_024);

    let hours = (PHOTOS * photo + VIDEOS * video) / 3_600.0;
    let third = if heics.is_empty() { "no HEIC among them" } else { "a third of them HEIC" };
    println!("Boston's day, {PHOTOS} photos ({third}) and {VIDEOS} videos of a minute: {hours:.1} core-hours");
}
