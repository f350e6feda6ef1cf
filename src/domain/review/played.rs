//! Which parts of a clip somebody has had before them.

/// Stretches of a clip.
const STRETCHES_MAX: usize = 32;
const CLIP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Played stretches in milliseconds, `0-15200 30000-31000`: in order, none twice. `None` when it is not that.
pub fn stretches(text: &str) -> Option<Vec<(u64, u64)>> {
    let mut all = Vec::new();
    let mut last = 0;
    for part in text.split_whitespace() {
        let (from, to) = part.split_once('-')?;
        let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
        if from < last || to <= from || to > CLIP_MS_MAX || all.len() == STRETCHES_MAX {
            return None;
        }
        last = to;
        all.push((from, to));
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_in_order() {
        assert_eq!(stretches("0-15200 30000-31000"), Some(vec![(0, 15_200), (30_000, 31_000)]));
        for wrong in ["", "5-5", "9-3", "0-9 5-12", "a-b", "1", "-3", "0-99999999999", &"1-2 ".repeat(40)] {
            assert_eq!(stretches(wrong), None, "{wrong}");
        }
    }
}
