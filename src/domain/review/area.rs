//! Areas that the queue can be asked about, on whole numbers.
//!
//! Places are compared in ten-millionths of a degree (1 cm), with additions, multiplications and comparisons only, in the order written
//! here: the databases (`db/search`) and the browser (`islands/workspace/filter.ts`) do the same steps and so find the same exhibits.

use crate::domain::value::{METRES_PER_DEGREE, Point};

/// A place in ten-millionths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct E7 {
    pub lat: i64,
    pub lon: i64,
}

const PER_DEGREE: f64 = 1e7;
/// Half a turn, and a whole one.
pub const HALF_TURN: i64 = 1_800_000_000;
pub const TURN: i64 = 3_600_000_000;
/// A metre in what [`Circle`] computes with: ten-millionths of a degree of latitude, times a million.
const PER_METRE: f64 = 1e13 / METRES_PER_DEGREE;

/// Degrees in ten-millionths, halves upwards (as JavaScript rounds).
#[allow(clippy::cast_possible_truncation)]
pub fn e7(degrees: f64) -> i64 {
    (degrees * PER_DEGREE + 0.5).floor() as i64
}

impl From<Point> for E7 {
    fn from(p: Point) -> Self {
        Self { lat: e7(p.lat), lon: e7(p.lon) }
    }
}

/// A rectangle. West may lie east of east: then it crosses the antimeridian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bbox {
    pub west: i64,
    pub south: i64,
    pub east: i64,
    pub north: i64,
}

impl Bbox {
    pub const fn crosses_antimeridian(&self) -> bool {
        self.west > self.east
    }

    pub const fn holds(&self, p: E7) -> bool {
        let within =
            if self.crosses_antimeridian() { p.lon >= self.west || p.lon <= self.east } else { p.lon >= self.west && p.lon <= self.east };
        within && p.lat >= self.south && p.lat <= self.north
    }
}

/// Everything within some metres of a centre, on the plane that touches the Earth there: off by less than 0.5 % within 100 km.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Circle {
    pub centre: E7,
    /// How much shorter a degree of longitude is there, in millionths.
    pub shrink: i64,
    /// The square of the radius.
    pub square: f64,
}

impl Circle {
    #[allow(clippy::cast_possible_truncation)]
    pub fn new(centre: Point, radius_m: f64) -> Self {
        let radius = radius_m * PER_METRE;
        Self { centre: centre.into(), shrink: (centre.lat.to_radians().cos() * 1e6 + 0.5).floor() as i64, square: radius * radius }
    }

    /// How far it reaches, at least, to the north and to the east, in ten-millionths of a degree.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub fn reach(&self) -> (i64, i64) {
        let radius = self.square.sqrt();
        // (Where a degree of longitude has no length any more, all the way round.)
        let d_lon = if self.shrink <= 0 { TURN } else { ((radius / self.shrink as f64) as i64 + 1).min(TURN) };
        ((radius / 1e6) as i64 + 1, d_lon)
    }

    /// The square of the distance from the centre.
    #[allow(clippy::cast_precision_loss)]
    fn square_to(&self, p: E7) -> f64 {
        let d_lon = (p.lon - self.centre.lon).abs();
        let d_lon = if d_lon > HALF_TURN { TURN - d_lon } else { d_lon };
        let (x, y) = ((d_lon * self.shrink) as f64, ((p.lat - self.centre.lat) * 1_000_000) as f64);
        x * x + y * y
    }

    pub fn metres_to(&self, p: E7) -> f64 {
        self.square_to(p).sqrt() / PER_METRE
    }

    pub fn holds(&self, p: E7) -> bool {
        self.square_to(p) <= self.square
    }
}

/// Corners of a polygon.
pub const CORNERS_MAX: usize = 64;

/// A polygon's inside, by the even-odd rule: a ray westward crosses its border an odd number of times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Polygon(Vec<E7>);

impl Polygon {
    /// Three corners at least, not around the far side of the Earth.
    pub fn new(corners: Vec<E7>) -> Option<Self> {
        let (west, east) = (corners.iter().map(|c| c.lon).min()?, corners.iter().map(|c| c.lon).max()?);
        ((3..=CORNERS_MAX).contains(&corners.len()) && east - west <= HALF_TURN).then_some(Self(corners))
    }

    /// Its south-west and north-east.
    pub fn bounds(&self) -> Option<(E7, E7)> {
        let (lats, lons) = (self.0.iter().map(|c| c.lat), self.0.iter().map(|c| c.lon));
        Some((E7 { lat: lats.clone().min()?, lon: lons.clone().min()? }, E7 { lat: lats.max()?, lon: lons.max()? }))
    }

    /// Its edges that are not level, each as (from, to).
    pub fn edges(&self) -> impl Iterator<Item = (E7, E7)> {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().zip(next).map(|(a, b)| (*a, *b)).filter(|(a, b)| a.lat != b.lat)
    }

    #[allow(clippy::cast_precision_loss)]
    pub fn holds(&self, p: E7) -> bool {
        let crossed = |(a, b): &(E7, E7)| {
            let (d_lat, d_lon) = ((b.lat - a.lat) as f64, (b.lon - a.lon) as f64);
            (a.lat > p.lat) != (b.lat > p.lat) && (p.lon as f64) < d_lon * ((p.lat - a.lat) as f64 / d_lat) + a.lon as f64
        };
        self.edges().filter(crossed).count() % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> E7 {
        Point::new(lat, lon).unwrap().into()
    }

    #[test]
    fn a_box_may_cross_the_antimeridian() {
        let b = Bbox { west: e7(170.0), south: e7(-30.0), east: e7(-170.0), north: 0 };
        assert!(b.crosses_antimeridian());
        assert!(b.holds(at(-17.0, 179.0)));
        assert!(!b.holds(at(-17.0, 0.0)));
    }

    #[test]
    fn a_circle_is_as_wide_as_it_says() {
        let c = Circle::new(Point::new(48.85, 2.35).unwrap(), 300.0);
        assert!(c.holds(at(48.8526, 2.35)) && !c.holds(at(48.8528, 2.35)), "a degree of latitude is 111 km");
        assert!(c.holds(at(48.85, 2.3540)) && !c.holds(at(48.85, 2.3542)), "one of longitude 73 km there");
        let fiji = Circle::new(Point::new(-17.0, 179.999).unwrap(), 500.0);
        assert!(fiji.holds(at(-17.0, -179.999)));
        assert!((c.metres_to(at(48.8510, 2.35)) - 111.2).abs() < 0.1);
    }

    #[test]
    fn a_polygon_has_an_inside() {
        let u = Polygon::new(
            [(0.0, 0.0), (0.0, 3.0), (3.0, 3.0), (3.0, 2.0), (1.0, 2.0), (1.0, 1.0), (3.0, 1.0), (3.0, 0.0)]
                .map(|(a, b)| at(a, b))
                .to_vec(),
        );
        let u = u.unwrap();
        for (lat, lon, inside) in
            [(0.5, 1.5, true), (2.0, 0.5, true), (2.0, 2.5, true), (2.0, 1.5, false), (4.0, 1.0, false), (2.0, -1.0, false)]
        {
            assert_eq!(u.holds(at(lat, lon)), inside, "{lat} {lon}");
        }
        assert!(Polygon::new(vec![at(0.0, 0.0), at(1.0, 1.0)]).is_none());
        assert!(Polygon::new(vec![at(0.0, -170.0), at(1.0, 170.0), at(2.0, 0.0)]).is_none());
    }
}
