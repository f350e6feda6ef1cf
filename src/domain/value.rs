//! Small values that everything else is made of: ids, digests, times, points on the Earth.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A UUIDv7 (RFC 9562): unguessable enough to name things, never enough to open them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 16]);

impl Id {
    /// Comes before every other.
    pub const FIRST: Id = Id([0; 16]);

    /// Builds an id from a moment and ten random bytes; both are passed in, so that tests can fix them.
    pub fn new(at: Utc, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.micros() / 1000).unwrap_or(0);
        Self(*uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_bytes())
    }

    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The moment in which it was made, to a millisecond.
    pub fn at(&self) -> Utc {
        let millis = self.0[..6].iter().fold(0i64, |n, b| n << 8 | i64::from(*b));
        Utc::from_micros(millis * 1_000)
    }

    /// The sixteen bytes, as the database keeps them.
    pub fn blob(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        // Only the canonical form: one thing has one name in URLs, logs and proofs.
        if text.len() != 36 {
            return Err(());
        }
        uuid::Uuid::try_parse(text).map(|u| Self(*u.as_bytes())).map_err(|_| ())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|()| serde::de::Error::custom("not an id"))
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Of everything that a reader gives, and how many bytes that is; `told` hears of each piece.
    pub fn of_reader(mut reader: impl std::io::Read, mut told: impl FnMut(&[u8])) -> std::io::Result<(Self, u64)> {
        let (mut hasher, mut size, mut buffer) = (<sha2::Sha256 as sha2::Digest>::new(), 0, vec![0; 1 << 20]);
        loop {
            let n = reader.read(&mut buffer)?;
            if n == 0 {
                return Ok((Self::from_bytes(sha2::Digest::finalize(hasher).into()), size));
            }
            sha2::Digest::update(&mut hasher, &buffer[..n]);
            told(&buffer[..n]);
            size += n as u64;
        }
    }

    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.trim().to_ascii_lowercase().as_bytes()).ok().and_then(|b| Self::from_slice(&b))
    }

    pub fn from_base64(text: &str) -> Option<Self> {
        BASE64.decode(text.as_bytes()).ok().and_then(|b| Self::from_slice(&b))
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn blob(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    pub fn base64(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// `Repr-Digest` as RFC 9530 writes it.
    pub fn repr_digest(&self) -> String {
        format!("sha-256=:{}:", self.base64())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::from_hex(&String::deserialize(d)?).ok_or_else(|| serde::de::Error::custom("not a SHA-256 in hexadecimal"))
    }
}

/// An instant: microseconds since 1970-01-01T00:00:00Z. Text form is RFC 3339 with six decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Utc(i64);

pub const SECOND_US: i64 = 1_000_000;
pub const MINUTE_US: i64 = 60 * SECOND_US;
pub const HOUR_US: i64 = 60 * MINUTE_US;
pub const DAY_US: i64 = 24 * HOUR_US;

impl Utc {
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn plus(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The same instant on the wall clock of a named IANA zone, to the second.
    pub fn in_zone(self, zone: &str) -> String {
        let tz = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        self.timestamp().to_zoned(tz).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// For people whom parts of a second do not help, where no place has a zone for it.
    pub fn to_the_second(self) -> String {
        self.timestamp().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.timestamp())
    }
}

impl FromStr for Utc {
    type Err = ();
    /// RFC 3339 with an offset; the offset is honoured and forgotten.
    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_microsecond())).map_err(|_| ())
    }
}

impl Serialize for Utc {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Utc {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|()| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// A point on the Earth, WGS 84 degrees. Building one proves that it exists.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Point {
    pub lat: f64,
    pub lon: f64,
}

/// Metres in one degree of latitude on the sphere of radius 6,371,008.8 m (IUGG mean radius).
pub const METRES_PER_DEGREE: f64 = 111_195.080;

impl Point {
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        (lat.is_finite() && lon.is_finite() && lat.abs() <= 90.0 && lon.abs() <= 180.0).then_some(Self { lat, lon })
    }

    /// Metres between two points on the plane that touches the Earth at `self`.
    ///
    /// The database asks the same question with the same formula (`db::search`), so that both give
    /// the same exhibits. Against the great circle it is off by less than 0.5 % within 100 km.
    pub fn metres_to(&self, other: Point) -> f64 {
        let mut d_lon = (other.lon - self.lon).abs();
        if d_lon > 180.0 {
            d_lon = 360.0 - d_lon;
        }
        let x = d_lon * METRES_PER_DEGREE * self.lat.to_radians().cos();
        let y = (other.lat - self.lat) * METRES_PER_DEGREE;
        x.hypot(y)
    }
}

/// Text that people typed or files carry, made fit to be kept and shown: control characters and
/// bidirectional overrides become visible symbols, and length is bounded.
pub fn shown(text: &str, chars_max: usize) -> String {
    text.chars()
        .take(chars_max)
        .map(|c| match c {
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}' => '\u{fffd}',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// The same of a text in which line breaks are welcome; without what stands around it.
pub fn paragraphs(text: &str, chars_max: usize) -> String {
    let bounded: String = text.trim().replace("\r\n", "\n").chars().take(chars_max).collect();
    bounded.split('\n').map(|line| shown(line, chars_max)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_stay_and_nothing_else_that_controls() {
        assert_eq!(paragraphs(" one\r\ntwo\u{202e}\u{7}\n\nthree\r ", 4_000), "one\ntwo\u{fffd}\u{2407}\n\nthree");
        assert_eq!(paragraphs("one\r\ntwo", 5), "one\nt");
    }

    /// What a clock that was never set says has to be read again as it was written.
    #[test]
    fn times_before_the_year_1_read_back() {
        let t = Utc::from_micros(-62_135_596_800 * SECOND_US - 1);
        assert_eq!(t.to_string().parse::<Utc>(), Ok(t));
    }

    #[test]
    fn time_has_six_decimals_and_reads_back() {
        let t = Utc::from_micros(1_700_000_000_120_000);
        assert_eq!(t.to_string(), "2023-11-14T22:13:20.120000Z");
        assert_eq!("2023-11-14T23:13:20.12+01:00".parse::<Utc>(), Ok(t));
        assert_eq!("yesterday".parse::<Utc>(), Err(()));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = Id::new(Utc::from_micros(1_700_000_000_000_000), [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().replace('-', "").parse::<Id>(), Err(()));
    }

    #[test]
    fn points_outside_the_earth_are_refused() {
        assert!(Point::new(91.0, 0.0).is_none());
        assert!(Point::new(f64::NAN, 0.0).is_none());
        assert!(Point::new(-90.0, 180.0).is_some());
    }

    #[test]
    fn distance_crosses_the_antimeridian() {
        let fiji = Point::new(-17.0, 179.9).unwrap();
        let east = Point::new(-17.0, -179.9).unwrap();
        let metres = fiji.metres_to(east);
        assert!((21_000.0..21_500.0).contains(&metres), "{metres}");
    }

    #[test]
    fn hostile_text_becomes_visible() {
        assert_eq!(shown("a\0b\u{202e}c\nd", 99), "a\u{2400}b\u{fffd}c\u{240a}d");
        assert_eq!(shown("abcdef", 3), "abc");
    }
}
