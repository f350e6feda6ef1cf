//! A short clip: Motion JPEG in a QuickTime file (ISO/IEC 14496-12 boxes), with its time and place. Where ffmpeg
//! is installed it becomes H.264, which browsers play; without it the plain file is handed over.

use std::process::{Command, Stdio};

use super::scene::{Scene, Shot};
use crate::domain::value::{Point, SECOND_US, Utc};
use crate::error::Result;

const FRAMES: u32 = 24;
const FRAMES_PER_SECOND: u32 = 8;
const WIDTH: u16 = 960;
const HEIGHT: u16 = 720;
const EPOCH_1904_S: i64 = 2_082_844_800;

pub fn movie(shot: &Shot, at: Utc, place: Point) -> Result<Vec<u8>> {
    let mut frames = Vec::new();
    for n in 0..FRAMES {
        let turned = Shot { bearing: shot.bearing + f64::from(n) * 0.8, ..shot.clone() };
        frames.push(Scene::draw(&turned).jpeg(70)?);
    }
    let plain = quicktime(&frames, at, place);
    Ok(playable(&plain).unwrap_or(plain))
}

fn boxed(kind: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len() + 8).unwrap_or(0);
    [&length.to_be_bytes()[..], kind, &body].concat()
}

fn be(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn quicktime(frames: &[Vec<u8>], at: Utc, place: Point) -> Vec<u8> {
    const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
    let size = |n: usize| u32::try_from(n).unwrap_or(0);
    let ftyp = boxed(b"ftyp", &[b"qt  \0\0\0\0qt  "]);
    let mdat = boxed(b"mdat", &[&frames.concat()]);
    let created = u32::try_from(at.micros() / SECOND_US + EPOCH_1904_S).unwrap_or(0);
    let duration = size(frames.len());
    let mvhd = boxed(
        b"mvhd",
        &[&be(&[0, created, created, FRAMES_PER_SECOND, duration, 0x1_0000, 0x0100_0000, 0, 0]), &be(&MATRIX), &be(&[0; 6]), &be(&[2])],
    );
    let tkhd = boxed(
        b"tkhd",
        &[&be(&[3, created, created, 1, 0, duration, 0, 0, 0, 0]), &be(&MATRIX), &be(&[u32::from(WIDTH) << 16, u32::from(HEIGHT) << 16])],
    );
    let mdhd = boxed(b"mdhd", &[&be(&[0, created, created, FRAMES_PER_SECOND, duration, 0])]);
    let hdlr = boxed(b"hdlr", &[&be(&[0]), b"mhlrvide", &be(&[0; 3]), b"\0"]);
    let entry = boxed(
        b"jpeg",
        &[
            &[0; 6],
            &[0, 1],
            &[0; 16],
            &WIDTH.to_be_bytes(),
            &HEIGHT.to_be_bytes(),
            &be(&[0x48_0000, 0x48_0000, 0]),
            &[0, 1],
            &[0; 32],
            &[0, 24, 0xff, 0xff],
        ],
    );
    let stsd = boxed(b"stsd", &[&be(&[0, 1]), &entry]);
    let stts = boxed(b"stts", &[&be(&[0, 1, duration, 1])]);
    let stsc = boxed(b"stsc", &[&be(&[0, 1, 1, duration, 1])]);
    let sizes: Vec<u32> = frames.iter().map(|f| size(f.len())).collect();
    let stsz = boxed(b"stsz", &[&be(&[0, 0, duration]), &be(&sizes)]);
    let stco = boxed(b"stco", &[&be(&[0, 1, size(ftyp.len() + 8)])]);
    let stbl = boxed(b"stbl", &[&stsd, &stts, &stsc, &stsz, &stco]);
    let dref = boxed(b"dref", &[&be(&[0, 1]), &boxed(b"url ", &[&be(&[1])])]);
    let vmhd = boxed(b"vmhd", &[&be(&[1, 0, 0])]);
    let minf = boxed(b"minf", &[&vmhd, &boxed(b"dinf", &[&dref]), &stbl]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    let xyz = format!("{:+08.4}{:+09.4}/", place.lat, place.lon);
    let length = u16::try_from(xyz.len()).unwrap_or(0);
    let udta = boxed(b"udta", &[&boxed(b"\xa9xyz", &[&length.to_be_bytes(), &[0x15, 0xc7], xyz.as_bytes()])]);
    let moov = boxed(b"moov", &[&mvhd, &boxed(b"trak", &[&tkhd, &mdia]), &udta]);
    [ftyp, mdat, moov].concat()
}

/// The same clip as H.264 in MP4, if ffmpeg is here and willing.
fn playable(plain: &[u8]) -> Option<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("temoin-demo-{}", data_encoding::HEXLOWER.encode(&crate::app::random::<8>())));
    std::fs::create_dir(&folder).ok()?;
    let (from, to) = (folder.join("in.mov"), folder.join("out.mp4"));
    let run = || {
        std::fs::write(&from, plain).ok()?;
        let done = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-f", "mov", "-i"])
            .arg(&from)
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-map_metadata", "0", "-movflags", "+faststart"])
            .arg(&to)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        done.success().then(|| std::fs::read(&to).ok())?
    };
    let made = run();
    let _ = std::fs::remove_dir_all(&folder);
    made
}
