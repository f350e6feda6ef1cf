//! Writes the few EXIF fields (CIPA DC-008) that the demonstration's cameras would: a little-endian TIFF in a
//! JPEG's APP1 segment.

use crate::domain::value::{Point, Utc};

pub struct Metadata {
    pub make: &'static str,
    pub model: &'static str,
    pub software: &'static str,
    /// `YYYY-MM-DD HH:MM:SS` on the camera's clock.
    pub local: String,
    pub offset: Option<String>,
    pub gps: Gps,
}

pub enum Gps {
    Absent,
    /// The fields are there and hold nothing.
    Emptied,
    At {
        point: Point,
        utc: Utc,
        bearing: f64,
    },
}

enum Value {
    Text(String),
    Long(u32),
    Rationals(Vec<(u32, u32)>),
}

struct Ifd(Vec<(u16, Value)>);

impl Ifd {
    /// Bytes of the directory and its values, when it starts at `at`.
    fn bytes(&self, at: u32) -> Vec<u8> {
        let mut entries = Vec::new();
        let mut values = Vec::new();
        let size = |n: usize| u32::try_from(n).unwrap_or(0);
        let values_at = at + 2 + 12 * size(self.0.len()) + 4;
        for (tag, value) in &self.0 {
            let (kind, count, data) = match value {
                Value::Text(t) => (2u16, size(t.len() + 1), [t.as_bytes(), b"\0"].concat()),
                Value::Long(n) => (4, 1, n.to_le_bytes().to_vec()),
                Value::Rationals(r) => {
                    (5, size(r.len()), r.iter().flat_map(|(n, d)| [n.to_le_bytes(), d.to_le_bytes()].concat()).collect())
                }
            };
            entries.extend(tag.to_le_bytes());
            entries.extend(kind.to_le_bytes());
            entries.extend(count.to_le_bytes());
            if data.len() <= 4 {
                let mut inline = data;
                inline.resize(4, 0);
                entries.extend(inline);
            } else {
                entries.extend((values_at + size(values.len())).to_le_bytes());
                values.extend(data);
                if values.len() % 2 == 1 {
                    values.push(0);
                }
            }
        }
        let count = u16::try_from(self.0.len()).unwrap_or(0);
        [&count.to_le_bytes()[..], &entries, &[0; 4], &values].concat()
    }

    fn len(&self) -> u32 {
        u32::try_from(self.bytes(0).len()).unwrap_or(0)
    }
}

fn tiff(m: &Metadata) -> Vec<u8> {
    let date = m.local.replacen('-', ":", 2);
    let mut camera = vec![(0x9003, Value::Text(date.clone())), (0x9004, Value::Text(date))];
    if let Some(offset) = &m.offset {
        camera.push((0x9011, Value::Text(offset.clone())));
    }
    let camera = Ifd(camera);
    let gps = gps(&m.gps);
    let main = |camera_at: u32, gps_at: u32| {
        let mut fields = vec![
            (0x010f, Value::Text(m.make.into())),
            (0x0110, Value::Text(m.model.into())),
            (0x0131, Value::Text(m.software.into())),
            (0x8769, Value::Long(camera_at)),
        ];
        if gps.is_some() {
            fields.push((0x8825, Value::Long(gps_at)));
        }
        Ifd(fields)
    };
    let camera_at = 8 + main(0, 0).len();
    let gps_at = camera_at + camera.len();
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend(main(camera_at, gps_at).bytes(8));
    out.extend(camera.bytes(camera_at));
    if let Some(gps) = gps {
        out.extend(gps.bytes(gps_at));
    }
    out
}

fn gps(gps: &Gps) -> Option<Ifd> {
    let (point, utc, bearing) = match gps {
        Gps::Absent => return None,
        Gps::Emptied => {
            let nothing = || Value::Rationals(vec![(0, 0); 3]);
            return Some(Ifd(vec![(1, Value::Text(String::new())), (2, nothing()), (3, Value::Text(String::new())), (4, nothing())]));
        }
        Gps::At { point, utc, bearing } => (point, utc, bearing),
    };
    let degrees = |value: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let millis = (value.abs() * 3_600_000.0).round() as u32;
        Value::Rationals(vec![(millis / 3_600_000, 1), (millis / 60_000 % 60, 1), (millis % 60_000, 1000)])
    };
    let sign = |value: f64, plus: &str, minus: &str| Value::Text(if value < 0.0 { minus } else { plus }.to_owned());
    let stamp = utc.to_string();
    let part = |range: std::ops::Range<usize>| stamp.get(range).and_then(|t| t.parse().ok()).unwrap_or(0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let centidegrees = (bearing * 100.0) as u32;
    Some(Ifd(vec![
        (1, sign(point.lat, "N", "S")),
        (2, degrees(point.lat)),
        (3, sign(point.lon, "E", "W")),
        (4, degrees(point.lon)),
        (7, Value::Rationals(vec![(part(11..13), 1), (part(14..16), 1), (part(17..19), 1)])),
        (16, Value::Text("T".into())),
        (17, Value::Rationals(vec![(centidegrees, 100)])),
        (29, Value::Text(stamp.get(..10).unwrap_or_default().replace('-', ":"))),
        (31, Value::Rationals(vec![(8, 1)])),
    ]))
}

/// The same JPEG with these fields.
pub fn with_metadata(jpeg: &[u8], m: &Metadata) -> Vec<u8> {
    let tiff = tiff(m);
    let length = u16::try_from(tiff.len() + 8).unwrap_or(u16::MAX);
    let start = jpeg.get(..2).unwrap_or_default();
    let rest = jpeg.get(2..).unwrap_or_default();
    [start, b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", &tiff, rest].concat()
}
