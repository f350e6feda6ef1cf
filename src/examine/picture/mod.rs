//! What is made of media for eyes, and fingerprints for finding their like: a thumbnail of 512 px, a view of 1,280 px, of a clip a poster
//! and a contact sheet, of sound its waveform; upright, re-encoded, in their own colours, free of metadata. Originals are never shown
//! in a page.

mod clip;
mod decode;
mod embedded;
mod prints;
mod proxy;
mod sound;

use data_encoding::BASE64;
use fast_image_resize::Resizer;
use image::DynamicImage;

use super::read::{self, Picture};
use super::{Made, Outcome};
use crate::domain::derivative::Variant;
use crate::domain::likeness::Prints;
use decode::Decoded;

pub use proxy::{convert, needs_proxy, proxy_how};

/// Longest edges of what is made.
pub const THUMBNAIL_PX: u32 = 512;
pub const VIEW_PX: u32 = 1_280;
/// Of their JPEG.
pub const QUALITY: u8 = 80;

/// Makes the pictures and fingerprints of a photo, or notes why there are none.
pub fn of_photo(bytes: &[u8], media_type: &str, read: &Picture<'_>, out: &mut Outcome) {
    let thumbnail = previews(bytes, media_type, read.orientation, out);
    // Every pixel says more than the bytes that some program packed them into.
    out.essence = out.essence.or_else(|| read::digest(&read.essence));
    let Some(thumbnail) = thumbnail else { return };
    // (Where there is none, that was looked at, too.)
    // Nor of what was cut off: the small picture shows what the large one lost.
    let whole = !out.notes.iter().any(|n| n == "cut-off");
    if read.thumbnail.as_ref().is_none_or(|own| whole && embedded::compare(own, &thumbnail, read.orientation, out)) {
        out.found.checked.push("thumbnail".into());
    }
    set_prints(prints::of_picture(&thumbnail), out);
}

/// Makes the two pictures that people see, and gives the smaller one back.
pub fn previews(bytes: &[u8], media_type: &str, orientation: u8, out: &mut Outcome) -> Option<DynamicImage> {
    match decode::photo(bytes, media_type, orientation) {
        Ok(decoded) => {
            out.essence = decoded.pixels;
            Some(keep(&decoded, "decoded, turned upright, scaled", out))
        }
        Err(why) => {
            out.notes.push(why.to_owned());
            None
        }
    }
}

/// Poster, contact sheet and fingerprints of a clip. `media_type` chooses the reader.
pub fn of_video(media_type: &str, out: &mut Outcome) {
    let Some(demuxer) = clip::demuxer(media_type) else { return out.notes.push("no-poster".into()) };
    out.tools.extend(clip::tool());
    let done = clip::frames(demuxer, out);
    match done {
        Ok(frames) => {
            keep(&frames.poster, "frame of the clip, scaled", out);
            if let Some(sheet) = clip::sheet(&frames) {
                add(Variant::Sheet, &sheet.picture, None, &format!("{} frames, rows of 4", sheet.at.len()), out);
            }
            set_prints(frames.prints, out);
        }
        Err(why) => out.notes.push(why.to_owned()),
    }
    out.essence = clip::samples(demuxer);
}

/// The waveform of a sound.
pub fn of_audio(media_type: &str, out: &mut Outcome) {
    let Some(demuxer) = sound::demuxer(media_type) else { return out.notes.push("no-preview".into()) };
    out.tools.extend(clip::tool());
    match sound::waveform(demuxer) {
        Ok(picture) => {
            keep(&Decoded { picture: DynamicImage::ImageRgb8(picture), profile: None, pixels: None }, "waveform", out);
        }
        Err(why) => out.notes.push(why.to_owned()),
    }
    out.essence = clip::samples(demuxer);
}

fn set_prints(prints: Prints, out: &mut Outcome) {
    if !prints.0.is_empty() {
        out.prints = Some(BASE64.encode(&prints.to_bytes()));
    }
}

/// Keeps view and thumbnail; gives the thumbnail back.
fn keep(decoded: &Decoded, how: &str, out: &mut Outcome) -> DynamicImage {
    let view = shrink(&decoded.picture, VIEW_PX);
    let thumbnail = shrink(&view, THUMBNAIL_PX);
    add(Variant::View, &view, decoded.profile.as_deref(), how, out);
    add(Variant::Thumbnail, &thumbnail, decoded.profile.as_deref(), how, out);
    thumbnail
}

fn add(variant: Variant, picture: &DynamicImage, profile: Option<&[u8]>, how: &str, out: &mut Outcome) {
    match encode(picture, profile) {
        Some(bytes) => out.made.push(Made {
            variant,
            bytes: BASE64.encode(&bytes),
            width: picture.width(),
            height: picture.height(),
            how: format!("{how}; JPEG quality {QUALITY}"),
        }),
        None => out.notes.push("no-preview".into()),
    }
}

fn shrink(picture: &DynamicImage, px: u32) -> DynamicImage {
    let rgb = match picture {
        DynamicImage::ImageRgb8(_) | DynamicImage::ImageLuma8(_) => picture.clone(),
        // Whatever is behind a transparent picture, people see it on white.
        _ if picture.color().has_alpha() => on_white(picture),
        _ => DynamicImage::ImageRgb8(picture.to_rgb8()),
    };
    let longest = rgb.width().max(rgb.height()).max(1);
    if longest <= px {
        return rgb;
    }
    let side = |n: u32| u32::try_from(u64::from(n) * u64::from(px) / u64::from(longest)).unwrap_or(px).max(1);
    let mut small = DynamicImage::new(side(rgb.width()), side(rgb.height()), rgb.color());
    match Resizer::new().resize(&rgb, &mut small, None) {
        Ok(()) => small,
        Err(_) => rgb.thumbnail(px, px),
    }
}

fn on_white(picture: &DynamicImage) -> DynamicImage {
    let rgba = picture.to_rgba8();
    let rgb = image::RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, a] = rgba.get_pixel(x, y).0;
        let over = |c: u8| u8::try_from((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a))) / 255).unwrap_or(255);
        image::Rgb([over(r), over(g), over(b)])
    });
    DynamicImage::ImageRgb8(rgb)
}

fn encode(picture: &DynamicImage, profile: Option<&[u8]>) -> Option<Vec<u8>> {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    if let Some(profile) = profile {
        encoder.add_icc_profile(profile).ok()?;
    }
    let (width, height) = (u16::try_from(picture.width()).ok()?, u16::try_from(picture.height()).ok()?);
    match picture {
        DynamicImage::ImageLuma8(gray) => encoder.encode(gray.as_raw(), width, height, ColorType::Luma).ok()?,
        other => encoder.encode(other.to_rgb8().as_raw(), width, height, ColorType::Rgb).ok()?,
    }
    Some(bytes)
}
