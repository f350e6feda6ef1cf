//! Boxes of ISO base media files (ISO/IEC 14496-12). Every length is held against what contains it, every step goes forward.

/// Boxes directly inside some bytes: type and body.
pub struct Boxes<'a>(pub &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);
    fn next(&mut self) -> Option<Self::Item> {
        let data = self.0;
        let short = u64::from(u32_at(data, 0)?);
        let kind = data.get(4..8)?.try_into().ok()?;
        let (header, length) = match short {
            0 => (8, data.len() as u64),
            1 => (16, u64_at(data, 8)?),
            n => (8, n),
        };
        let end = usize::try_from(length).ok()?.min(data.len());
        if end < header {
            self.0 = &[];
            return None;
        }
        self.0 = &data[end..];
        Some((kind, &data[header..end]))
    }
}

pub fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(b.get(at..at + 2)?.try_into().ok()?))
}
pub fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?))
}
pub fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(b.get(at..at + 8)?.try_into().ok()?))
}

pub fn child<'a>(body: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(body).find(|(k, _)| k == kind).map(|(_, b)| b)
}
