//! PDQ: a picture's 256-bit fingerprint and how much there is in it. The steps are the reference's (`pdq/cpp/hashing` in Facebook's
//! ThreatExchange): luminance, Jarosz's box filter twice, 64 × 64 samples, the 16 × 16 lowest frequencies but the mean, the median.

/// A picture's luminance, 0 to 255, row by row.
#[derive(Clone, Debug)]
pub struct Gray {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<f32>,
}

/// 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hash(pub [u64; 4]);

impl Hash {
    /// How many bits differ.
    pub const fn distance(&self, other: &Hash) -> u32 {
        (self.0[0] ^ other.0[0]).count_ones()
            + (self.0[1] ^ other.0[1]).count_ones()
            + (self.0[2] ^ other.0[2]).count_ones()
            + (self.0[3] ^ other.0[3]).count_ones()
    }

    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (word, chunk) in self.0.iter().zip(bytes.chunks_exact_mut(8)) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.iter().fold(0, |v, b| v << 8 | u64::from(*b));
        }
        Self(words)
    }

    /// Sixteen bits of it, 0 to 15.
    pub const fn band(&self, n: usize) -> u16 {
        (self.0[n / 4] >> (16 * (n % 4)) & 0xffff) as u16
    }
}

/// A fingerprint, and how much there is in the picture, 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Printed {
    pub hash: Hash,
    pub quality: u8,
}

const SIDE: usize = 64;
const LOW: usize = 16;
type Square = [[f32; LOW]; LOW];

/// How much of a line has to be the frame's own colour: bars have writing in them, bands have not.
const IN_BARS: f64 = 0.5;
const IN_BANDS: f64 = 0.9;

/// How many lines of a picture, counted from one side, are a frame of the colour of the first. Some lines of dense writing do not end
/// it: the picture begins where a twelfth of all lines in a row are not the frame's.
fn framed(lines: usize, share: f64, line: &impl Fn(usize) -> Vec<f32>) -> usize {
    const SAME: f32 = 6.0;
    let like = |line: &[f32], level: f32| line.iter().filter(|v| (**v - level).abs() <= SAME).count() as f64 / line.len().max(1) as f64;
    let mut first = line(0);
    first.sort_by(f32::total_cmp);
    let Some(level) = first.get(first.len() / 2).copied().filter(|level| like(&first, *level) >= IN_BANDS) else { return 0 };
    let (mut frame, enough) = (0, (lines / 12).max(4));
    for n in 0..lines {
        if like(&line(n), level) >= share {
            frame = n + 1;
        } else if n - frame >= enough {
            break;
        }
    }
    frame
}

impl Gray {
    /// A part of it.
    pub fn window(&self, left: usize, top: usize, width: usize, height: usize) -> Gray {
        let rows = self.pixels.chunks_exact(self.width.max(1)).skip(top).take(height);
        Gray { width, height, pixels: rows.flat_map(|row| row.iter().skip(left).take(width).copied()).collect() }
    }

    /// Without its frame, if it has one and a picture is left within: the bars of a screenshot with the clock, title and buttons in
    /// them, or the bands beside a picture that fills a screen badly.
    pub fn trimmed(&self) -> Option<Gray> {
        let row = |y: usize| self.pixels[y * self.width..(y + 1) * self.width].to_vec();
        let top = framed(self.height, IN_BARS, &row);
        let bottom = self.height - framed(self.height - top, IN_BARS, &|y| row(self.height - 1 - y));
        let column = |x: usize| (top..bottom).map(|y| self.pixels[y * self.width + x]).collect::<Vec<_>>();
        let left = framed(self.width, IN_BANDS, &column);
        let right = self.width - framed(self.width - left, IN_BANDS, &|x| column(self.width - 1 - x));
        let (width, height) = (right - left, bottom - top);
        let share = (width * height) as f64 / (self.width * self.height).max(1) as f64;
        ((0.15..0.98).contains(&share) && width >= SIDE && height >= SIDE).then(|| self.window(left, top, width, height))
    }

    /// The nine windows of nine tenths.
    pub fn windows(&self) -> Vec<Gray> {
        let (w, h) = (self.width * 9 / 10, self.height * 9 / 10);
        let steps = |rest: usize| [0, rest / 2, rest];
        steps(self.height - h).into_iter().flat_map(|y| steps(self.width - w).map(|x| self.window(x, y, w, h))).collect()
    }

    /// Its lowest frequencies, and its quality.
    fn frequencies(&self) -> Option<(Square, u8)> {
        if self.width < 2 || self.height < 2 || self.pixels.len() != self.width * self.height {
            return None;
        }
        let small = sampled(self);
        Some((transformed(&small), quality(&small)))
    }

    pub fn printed(&self) -> Option<Printed> {
        self.frequencies().map(|(square, quality)| Printed { hash: hash(&square), quality })
    }
}

/// The fingerprints of all eight ways to turn and mirror a picture, upright first: rotating and mirroring only swaps frequencies and
/// changes their signs.
pub fn turned(picture: &Gray) -> Option<[Printed; 8]> {
    let (a, quality) = picture.frequencies()?;
    let make = |swap: bool, negative: fn(usize, usize) -> bool| {
        let mut b = [[0.0; LOW]; LOW];
        for (i, row) in a.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                let value = if negative(i, j) { -value } else { *value };
                if swap { b[j][i] = value } else { b[i][j] = value }
            }
        }
        Printed { hash: hash(&b), quality }
    };
    Some([
        make(false, |_, _| false),
        make(true, |_, j| j % 2 == 0),
        make(false, |i, j| (i + j) % 2 == 1),
        make(true, |i, _| i % 2 == 0),
        make(false, |i, _| i % 2 == 0),
        make(false, |_, j| j % 2 == 0),
        make(true, |_, _| false),
        make(true, |i, j| (i + j) % 2 == 1),
    ])
}

/// 64 × 64 samples of the picture, blurred so that none falls through.
fn sampled(picture: &Gray) -> [[f32; SIDE]; SIDE] {
    let (w, h) = (picture.width, picture.height);
    let window = |side: usize| side.div_ceil(2 * SIDE);
    let (mut a, mut b) = (picture.pixels.clone(), vec![0.0; w * h]);
    for _ in 0..2 {
        for (from, to) in a.chunks_exact(w).zip(b.chunks_exact_mut(w)) {
            box_filter(from, to, 1, w, window(w));
        }
        for x in 0..w {
            box_filter(&b[x..], &mut a[x..], w, h, window(h));
        }
    }
    let mut out = [[0.0; SIDE]; SIDE];
    for (i, row) in out.iter_mut().enumerate() {
        let y = ((i as f64 + 0.5) * h as f64 / SIDE as f64) as usize;
        for (j, value) in row.iter_mut().enumerate() {
            let x = ((j as f64 + 0.5) * w as f64 / SIDE as f64) as usize;
            *value = a[y * w + x];
        }
    }
    out
}

/// The mean over a window that is cut at both ends, for each place.
fn box_filter(from: &[f32], to: &mut [f32], stride: usize, length: usize, window: usize) {
    let window = window.clamp(1, length);
    let half = (window + 2) / 2;
    let (mut sum, mut count) = (0.0, 0.0);
    let (mut left, mut right, mut out) = (0, 0, 0);
    for _ in 0..half - 1 {
        sum += from[right];
        count += 1.0;
        right += stride;
    }
    for _ in 0..window - half + 1 {
        sum += from[right];
        count += 1.0;
        to[out] = sum / count;
        (right, out) = (right + stride, out + stride);
    }
    for _ in 0..length - window {
        sum += from[right] - from[left];
        to[out] = sum / count;
        (left, right, out) = (left + stride, right + stride, out + stride);
    }
    for _ in 0..half - 1 {
        sum -= from[left];
        count -= 1.0;
        to[out] = sum / count;
        (left, out) = (left + stride, out + stride);
    }
}

fn quality(a: &[[f32; SIDE]; SIDE]) -> u8 {
    let step = |u: f32, v: f32| i64::from(((u - v) * 100.0 / 255.0) as i32).abs();
    let down: i64 = (0..SIDE - 1).flat_map(|i| (0..SIDE).map(move |j| (i, j))).map(|(i, j)| step(a[i][j], a[i + 1][j])).sum();
    let right: i64 = (0..SIDE).flat_map(|i| (0..SIDE - 1).map(move |j| (i, j))).map(|(i, j)| step(a[i][j], a[i][j + 1])).sum();
    u8::try_from(((down + right) / 90).min(100)).unwrap_or(100)
}

fn transformed(a: &[[f32; SIDE]; SIDE]) -> Square {
    let scale = (2.0f32 / SIDE as f32).sqrt();
    let mut cosines = [[0.0f32; SIDE]; LOW];
    for (i, row) in cosines.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            let angle = std::f64::consts::PI / 2.0 / SIDE as f64 * (i + 1) as f64 * (2 * j + 1) as f64;
            *value = scale * angle.cos() as f32;
        }
    }
    let mut half = [[0.0f32; SIDE]; LOW];
    for (row, c) in half.iter_mut().zip(&cosines) {
        for (line, c) in a.iter().zip(c) {
            for (value, sample) in row.iter_mut().zip(line) {
                *value += c * sample;
            }
        }
    }
    let mut out = [[0.0f32; LOW]; LOW];
    for (row, line) in out.iter_mut().zip(&half) {
        for (value, c) in row.iter_mut().zip(&cosines) {
            *value = line.iter().zip(c).map(|(a, b)| a * b).sum();
        }
    }
    out
}

/// One bit for each frequency: whether it is above the median.
fn hash(square: &Square) -> Hash {
    let mut all: Vec<f32> = square.iter().flatten().copied().collect();
    all.sort_by(f32::total_cmp);
    let median = all[LOW * LOW / 2 - 1];
    let mut words = [0u64; 4];
    for (n, value) in square.iter().flatten().enumerate() {
        if *value > median {
            words[n / 64] |= 1 << (n % 64);
        }
    }
    Hash(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of a few hills among squares of every grey: `turn` says where each pixel comes from.
    fn hills(turn: impl Fn(f32, f32) -> (f32, f32)) -> Gray {
        let side = 1_024;
        let hill = |x: f32, y: f32, cx: f32, cy: f32, r: f32| 200.0 * (-((x - cx).powi(2) + (y - cy).powi(2)) / r).exp();
        let square = |x: f32, y: f32| {
            let n = (x as u32 / 23).wrapping_mul(2_654_435_761) ^ (y as u32 / 19).wrapping_mul(40_503_001);
            (n.wrapping_mul(0x9e37_79b9) >> 24) as f32 / 2.0
        };
        let pixels = (0..side * side)
            .map(|n| {
                let (x, y) = turn((n % side) as f32 / 4.0, (n / side) as f32 / 4.0);
                hill(x, y, 40.0, 60.0, 900.0)
                    + hill(x, y, 180.0, 90.0, 400.0)
                    + hill(x, y, 120.0, 200.0, 1_600.0)
                    + hill(x, y, 30.0, 220.0, 200.0)
                    + square(x, y)
            })
            .collect();
        Gray { width: side, height: side, pixels }
    }

    #[test]
    fn every_turn_is_found_among_the_eight() {
        let upright = turned(&hills(|x, y| (x, y))).unwrap();
        type Way = fn(f32, f32) -> (f32, f32);
        let ways: [Way; 8] = [
            |x, y| (x, y),
            |x, y| (y, 255.75 - x),
            |x, y| (255.75 - x, 255.75 - y),
            |x, y| (255.75 - y, x),
            |x, y| (x, 255.75 - y),
            |x, y| (255.75 - x, y),
            |x, y| (y, x),
            |x, y| (255.75 - y, 255.75 - x),
        ];
        for (n, way) in ways.into_iter().enumerate() {
            let other = hills(way).printed().unwrap();
            let nearest = upright.iter().map(|p| p.hash.distance(&other.hash)).min().unwrap();
            // Samples are not taken symmetrically, so it is near, not the same; a wrong way would be half of all bits off.
            assert!(nearest <= super::super::NEAR, "way {n}: {nearest}");
        }
    }

    #[test]
    fn borders_are_trimmed_and_plain_pictures_are_not() {
        let inner = hills(|x, y| (x, y));
        let mut framed = Gray { width: 300, height: 500, pixels: vec![20.0; 300 * 500] };
        for y in 0..256 {
            for x in 0..256 {
                // A fine pattern, as every photograph has: no line of it is flat.
                let pattern = if (x + y) % 2 == 0 { 40.0 } else { 0.0 };
                framed.pixels[(y + 120) * 300 + x + 20] = 40.0 + pattern + inner.pixels[4 * y * 1_024 + 4 * x];
            }
        }
        let trimmed = framed.trimmed().unwrap();
        assert!((250..=256).contains(&trimmed.width) && (250..=256).contains(&trimmed.height), "{} × {}", trimmed.width, trimmed.height);
        assert!(trimmed.printed().unwrap().hash.distance(&inner.printed().unwrap().hash) <= 40);
        let flat = Gray { width: 100, height: 100, pixels: vec![7.0; 10_000] };
        assert!(flat.trimmed().is_none());
        assert_eq!(flat.printed().unwrap().quality, 0);
        assert!(Gray { width: 1, height: 1, pixels: vec![1.0] }.printed().is_none());
    }

    #[test]
    fn bits_keep_their_bytes() {
        let h = hills(|x, y| (x, y)).printed().unwrap().hash;
        assert_eq!(Hash::from_bytes(h.to_bytes()), h);
        let bands: u32 = (0..16).map(|n| u32::from(h.band(n)).count_ones()).sum();
        assert_eq!(bands, h.0.iter().map(|w| w.count_ones()).sum::<u32>());
    }
}
