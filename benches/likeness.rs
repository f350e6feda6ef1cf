//! Families measured: how many edited copies are found, how many strangers are joined, and what a question costs among a million.
//!
//! `infra/servers.sh cargo bench --bench likeness`; `TEMOIN_BENCH_MEDIA=FOLDER` adds the photographs of a folder to those drawn here.
//! The program itself makes the fingerprints (`temoin examine`), and its own index (`src/domain/likeness`) is asked.

#![allow(dead_code)]

#[allow(unused_imports)]
#[path = "../src/domain/likeness/mod.rs"]
mod likeness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};
use likeness::{Hash, Index, Part, Printed, Prints};

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn even(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A street as nobody photographed it: sky, a row of houses with windows, a ground, some round and some square things, noise.
fn drawn(seed: u64) -> RgbImage {
    let mut c = Chance(seed.wrapping_mul(77_777_777));
    let (w, h) = (1_600u32, 1_200u32);
    let sky = c.even() * 200.0 + 40.0;
    let horizon = (0.3 + 0.4 * c.even()) * f64::from(h);
    let tint: [f64; 3] = std::array::from_fn(|_| 0.6 + 0.4 * c.even());
    let houses: Vec<(f64, f64, f64, f64)> = {
        let mut x = 0.0;
        std::iter::from_fn(|| {
            (x < f64::from(w)).then(|| {
                let width = 80.0 + 300.0 * c.even();
                let house = (x, x + width, horizon - 100.0 - 500.0 * c.even(), 30.0 + 200.0 * c.even());
                x += width;
                house
            })
        })
        .collect()
    };
    let things: Vec<(f64, f64, f64, f64, bool)> =
        (0..14).map(|_| (c.even() * 1_600.0, c.even() * 1_200.0, 20.0 + 140.0 * c.even(), c.even() * 255.0, c.even() < 0.5)).collect();
    let window = (18.0 + 30.0 * c.even(), 26.0 + 40.0 * c.even());
    RgbImage::from_fn(w, h, |x, y| {
        let (fx, fy) = (f64::from(x), f64::from(y));
        let mut v = if fy < horizon { sky + 60.0 * fy / horizon } else { 90.0 + 60.0 * (fy - horizon) / (f64::from(h) - horizon) };
        for (from, to, top, grey) in &houses {
            if fx >= *from && fx < *to && fy >= *top && fy < horizon + 60.0 {
                let lit = ((fx - from) % (2.0 * window.0) < window.0) && ((fy - top) % (2.0 * window.1) < window.1);
                v = if lit { 255.0 - grey } else { *grey };
            }
        }
        for (cx, cy, r, grey, round) in &things {
            let (dx, dy) = (fx - cx, fy - cy);
            if (*round && dx * dx + dy * dy < r * r) || (!round && dx.abs() < *r && dy.abs() < r * 0.6) {
                v = *grey;
            }
        }
        let noise = f64::from((x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ seed as u32) >> 7 & 15) - 8.0;
        Rgb(tint.map(|t| ((v + noise) * t).clamp(0.0, 255.0) as u8))
    })
}

fn jpeg(picture: &RgbImage, quality: u8, path: &Path) {
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality).encode_image(picture).unwrap();
    std::fs::write(path, out).unwrap();
}

fn longest(picture: &RgbImage, px: u32) -> RgbImage {
    DynamicImage::ImageRgb8(picture.clone()).resize(px, px, FilterType::Triangle).to_rgb8()
}

fn again(picture: &RgbImage, quality: u8) -> RgbImage {
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality).encode_image(picture).unwrap();
    image::load_from_memory(&out).unwrap().to_rgb8()
}

/// A photo shown on a phone: bars above and below with a clock, a title and buttons.
fn on_a_screen(picture: &RgbImage) -> RgbImage {
    let mut screen = RgbImage::from_pixel(1_080, 2_340, Rgb([18, 18, 20]));
    let shown = longest(picture, 1_080.max(picture.height().min(1_700)));
    let shown = if shown.width() > 1_080 { longest(picture, 1_080) } else { shown };
    imageops::replace(&mut screen, &shown, i64::from((1_080 - shown.width()) / 2), 600);
    for (x, y, w, h) in
        [(60, 40, 120, 40), (900, 40, 140, 36), (60, 180, 420, 52), (120, 2_180, 90, 90), (500, 2_180, 90, 90), (880, 2_180, 90, 90)]
    {
        for py in y..y + h {
            for px in x..x + w {
                if (px / 9 + py / 13) % 2 == 0 {
                    screen.put_pixel(px, py, Rgb([230, 230, 230]));
                }
            }
        }
    }
    screen
}

fn crop(picture: &RgbImage, share: f64) -> RgbImage {
    let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
    imageops::crop_imm(picture, (w * share / 2.0) as u32, (h * share / 2.0) as u32, (w * (1.0 - share)) as u32, (h * (1.0 - share)) as u32)
        .to_image()
}

type Edit = (&'static str, fn(&RgbImage) -> RgbImage);

const EDITS: [Edit; 14] = [
    ("messenger-like, 1600 px q72", |p| again(&longest(p, 1_600), 72)),
    ("messenger-like, twice", |p| again(&longest(&again(&longest(p, 1_600), 72), 1_280), 70)),
    ("960 px q75", |p| again(&longest(p, 960), 75)),
    ("320 px q75", |p| again(&longest(p, 320), 75)),
    ("recompressed q30", |p| again(p, 30)),
    ("brighter", |p| imageops::brighten(p, 40)),
    ("grey", |p| DynamicImage::ImageRgb8(p.clone()).grayscale().to_rgb8()),
    ("turned by 90°", imageops::rotate90),
    ("turned by 270°", imageops::rotate270),
    ("mirrored", imageops::flip_horizontal),
    ("screenshot", on_a_screen),
    ("cropped by 5 %", |p| crop(p, 0.05)),
    ("cropped by 10 %", |p| crop(p, 0.10)),
    ("turned by 3° (out of reach)", |p| {
        let (w, h) = (p.width(), p.height());
        let (sin, cos) = 3f64.to_radians().sin_cos();
        RgbImage::from_fn(w, h, |x, y| {
            let (dx, dy) = (f64::from(x) - f64::from(w) / 2.0, f64::from(y) - f64::from(h) / 2.0);
            let (sx, sy) = (dx * cos - dy * sin + f64::from(w) / 2.0, dx * sin + dy * cos + f64::from(h) / 2.0);
            if sx >= 0.0 && sy >= 0.0 && sx < f64::from(w) && sy < f64::from(h) {
                *p.get_pixel(sx as u32, sy as u32)
            } else {
                Rgb([0, 0, 0])
            }
        })
    }),
];

/// The fingerprints that the program makes of files, in their order.
fn prints(files: &[PathBuf]) -> Vec<Prints> {
    let mut all = Vec::new();
    for group in files.chunks(100) {
        let done =
            Command::new(env!("CARGO_BIN_EXE_temoin")).arg("examine").args(group).current_dir(std::env::temp_dir()).output().unwrap();
        for line in String::from_utf8(done.stdout).unwrap().lines() {
            let v: serde_json::Value = serde_json::from_str(line).unwrap();
            let bytes = v["prints"].as_str().map(|p| data_encoding::BASE64.decode(p.as_bytes()).unwrap()).unwrap_or_default();
            all.push(Prints::from_bytes(&bytes));
        }
    }
    assert_eq!(all.len(), files.len());
    all
}

fn recall() {
    let folder = tempfile::tempdir().unwrap();
    let count: usize = std::env::var("TEMOIN_BENCH_SCENES").ok().and_then(|n| n.parse().ok()).unwrap_or(180);
    let mut originals: Vec<RgbImage> = (0..count as u64).map(drawn).collect();
    if let Ok(media) = std::env::var("TEMOIN_BENCH_MEDIA") {
        let mut folders = vec![PathBuf::from(media)];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(picture) = image::open(&path)
                    && picture.width().min(picture.height()) >= 400
                {
                    originals.push(picture.to_rgb8());
                }
            }
        }
    }
    let path = |name: String| folder.path().join(name);
    let mut files = Vec::new();
    for (n, picture) in originals.iter().enumerate() {
        files.push(path(format!("o{n}.jpg")));
        jpeg(picture, 92, files.last().unwrap());
    }
    let all = prints(&files);
    let (mut index, mut joined) = (Index::default(), 0);
    let mut kept = Vec::new();
    for (n, (picture, p)) in originals.into_iter().zip(&all).enumerate() {
        let near = !index.near(p).is_empty();
        joined += usize::from(near && n < count);
        let flat = !p.0.iter().any(|(part, p)| *part == Part::Whole(0) && p.quality >= likeness::QUALITY_MIN);
        // Of the folder's pictures several show the same, and some show nothing: one of each is measured.
        if n >= count && (near || flat) {
            continue;
        }
        index.add(kept.len() as u32, p);
        kept.push(picture);
    }
    let originals = kept;
    println!("{count} drawn pictures, {joined} of {} pairs joined; with {} photographs", count * (count - 1) / 2, originals.len() - count);
    println!(
        "| edit | found near (≤ {}) | found similar (≤ {}) | strangers joined |\n|---|---|---|---|",
        likeness::NEAR,
        likeness::SIMILAR
    );
    for (name, edit) in EDITS {
        let mut files = Vec::new();
        for (n, picture) in originals.iter().enumerate() {
            files.push(path(format!("e{n}.jpg")));
            jpeg(&edit(picture), 85, files.last().unwrap());
        }
        let (mut near, mut similar, mut strangers) = (0, 0, 0);
        for (n, p) in prints(&files).iter().enumerate() {
            let found = index.near(p);
            let own = found.iter().any(|m| m.owner as usize == n);
            near += usize::from(own);
            strangers += found.iter().filter(|m| m.owner as usize != n).count();
            similar += usize::from(own || index.similar(p).iter().any(|m| m.owner as usize == n));
        }
        let share = |k: usize| 100.0 * k as f64 / originals.len() as f64;
        println!("| {name} | {:.1} % | {:.1} % | {strangers} |", share(near), share(similar));
    }
}

type Recode = (&'static str, &'static [&'static str], &'static str);

const RECODES: [Recode; 6] = [
    ("640 px wide, CRF 32, a keyframe in 250", &["-vf", "scale=640:-2", "-c:v", "libx264", "-crf", "32", "-g", "250"], "mp4"),
    (
        "messenger-like: 480 px, 20 frames/s, 400 kbit/s",
        &["-vf", "scale=480:-2,fps=20", "-c:v", "libx264", "-b:v", "400k", "-g", "100"],
        "mp4",
    ),
    ("HEVC, CRF 34", &["-c:v", "libx265", "-crf", "34", "-x265-params", "log-level=none"], "mp4"),
    ("VP9 in WebM", &["-vf", "scale=640:-2", "-c:v", "libvpx-vp9", "-b:v", "500k", "-deadline", "realtime", "-cpu-used", "8"], "webm"),
    ("the second third, encoded again", &["-ss", "5", "-t", "5", "-vf", "scale=640:-2", "-c:v", "libx264", "-crf", "30"], "mp4"),
    ("a logo in the corner", &["-vf", "drawbox=x=iw-150:y=20:w=120:h=50:color=white@0.8:t=fill", "-c:v", "libx264", "-crf", "30"], "mp4"),
];

/// Hand-held pans over streets, three scenes of five seconds each, and what becomes of them.
fn clips() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::env::var("TEMOIN_BENCH_CLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(40u64);
    let path = |name: String| folder.path().join(name);
    let ffmpeg = |args: &[&str], out: &Path| {
        let done = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).arg(out).status().unwrap();
        assert!(done.success(), "{args:?}");
    };
    let mut originals = Vec::new();
    for n in 0..count {
        for scene in 0..3 {
            drawn(10_000 + 3 * n + scene).save(path(format!("s{scene}.png"))).unwrap();
        }
        let inputs = path("s%d.png".into());
        let pan = "zoompan=z='1.15+0.05*sin(on/40)':x='iw*0.06*(1+sin(on/55))':y='ih*0.05*(1+cos(on/35))':d=125:s=1280x720:fps=25";
        originals.push(path(format!("o{n}.mp4")));
        let args = [
            "-framerate",
            "1",
            "-i",
            inputs.to_str().unwrap(),
            "-vf",
            pan,
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-g",
            "25",
            "-pix_fmt",
            "yuv420p",
        ];
        ffmpeg(&args, &originals[n as usize]);
    }
    let mut index = Index::default();
    for (n, p) in prints(&originals).iter().enumerate() {
        assert!(p.frames() > 0, "clip {n} has fingerprints");
        index.add(n as u32, p);
    }
    println!("{count} clips of 15 s\n| encoded again as | found | strangers joined |\n|---|---|---|");
    for (name, how, ending) in RECODES {
        let mut files = Vec::new();
        for (n, original) in originals.iter().enumerate() {
            files.push(path(format!("e{n}.{ending}")));
            // (Where to begin stands before the input.)
            let (before, after) = how.split_at(if how[0] == "-ss" { 2 } else { 0 });
            let args: Vec<&str> = before.iter().copied().chain(["-i", original.to_str().unwrap()]).chain(after.iter().copied()).collect();
            ffmpeg(&args, files.last().unwrap());
        }
        let (mut found, mut strangers) = (0, 0);
        for (n, p) in prints(&files).iter().enumerate() {
            let near = index.near(p);
            found += usize::from(near.iter().any(|m| m.owner as usize == n));
            strangers += near.iter().filter(|m| m.owner as usize != n).count();
        }
        println!("| {name} | {:.1} % | {strangers} |", 100.0 * found as f64 / count as f64);
    }
}

fn lookup() {
    let mut chance = Chance(9);
    let mut hash = || Printed { hash: Hash([chance.next(), chance.next(), chance.next(), chance.next()]), quality: 100 };
    let mut index = Index::default();
    let mut asked = Vec::new();
    for n in 0..1_000_000u32 {
        let p = Prints(vec![(Part::Whole(0), hash())]);
        if n % 50_000 == 0 {
            asked.push(p.clone());
        }
        index.add(n, &p);
    }
    // What a photo asks with: eight turns, eight of the trimmed one, nine windows.
    let questions: Vec<Prints> = asked
        .iter()
        .map(|p| {
            let mut all = p.0.clone();
            all.extend((1..8).map(|n| (Part::Whole(n), hash())));
            all.extend((0..8).map(|n| (Part::Trimmed(n), hash())));
            all.extend((0..9).map(|n| (Part::Window(n), hash())));
            Prints(all)
        })
        .collect();
    index.near(&questions[0]);
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for q in &questions {
        let begun = Instant::now();
        assert!(!index.near(q).is_empty());
        times.entry("near-identical").or_default().push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        assert!(!index.similar(q).is_empty());
        times.entry("similar").or_default().push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "one photo's {} questions among 1,000,000 stored fingerprints, ms, median and worst of {}:",
        questions[0].0.len(),
        questions.len()
    );
    for (band, mut all) in times {
        all.sort_by(f64::total_cmp);
        println!("{band}: {:.2}, {:.2}", all[all.len() / 2], all[all.len() - 1]);
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if wanted.is_empty() || wanted.iter().any(|w| w == "lookup") {
        lookup();
    }
    if wanted.is_empty() || wanted.iter().any(|w| w == "recall") {
        recall();
    }
    if wanted.is_empty() || wanted.iter().any(|w| w == "clips") {
        clips();
    }
}
