//! A device whose clock is wrong: an investigator found out by how much, and every file of that device gets a further claim. What the
//! clock said stays as it is.

use super::capture::{Grade, Source, TimeClaim, WITHDRAWN};
use super::value::{Id, Sha256, Utc};

/// Largest correction and doubt: a century.
pub const CORRECTION_US_MAX: i64 = 100 * 366 * super::value::DAY_US;

#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    pub id: Id,
    pub device: Sha256,
    /// Added to what the clock said.
    pub delta_us: i64,
    pub doubt_us: i64,
    /// The exhibit that showed it.
    pub basis: Id,
    pub reason: String,
    /// Who says so.
    pub by: String,
    pub at: Utc,
}

impl Correction {
    pub fn path(&self) -> String {
        format!("correction/{}", self.id)
    }

    /// The corrected claim of an exhibit, made from what the device's own clock says best, if it says anything. A clock that was set right by
    /// satellite in the file itself needs no other.
    pub fn claim(&self, claims: &[TimeClaim]) -> Option<TimeClaim> {
        let clock = |source| {
            matches!(
                source,
                Source::ExifOriginal
                    | Source::ExifDigitized
                    | Source::QuicktimeCreationdate
                    | Source::ContainerHeader
                    | Source::RecordedText
            )
        };
        let best = claims.iter().filter(|c| clock(c.source) && c.from.is_some() && c.zone_from != "gps").min_by_key(|c| c.grade)?;
        let (from, to) = best.from.zip(best.to)?;
        Some(TimeClaim {
            source: Source::ClockCorrection,
            raw: format!("{} {:+} s ± {} s", best.path, self.delta_us / 1_000_000, self.doubt_us / 1_000_000),
            path: self.path(),
            reader: "review".into(),
            from: Some(from.plus(self.delta_us - self.doubt_us)),
            to: Some(to.plus(self.delta_us + self.doubt_us)),
            grade: Grade::B,
            zone_from: best.zone_from.clone(),
            problem: None,
        })
    }

    /// The claim that takes it back.
    pub fn withdrawal(&self) -> TimeClaim {
        TimeClaim {
            source: Source::ClockCorrection,
            raw: String::new(),
            path: self.path(),
            reader: "review".into(),
            from: None,
            to: None,
            grade: Grade::B,
            zone_from: "none".into(),
            problem: Some(WITHDRAWN.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::capture::effective_time;

    #[test]
    fn a_corrected_clock_counts_until_it_is_withdrawn() {
        let at = |t: &str| t.parse::<Utc>().unwrap();
        let wrong = TimeClaim {
            source: Source::ExifOriginal,
            raw: String::new(),
            path: "EXIF:DateTimeOriginal".into(),
            reader: "test".into(),
            from: Some(at("2038-01-01T00:00:00Z")),
            to: Some(at("2038-01-01T00:00:02Z")),
            grade: Grade::C,
            zone_from: "appeal".into(),
            problem: Some("in-the-future".into()),
        };
        let id = Id::new(at("2026-07-14T00:00:00Z"), [1; 10]);
        let c = Correction {
            id,
            device: Sha256::of(b"d"),
            delta_us: -3_600_000_000,
            doubt_us: 5_000_000,
            basis: id,
            reason: "clock in the picture".into(),
            by: "a".into(),
            at: at("2026-07-14T00:00:00Z"),
        };
        let mut claims = vec![wrong];
        assert_eq!(effective_time(&claims), None);
        claims.push(c.claim(&claims).unwrap());
        let e = effective_time(&claims).unwrap();
        assert_eq!((e.source, e.from), (Source::ClockCorrection, at("2037-12-31T22:59:55Z")));
        claims.push(c.withdrawal());
        assert_eq!(effective_time(&claims), None);
    }
}
