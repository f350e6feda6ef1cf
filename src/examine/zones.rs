//! The time zone at a place (timezone-boundary-builder's map, ODbL, in the crate `tzf-rs`).

use std::sync::OnceLock;

use tzf_rs::DefaultFinder;

use crate::domain::capture::{Found, PlaceStatus};

/// The zone at the first place that the file states, as the tz database names it.
pub fn there(found: &Found) -> Option<&'static str> {
    static FINDER: OnceLock<DefaultFinder> = OnceLock::new();
    let point = found.places.iter().find(|p| p.status == PlaceStatus::Stated)?.point?;
    let name = FINDER.get_or_init(DefaultFinder::new).get_tz_name(point.lon, point.lat);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::capture::{PlaceFound, Source};
    use crate::domain::value::Point;

    #[test]
    fn neighbours_have_their_own_zones() {
        let at = |lat, lon| Found {
            places: vec![PlaceFound { point: Point::new(lat, lon), ..PlaceFound::of(Source::ExifGps, PlaceStatus::Stated) }],
            ..Found::default()
        };
        assert_eq!(there(&at(48.5734, 7.7521)), Some("Europe/Paris"));
        assert_eq!(there(&at(48.5728, 7.8159)), Some("Europe/Berlin"));
        assert_eq!(there(&at(31.6904, -106.4245)), Some("America/Ciudad_Juarez"));
        assert_eq!(there(&Found::default()), None);
    }
}
