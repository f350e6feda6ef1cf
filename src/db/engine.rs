//! The two databases behind one type. One SQL text with `$1` placeholders runs on both; what differs
//! stands in this file and nowhere else:
//!
//! - SQLite writers begin with `BEGIN IMMEDIATE`, share one connection (a deferred transaction that starts to
//!   write may be refused at once, and several writers starve one another) and commit in groups ([`super::batch`]);
//! - PostgreSQL locks rows with `FOR UPDATE [SKIP LOCKED]`, which SQLite needs not and knows not;
//! - readers of SQLite have their own read-only connections, and PostgreSQL's plan every question
//!   anew (a cached generic plan is many times slower on broad searches).

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use std::ops::{Deref, DerefMut};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};

use super::batch::{Turn, Writer};
use crate::domain::value::Utc;
use crate::error::{Error, Result};
use crate::observe;

#[derive(Clone)]
pub enum Db {
    Lite { write: Writer, read: SqlitePool },
    Pg { write: PgPool, read: PgPool },
}

/// A transaction. Dropped without [`Tx::commit`], it never happened.
pub enum Tx {
    Lite(LiteTx),
    Pg(PgTx),
}

/// PostgreSQL's: a transaction, or a connection on which each statement is one of its own.
pub enum PgTx {
    Whole(Transaction<'static, Postgres>),
    Lone(PoolConnection<Postgres>),
}

impl Deref for PgTx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        match self {
            PgTx::Whole(t) => t,
            PgTx::Lone(c) => c,
        }
    }
}

impl DerefMut for PgTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            PgTx::Whole(t) => t,
            PgTx::Lone(c) => c,
        }
    }
}

/// SQLite's two kinds of transaction: writers take turns, readers do not.
pub enum LiteTx {
    Write(Turn),
    Read(Transaction<'static, Sqlite>),
}

impl Deref for LiteTx {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        match self {
            LiteTx::Write(t) => t,
            LiteTx::Read(t) => t,
        }
    }
}

impl DerefMut for LiteTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match self {
            LiteTx::Write(t) => t,
            LiteTx::Read(t) => t,
        }
    }
}

/// Runs one SQL text on whichever engine the transaction belongs to.
///
/// `sql!(run tx, TEXT, binds…)` gives the number of rows changed; `all`, `maybe` and `one` give rows
/// as a type that implements `FromRow`.
macro_rules! sql {
    (run $tx:expr, $text:expr $(, $bind:expr)* $(,)?) => {
        match $tx {
            $crate::db::Tx::Lite(t) => sqlx::query($text)$(.bind($bind))*.execute(&mut **t).await
                .map(|done| done.rows_affected()).map_err($crate::error::Error::from),
            $crate::db::Tx::Pg(t) => $crate::db::engine::soon(sqlx::query($text)$(.bind($bind))*.execute(&mut **t)).await
                .map(|done| done.rows_affected()),
        }
    };
    (all $tx:expr, $row:ty, $text:expr $(, $bind:expr)* $(,)?) => { sql!(@ fetch_all, $tx, $row, $text $(, $bind)*) };
    (maybe $tx:expr, $row:ty, $text:expr $(, $bind:expr)* $(,)?) => { sql!(@ fetch_optional, $tx, $row, $text $(, $bind)*) };
    (one $tx:expr, $row:ty, $text:expr $(, $bind:expr)* $(,)?) => { sql!(@ fetch_one, $tx, $row, $text $(, $bind)*) };
    (@ $fetch:ident, $tx:expr, $row:ty, $text:expr $(, $bind:expr)*) => {
        match $tx {
            $crate::db::Tx::Lite(t) => sqlx::query_as::<_, $row>($text)$(.bind($bind))*.$fetch(&mut **t).await
                .map_err($crate::error::Error::from),
            $crate::db::Tx::Pg(t) => $crate::db::engine::soon(sqlx::query_as::<_, $row>($text)$(.bind($bind))*.$fetch(&mut **t)).await,
        }
    };
}

/// Runs one statement for many rows, which it says between `BEFORE` and `AFTER`: for PostgreSQL as arrays, all at once, for SQLite
/// as values, some at a time. Each column has a kind, `int`, `text` or `blob`, and is made from the row.
///
/// `many!(run tx, BEFORE, rows, |row| kind value, …; AFTER)` changes rows; `many!(all tx, ROW, …)` gives what is found.
macro_rules! many {
    (run $tx:expr, $before:literal, $rows:expr, |$row:pat_param| $($kind:ident $value:expr),+; $after:literal) => {
        match $tx {
            $crate::db::Tx::Lite(t) => {
                for group in $rows.chunks($crate::db::engine::ROWS) {
                    let mut query = sqlx::query($crate::db::engine::values($before, group.len(), &[$(stringify!($kind)),+], $after));
                    for $row in group {
                        query = query$(.bind($value))+;
                    }
                    query.execute(&mut **t).await?;
                }
            }
            $crate::db::Tx::Pg(t) => {
                let query = sqlx::query($crate::db::engine::arrays($before, &[$(stringify!($kind)),+], $after));
                #[allow(unused_variables)]
                let query = query$(.bind($rows.iter().map(|$row| $value).collect::<Vec<_>>()))+;
                $crate::db::engine::soon(query.execute(&mut **t)).await?;
            }
        }
    };
    (all $tx:expr, $found:ty, $before:literal, $rows:expr, |$row:pat_param| $($kind:ident $value:expr),+; $after:literal) => {
        match $tx {
            $crate::db::Tx::Lite(t) => {
                let mut all = Vec::new();
                for group in $rows.chunks($crate::db::engine::ROWS) {
                    let text = $crate::db::engine::values($before, group.len(), &[$(stringify!($kind)),+], $after);
                    let mut query = sqlx::query_as::<_, $found>(text);
                    for $row in group {
                        query = query$(.bind($value))+;
                    }
                    all.extend(query.fetch_all(&mut **t).await?);
                }
                all
            }
            $crate::db::Tx::Pg(t) => {
                let query = sqlx::query_as::<_, $found>($crate::db::engine::arrays($before, &[$(stringify!($kind)),+], $after));
                #[allow(unused_variables)]
                let query = query$(.bind($rows.iter().map(|$row| $value).collect::<Vec<_>>()))+;
                $crate::db::engine::soon(query.fetch_all(&mut **t)).await?
            }
        }
    };
}

/// Rows of one statement on SQLite. (It finds a parameter by walking through all of them, so that many rows cost their square.)
pub const ROWS: usize = 24;

/// `VALUES ($1, $2), ($3, $4)` for two rows of two columns.
pub fn values(before: &str, rows: usize, kinds: &[&str], after: &str) -> AssertSqlSafe<String> {
    let row = |n: usize| (1..=kinds.len()).map(|c| format!("${}", n * kinds.len() + c)).collect::<Vec<_>>().join(", ");
    let rows = (0..rows).map(|n| format!("({})", row(n))).collect::<Vec<_>>().join(", ");
    AssertSqlSafe(format!("{before} VALUES {rows} {after}"))
}

/// The same rows as PostgreSQL takes them in: one array for each column.
pub fn arrays(before: &str, kinds: &[&str], after: &str) -> AssertSqlSafe<String> {
    let array = |(n, kind): (usize, &&str)| {
        let sql = match *kind {
            "int" => "BIGINT",
            "blob" => "BYTEA",
            _ => "TEXT",
        };
        format!("${}::{sql}[]", n + 1)
    };
    let arrays = kinds.iter().enumerate().map(array).collect::<Vec<_>>().join(", ");
    AssertSqlSafe(format!("{before} SELECT * FROM UNNEST({arrays}) {after}"))
}

/// A statement that is not answered within this is given up, with its connection: the network between may be gone without a word, and the
/// driver itself would wait for as long as the kernel does.
const ANSWER_WAIT: Duration = Duration::from_secs(100);
/// The same for what is always quick: the beginning and the end of a transaction.
const QUICK_WAIT: Duration = Duration::from_secs(20);
/// The same for a question whose answer only says that somebody is there.
const PING_WAIT: Duration = Duration::from_secs(5);

/// The answer of PostgreSQL, or none in time.
pub async fn soon<T>(answer: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    within(ANSWER_WAIT, answer).await
}

async fn within<T>(wait: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    match tokio::time::timeout(wait, answer).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            suspect();
            observe::database_error();
            tracing::error!("the database does not answer");
            Err(Error::TryLater)
        }
    }
}

/// Whether the database at the other end answers, and is the one that may be written to: behind a proxy it may have become a standby.
async fn is_primary(connection: &mut PgConnection) -> bool {
    let asked = sqlx::query_as::<_, (bool,)>("SELECT pg_is_in_recovery()").fetch_one(connection);
    let is = matches!(tokio::time::timeout(PING_WAIT, asked).await, Ok(Ok((false,))));
    if !is {
        suspect();
    }
    is
}

/// When a database was last seen to go away, or to be no primary any more.
static SUSPECTED: Mutex<Option<Instant>> = Mutex::new(None);
/// For how long every connection is asked again after that.
const SUSPICION: Duration = Duration::from_secs(30);

fn suspect() {
    if let Ok(mut suspected) = SUSPECTED.lock() {
        *suspected = Some(Instant::now());
    }
}

/// Whether a connection can be used again. A running primary does not become a standby: it is started anew, and ends its connections. So it is
/// asked when a connection is opened (behind a proxy anything may answer), when it has lain idle, and for a while after anything was strange;
/// otherwise it is enough that it answers at all. (sqlx would wait for ever for one that does not, and keep its place.)
///
/// And it comes back outside of every transaction: whoever is cut off while a BEGIN is answered leaves one behind of which sqlx does not know. The
/// two words end it; in one that has failed the first is refused, and the connection goes.
async fn is_usable(connection: &mut PgConnection) -> bool {
    let ended = sqlx::raw_sql("BEGIN; ROLLBACK").execute(&mut *connection);
    if !matches!(tokio::time::timeout(PING_WAIT, ended).await, Ok(Ok(_))) {
        return false;
    }
    let suspected = SUSPECTED.lock().is_ok_and(|suspected| suspected.is_some_and(|at| at.elapsed() < SUSPICION));
    !suspected || is_primary(connection).await
}

/// Connections that may wait for one another before a caller is told to come back later.
const WAIT: Duration = Duration::from_secs(20);

impl Db {
    /// `url` is `postgres://…` or `sqlite:PATH`. Refuses to start on a schema that is not this program's, and on anything that could
    /// lose an acknowledged commit.
    pub async fn open(url: &str) -> Result<Self> {
        let db = Self::connect(url).await?;
        super::migrate::ready(&db).await?;
        db.refuse_weak_durability().await?;
        Ok(db)
    }

    /// The same without a look at the schema.
    pub async fn connect(url: &str) -> Result<Self> {
        let db = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_pg(url).await?
        } else if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_lite(Path::new(path)).await?
        } else {
            return Err(Error::Internal("a database is postgres://USER@HOST/NAME or sqlite:PATH".into()));
        };
        Ok(db)
    }

    async fn open_lite(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // 32 MiB: what the log's random keys touch in a batch stays at hand.
            .pragma("cache_size", "-32768")
            // Pages that are written again and again go back into the file every 32 MiB, not every 4.
            .pragma("wal_autocheckpoint", "8192")
            // What is deleted is overwritten: an erasure has to be one.
            .pragma("secure_delete", "ON")
            .busy_timeout(WAIT)
            // Rows cross from the thread that reads them in heaps: woken for each few, the two would do little else.
            .row_buffer_size(1024);
        let write = Writer::open(options.clone(), WAIT).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(WAIT)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Db::Lite { write, read })
    }

    async fn open_pg(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("temoin").options([
            // A node that is cut off must not hold its locks for as long as its connections seem alive.
            ("idle_in_transaction_session_timeout", "20s"),
            // Nobody waits for such a one with everything that it holds itself.
            ("lock_timeout", "15s"),
            ("synchronous_commit", "on"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "20s"),
        ]);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(WAIT)
                .test_before_acquire(false)
                .before_acquire(|connection, about| {
                    Box::pin(async move { Ok(about.idle_for < Duration::from_secs(1) || is_primary(connection).await) })
                })
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        if is_primary(connection).await { Ok(()) } else { Err(sqlx::Error::Protocol("a standby answers".into())) }
                    })
                })
                .after_release(|connection, _| Box::pin(async move { Ok(is_usable(connection).await) }))
        };
        let write = pool(16).connect_with(options.clone()).await?;
        let read = pool(8).connect_with(options.options([("plan_cache_mode", "force_custom_plan")])).await?;
        Ok(Db::Pg { write, read })
    }

    async fn refuse_weak_durability(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        let fault = match &mut tx {
            Tx::Lite(t) => {
                let (level,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(&mut **t).await?;
                let (version,): (String,) = sqlx::query_as("SELECT sqlite_version()").fetch_one(&mut **t).await?;
                let numbers: Vec<u32> = version.split('.').filter_map(|n| n.parse().ok()).collect();
                if level < 2 {
                    Some("SQLite's synchronous is weaker than FULL: it could forget acknowledged files".to_owned())
                } else if numbers < vec![3, 51, 3] {
                    Some(format!("SQLite {version} can corrupt its write-ahead log; 3.51.3 or newer is needed"))
                } else {
                    None
                }
            }
            Tx::Pg(t) => {
                let (commit,): (String,) = sqlx::query_as("SHOW synchronous_commit").fetch_one(&mut **t).await?;
                let (fsync,): (String,) = sqlx::query_as("SHOW fsync").fetch_one(&mut **t).await?;
                (commit == "off" || fsync == "off")
                    .then(|| format!("PostgreSQL runs with synchronous_commit={commit}, fsync={fsync}: it could forget acknowledged files"))
            }
        };
        fault.map_or(Ok(()), |why| Err(Error::Internal(why)))
    }

    /// A transaction that will write. (Boxed, here and below: what getting a connection takes in memory would otherwise lie
    /// in every handler, and so in every connection that waits for a slow client.)
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Db::Lite { write, .. } => Tx::Lite(LiteTx::Write(Box::pin(write.begin()).await?)),
            Db::Pg { write, .. } => Tx::Pg(PgTx::Whole(Box::pin(within(QUICK_WAIT + WAIT, write.begin())).await?)),
        })
    }

    /// Where each statement that writes is a transaction of its own on PostgreSQL, and is committed when it has run. (SQLite's writers share
    /// one sync among them: there it is a transaction as any, and takes its commit.)
    pub async fn alone(&self) -> Result<Tx> {
        match self {
            Db::Lite { .. } => self.begin().await,
            Db::Pg { write, .. } => Ok(Tx::Pg(PgTx::Lone(Box::pin(within(QUICK_WAIT + WAIT, write.acquire())).await?))),
        }
    }

    /// Where each statement that reads sees what is committed when it runs: for a single one, or for some that need not agree.
    pub async fn glance(&self) -> Result<Tx> {
        match self {
            Db::Lite { .. } => self.read().await,
            Db::Pg { read, .. } => Ok(Tx::Pg(PgTx::Lone(Box::pin(within(QUICK_WAIT + WAIT, read.acquire())).await?))),
        }
    }

    /// The same for work that takes long: nobody else's commit waits for it, nor fails with it.
    pub async fn begin_apart(&self) -> Result<Tx> {
        match self {
            Db::Lite { write, .. } => Ok(Tx::Lite(LiteTx::Write(Box::pin(write.begin_apart()).await?))),
            Db::Pg { .. } => self.begin().await,
        }
    }

    /// Whether several nodes may work on it at the same time.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Db::Pg { .. })
    }

    /// Connections that are open and those of them that are idle, for writing and for reading.
    pub fn connections(&self) -> [(&'static str, u32, usize); 2] {
        match self {
            Db::Lite { read, .. } => [("write", 1, 1), ("read", read.size(), read.num_idle())],
            Db::Pg { write, read } => [("write", write.size(), write.num_idle()), ("read", read.size(), read.num_idle())],
        }
    }

    /// A transaction that only reads, on one consistent view.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Db::Lite { read, .. } => Tx::Lite(LiteTx::Read(Box::pin(read.begin()).await?)),
            Db::Pg { read, .. } => {
                let begun = read.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
                Tx::Pg(PgTx::Whole(Box::pin(within(QUICK_WAIT + WAIT, begun)).await?))
            }
        })
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Db::Lite { .. } => "SQLite",
            Db::Pg { .. } => "PostgreSQL",
        }
    }

    /// Called after an erasure: what was deleted is in no file of the database any more. On PostgreSQL that is the business of its
    /// vacuum, its archived log and its backups: `docs/operate/README.md` says so.
    pub async fn forget_deleted(&self) -> Result<()> {
        if let Db::Lite { write, .. } = self {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            let (busy, ..) = write.alone(async |c| sqlx::query_as::<_, (i64, i64, i64)>(checkpoint).fetch_one(c).await).await??;
            if busy != 0 {
                // Somebody reads what was before; the job comes back.
                return Err(Error::TryLater);
            }
        }
        Ok(())
    }

    pub async fn close(&self) {
        match self {
            Db::Lite { write, read } => {
                read.close().await;
                // A database file that lies still holds everything, for whoever copies it.
                let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
                let emptied = write.alone(async |c| sqlx::query_as::<_, (i64, i64, i64)>(checkpoint).fetch_one(c).await).await;
                if !matches!(emptied, Ok(Ok((0, ..)))) {
                    tracing::warn!("the write-ahead log stays; the next start reads it");
                }
            }
            Db::Pg { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

/// The clock that leases go by: PostgreSQL's own, which all nodes share and none of them can set; on SQLite, ours.
pub async fn clock(tx: &mut Tx, ours: Utc) -> Result<Utc> {
    match tx {
        Tx::Lite(_) => Ok(ours),
        Tx::Pg(t) => {
            let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
            let (us,) = soon(sqlx::query_as::<_, (i64,)>(now).fetch_one(&mut **t)).await?;
            Ok(Utc::from_micros(us))
        }
    }
}

/// Which running server this is: another number after every start, and on another machine after a failover. Always 0 on SQLite.
pub async fn server(tx: &mut Tx) -> Result<i64> {
    match tx {
        Tx::Lite(_) => Ok(0),
        Tx::Pg(t) => {
            let started = "SELECT CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT)";
            Ok(soon(sqlx::query_as::<_, (i64,)>(started).fetch_one(&mut **t)).await?.0)
        }
    }
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        match self {
            Tx::Lite(LiteTx::Write(t)) => t.commit().await,
            Tx::Lite(LiteTx::Read(t)) => Ok(t.commit().await?),
            Tx::Pg(PgTx::Whole(t)) => within(QUICK_WAIT, t.commit()).await,
            Tx::Pg(PgTx::Lone(_)) => Ok(()),
        }
    }

    /// Says that everybody waits for what this one locks: a node that is cut off in the middle of it loses it within seconds.
    pub async fn hurry(&mut self) -> Result<()> {
        self.set("SET LOCAL idle_in_transaction_session_timeout = '5s'").await
    }

    /// Says that whoever locks what this one wants may rightly be waited for: they write thousands of entries.
    pub async fn wait_long(&mut self) -> Result<()> {
        self.set("SET LOCAL lock_timeout = '60s'").await
    }

    async fn set(&mut self, text: &'static str) -> Result<()> {
        if let Tx::Pg(t) = self {
            soon(sqlx::raw_sql(text).execute(&mut **t)).await?;
        }
        Ok(())
    }

    /// The same SELECT, with its rows locked until commit where the engine has row locks.
    pub(super) const fn locking(&self, lite: &'static str, pg: &'static str) -> &'static str {
        match self {
            Tx::Lite(_) => lite,
            Tx::Pg(_) => pg,
        }
    }
}

/// Full disks and absent databases are for the client to retry; constraint names and texts are ours.
impl From<sqlx::Error> for Error {
    fn from(e: sqlx::Error) -> Self {
        match &e {
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => {
                suspect();
                observe::database_error();
                tracing::error!(cause = %e, "the database is out of reach");
                Error::TryLater
            }
            sqlx::Error::RowNotFound => Error::NotFound,
            sqlx::Error::Database(d) if d.is_unique_violation() => Error::Conflict,
            // SQLITE_FULL, SQLITE_BUSY, SQLITE_READONLY, SQLITE_IOERR; PostgreSQL's resource and
            // operator classes, a transaction that it gave up, a plan that a migration made stale, and a row that an erasure was
            // faster than.
            sqlx::Error::Database(d)
                if d.code().is_some_and(|c| {
                    ["08", "0A000", "25006", "25P03", "25P04", "23503", "40", "53", "55", "57", "58"]
                        .iter()
                        .any(|class| c.starts_with(class))
                        || c.parse::<u32>().is_ok_and(|n| n < 10_000 && matches!(n & 0xff, 5 | 8 | 10 | 13 | 14))
                }) =>
            {
                suspect();
                observe::database_error();
                tracing::error!(cause = %e, "the database cannot write now");
                Error::TryLater
            }
            _ => Error::internal(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which server process answers, and whether it is still inside of something.
    async fn asked(db: &Db) -> (i32, String) {
        let mut tx = db.glance().await.unwrap();
        let Tx::Pg(t) = &mut tx else { unreachable!() };
        sqlx::query_as("SELECT pg_backend_pid(), current_setting('transaction_read_only')").fetch_one(&mut **t).await.unwrap()
    }

    #[tokio::test]
    async fn a_stray_transaction_ends_when_its_connection_comes_back() {
        let admin = std::env::var("TEMOIN_TEST_POSTGRES").expect("run the tests with infra/test.sh, which starts PostgreSQL");
        let db = Db::connect(&admin).await.unwrap();
        // As a BEGIN leaves one whose answer nobody waited for: sqlx does not know of it. One that has failed is of no use any more.
        for (stray, comes_back) in [("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1", true), ("BEGIN; SELECT 1 / 0", false)] {
            let mut tx = db.glance().await.unwrap();
            let Tx::Pg(t) = &mut tx else { unreachable!() };
            let (pid,): (i32,) = sqlx::query_as("SELECT pg_backend_pid()").fetch_one(&mut **t).await.unwrap();
            let _ = sqlx::raw_sql(stray).execute(&mut **t).await;
            drop(tx);
            // It comes back in its own time: until then the pool has none that rests.
            let rests = async {
                while db.connections()[1].2 == 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(if comes_back { 60 } else { 1 }), rests).await;
            let (again, read_only) = asked(&db).await;
            assert_eq!((again == pid, read_only.as_str()), (comes_back, "off"), "{stray}");
        }
        db.close().await;
    }
}
