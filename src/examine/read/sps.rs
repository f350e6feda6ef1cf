//! The size of an H.264 picture (ITU-T H.264 §7.3.2.1.1), for containers that do not say it.

/// Bits, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// Exp-Golomb (§9.1).
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    fn scaling_list(&mut self, size: u32) -> Option<()> {
        let (mut last, mut next) = (8i64, 8i64);
        for _ in 0..size {
            if next != 0 {
                let code = i64::from(self.golomb()?);
                let delta = if code % 2 == 0 { -code / 2 } else { code / 2 + 1 };
                next = (last + delta).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}

/// Width and height that are shown. `body` begins behind the header of the sequence parameter set.
pub fn size(body: &[u8]) -> Option<(u32, u32)> {
    let mut b = Bits { bytes: body, at: 0 };
    let profile = b.bits(8)?;
    b.bits(16)?;
    b.golomb()?;
    let mut chroma = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = b.golomb()?;
        if chroma == 3 {
            b.bit()?;
        }
        b.golomb()?;
        b.golomb()?;
        b.bit()?;
        if b.bit()? == 1 {
            for n in 0..if chroma == 3 { 12 } else { 8 } {
                if b.bit()? == 1 {
                    b.scaling_list(if n < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    b.golomb()?;
    match b.golomb()? {
        0 => {
            b.golomb()?;
        }
        1 => {
            b.bit()?;
            b.golomb()?;
            b.golomb()?;
            for _ in 0..b.golomb()?.min(255) {
                b.golomb()?;
            }
        }
        _ => {}
    }
    b.golomb()?;
    b.bit()?;
    let (columns, rows) = (b.golomb()?.checked_add(1)?, b.golomb()?.checked_add(1)?);
    let frames_only = b.bit()?;
    if frames_only == 0 {
        b.bit()?;
    }
    b.bit()?;
    let (mut width, mut height) = (columns.checked_mul(16)?, rows.checked_mul(16 * (2 - frames_only))?);
    if b.bit()? == 1 {
        let [left, right, top, bottom] = [b.golomb()?, b.golomb()?, b.golomb()?, b.golomb()?];
        // In units of the colour planes' own samples.
        let (x, y) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        width = width.checked_sub(left.checked_add(right)?.checked_mul(x)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(y * (2 - frames_only))?)?;
    }
    (width > 0 && height > 0 && width <= 16_384 && height <= 16_384).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_1920_by_1080_is_cut_from_1088_lines() {
        // libx264, high profile, 1920 × 1080.
        let sps = [
            0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00,
            0xf0,
        ];
        assert_eq!(size(&sps), Some((1_920, 1_080)));
        for end in 0..10 {
            assert_eq!(size(&sps[..end]), None);
        }
        for n in 0..=255u8 {
            size(&[n; 40]);
        }
    }
}
