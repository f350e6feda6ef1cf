//! The queue's one question: a page of an appeal's exhibits that a filter holds, in an order, after a
//! cursor. Times, closeness and arrival each have a covering index; the page is found in the index
//! alone, then its rows are fetched.
//!
//! `domain::review::Filter::holds` says the same in Rust; `tests/it/engines` holds the two equal.

use sqlx::AssertSqlSafe;

use super::exhibits::{COLUMNS, Row};
use super::Tx;
use crate::domain::exhibit::Exhibit;
use crate::domain::review::{Bbox, Cursor, Filter, Order};
use crate::domain::value::{Id, METRES_PER_DEGREE, Point};
use crate::error::Result;

enum Bind {
    Blob(Vec<u8>),
    Int(i64),
    Real(f64),
    Text(&'static str),
}

/// SQL text that grows with its binds, so that the numbers always agree.
struct Question {
    text: String,
    binds: Vec<Bind>,
}

impl Question {
    fn bind(&mut self, value: Bind) -> String {
        self.binds.push(value);
        format!("${}", self.binds.len())
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }
}

const fn sort_column(order: Order) -> &'static str {
    match order {
        Order::Closeness => "closeness",
        Order::Time => "by_time",
        Order::Received => "by_arrival",
    }
}

/// A page of rows, each with its sort key. Ask for one more than a page to know whether more follow.
pub async fn page(tx: &mut Tx, appeal: Id, filter: &Filter, after: Option<&Cursor>, limit: i64) -> Result<Vec<(i64, Exhibit)>> {
    let column = sort_column(filter.order);
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let appeal = q.bind(Bind::Blob(appeal.blob()));
    q.text = format!("SELECT {column} AS sort_key, id AS found FROM exhibit WHERE appeal_id = {appeal}");
    if let Some(cursor) = after {
        let (key, id) = (q.bind(Bind::Int(cursor.key)), q.bind(Bind::Blob(cursor.id.blob())));
        q.and(&format!("({column}, id) > ({key}, {id})"));
    }
    conditions(&mut q, filter);
    let limit = q.bind(Bind::Int(limit));
    let text = format!(
        "SELECT p.sort_key, {} FROM ({} ORDER BY {column}, id LIMIT {limit}) p JOIN exhibit e ON e.id = p.found ORDER BY p.sort_key, e.id",
        COLUMNS.split(", ").map(|c| format!("e.{c}")).collect::<Vec<_>>().join(", "),
        q.text,
    );
    run(tx, text, q.binds).await
}

#[derive(sqlx::FromRow)]
struct Keyed {
    sort_key: i64,
    #[sqlx(flatten)]
    row: Row,
}

async fn run(tx: &mut Tx, text: String, binds: Vec<Bind>) -> Result<Vec<(i64, Exhibit)>> {
    macro_rules! fetch {
        ($t:expr) => {{
            let mut query = sqlx::query_as::<_, Keyed>(AssertSqlSafe(text));
            for bind in binds {
                query = match bind {
                    Bind::Blob(b) => query.bind(b),
                    Bind::Int(n) => query.bind(n),
                    Bind::Real(f) => query.bind(f),
                    Bind::Text(s) => query.bind(s),
                };
            }
            query.fetch_all(&mut **$t).await?
        }};
    }
    let rows: Vec<Keyed> = match tx {
        Tx::Lite(t) => fetch!(t),
        Tx::Pg(t) => fetch!(t),
    };
    rows.into_iter().map(|k| Ok((k.sort_key, k.row.exhibit()?))).collect()
}

fn conditions(q: &mut Question, f: &Filter) {
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
        q.and("lat IS NULL");
    }
    if let Some(bbox) = f.bbox {
        within_box(q, bbox);
    }
    if let Some((centre, radius)) = f.near {
        within_circle(q, centre, radius);
    }
    one_of(q, "state", f.states.iter().map(|s| s.as_str()).collect());
    one_of(q, "kind", f.kinds.iter().map(|k| k.as_str()).collect());
    if f.quarantined {
        q.and("quarantine IS NOT NULL");
    }
}

fn one_of(q: &mut Question, column: &str, values: Vec<&'static str>) {
    if !values.is_empty() {
        let binds: Vec<String> = values.into_iter().map(|v| q.bind(Bind::Text(v))).collect();
        q.and(&format!("{column} IN ({})", binds.join(", ")));
    }
}

fn within_box(q: &mut Question, b: Bbox) {
    let (south, north) = (q.bind(Bind::Real(b.south)), q.bind(Bind::Real(b.north)));
    let (west, east) = (q.bind(Bind::Real(b.west)), q.bind(Bind::Real(b.east)));
    let lon = if b.crosses_antimeridian() {
        format!("(lon >= {west} OR lon <= {east})")
    } else {
        format!("lon >= {west} AND lon <= {east}")
    };
    q.and(&format!("lat >= {south} AND lat <= {north} AND {lon}"));
}

/// The formula of [`Point::metres_to`], squared: neither engine needs trigonometry for it.
fn within_circle(q: &mut Question, centre: Point, radius: f64) {
    let lat = q.bind(Bind::Real(centre.lat));
    let lon = q.bind(Bind::Real(centre.lon));
    let per_lat = q.bind(Bind::Real(METRES_PER_DEGREE));
    let per_lon = q.bind(Bind::Real(METRES_PER_DEGREE * centre.lat.to_radians().cos()));
    let square = q.bind(Bind::Real(radius * radius));
    let d_lon = format!("(CASE WHEN ABS(lon - {lon}) > 180.0 THEN 360.0 - ABS(lon - {lon}) ELSE ABS(lon - {lon}) END)");
    let (x, y) = (format!("{d_lon} * {per_lon}"), format!("(lat - {lat}) * {per_lat}"));
    q.and(&format!("lat IS NOT NULL AND ({x}) * ({x}) + ({y}) * ({y}) <= {square}"));
}
