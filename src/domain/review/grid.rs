//! The grid by which places are found in an index: squares 2^15 ten-millionths of a degree wide (364 m from south to north), numbered row by row
//! from the south-west, as the column `cell` has them (`migrations/0011_nodes.sql`).

use super::area::{E7, HALF_TURN, TURN};
use super::filter::Filter;

const BITS: u32 = 15;
const ROW: i64 = 131_072;
const SOUTH: i64 = 900_000_000;
/// More squares than this (areas wider than some five kilometres) are not named one by one.
const CELLS_MAX: usize = 200;
/// Areas higher than so many rows (some 70 km) are no narrow question any more: they are met along the order's index.
const ROWS_MAX: usize = 200;
/// Of one cluster, where no area is asked for: about 11 km.
const ZOOM_WIDE: i64 = 20;

/// The rectangles, one or two at the antimeridian, that hold everything in the area that is asked for; none without an area.
fn bounds(filter: &Filter) -> Option<Vec<(E7, E7)>> {
    let mut all: Option<(E7, E7)> = None;
    let mut narrow = |south: i64, north: i64, west: i64, east: i64| {
        let (mut low, mut high) = (E7 { lat: south, lon: west }, E7 { lat: north, lon: east });
        if let Some((l, h)) = all {
            // Of several areas each holds the answer: the smaller will do.
            if (h.lat - l.lat).saturating_mul(h.lon - l.lon) < (north - south).saturating_mul(east - west) {
                (low, high) = (l, h);
            }
        }
        all = Some((low, high));
    };
    if let Some(b) = filter.bbox {
        narrow(b.south, b.north, b.west, if b.crosses_antimeridian() { b.east + TURN } else { b.east });
    }
    if let Some(c) = filter.near {
        let (d_lat, d_lon) = c.reach();
        narrow(c.centre.lat - d_lat, c.centre.lat + d_lat, c.centre.lon - d_lon, c.centre.lon + d_lon);
    }
    if let Some((low, high)) = filter.within.as_ref().and_then(super::area::Polygon::bounds) {
        narrow(low.lat, high.lat, low.lon, high.lon);
    }
    let (low, high) = all?;
    let (south, north) = (low.lat.max(-SOUTH), high.lat.min(SOUTH));
    if high.lon - low.lon >= TURN {
        return Some(vec![(E7 { lat: south, lon: -HALF_TURN }, E7 { lat: north, lon: HALF_TURN })]);
    }
    let part = |west: i64, east: i64| (E7 { lat: south, lon: west }, E7 { lat: north, lon: east });
    Some(if low.lon < -HALF_TURN {
        vec![part(low.lon + TURN, HALF_TURN), part(-HALF_TURN, high.lon)]
    } else if high.lon > HALF_TURN {
        vec![part(low.lon, HALF_TURN), part(-HALF_TURN, high.lon - TURN)]
    } else {
        vec![part(low.lon, high.lon)]
    })
}

const fn steps(from: i64, to: i64, start: i64) -> (i64, i64) {
    ((from + start) >> BITS, (to + start) >> BITS)
}

/// What covers the area that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Cover {
    Squares(Vec<i64>),
    /// Of each row, the first and the last square.
    Rows(Vec<(i64, i64)>),
}

/// The squares that cover the area that is asked for: each by its number, or of a wide area row by row. `None` without an area; where it is
/// wide and a time is asked for, too, which finds less; and where it is too high.
pub fn cover(filter: &Filter) -> Option<Cover> {
    let mut rows = Vec::new();
    for (low, high) in bounds(filter)? {
        let (up, across) = (steps(low.lat, high.lat, SOUTH), steps(low.lon, high.lon, HALF_TURN));
        if usize::try_from(up.1 - up.0).map_or(true, |n| n + rows.len() >= ROWS_MAX) {
            return None;
        }
        rows.extend((up.0..=up.1).map(|row| (row * ROW + across.0, row * ROW + across.1)));
    }
    // (At the antimeridian both parts may have the last square.)
    rows.sort_unstable();
    rows.dedup_by(|next, row| {
        let meet = next.0 <= row.1;
        if meet {
            row.1 = row.1.max(next.1);
        }
        meet
    });
    let many: i64 = rows.iter().map(|(west, east)| east - west + 1).sum();
    if usize::try_from(many).is_ok_and(|n| n <= CELLS_MAX) {
        return Some(Cover::Squares(rows.into_iter().flat_map(|(west, east)| west..=east).collect()));
    }
    (filter.from.is_none() && filter.to.is_none()).then_some(Cover::Rows(rows))
}

/// By how many bits a coordinate is shortened so that so many squares lie across the area.
pub fn zoom(filter: &Filter, across: i64) -> i64 {
    let Some(bounds) = bounds(filter) else { return ZOOM_WIDE };
    let height = bounds.first().map_or(0, |(low, high)| high.lat - low.lat);
    let width: i64 = bounds.iter().map(|(low, high)| high.lon - low.lon).sum();
    let square = (height.max(width) / across).max(1);
    i64::from(63 - square.leading_zeros()) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::{RawFilter, TagBook};

    fn filter(near: &str, radius_m: &str) -> Filter {
        let raw = RawFilter { near: Some(near.into()), radius_m: Some(radius_m.into()), ..RawFilter::default() };
        Filter::read(&raw, &TagBook::default()).unwrap()
    }

    fn squares(f: &Filter) -> Vec<i64> {
        match cover(f) {
            Some(Cover::Squares(cells)) => cells,
            other => panic!("{other:?}"),
        }
    }

    fn cell(lat: f64, lon: f64) -> i64 {
        let at = E7::from(crate::domain::value::Point::new(lat, lon).unwrap());
        ((at.lat + SOUTH) >> BITS) * ROW + ((at.lon + HALF_TURN) >> BITS)
    }

    #[test]
    fn squares_cover_the_circle() {
        let cells = squares(&filter("48.8566,2.3522", "300"));
        assert!((4..=12).contains(&cells.len()), "{}", cells.len());
        assert!(cells.contains(&cell(48.8566, 2.3522)) && cells.contains(&cell(48.8592, 2.3522)) && cells.contains(&cell(48.8566, 2.3562)));
        let Some(Cover::Rows(rows)) = cover(&filter("48.8566,2.3522", "30000")) else { panic!("too many to name") };
        assert!((160..=170).contains(&rows.len()), "{}", rows.len());
        assert!(rows.iter().any(|(west, east)| (*west..=*east).contains(&cell(48.9, 2.0))));
        let at = crate::domain::value::Utc::from_micros(0);
        let timed = Filter { from: Some(at), ..filter("48.8566,2.3522", "30000") };
        assert!(cover(&timed).is_none(), "by time less is found");
        assert!(cover(&filter("48.8566,2.3522", "100000")).is_none(), "too high");
        assert!(cover(&Filter::default()).is_none());
        let cells = squares(&filter("-17,179.9999", "300"));
        assert!(cells.contains(&cell(-17.0, 179.9999)) && cells.contains(&cell(-17.0, -179.9999)), "across the antimeridian");
        let Some(Cover::Rows(rows)) = cover(&filter("89.9999,0", "300")) else { panic!("at the pole everything is near") };
        assert!(rows.iter().all(|(west, east)| east - west >= TURN >> BITS), "all around");
    }

    #[test]
    fn clusters_lie_across_the_area() {
        let f = filter("48.8566,2.3522", "300");
        let across = 80_000 / (1_i64 << zoom(&f, 24));
        assert!((10..=24).contains(&across), "{across}");
        assert_eq!(zoom(&Filter::default(), 24), ZOOM_WIDE);
    }
}
