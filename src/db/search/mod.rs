//! The queue's questions: a page of an appeal's exhibits that a filter holds, in an order, after a cursor; and what all that it holds looks
//! like, counted.
//!
//! Everything is found in a covering index, then the rows of a page are fetched. By place: the squares of a grid that cover the area. By
//! time: of each class of intervals one range, because all of a class that overlap a stretch of time begin within its width before it. What
//! is neither is met along the order's own index. So the cost grows with the answer and not with the store.
//!
//! `domain::review::Filter::holds` says the same in Rust; the tests below hold the two equal on both databases.

mod overview;
mod question;

use std::collections::HashMap;

pub use overview::{Overview, overview};
use question::{Bind, Question, Span, all, candidates, conditions};

use super::Tx;
use super::exhibits::{COLUMNS, Row};
use crate::domain::exhibit::Exhibit;
use crate::domain::review::grid::{self, Cover};
use crate::domain::review::{Cursor, Filter, Order};
use crate::domain::value::Id;
use crate::error::Result;

/// Candidates that are found by place or time and sorted whole. Where there are more, the order's own index meets a page of them soon.
const NARROW_MAX: i64 = 10_000;

/// A page of rows, each with its sort key. Ask for one more than a page to know whether more follow.
pub async fn page(tx: &mut Tx, appeal: Id, filter: &Filter, after: Option<&Cursor>, limit: i64) -> Result<Vec<(i64, Exhibit)>> {
    let cover = grid::cover(filter);
    // By time alone, each span's range is in the order that is wanted.
    if filter.order == Order::Time && cover.is_none() {
        return by_time(tx, appeal, filter, after, limit).await;
    }
    if cover.is_some() || filter.from.is_some() || filter.to.is_some() {
        let (candidates, rows) = narrow(tx, appeal, filter, cover.as_ref(), after, limit).await?;
        if candidates <= NARROW_MAX {
            return Ok(rows);
        }
    }
    match filter.order {
        Order::Time => by_time(tx, appeal, filter, after, limit).await,
        Order::Closeness => in_order(tx, appeal, filter, "closeness", after, limit).await,
        Order::Received => in_order(tx, appeal, filter, "by_arrival", after, limit).await,
    }
}

/// Along the index of an order, until the page is full.
async fn in_order(
    tx: &mut Tx,
    appeal: Id,
    filter: &Filter,
    column: &str,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<Vec<(i64, Exhibit)>> {
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let appeal = q.bind(Bind::Blob(appeal.blob()));
    q.text = format!("SELECT {column} AS sort_key, id AS found FROM exhibit WHERE appeal_id = {appeal}");
    if let Some(cursor) = after {
        let (key, id) = (q.bind(Bind::Int(cursor.key)), q.bind(Bind::Blob(cursor.id.blob())));
        q.and(&format!("({column}, id) > ({key}, {id})"));
    }
    conditions(&mut q, filter);
    let limit = q.bind(Bind::Int(limit));
    let text = format!("{} ORDER BY {column}, id LIMIT {limit}", q.text);
    fetch(tx, &text, q.binds).await
}

/// The earliest of each span, merged. Unknown times come last, as `by_time` has them.
async fn by_time(tx: &mut Tx, appeal: Id, filter: &Filter, after: Option<&Cursor>, limit: i64) -> Result<Vec<(i64, Exhibit)>> {
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let (appeal, limit) = (q.bind(Bind::Blob(appeal.blob())), q.bind(Bind::Int(limit)));
    let mut branches = Vec::new();
    for span in Span::of(filter) {
        let key = if span == Span::Unknown { "9223372036854775807" } else { "t" };
        q.text = format!("SELECT {key} AS sort_key, id AS found FROM exhibit WHERE appeal_id = {appeal}");
        span.conditions(&mut q, filter);
        match after {
            Some(cursor) if span == Span::Unknown && cursor.key == i64::MAX => {
                let id = q.bind(Bind::Blob(cursor.id.blob()));
                q.and(&format!("id > {id}"));
            }
            Some(_) if span == Span::Unknown => {}
            Some(cursor) if cursor.key == i64::MAX => continue,
            Some(cursor) => {
                let (key, id) = (q.bind(Bind::Int(cursor.key)), q.bind(Bind::Blob(cursor.id.blob())));
                q.and(&format!("(t, id) > ({key}, {id})"));
            }
            None => {}
        }
        conditions(&mut q, filter);
        let order = if span == Span::Unknown { "id" } else { "t, id" };
        branches.push(format!("SELECT * FROM ({} ORDER BY {order} LIMIT {limit}) b{}", std::mem::take(&mut q.text), branches.len()));
    }
    let text = format!("SELECT sort_key, found FROM ({}) m ORDER BY sort_key, found LIMIT {limit}", branches.join(" UNION ALL "));
    fetch(tx, &text, q.binds).await
}

/// All that the filter holds, found by place or by time, and sorted; or, where they are many, how many at least.
async fn narrow(
    tx: &mut Tx,
    appeal: Id,
    filter: &Filter,
    cover: Option<&Cover>,
    after: Option<&Cursor>,
    limit: i64,
) -> Result<(i64, Vec<(i64, Exhibit)>)> {
    let key = match filter.order {
        Order::Closeness => "closeness",
        Order::Time => "COALESCE(t, 9223372036854775807)",
        Order::Received => "by_arrival",
    };
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let found = candidates(&mut q, appeal, filter, cover, &format!("{key} AS sort_key, id AS found"));
    let most = q.bind(Bind::Int(NARROW_MAX + 1));
    let text = format!("WITH c AS MATERIALIZED (SELECT * FROM ({found}) u LIMIT {most})");
    let mut rest = String::new();
    if let Some(cursor) = after {
        let (key, id) = (q.bind(Bind::Int(cursor.key)), q.bind(Bind::Blob(cursor.id.blob())));
        rest = format!("WHERE (sort_key, found) > ({key}, {id})");
    }
    let limit = q.bind(Bind::Int(limit));
    // (How many they are is told also where none comes after the cursor.)
    let text = format!(
        "{text} SELECT k.n, p.sort_key, p.found FROM (SELECT COUNT(*) AS n FROM c) k
         LEFT JOIN (SELECT sort_key, found FROM c {rest} ORDER BY sort_key, found LIMIT {limit}) p ON 1 = 1 ORDER BY p.sort_key, p.found"
    );
    let keys: Vec<(i64, Option<i64>, Option<Vec<u8>>)> = all(tx, text, q.binds).await?;
    let candidates = keys.first().map_or(0, |k| k.0);
    if candidates > NARROW_MAX {
        return Ok((candidates, Vec::new()));
    }
    Ok((candidates, of_keys(tx, keys.into_iter().filter_map(|(_, key, id)| key.zip(id)).collect()).await?))
}

/// The rows of a statement that gives `sort_key` and `found`, in the order of both.
async fn fetch(tx: &mut Tx, keys: &str, binds: Vec<Bind>) -> Result<Vec<(i64, Exhibit)>> {
    let text = format!(
        "SELECT p.sort_key, {} FROM ({keys}) p JOIN exhibit e ON e.id = p.found ORDER BY p.sort_key, e.id",
        COLUMNS.split(", ").map(|c| format!("e.{c}")).collect::<Vec<_>>().join(", "),
    );
    let rows: Vec<Keyed> = all(tx, text, binds).await?;
    rows.into_iter().map(|k| Ok((k.sort_key, k.row.exhibit()?))).collect()
}

/// The rows of these keys, in their order.
async fn of_keys(tx: &mut Tx, keys: Vec<(i64, Vec<u8>)>) -> Result<Vec<(i64, Exhibit)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut q = Question { text: String::new(), binds: Vec::new() };
    let ids: Vec<String> = keys.iter().map(|(_, id)| q.bind(Bind::Blob(id.clone()))).collect();
    let columns = COLUMNS.split(", ").map(|c| format!("e.{c}")).collect::<Vec<_>>().join(", ");
    let text = format!("SELECT CAST(0 AS BIGINT) AS sort_key, {columns} FROM exhibit e WHERE e.id IN ({})", ids.join(", "));
    let rows: Vec<Keyed> = all(tx, text, q.binds).await?;
    let mut by_id: HashMap<Vec<u8>, Exhibit> = HashMap::new();
    for row in rows {
        let exhibit = row.row.exhibit()?;
        by_id.insert(exhibit.id.blob(), exhibit);
    }
    Ok(keys.into_iter().filter_map(|(key, id)| Some((key, by_id.remove(&id)?))).collect())
}

#[derive(sqlx::FromRow)]
struct Keyed {
    sort_key: i64,
    #[sqlx(flatten)]
    row: Row,
}

#[cfg(test)]
mod tests;
