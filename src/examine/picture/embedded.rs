//! Whether the small picture that a camera put into its file shows the same as the large one.

use image::DynamicImage;
use image::metadata::Orientation;

use super::decode;
use crate::domain::indicator::{Indicator, Seen};
use crate::examine::Outcome;

const SIDE: u32 = 64;
/// Correlation below which they differ. Of 456 camera files 54 were below, most of them turned without their thumbnail.
const ALIKE: f64 = 0.9;

/// Compares at 64 × 64 grey, in all eight orientations: programs turn a picture and forget its thumbnail.
/// False when the small one cannot be read.
pub fn compare(own: &[u8], thumbnail: &DynamicImage, applied: u8, out: &mut Outcome) -> bool {
    let Ok(small) = decode::jpeg(own, 512) else { return false };
    // Cameras fill thumbnails of another shape with black bars: only the middle is compared.
    let large = grey(thumbnail);
    let alike = |o: u8| {
        let mut turned = small.picture.clone();
        if let Some(o) = Orientation::from_exif(o) {
            turned.apply_orientation(o);
        }
        let whole = correlation(&grey(&turned), &large);
        let cut = without_bars(&turned, thumbnail).map_or(0.0, |t| correlation(&grey(&t), &large));
        whole.max(cut)
    };
    let best = (1..=8).map(alike).fold(f64::MIN, f64::max);
    if best < ALIKE {
        let seen = format!("{:.2} (1.00: the same), upright as stated {:.2}", best, alike(applied));
        out.found.seen.push(Seen::new(Indicator::ThumbnailDiffers, seen, "EXIF-thumbnail:JPEGInterchangeFormat"));
    }
    true
}

/// The part of a thumbnail that has the large picture's shape, from its middle.
fn without_bars(small: &DynamicImage, large: &DynamicImage) -> Option<DynamicImage> {
    let (w, h) = (f64::from(small.width()), f64::from(small.height()));
    let wanted = f64::from(large.width()) / f64::from(large.height().max(1));
    let (width, height) = if w / h > wanted { (h * wanted, h) } else { (w, w / wanted) };
    let (width, height) = (width.round() as u32, height.round() as u32);
    (width >= 16 && height >= 16).then(|| {
        small.crop_imm((small.width() - width.min(small.width())) / 2, (small.height() - height.min(small.height())) / 2, width, height)
    })
}

fn grey(picture: &DynamicImage) -> Vec<f64> {
    let small = picture.resize_exact(SIDE, SIDE, image::imageops::FilterType::Triangle);
    small.to_luma8().pixels().map(|p| f64::from(p.0[0])).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| f(x - ma, y - mb)).sum::<f64>();
    let spread = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    // Two flat pictures are alike, whatever their grey.
    if spread < 1.0 { 1.0 } else { sum(&|x, y| x * y) / spread }
}
