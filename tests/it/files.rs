//! Small files that the tests make for themselves.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

/// A JPEG that differs with `seed`.
pub fn jpeg(seed: u32, width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let v = x.wrapping_mul(31) ^ y.wrapping_mul(17) ^ seed.wrapping_mul(2_654_435_761);
        Rgb([(v & 0xff) as u8, (v >> 8 & 0xff) as u8, (seed & 0xff) as u8])
    });
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 80).encode_image(&picture).unwrap();
    out
}

/// What a camera writes about place.
pub enum Gps {
    Absent,
    /// Fields of nothing: how Android hands photos to web pages.
    Emptied,
    At(f64, f64),
    /// Numbers as they come, denominators included.
    Raw([(u32, u32); 3]),
}

struct Tiff {
    entries: Vec<(u16, u16, u32, Vec<u8>)>,
}

impl Tiff {
    fn text(&mut self, tag: u16, text: &str) {
        self.entries.push((tag, 2, text.len() as u32 + 1, [text.as_bytes(), b"\0"].concat()));
    }
    fn short(&mut self, tag: u16, n: u16) {
        self.entries.push((tag, 3, 1, n.to_le_bytes().to_vec()));
    }
    fn long(&mut self, tag: u16, n: u32) {
        self.entries.push((tag, 4, 1, n.to_le_bytes().to_vec()));
    }
    fn rationals(&mut self, tag: u16, r: &[(u32, u32)]) {
        self.entries.push((tag, 5, r.len() as u32, r.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect()));
    }
    fn bytes(&self, at: u32) -> Vec<u8> {
        let (mut head, mut tail) = ((self.entries.len() as u16).to_le_bytes().to_vec(), Vec::new());
        let start = at + 2 + 12 * self.entries.len() as u32 + 4;
        for (tag, kind, count, data) in &self.entries {
            head.extend(tag.to_le_bytes());
            head.extend(kind.to_le_bytes());
            head.extend(count.to_le_bytes());
            if data.len() <= 4 {
                let mut inline = data.clone();
                inline.resize(4, 0);
                head.extend(inline);
            } else {
                head.extend((start + tail.len() as u32).to_le_bytes());
                tail.extend(data);
            }
        }
        [head, vec![0; 4], tail].concat()
    }
}

/// The JPEG with an EXIF block of date, offset, orientation and place.
pub fn with_exif(jpeg: &[u8], date: &str, offset: Option<&str>, orientation: u16, gps: &Gps) -> Vec<u8> {
    let mut camera = Tiff { entries: vec![] };
    camera.text(0x9003, date);
    if let Some(offset) = offset {
        camera.text(0x9011, offset);
    }
    let mut place = Tiff { entries: vec![] };
    let degrees = |v: f64| {
        let n = (v.abs() * 3_600_000.0).round() as u32;
        [(n / 3_600_000, 1), (n / 60_000 % 60, 1), (n % 60_000, 1000)]
    };
    match gps {
        Gps::Absent => {}
        Gps::Emptied => {
            place.text(1, "");
            place.rationals(2, &[(0, 0); 3]);
            place.text(3, "");
            place.rationals(4, &[(0, 0); 3]);
        }
        Gps::At(lat, lon) => {
            place.text(1, if *lat < 0.0 { "S" } else { "N" });
            place.rationals(2, &degrees(*lat));
            place.text(3, if *lon < 0.0 { "W" } else { "E" });
            place.rationals(4, &degrees(*lon));
        }
        Gps::Raw(numbers) => {
            place.text(1, "N");
            place.rationals(2, numbers);
            place.text(3, "E");
            place.rationals(4, numbers);
        }
    }
    let main = |camera_at, place_at| {
        let mut main = Tiff { entries: vec![] };
        main.text(0x010f, "<script>alert(1)</script>");
        main.short(0x0112, orientation);
        main.long(0x8769, camera_at);
        main.long(0x8825, place_at);
        main
    };
    let camera_at = 8 + main(0, 0).bytes(0).len() as u32;
    let place_at = camera_at + camera.bytes(0).len() as u32;
    let tiff = [b"II*\0\x08\0\0\0".to_vec(), main(camera_at, place_at).bytes(8), camera.bytes(camera_at), place.bytes(place_at)].concat();
    let length = (tiff.len() as u16 + 8).to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, b"Exif\0\0", &tiff, &jpeg[2..]].concat()
}

/// A PNG that claims 60,000 × 60,000 pixels in a few bytes.
pub fn png_bomb() -> Vec<u8> {
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        let mut crc = !0u32;
        for b in kind.iter().chain(body) {
            crc ^= u32::from(*b);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        [&(body.len() as u32).to_be_bytes()[..], kind, body, &(!crc).to_be_bytes()].concat()
    };
    let header = [&60_000u32.to_be_bytes()[..], &60_000u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &[0x78, 0x9c, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 1]),
        chunk(b"IEND", b""),
    ]
    .concat()
}

/// A QuickTime file with a `moov` that knows a time and a place, and no picture.
pub fn movie(seconds_1904: u32, place: &str) -> Vec<u8> {
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    let words = |n: &[u32]| n.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    let mvhd = boxed(
        b"mvhd",
        &words(&[
            0,
            seconds_1904,
            seconds_1904,
            1000,
            12_000,
            0x1_0000,
            0x0100_0000,
            0,
            0,
            0x1_0000,
            0,
            0,
            0,
            0x1_0000,
            0,
            0,
            0,
            0x4000_0000,
            0,
            0,
            0,
            0,
            0,
            0,
            2,
        ]),
    );
    let text = [&(place.len() as u16).to_be_bytes()[..], &[0x15, 0xc7], place.as_bytes()].concat();
    let udta = boxed(b"udta", &boxed(b"\xa9xyz", &text));
    [boxed(b"ftyp", b"qt  \0\0\0\0qt  "), boxed(b"mdat", &[7; 64]), boxed(b"moov", &[mvhd, udta].concat())].concat()
}
