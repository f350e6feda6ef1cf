//! A filter as SQL: conditions on the columns of one row, and the ranges of the covering indexes in which its answer lies.

use sqlx::AssertSqlSafe;

use crate::db::Tx;
use crate::db::engine::soon;
use crate::domain::review::grid::Cover;
use crate::domain::review::{Assigned, Bbox, Circle, Filter, HALF_TURN, Polygon, TURN};
use crate::domain::value::{DAY_US, Id, MINUTE_US};
use crate::error::Result;

pub(super) enum Bind {
    Blob(Vec<u8>),
    Int(i64),
    Real(f64),
    Text(&'static str),
}

/// SQL text that grows with its binds, so that the numbers always agree.
pub(super) struct Question {
    pub(super) text: String,
    pub(super) binds: Vec<Bind>,
}

impl Question {
    pub(super) fn bind(&mut self, value: Bind) -> String {
        self.binds.push(value);
        format!("${}", self.binds.len())
    }

    pub(super) fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }
}

/// Everything of an appeal that the filter holds, found by the narrowest index: a text of as many SELECTs as there are ranges.
pub(super) fn candidates(q: &mut Question, appeal: Id, filter: &Filter, cover: Option<&Cover>, columns: &str) -> String {
    let appeal = q.bind(Bind::Blob(appeal.blob()));
    let places: Vec<Option<String>> = match cover {
        Some(Cover::Squares(cells)) => {
            let binds: Vec<String> = cells.iter().map(|c| q.bind(Bind::Int(*c))).collect();
            vec![Some(format!("cell IN ({})", binds.join(", ")))]
        }
        Some(Cover::Rows(rows)) => rows
            .iter()
            .map(|(west, east)| Some(format!("cell BETWEEN {} AND {}", q.bind(Bind::Int(*west)), q.bind(Bind::Int(*east)))))
            .collect(),
        // (Unknown places lie together in no square.)
        None => vec![filter.place_unknown.then(|| "cell IS NULL".to_owned())],
    };
    let timed = filter.from.is_some() || filter.to.is_some() || filter.time_unknown;
    // (Within a row of squares times lie in no order.)
    let by_time = timed && !matches!(cover, Some(Cover::Rows(_)));
    let spans = if by_time { Span::of(filter).map(Some).collect() } else { vec![None] };
    conditions(q, filter);
    let exactly = std::mem::take(&mut q.text);
    let mut branches = Vec::new();
    for span in spans {
        if let Some(span) = span {
            span.conditions(q, filter);
        }
        let range = std::mem::take(&mut q.text);
        branches.extend(places.iter().map(|place| {
            let place = place.as_ref().map_or(String::new(), |place| format!(" AND {place}"));
            format!("SELECT {columns} FROM exhibit WHERE appeal_id = {appeal}{place}{range}{exactly}")
        }));
    }
    branches.join(" UNION ALL ")
}

/// How wide an interval of time is, as the column `span` has it (`migrations/0011_nodes.sql`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Class(i64),
    Unknown,
}

impl Span {
    /// The widest of each class, in microseconds; the last one has no end.
    const WIDEST: [Option<i64>; 5] = [Some(0), Some(20 * MINUTE_US), Some(60 * MINUTE_US), Some(DAY_US), None];

    /// Those that may hold something of the answer.
    pub(super) fn of(filter: &Filter) -> impl Iterator<Item = Self> {
        let timed = filter.from.is_some() || filter.to.is_some();
        let (known, unknown) = (!filter.time_unknown, !timed);
        (0..5).map(Self::Class).filter(move |_| known).chain(unknown.then_some(Self::Unknown))
    }

    /// The range of the index in which all of this class lie that overlap what is asked; `conditions` asks exactly.
    pub(super) fn conditions(self, q: &mut Question, filter: &Filter) {
        let Self::Class(class) = self else { return q.and("span IS NULL") };
        q.and(&format!("span = {class}"));
        let widest = usize::try_from(class).ok().and_then(|c| Self::WIDEST[c]);
        if let Some((from, widest)) = filter.from.zip(widest) {
            let earliest = q.bind(Bind::Int(from.micros().saturating_sub(widest)));
            q.and(&format!("t >= {earliest}"));
        }
    }
}

pub(super) async fn all<T>(tx: &mut Tx, text: String, binds: Vec<Bind>) -> Result<Vec<T>>
where
    T: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    macro_rules! fetch {
        ($t:expr) => {{
            // As many texts as there are filters: none is kept prepared.
            let mut query = sqlx::query_as::<_, T>(AssertSqlSafe(text)).persistent(false);
            for bind in binds {
                query = match bind {
                    Bind::Blob(b) => query.bind(b),
                    Bind::Int(n) => query.bind(n),
                    Bind::Real(f) => query.bind(f),
                    Bind::Text(s) => query.bind(s),
                };
            }
            query.fetch_all(&mut **$t)
        }};
    }
    Ok(match tx {
        Tx::Lite(t) => fetch!(t).await?,
        Tx::Pg(t) => soon(fetch!(t)).await?,
    })
}

pub(super) fn conditions(q: &mut Question, f: &Filter) {
    if f.time_unknown {
        q.and("t IS NULL");
    }
    if let Some(from) = f.from {
        let at = q.bind(Bind::Int(from.micros()));
        q.and(&format!("t_hi >= {at}"));
    }
    if let Some(to) = f.to {
        let at = q.bind(Bind::Int(to.micros()));
        q.and(&format!("t <= {at}"));
    }
    if f.place_unknown {
        q.and("lat_e7 IS NULL");
    }
    if let Some(bbox) = f.bbox {
        within_box(q, bbox);
    }
    if let Some(circle) = f.near {
        within_circle(q, circle);
    }
    if let Some(polygon) = &f.within {
        within_polygon(q, polygon);
    }
    one_of(q, "state", f.states.iter().map(|s| s.as_str()).collect());
    one_of(q, "kind", f.kinds.iter().map(|k| k.as_str()).collect());
    one_of(q, "grade", f.grades.iter().map(|g| g.as_str()).collect());
    if f.quarantined {
        q.and("(quarantine IS NOT NULL OR restricted = 1)");
    }
    if f.tags != 0 {
        let mask = q.bind(Bind::Int(i64::from(f.tags)));
        q.and(&format!("(tags & {mask}) <> 0"));
    }
    if f.signs != 0 {
        let mask = q.bind(Bind::Int(i64::from(f.signs)));
        q.and(&format!("(signs & {mask}) <> 0"));
    }
    for (column, number) in [("sender", f.sender), ("device", f.device)] {
        if let Some(number) = number {
            let number = q.bind(Bind::Int(i64::try_from(number).unwrap_or(i64::MAX)));
            q.and(&format!("{column} = {number}"));
        }
    }
    match f.assigned {
        None => {}
        Some(Assigned::Nobody) => q.and("assignee IS NULL"),
        Some(Assigned::To(account)) => {
            let account = q.bind(Bind::Blob(account.blob()));
            q.and(&format!("assignee = {account}"));
        }
    }
    if f.best_only {
        q.and("lead = 1");
    }
    if let Some(number) = f.family {
        let family = q.bind(Bind::Int(i64::try_from(number).unwrap_or(i64::MAX)));
        q.and(&format!("family = {family}"));
    }
}

fn one_of(q: &mut Question, column: &str, values: Vec<&'static str>) {
    if !values.is_empty() {
        let binds: Vec<String> = values.into_iter().map(|v| q.bind(Bind::Text(v))).collect();
        q.and(&format!("{column} IN ({})", binds.join(", ")));
    }
}

fn within_box(q: &mut Question, b: Bbox) {
    let (south, north) = (q.bind(Bind::Int(b.south)), q.bind(Bind::Int(b.north)));
    let (west, east) = (q.bind(Bind::Int(b.west)), q.bind(Bind::Int(b.east)));
    let lon = if b.crosses_antimeridian() {
        format!("(lon_e7 >= {west} OR lon_e7 <= {east})")
    } else {
        format!("lon_e7 >= {west} AND lon_e7 <= {east}")
    };
    q.and(&format!("lat_e7 >= {south} AND lat_e7 <= {north} AND {lon}"));
}

/// The steps of [`Circle`]: neither engine needs trigonometry for them.
fn within_circle(q: &mut Question, c: Circle) {
    let (lat, lon) = (q.bind(Bind::Int(c.centre.lat)), q.bind(Bind::Int(c.centre.lon)));
    let (shrink, square) = (q.bind(Bind::Int(c.shrink)), q.bind(Bind::Real(c.square)));
    let d_lon = format!("(CASE WHEN ABS(lon_e7 - {lon}) > {HALF_TURN} THEN {TURN} - ABS(lon_e7 - {lon}) ELSE ABS(lon_e7 - {lon}) END)");
    let (x, y) = (format!("CAST({d_lon} * {shrink} AS DOUBLE PRECISION)"), format!("CAST((lat_e7 - {lat}) * 1000000 AS DOUBLE PRECISION)"));
    q.and(&format!("lat_e7 IS NOT NULL AND ({x}) * ({x}) + ({y}) * ({y}) <= {square}"));
}

/// The steps of [`Polygon`]: how many edges a ray crosses.
fn within_polygon(q: &mut Question, polygon: &Polygon) {
    #[allow(clippy::cast_precision_loss)]
    let edges: Vec<String> = polygon
        .edges()
        .map(|(a, b)| {
            let (from, to) = (q.bind(Bind::Int(a.lat)), q.bind(Bind::Int(b.lat)));
            let (d_lat, d_lon) = (q.bind(Bind::Real((b.lat - a.lat) as f64)), q.bind(Bind::Real((b.lon - a.lon) as f64)));
            let lon = q.bind(Bind::Real(a.lon as f64));
            let at = format!("{d_lon} * (CAST(lat_e7 - {from} AS DOUBLE PRECISION) / {d_lat}) + {lon}");
            format!("CASE WHEN ({from} > lat_e7) <> ({to} > lat_e7) AND CAST(lon_e7 AS DOUBLE PRECISION) < {at} THEN 1 ELSE 0 END")
        })
        .collect();
    let sum = if edges.is_empty() { "0".to_owned() } else { edges.join(" + ") };
    q.and(&format!("lat_e7 IS NOT NULL AND ({sum}) % 2 = 1"));
}
