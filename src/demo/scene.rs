//! Procedural pictures of a square that does not exist: sky, façades with lit windows, a lighthouse, people, a
//! white van seen from bearings, smoke. Nobody's copyright and nobody's face.

use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::error::{Error, Result};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 720;

/// What decides a picture.
#[derive(Clone)]
pub struct Shot {
    pub seed: u64,
    /// Degrees from north in which the camera looks.
    pub bearing: f64,
    /// 0 none to 1 thick.
    pub smoke: f64,
}

/// A small generator of even numbers (SplitMix64); the same seed paints the same picture.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n.max(1))).unwrap_or(0)
    }

    /// Even in -1 to 1.
    #[allow(clippy::cast_precision_loss)]
    fn even(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Bell-shaped around `centre`.
    pub fn around(&mut self, centre: f64, spread: f64) -> f64 {
        centre + spread * (self.even() + self.even() + self.even()) / 1.7
    }
}

pub struct Scene {
    picture: RgbImage,
}

impl Scene {
    pub fn draw(shot: &Shot) -> Self {
        let mut scene = Self { picture: RgbImage::new(WIDTH, HEIGHT) };
        let mut chance = Chance::new(shot.seed ^ 0x5eed);
        scene.sky_and_ground(&mut chance);
        scene.houses(shot, &mut chance);
        scene.people_and_van(shot, &mut chance);
        scene.smoke(shot, &mut chance);
        scene.grain(&mut chance);
        scene
    }

    fn fill(&mut self, x: i64, y: i64, w: i64, h: i64, colour: [u8; 3]) {
        let clamp = |v: i64, max: u32| u32::try_from(v.clamp(0, i64::from(max))).unwrap_or(0);
        let (from, to) = (clamp(x, WIDTH) as usize * 3, clamp(x + w, WIDTH) as usize * 3);
        if from >= to {
            return;
        }
        // Line by line: also the tests' unoptimised program draws hundreds of them.
        let line = colour.repeat((to - from) / 3);
        let rows = self.picture.chunks_exact_mut(WIDTH as usize * 3);
        for row in rows.take(clamp(y + h, HEIGHT) as usize).skip(clamp(y, HEIGHT) as usize) {
            row[from..to].copy_from_slice(&line);
        }
    }

    fn sky_and_ground(&mut self, chance: &mut Chance) {
        let dusk = u8::try_from(chance.below(40)).unwrap_or(0);
        for y in 0..HEIGHT {
            let t = u8::try_from(y * 120 / HEIGHT).unwrap_or(0);
            let colour =
                if y < HEIGHT * 3 / 5 { [30 + dusk + t / 2, 40 + dusk + t / 2, 80 + t] } else { [70 + t / 4, 66 + t / 4, 60 + t / 4] };
            self.fill(0, i64::from(y), i64::from(WIDTH), 1, colour);
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn houses(&mut self, shot: &Shot, chance: &mut Chance) {
        let ground = i64::from(HEIGHT * 3 / 5);
        // Turning the camera shifts the row of houses.
        let mut x = -((shot.bearing * 8.0) as i64 % 240) - 60;
        let mut house = (shot.bearing / 30.0) as u64;
        while x < i64::from(WIDTH) {
            let mut own = Chance::new(house + 77);
            let (w, h) = (120 + i64::from(own.below(120)), 160 + i64::from(own.below(200)));
            let tone = 80 + own.below(90) as u8;
            self.fill(x, ground - h, w - 6, h, [tone, tone.saturating_sub(20), tone.saturating_sub(35)]);
            for row in 0..h / 50 {
                for column in 0..w / 40 {
                    let lit = own.below(3) == 0 || chance.below(9) == 0;
                    let colour = if lit { [240, 210, 120] } else { [40, 45, 60] };
                    self.fill(x + 12 + column * 40, ground - h + 14 + row * 50, 20, 28, colour);
                }
            }
            x += w;
            house += 1;
        }
        let tower = (720.0 - shot.bearing * 3.0) as i64;
        self.fill(tower, ground - 420, 60, 420, [225, 225, 220]);
        self.fill(tower, ground - 300, 60, 60, [180, 40, 40]);
        self.fill(tower, ground - 160, 60, 60, [180, 40, 40]);
    }

    fn people_and_van(&mut self, shot: &Shot, chance: &mut Chance) {
        let ground = i64::from(HEIGHT * 3 / 5);
        if shot.seed.is_multiple_of(3) {
            let (x, y) = (i64::from(chance.below(WIDTH - 200)), ground + 30);
            self.fill(x, y, 200, 90, [235, 235, 235]);
            self.fill(x + 140, y + 10, 50, 35, [60, 80, 100]);
            self.fill(x + 25, y + 80, 36, 36, [20, 20, 20]);
            self.fill(x + 140, y + 80, 36, 36, [20, 20, 20]);
        }
        for _ in 0..6 + chance.below(14) {
            let (x, y) = (i64::from(chance.below(WIDTH)), ground + 20 + i64::from(chance.below(180)));
            let shirt = [0; 3].map(|_: u8| u8::try_from(40 + chance.below(180)).unwrap_or(0));
            self.fill(x, y, 16, 44, shirt);
            self.fill(x + 3, y - 13, 10, 12, [170, 130, 105]);
            self.fill(x + 1, y + 44, 14, 34, [35, 35, 50]);
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn smoke(&mut self, shot: &Shot, chance: &mut Chance) {
        for _ in 0..(shot.smoke * 40.0) as u32 {
            let (cx, cy) = (i64::from(chance.below(WIDTH)), i64::from(chance.below(HEIGHT / 2)));
            let r = 20 + i64::from(chance.below(70));
            for y in (cy - r).max(0)..(cy + r).min(i64::from(HEIGHT)) {
                for x in (cx - r).max(0)..(cx + r).min(i64::from(WIDTH)) {
                    if (x - cx).pow(2) + (y - cy).pow(2) < r * r {
                        let pixel = self.picture.get_pixel_mut(x as u32, y as u32);
                        pixel.0 = pixel.0.map(|c| c / 2 + 55);
                    }
                }
            }
        }
    }

    /// A sensor's noise, so that files have the size of photos.
    fn grain(&mut self, chance: &mut Chance) {
        // Eight bytes at a time, each brought under 241 first, so that nothing is carried into its neighbour.
        const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;
        let (whole, _) = self.picture.as_chunks_mut::<8>();
        for eight in whole {
            let bright = u64::from_le_bytes(*eight);
            *eight = (bright - (bright >> 4 & LOW) + (chance.next() & LOW)).to_le_bytes();
        }
    }

    /// As if forwarded: a quarter smaller.
    pub fn shrink(&mut self) {
        let small = DynamicImage::ImageRgb8(std::mem::take(&mut self.picture)).thumbnail(WIDTH * 3 / 4, HEIGHT * 3 / 4);
        self.picture = small.to_rgb8();
    }

    /// As if retouched: something painted over.
    pub fn paint_over(&mut self) {
        self.fill(380, 400, 180, 120, [120, 110, 100]);
    }

    pub fn jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        let side = |n: u32| u16::try_from(n).map_err(Error::internal);
        let (width, height) = (side(self.picture.width())?, side(self.picture.height())?);
        encoder.encode(self.picture.as_raw(), width, height, ColorType::Rgb).map_err(Error::internal)?;
        Ok(out)
    }
}
