//! How a file was made, as far as it says so itself: editors, encoders, messengers' and screens' marks, generators, what
//! the phone took away. The sources of each rule stand in `docs/indicators.md`.

use crate::domain::indicator::{Indicator, Seen};
use crate::examine::Outcome;

/// Programs whose business is changing pictures.
const EDITORS: [&str; 34] = [
    "photoshop",
    "lightroom",
    "gimp",
    "affinity",
    "snapseed",
    "picsart",
    "pixelmator",
    "paint.net",
    "paint shop",
    "corel",
    "darktable",
    "rawtherapee",
    "capture one",
    "luminar",
    "vsco",
    "facetune",
    "canva",
    "picasa",
    "irfanview",
    "xnview",
    "photoscape",
    "acdsee",
    "polarr",
    "photodirector",
    "photofiltre",
    "krita",
    "inkscape",
    "imagemagick",
    "adobe premiere",
    "final cut",
    "davinci",
    "capcut",
    "inshot",
    "imovie",
];

/// Notes that a program for editing is named.
pub fn editor(named: &str, path: &str, out: &mut Outcome) {
    let lower = named.to_lowercase();
    if EDITORS.iter().any(|e| lower.contains(e)) {
        out.found.seen.push(Seen::new(Indicator::EditorNamed, named.to_owned(), path));
    }
}

/// Encoders that are programs, not cameras.
const ENCODERS: [&str; 10] = ["lavf", "lavc", "handbrake", "ffmpeg", "x264", "x265", "mkvmerge", "libwebm", "gstreamer", "vlc"];

/// Notes that a program encoded or packed a recording.
pub fn encoder(named: &str, path: &str, out: &mut Outcome) {
    let lower = named.to_lowercase();
    if ENCODERS.iter().any(|e| lower.contains(e)) {
        out.found.seen.push(Seen::new(Indicator::Reencoded, named.to_owned(), path));
    }
    editor(named, path, out);
}

/// IPTC's terms for what no camera saw.
pub fn is_generated(kind: &str) -> bool {
    let term = kind.rsplit('/').next().unwrap_or(kind);
    matches!(
        term,
        "trainedAlgorithmicMedia"
            | "compositeWithTrainedAlgorithmicMedia"
            | "algorithmicMedia"
            | "compositeSynthetic"
            | "virtualRecording"
            | "dataDrivenMedia"
    )
}

/// Texts by which generators write down what they were asked for.
pub fn generator_text(name: &str, value: &str, out: &mut Outcome) {
    let asked = matches!(name, "parameters" | "prompt" | "workflow" | "invokeai_metadata" | "sd-metadata" | "Dream");
    if asked && value.len() > 20 {
        out.found.seen.push(Seen::new(Indicator::GeneratedStated, name.to_owned(), &format!("PNG:{name}")));
    }
    if name.eq_ignore_ascii_case("software") {
        editor(value, "PNG:Software", out);
    }
}

/// Longest edges to which messengers reduce what they send.
const MESSENGER_EDGES: [u32; 8] = [960, 1_024, 1_280, 1_536, 1_600, 2_048, 2_560, 4_096];

/// What a picture's shape and lack of metadata suggest. `tables`: the quality at which the common library makes its tables.
pub fn shape(media_type: &str, tables: Option<u8>, out: &mut Outcome) {
    let found = &mut out.found;
    let has_camera = found.device.make.is_some() || found.device.model.is_some();
    let (Some(width), Some(height)) = (found.shape.width, found.shape.height) else { return };
    let (long, short) = (width.max(height), width.min(height));
    if !has_camera {
        found.seen.push(Seen::new(Indicator::NoCamera, format!("{width} × {height}"), "EXIF:Make+Model"));
    }
    let bare = !has_camera && found.times.is_empty();
    if media_type == "image/jpeg" && bare && MESSENGER_EDGES.contains(&long) && tables.is_some() {
        let seen = format!("{width} × {height}, quality {}", tables.unwrap_or(0));
        found.seen.push(Seen::new(Indicator::MessengerCopy, seen, "JPEG:DQT+SOF"));
    }
    // Phones' screens are much longer than wide, photographs and stills of recordings (16:9) are not.
    let ratio = f64::from(long) / f64::from(short.max(1));
    if matches!(media_type, "image/png" | "image/webp") && bare && (1.8..2.4).contains(&ratio) && (640..=1_600).contains(&short) {
        found.seen.push(Seen::new(Indicator::Screenshot, format!("{width} × {height}"), "size"));
    }
}
