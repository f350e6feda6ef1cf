//! What all that a filter holds looks like, counted.

use std::collections::HashMap;

use super::question::{Bind, Question, all, candidates};
use crate::db::{Tx, bad_row, unsigned};
use crate::domain::exhibit::{Kind, State};
use crate::domain::review::{E7, Filter, HALF_TURN, grid};
use crate::domain::value::{HOUR_US, Id, SECOND_US, Utc};
use crate::error::Result;

/// What an answer looks like as a whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Overview {
    pub found: u64,
    pub states: Vec<(State, u64)>,
    pub kinds: Vec<(Kind, u64)>,
    /// From when on, how many; a known time counts in the stretch in which it begins, or the first one that is asked for.
    pub histogram: Vec<(Utc, u64)>,
    pub stretch_us: i64,
    /// South-west corner in ten-millionths of a degree, how many.
    pub clusters: Vec<(E7, u64)>,
    /// Width and height of what a cluster covers, in ten-millionths of a degree.
    pub square_e7: i64,
    /// What is in the area at a time that nobody knows, and at the time in a place that nobody knows: it may belong to the answer.
    pub maybe_in_time: u64,
    pub maybe_in_place: u64,
}

const STRETCHES: i64 = 60;
const QUARTER_TURN: i64 = HALF_TURN / 2;
const CLUSTERS_ACROSS: i64 = 24;

/// Counts by state and kind, a histogram of times and clusters of places of all that the filter holds. Its cost grows with what is found.
pub async fn overview(tx: &mut Tx, appeal: Id, filter: &Filter) -> Result<Overview> {
    let stretch_us = match filter.from.zip(filter.to) {
        Some((from, to)) => (to.micros() - from.micros()).div_euclid(STRETCHES).max(SECOND_US),
        None => HOUR_US,
    };
    let zoom = grid::zoom(filter, CLUSTERS_ACROSS);
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let found = candidates(&mut q, appeal, filter, grid::cover(filter).as_ref(), "t, lat_e7, lon_e7, state, kind");
    let (start, stretch, square) =
        (q.bind(Bind::Int(filter.from.map_or(0, Utc::micros))), q.bind(Bind::Int(stretch_us)), q.bind(Bind::Int(1 << zoom)));
    // From the south-west corner of the world, so that everything is positive and both divide alike.
    let (lat, lon) = (format!("(lat_e7 + {QUARTER_TURN}) / {square}"), format!("(lon_e7 + {HALF_TURN}) / {square}"));
    let text = format!(
        "WITH f AS MATERIALIZED ({found})
         SELECT 'each' AS what, state AS word, kind AS other, CAST(0 AS BIGINT) AS a, CAST(0 AS BIGINT) AS b, COUNT(*) AS n FROM f GROUP BY state, kind
         UNION ALL SELECT 'when', '', '', a, CAST(0 AS BIGINT), COUNT(*) FROM
           (SELECT (CASE WHEN t < {start} THEN CAST(0 AS BIGINT) ELSE (t - {start}) / {stretch} END) AS a FROM f WHERE t IS NOT NULL) h GROUP BY a
         UNION ALL SELECT 'where', '', '', a, b, COUNT(*) FROM (SELECT {lat} AS a, {lon} AS b FROM f WHERE lat_e7 IS NOT NULL) c GROUP BY a, b"
    );
    let rows: Vec<(String, String, String, i64, i64, i64)> = all(tx, text, q.binds).await?;
    let mut out = Overview { stretch_us, square_e7: 1 << zoom, ..Overview::default() };
    let (mut states, mut kinds) = (HashMap::new(), HashMap::new());
    for (what, word, other, a, b, n) in rows {
        let n = unsigned(n);
        match what.as_str() {
            "each" => {
                out.found += n;
                *states.entry(State::parse(&word).ok_or_else(|| bad_row("state"))?.as_str()).or_insert(0) += n;
                *kinds.entry(Kind::parse(&other).ok_or_else(|| bad_row("kind"))?.as_str()).or_insert(0) += n;
            }
            "when" => out.histogram.push((Utc::from_micros(filter.from.map_or(0, Utc::micros) + a * stretch_us), n)),
            _ => out.clusters.push((E7 { lat: (a << zoom) - QUARTER_TURN, lon: (b << zoom) - HALF_TURN }, n)),
        }
    }
    out.states = State::ALL.into_iter().filter_map(|s| Some((s, *states.get(s.as_str())?))).collect();
    out.kinds = Kind::ALL.into_iter().filter_map(|k| Some((k, *kinds.get(k.as_str())?))).collect();
    out.histogram.sort_unstable();
    out.clusters.sort_unstable_by_key(|(at, _)| (at.lat, at.lon));
    if filter.from.is_some() || filter.to.is_some() {
        let maybe = Filter { from: None, to: None, time_unknown: true, ..filter.clone() };
        out.maybe_in_time = number(tx, appeal, &maybe).await?;
    }
    if filter.bbox.is_some() || filter.near.is_some() || filter.within.is_some() {
        let maybe = Filter { bbox: None, near: None, within: None, place_unknown: true, ..filter.clone() };
        out.maybe_in_place = number(tx, appeal, &maybe).await?;
    }
    Ok(out)
}

/// How many the filter holds.
async fn number(tx: &mut Tx, appeal: Id, filter: &Filter) -> Result<u64> {
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let found = candidates(&mut q, appeal, filter, grid::cover(filter).as_ref(), "id");
    let rows: Vec<(i64,)> = all(tx, format!("SELECT COUNT(*) FROM ({found}) f"), q.binds).await?;
    Ok(rows.first().map_or(0, |r| unsigned(r.0)))
}
