//! Pictures for people to look at: a thumbnail of 512 px and a view of 1,280 px, upright, re-encoded
//! and free of metadata. Originals are never shown in a page.

use std::io::Cursor;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use fast_image_resize::Resizer;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, ImageReader, Limits, metadata::Orientation};

use super::Outcome;

/// Longest edges of what is made.
pub const THUMBNAIL_PX: u32 = 512;
pub const VIEW_PX: u32 = 1_280;
/// Of their JPEG.
pub const QUALITY: u8 = 80;
/// Pixels above which a picture is not decoded at all; JPEG is decoded scaled, so it may be larger.
const PIXELS_MAX: u64 = 100_000_000;
const JPEG_PIXELS_MAX: u64 = 400_000_000;
const HEIC_PIXELS_MAX: u64 = 60_000_000;
const DECODER_BYTES_MAX: u64 = 900 << 20;

/// Makes the pictures of a photo, or notes why there are none.
pub fn of_photo(bytes: &[u8], media_type: &str, orientation: u32, out: &mut Outcome) {
    let decoded = match media_type {
        "image/jpeg" => jpeg(bytes).or_else(|_| other(bytes, ImageFormat::Jpeg)),
        "image/heic" => heic(bytes),
        "image/png" => other(bytes, ImageFormat::Png),
        "image/gif" => other(bytes, ImageFormat::Gif),
        "image/webp" => other(bytes, ImageFormat::WebP),
        "image/tiff" => other(bytes, ImageFormat::Tiff),
        "image/bmp" => other(bytes, ImageFormat::Bmp),
        _ => Err("no-preview"),
    };
    match decoded {
        Ok((mut picture, size)) => {
            out.raw.push(("picture:pixels".into(), format!("{} × {}", size.0, size.1)));
            if let Some(o) = Orientation::from_exif(u8::try_from(orientation).unwrap_or(1)) {
                picture.apply_orientation(o);
            }
            keep(&picture, out);
        }
        Err(why) => out.notes.push(why.to_owned()),
    }
}

type Decoded = Result<(DynamicImage, (u32, u32)), &'static str>;

/// A JPEG decoded at a fraction of its size: quick, and immune to pixel bombs.
fn jpeg(bytes: &[u8]) -> Decoded {
    let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(bytes));
    decoder.read_info().map_err(|_| "undecodable")?;
    let info = decoder.info().ok_or("undecodable")?;
    let (width, height) = (info.width, info.height);
    if u64::from(width) * u64::from(height) > JPEG_PIXELS_MAX {
        return Err("refused-pixels");
    }
    // The decoder halves as long as the result stays at least this large.
    let aim = u16::try_from(VIEW_PX).unwrap_or(u16::MAX);
    let (w, h) = if width >= height {
        (aim, u16::try_from(u32::from(aim) * u32::from(height) / u32::from(width).max(1)).unwrap_or(aim).max(1))
    } else {
        (u16::try_from(u32::from(aim) * u32::from(width) / u32::from(height).max(1)).unwrap_or(aim).max(1), aim)
    };
    let (w, h) = decoder.scale(w, h).map_err(|_| "undecodable")?;
    let pixels = decoder.decode().map_err(|_| "undecodable")?;
    let (w, h) = (u32::from(w), u32::from(h));
    let picture = match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => image::GrayImage::from_raw(w, h, pixels).map(DynamicImage::ImageLuma8),
        jpeg_decoder::PixelFormat::RGB24 => image::RgbImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgb8),
        _ => None,
    };
    picture.map(|p| (p, (u32::from(width), u32::from(height)))).ok_or("undecodable")
}

fn heic(bytes: &[u8]) -> Decoded {
    let info = heic_decoder::probe(bytes).map_err(|_| "undecodable")?;
    let pixels = |n: usize| u32::try_from(n).map_err(|_| "refused-pixels");
    let (width, height) = (pixels(info.width)?, pixels(info.height)?);
    if u64::from(width) * u64::from(height) > HEIC_PIXELS_MAX {
        return Err("refused-pixels");
    }
    let picture = heic_decoder::decode(bytes).map_err(|_| "undecodable")?;
    let rgb =
        image::RgbImage::from_raw(pixels(picture.width)?, pixels(picture.height)?, picture.to_rgb8().map_err(|_| "undecodable")?.data)
            .ok_or("undecodable")?;
    Ok((DynamicImage::ImageRgb8(rgb), (width, height)))
}

fn other(bytes: &[u8], format: ImageFormat) -> Decoded {
    let reader = || ImageReader::with_format(Cursor::new(bytes), format);
    let (width, height) = reader().into_dimensions().map_err(|_| "undecodable")?;
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err("refused-pixels");
    }
    let mut reader = reader();
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    // Some decoders panic on bent files; that is a picture that cannot be shown, nothing worse.
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.decode()));
    match decoded {
        Ok(Ok(picture)) => Ok((picture, (width, height))),
        _ => Err("undecodable"),
    }
}

fn keep(picture: &DynamicImage, out: &mut Outcome) {
    let view = shrink(picture, VIEW_PX);
    let thumbnail = shrink(&view, THUMBNAIL_PX);
    out.view = encode(&view);
    out.thumbnail = encode(&thumbnail);
    if out.thumbnail.is_none() {
        out.notes.push("no-preview".into());
    }
}

fn shrink(picture: &DynamicImage, px: u32) -> DynamicImage {
    let rgb = DynamicImage::ImageRgb8(picture.to_rgb8());
    let longest = rgb.width().max(rgb.height()).max(1);
    if longest <= px {
        return rgb;
    }
    let side = |n: u32| u32::try_from(u64::from(n) * u64::from(px) / u64::from(longest)).unwrap_or(px).max(1);
    let mut small = DynamicImage::new_rgb8(side(rgb.width()), side(rgb.height()));
    match Resizer::new().resize(&rgb, &mut small, None) {
        Ok(()) => small,
        Err(_) => rgb.thumbnail(px, px),
    }
}

fn encode(picture: &DynamicImage) -> Option<String> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).ok()?;
    Some(BASE64.encode(&bytes))
}

/// A poster frame, made by ffmpeg where it is installed. It inherits this process's limits and its
/// lack of a network; the demuxer is forced, so that a playlist in disguise is not followed.
pub fn of_video(media_type: &str, out: &mut Outcome) {
    let demuxer = match media_type {
        "video/mp4" | "video/quicktime" | "video/3gpp" => "mov",
        "video/webm" | "video/x-matroska" => "matroska",
        "video/x-msvideo" => "avi",
        "video/mp2t" => "mpegts",
        "video/mpeg" => "mpeg",
        _ => return out.notes.push("no-poster".into()),
    };
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"])
        .args(["-protocol_whitelist", "file", "-f", demuxer, "-i", "/dev/stdin"])
        .args(["-an", "-frames:v", "1", "-vf", "scale='min(1280,iw)':-2", "-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "4", "pipe:1"])
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .output();
    match run {
        Ok(done) if done.status.success() && !done.stdout.is_empty() => match jpeg(&done.stdout) {
            Ok((picture, _)) => keep(&picture, out),
            Err(_) => out.notes.push("no-poster".into()),
        },
        Ok(_) => out.notes.push("no-poster".into()),
        Err(_) => out.notes.push("no-ffmpeg".into()),
    }
}
