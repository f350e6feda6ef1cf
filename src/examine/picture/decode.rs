//! Bytes to pixels, upright, within limits: a bomb is refused by its header, a bent file is "undecodable", nothing worse.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, metadata::Orientation};
use sha2::Digest as _;

use super::{VIEW_PX, clip};
use crate::domain::value::Sha256;
use crate::examine::read;

/// Pixels above which a picture is not decoded at all; JPEG is decoded scaled, so it may be larger.
const PIXELS_MAX: u64 = 100_000_000;
const JPEG_PIXELS_MAX: u64 = 400_000_000;
const HEIC_PIXELS_MAX: u64 = 60_000_000;
const DECODER_BYTES_MAX: u64 = 900 << 20;
/// Of a colour profile that is kept in what is made.
const PROFILE_BYTES_MAX: usize = 16 << 10;

/// A decoded picture, upright.
pub struct Decoded {
    pub picture: DynamicImage,
    /// The colours that its numbers mean, when it is not sRGB.
    pub profile: Option<Vec<u8>>,
    /// Digest of every pixel, for formats that lose none.
    pub pixels: Option<Sha256>,
}

pub type Result = std::result::Result<Decoded, &'static str>;

/// A photo at a size that is large enough for the view.
pub fn photo(bytes: &[u8], media_type: &str, orientation: u8) -> Result {
    let mut decoded = match media_type {
        "image/jpeg" => {
            jpeg(bytes, VIEW_PX).or_else(|why| if why.starts_with("refused") { Err(why) } else { other(bytes, ImageFormat::Jpeg) })
        }
        "image/heic" => heic(bytes),
        "image/avif" => clip::still(bytes),
        "image/png" => other(bytes, ImageFormat::Png),
        "image/gif" => other(bytes, ImageFormat::Gif),
        "image/webp" => other(bytes, ImageFormat::WebP),
        "image/bmp" => other(bytes, ImageFormat::Bmp),
        "image/tiff" => other(bytes, ImageFormat::Tiff).or_else(|why| camera_preview(bytes, media_type).map_err(|_| why)),
        _ if read::is_raw(media_type) => camera_preview(bytes, media_type),
        _ => Err("no-preview"),
    }?;
    if let Some(o) = Orientation::from_exif(orientation) {
        decoded.picture.apply_orientation(o);
    }
    Ok(decoded)
}

/// The picture that the camera itself put into its raw file.
fn camera_preview(bytes: &[u8], media_type: &str) -> Result {
    let preview = read::preview(bytes, media_type).ok_or("no-preview")?;
    jpeg(preview, VIEW_PX).or_else(|why| if why.starts_with("refused") { Err(why) } else { other(preview, ImageFormat::Jpeg) })
}

/// A JPEG decoded at a fraction of its size, down to `px` on its longest edge: quick, and immune to pixel bombs.
pub fn jpeg(bytes: &[u8], px: u32) -> Result {
    if !read::jpeg_modest(bytes) {
        return Err("refused-structure");
    }
    let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(bytes));
    decoder.read_info().map_err(|_| "undecodable")?;
    let info = decoder.info().ok_or("undecodable")?;
    let (width, height) = (info.width, info.height);
    if u64::from(width) * u64::from(height) > JPEG_PIXELS_MAX {
        return Err("refused-pixels");
    }
    // The decoder halves as long as the result stays at least this large.
    let longest = u32::from(width.max(height)).max(1);
    let side = |n: u16| u16::try_from((u32::from(n) * px / longest).clamp(1, u32::from(n).max(1))).unwrap_or(n).max(1);
    let (w, h) = decoder.scale(side(width), side(height)).map_err(|_| "undecodable")?;
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decoder.decode()));
    let pixels = decoded.map_err(|_| "undecodable")?.map_err(|_| "undecodable")?;
    let (w, h) = (u32::from(w), u32::from(h));
    let picture = match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => image::GrayImage::from_raw(w, h, pixels).map(DynamicImage::ImageLuma8),
        jpeg_decoder::PixelFormat::RGB24 => image::RgbImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgb8),
        _ => None,
    };
    let picture = picture.ok_or("undecodable")?;
    Ok(Decoded { picture, profile: kept(decoder.icc_profile()), pixels: None })
}

/// A profile worth keeping: small, and another than sRGB, which everybody assumes.
fn kept(profile: Option<Vec<u8>>) -> Option<Vec<u8>> {
    profile.filter(|p| p.len() <= PROFILE_BYTES_MAX && !p.windows(4).any(|w| w == b"sRGB" || w == b"s\0R\0"))
}

fn heic(bytes: &[u8]) -> Result {
    let info = heic_decoder::probe(bytes).map_err(|_| "undecodable")?;
    let pixels = |n: usize| u32::try_from(n).map_err(|_| "refused-pixels");
    let (width, height) = (pixels(info.width)?, pixels(info.height)?);
    if u64::from(width) * u64::from(height) > HEIC_PIXELS_MAX {
        return Err("refused-pixels");
    }
    let picture = heic_decoder::decode(bytes).map_err(|_| "undecodable")?;
    let profile = kept(picture.metadata.icc_profile.clone());
    let rgb = picture.to_rgb8().map_err(|_| "undecodable")?;
    let rgb = image::RgbImage::from_raw(pixels(picture.width)?, pixels(picture.height)?, rgb.data).ok_or("undecodable")?;
    Ok(Decoded { picture: DynamicImage::ImageRgb8(rgb), profile, pixels: None })
}

fn other(bytes: &[u8], format: ImageFormat) -> Result {
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
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut decoder = reader.into_decoder()?;
        let profile = decoder.icc_profile().ok().flatten();
        Ok::<_, image::ImageError>((DynamicImage::from_decoder(decoder)?, profile))
    }));
    let Ok(Ok((picture, profile))) = decoded else { return Err("undecodable") };
    let lossless = !matches!(format, ImageFormat::Jpeg);
    let pixels = lossless.then(|| digest(&picture));
    Ok(Decoded { picture, profile: kept(profile), pixels })
}

/// The same for the same pixels, whichever format kept them.
fn digest(picture: &DynamicImage) -> Sha256 {
    let rgba = picture.to_rgba8();
    let mut hash = sha2::Sha256::new();
    hash.update(rgba.width().to_be_bytes());
    hash.update(rgba.height().to_be_bytes());
    hash.update(rgba.as_raw());
    Sha256::from_bytes(hash.finalize().into())
}
