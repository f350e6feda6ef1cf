//! A sound's waveform: how loud it is over time, as a picture.

use image::{Rgb, RgbImage};

use super::clip::ffmpeg;

const WIDTH: usize = 1_280;
const HEIGHT: u32 = 240;
/// Samples a second: loudness needs no more.
const RATE: usize = 4_000;
/// Of longer sounds the first hours are drawn.
const SECONDS_MAX: &str = "14400";

/// ffmpeg's name of the reader for a type.
pub fn demuxer(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "audio/mp4" => "mov",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "audio/wav" => "wav",
        "audio/flac" => "flac",
        "audio/amr" => "amr",
        "audio/aac" => "aac",
        "audio/aiff" => "aiff",
        "audio/x-caf" => "caf",
        _ => return None,
    })
}

/// The loudest sample of each stretch, above and below the middle.
pub fn waveform(demuxer: &str) -> Result<RgbImage, &'static str> {
    let rate = RATE.to_string();
    let after = ["-vn", "-sn", "-dn", "-t", SECONDS_MAX, "-ac", "1", "-ar", &rate, "-f", "s16le", "pipe:1"];
    let done = ffmpeg(demuxer, &[], &after).output().map_err(|_| "no-ffmpeg")?;
    let samples: Vec<i16> = done.stdout.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    if samples.is_empty() {
        return Err("no-preview");
    }
    let mut picture = RgbImage::from_pixel(u32::try_from(WIDTH).unwrap_or(1), HEIGHT, Rgb([250, 250, 250]));
    for column in 0..WIDTH {
        let from = column * samples.len() / WIDTH;
        let to = ((column + 1) * samples.len() / WIDTH).clamp(from + 1, samples.len().max(from + 1));
        let stretch = samples.get(from..to.min(samples.len())).unwrap_or_default();
        let loudest = stretch.iter().map(|s| u32::from(s.unsigned_abs())).max().unwrap_or(0);
        let half = (loudest * (HEIGHT / 2 - 4) / 32_768).max(1);
        for y in HEIGHT / 2 - half..HEIGHT / 2 + half {
            picture.put_pixel(u32::try_from(column).unwrap_or(0), y, Rgb([30, 70, 120]));
        }
    }
    Ok(picture)
}
