//! Deciding again without knowing: a sample that everybody who has the seed can draw again, and how far two opinions agree.
//!
//! Cohen's kappa: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological Measurement 20 (1960).

use crate::domain::value::{Id, Sha256};

pub const PERCENT_DEFAULT: u64 = 10;

/// The exhibits drawn, in the order in which they are decided again: sorted by `SHA-256("temoin-sample/v1" ‖ 0x00 ‖ seed ‖ 0x00 ‖ id)`, the
/// first `percent` of a hundred, rounded up.
pub fn draw(seed: &str, population: &[Id], percent: u64) -> Vec<Id> {
    let mut all: Vec<(Sha256, Id)> =
        population.iter().map(|id| (Sha256::of(format!("temoin-sample/v1\0{seed}\0{id}").as_bytes()), *id)).collect();
    all.sort_by(|a, b| a.0.bytes().cmp(b.0.bytes()));
    let wanted = (all.len() as u64 * percent.min(100)).div_ceil(100);
    all.into_iter().take(usize::try_from(wanted).unwrap_or(usize::MAX)).map(|(_, id)| id).collect()
}

/// How far first and second opinions agree.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Agreement {
    pub pairs: usize,
    pub same: usize,
    /// From -1 to 1; `None` when chance alone explains everything (one value only), which says nothing.
    pub kappa: Option<f64>,
}

/// Of pairs of opinions. The second look is drawn from one value of the first, so kappa is over what both said and is low by construction
/// where few differ: the page says so beside it.
pub fn agreement<T: PartialEq>(pairs: &[(T, T)]) -> Agreement {
    let n = pairs.len();
    let same = pairs.iter().filter(|(a, b)| a == b).count();
    let mut values: Vec<&T> = Vec::new();
    for (a, b) in pairs {
        for v in [a, b] {
            if !values.contains(&v) {
                values.push(v);
            }
        }
    }
    #[allow(clippy::cast_precision_loss)]
    let share = |count: usize| count as f64 / n.max(1) as f64;
    let chance: f64 = values
        .iter()
        .map(|v| share(pairs.iter().filter(|p| p.0 == **v).count()) * share(pairs.iter().filter(|p| p.1 == **v).count()))
        .sum();
    let kappa = (n > 0 && chance < 1.0).then(|| (share(same) - chance) / (1.0 - chance));
    Agreement { pairs: n, same, kappa }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Utc;

    #[test]
    fn a_seed_draws_the_same_sample_from_any_order() {
        let mut all: Vec<Id> = (0..100).map(|n| Id::new(Utc::from_micros(0), [n; 10])).collect();
        let drawn = draw("dawn", &all, 10);
        all.reverse();
        assert_eq!(draw("dawn", &all, 10), drawn);
        assert_eq!(drawn.len(), 10);
        assert_ne!(draw("dusk", &all, 10), drawn);
        assert_eq!(draw("dawn", &all[..3], 10).len(), 1, "some of a few");
        assert!(draw("dawn", &[], 10).is_empty());
    }

    #[test]
    fn kappa_of_the_textbook() {
        // Cohen's measure on 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no.
        let mut pairs = vec![("y", "y"); 20];
        pairs.extend(vec![("y", "n"); 5]);
        pairs.extend(vec![("n", "y"); 10]);
        pairs.extend(vec![("n", "n"); 15]);
        let found = agreement(&pairs);
        assert_eq!((found.pairs, found.same), (50, 35));
        assert!((found.kappa.unwrap() - 0.4).abs() < 1e-9, "{found:?}");
        assert_eq!(agreement(&[("n", "n"); 4]).kappa, None);
        assert_eq!(agreement::<&str>(&[]).kappa, None);
    }
}
