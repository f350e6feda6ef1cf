//! The order in which the queue is shown unless another is asked for.

use super::area::Circle;
use super::signs::SECOND_HAND;
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::Exhibit;
use crate::domain::value::{SECOND_US, Utc};

/// Closeness to the incident, smaller is closer; the stated formula of the queue's default order:
/// minutes outside the appeal's time window, plus hundreds of metres outside its area, in
/// thousandths. An unknown time counts as six hours away, an unknown place as ten kilometres:
/// behind what is known to be near, before what is known to be far. What came by somebody else (told so, named or made as messengers do, a
/// picture of a screen) counts as an hour further away, so that of what is equally close the first hand comes first. Times count in whole seconds, places as
/// [`super::E7`]: the browser (`islands/workspace/filter.ts`) comes to the same number.
pub fn closeness(appeal: &Appeal, e: &Exhibit) -> i64 {
    const UNKNOWN_MINUTES: f64 = 360.0;
    const UNKNOWN_HECTOMETRES: f64 = 100.0;
    const SECOND_HAND_MINUTES: f64 = 60.0;
    const FAR: f64 = 1_000_000.0;
    #[allow(clippy::cast_precision_loss)]
    let minutes = e.when.map_or(UNKNOWN_MINUTES, |w| {
        let early = (seconds_down(appeal.from) - seconds_down(w.to)).max(0);
        let late = (seconds_up(w.from) - seconds_up(appeal.to)).max(0);
        (early.max(late) as f64 / 60.0).min(FAR)
    });
    let area = Circle::new(appeal.area.centre, appeal.area.radius_m);
    let hectometres =
        e.place.map_or(UNKNOWN_HECTOMETRES, |p| ((area.metres_to(p.point.into()) - appeal.area.radius_m).max(0.0) / 100.0).min(FAR));
    let passed_on = if e.signs & SECOND_HAND == 0 { 0.0 } else { SECOND_HAND_MINUTES };
    #[allow(clippy::cast_possible_truncation)]
    let thousandths = ((minutes + hectometres + passed_on) * 1_000.0 + 0.5).floor() as i64;
    thousandths
}

/// Whole seconds since 1970, of the second that the moment lies in.
pub const fn seconds_down(at: Utc) -> i64 {
    at.micros().div_euclid(SECOND_US)
}

/// Whole seconds since 1970, of the first full second at or after it.
pub const fn seconds_up(at: Utc) -> i64 {
    -(-at.micros()).div_euclid(SECOND_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_go_both_ways() {
        for (micros, down, up) in [(0, 0, 0), (1, 0, 1), (999_999, 0, 1), (1_000_000, 1, 1), (-1, -1, 0), (-1_000_000, -1, -1)] {
            assert_eq!((seconds_down(Utc::from_micros(micros)), seconds_up(Utc::from_micros(micros))), (down, up), "{micros}");
        }
    }
}
