//! All rows of a database from one engine to the other, so that a backup is one kind of file whatever it was made of, and a deployment can
//! move from one machine to many and back. One of the two is always an SQLite file with the same schema; it says which tables and columns
//! there are, and in which order their references allow them to be filled.
//!
//! Values go over as they are: whole numbers, floating point, text, bytes, NULL. What the engine computes itself is left out.

use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqlSafeStr as _};

use super::migrate::migrate_file;
use super::{Db, bad_row};
use crate::error::{Error, Result};

/// What the migrator keeps for itself.
const NOT_OURS: &str = "_sqlx_migrations";
/// Bytes that are gathered before they are sent.
const HEAP: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Real,
    Text,
    Blob,
}

struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
    /// Tables that it refers to.
    needs: Vec<String>,
}

impl Table {
    fn list(&self) -> String {
        self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// How often a file that somebody still holds is asked for, and how long after one another: ten seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

async fn open(path: &Path) -> Result<SqliteConnection> {
    // (Nobody else has it open, and it is synced when it is whole.)
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off);
    // (Who had it open a moment ago may still be about to let go: its connection ends on a thread of its own.)
    let mut tries = TRIES;
    loop {
        tries -= 1;
        match options.connect().await.map_err(Error::from) {
            Err(Error::TryLater) if tries > 0 => tokio::time::sleep(PAUSE).await,
            opened => return opened,
        }
    }
}

/// The tables of a file, each after those that it refers to.
async fn tables(file: &mut SqliteConnection) -> Result<Vec<Table>> {
    let names: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetch_all(&mut *file).await?;
    let mut left = Vec::new();
    for (name,) in names.into_iter().filter(|(name,)| name != NOT_OURS && !name.starts_with("sqlite_")) {
        let columns: Vec<(String, String)> = sqlx::query_as("SELECT name, type FROM pragma_table_xinfo($1) WHERE hidden = 0 ORDER BY cid")
            .bind(name.clone())
            .fetch_all(&mut *file)
            .await?;
        let columns = columns.into_iter().map(|(column, kind)| {
            let kind = match kind.as_str() {
                "BIGINT" | "INTEGER" => Kind::Int,
                "DOUBLE PRECISION" => Kind::Real,
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Blob,
                _ => return Err(bad_row("type of a column")),
            };
            Ok((column, kind))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let needs: Vec<(String,)> =
            sqlx::query_as("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)").bind(name.clone()).fetch_all(&mut *file).await?;
        let needs = needs.into_iter().map(|n| n.0).filter(|n| *n != name).collect();
        left.push(Table { name, columns, needs });
    }
    let mut sorted: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|t| t.needs.iter().all(|need| sorted.iter().any(|done| done.name == *need)));
        if ready.is_empty() {
            return Err(bad_row("circle of references"));
        }
        sorted.extend(ready);
        left = waiting;
    }
    Ok(sorted)
}

/// Copies one consistent view of PostgreSQL into a new file. Returns how many rows.
pub async fn to_file(db: &Db, path: &Path) -> Result<u64> {
    let Db::Pg { read, .. } = db else { return Err(Error::Internal("only PostgreSQL is copied into a file".into())) };
    let mut file = open(path).await?;
    migrate_file(&mut file).await?;
    let mut view = read.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut rows = 0;
    let mut writing = file.begin().await?;
    for table in tables(&mut writing).await? {
        let clear = AssertSqlSafe(format!("DELETE FROM {}", table.name));
        sqlx::query(clear).execute(&mut *writing).await?;
        rows += out_of(&mut view, &mut writing, &table).await?;
    }
    writing.commit().await?;
    let broken: Vec<(String,)> = sqlx::query_as("SELECT DISTINCT \"table\" FROM pragma_foreign_key_check").fetch_all(&mut file).await?;
    if let Some((table,)) = broken.first() {
        return Err(Error::Internal(format!("rows of {table} refer to rows that are not there: the copy is not whole")));
    }
    file.close().await?;
    std::fs::File::open(path)?.sync_all()?;
    Ok(rows)
}

async fn out_of(view: &mut PgConnection, file: &mut SqliteConnection, table: &Table) -> Result<u64> {
    let select = AssertSqlSafe(format!("SELECT {} FROM {}", table.list(), table.name));
    let marks = (1..=table.columns.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let insert = AssertSqlSafe(format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.list())).into_sql_str();
    let mut found = sqlx::query(select).fetch(view);
    let mut rows = 0;
    while let Some(row) = found.try_next().await? {
        let mut query = sqlx::query(insert.clone());
        for (n, (_, kind)) in table.columns.iter().enumerate() {
            query = match kind {
                Kind::Int => query.bind(row.try_get::<Option<i64>, _>(n)?),
                Kind::Real => query.bind(row.try_get::<Option<f64>, _>(n)?),
                Kind::Text => query.bind(row.try_get::<Option<String>, _>(n)?),
                Kind::Blob => query.bind(row.try_get::<Option<Vec<u8>>, _>(n)?),
            };
        }
        query.execute(&mut *file).await?;
        rows += 1;
    }
    Ok(rows)
}

/// Copies a file, which is changed if it is of an older version, into PostgreSQL, whose tables are empty, in one transaction. Returns how many rows.
pub async fn from_file(path: &Path, db: &Db) -> Result<u64> {
    let Db::Pg { write, .. } = db else { return Err(Error::Internal("a file is only copied into PostgreSQL".into())) };
    let mut file = open(path).await?;
    // One of an older version is brought up to date first.
    migrate_file(&mut file).await?;
    let mut writing = write.begin().await?;
    let mut rows = 0;
    for table in tables(&mut file).await? {
        let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {}", table.name));
        if sqlx::query_as::<_, (i64,)>(count).fetch_one(&mut *writing).await?.0 > 0 {
            // What a migration has put there.
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", table.name))).execute(&mut *writing).await?;
        }
        rows += into(&mut file, &mut writing, &table).await?;
        go_on_counting(&mut writing, &table).await?;
    }
    writing.commit().await?;
    file.close().await?;
    Ok(rows)
}

async fn into(file: &mut SqliteConnection, pg: &mut PgConnection, table: &Table) -> Result<u64> {
    let mut copy = pg.copy_in_raw(&format!("COPY {} ({}) FROM STDIN", table.name, table.list())).await?;
    let select = AssertSqlSafe(format!("SELECT {} FROM {}", table.list(), table.name));
    let mut found = sqlx::query(select).fetch(file);
    let (mut rows, mut heap) = (0, Vec::with_capacity(2 * HEAP));
    while let Some(row) = found.try_next().await? {
        for (n, (column, kind)) in table.columns.iter().enumerate() {
            if n > 0 {
                heap.push(b'\t');
            }
            let fits = match kind {
                Kind::Int => plain(&mut heap, row.try_get::<Option<i64>, _>(n)?.map(|v| v.to_string())),
                Kind::Real => plain(&mut heap, row.try_get::<Option<f64>, _>(n)?.map(|v| format!("{v:?}"))),
                Kind::Text => escaped(&mut heap, row.try_get::<Option<String>, _>(n)?),
                Kind::Blob => {
                    let hex = row.try_get::<Option<Vec<u8>>, _>(n)?.map(|v| format!("\\\\x{}", data_encoding::HEXLOWER.encode(&v)));
                    plain(&mut heap, hex)
                }
            };
            if !fits {
                return Err(Error::Internal(format!(
                    "{}.{column}, row {}, has text that PostgreSQL cannot keep (a zero byte)",
                    table.name,
                    rows + 1
                )));
            }
        }
        heap.push(b'\n');
        rows += 1;
        if heap.len() > HEAP {
            copy.send(std::mem::take(&mut heap)).await?;
        }
    }
    copy.send(heap).await?;
    let taken = copy.finish().await?;
    if taken == rows { Ok(rows) } else { Err(Error::Internal(format!("{}: {taken} of {rows} rows were taken", table.name))) }
}

/// A value that needs no escaping, or NULL, as COPY takes them.
fn plain(heap: &mut Vec<u8>, value: Option<String>) -> bool {
    heap.extend_from_slice(value.as_deref().unwrap_or("\\N").as_bytes());
    true
}

fn escaped(heap: &mut Vec<u8>, value: Option<String>) -> bool {
    let Some(text) = value else { return plain(heap, None) };
    for byte in text.bytes() {
        match byte {
            0 => return false,
            b'\\' => heap.extend_from_slice(b"\\\\"),
            b'\n' => heap.extend_from_slice(b"\\n"),
            b'\r' => heap.extend_from_slice(b"\\r"),
            b'\t' => heap.extend_from_slice(b"\\t"),
            other => heap.push(other),
        }
    }
    true
}

/// A column that counts by itself goes on after the highest number that came along.
async fn go_on_counting(pg: &mut PgConnection, table: &Table) -> Result<()> {
    let counted: Option<(String,)> =
        sqlx::query_as("SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_name = $1 AND is_identity = 'YES' AND table_schema = ANY (current_schemas(false))")
            .bind(table.name.clone())
            .fetch_optional(&mut *pg)
            .await?;
    let Some((column,)) = counted else { return Ok(()) };
    let name = &table.name;
    let set = AssertSqlSafe(format!(
        "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), (SELECT COALESCE(MAX({column}), 0) + 1 FROM {name}), false)"
    ));
    sqlx::query(set).execute(pg).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_table_comes_after_what_it_refers_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        Db::open(&format!("sqlite:{}", path.display())).await.unwrap().close().await;
        let mut file = open(&path).await.unwrap();
        let tables = tables(&mut file).await.unwrap();
        let at = |name: &str| tables.iter().position(|t| t.name == name).unwrap();
        assert!(
            at("agency") < at("appeal") && at("content") < at("exhibit") && at("exhibit") < at("claim") && at("appeal") < at("submission")
        );
        let exhibit = &tables[at("exhibit")];
        assert!(
            exhibit.columns.iter().any(|c| c.0 == "lat_e7") && !exhibit.columns.iter().any(|c| c.0 == "cell" || c.0 == "span"),
            "computed by itself"
        );
    }

    #[test]
    fn text_survives() {
        let mut heap = Vec::new();
        assert!(escaped(&mut heap, Some("a\tb\\c\nd\r\u{e9}".into())) && escaped(&mut heap, None));
        assert_eq!(String::from_utf8(heap).unwrap(), "a\\tb\\\\c\\nd\\r\u{e9}\\N");
        assert!(!escaped(&mut Vec::new(), Some("\0".into())));
    }
}
