//! Fingerprints of pictures and frames (`domain::likeness`).

use image::DynamicImage;

use crate::domain::likeness::{Gray, Part, Printed, Prints, QUALITY_MIN, turned};

/// Longest edge of what the nine windows are taken from: they are compared more loosely, and there are nine of them.
const WINDOWS_PX: u32 = 256;

/// Luminance as the reference computes it.
pub fn gray(picture: &DynamicImage) -> Gray {
    let rgb = picture.to_rgb8();
    let pixels = rgb.pixels().map(|p| 0.299 * f32::from(p.0[0]) + 0.587 * f32::from(p.0[1]) + 0.114 * f32::from(p.0[2])).collect();
    Gray { width: rgb.width() as usize, height: rgb.height() as usize, pixels }
}

/// All fingerprints of a photo, from its thumbnail.
pub fn of_picture(thumbnail: &DynamicImage) -> Prints {
    let whole = gray(thumbnail);
    let mut prints = Vec::new();
    let mut add = |all: Option<[Printed; 8]>, part: fn(u8) -> Part| {
        prints.extend(all.into_iter().flatten().zip(0u8..).map(|(printed, n)| (part(n), printed)));
    };
    add(turned(&whole), Part::Whole);
    if let Some(trimmed) = whole.trimmed() {
        add(turned(&trimmed), Part::Trimmed);
    }
    let small = gray(&thumbnail.thumbnail(WINDOWS_PX, WINDOWS_PX));
    prints.extend(small.windows().iter().zip(0u8..).filter_map(|(window, n)| Some((Part::Window(n), window.printed()?))));
    Prints(prints)
}

/// The fingerprint of one frame of a clip, if there is enough to be seen in it.
pub fn of_frame(frame: &DynamicImage) -> Option<(Part, Printed)> {
    gray(frame).printed().filter(|p| p.quality >= QUALITY_MIN).map(|p| (Part::Frame, p))
}
