//! Group commit for SQLite, which has one writer at a time and pays one sync for each commit.
//!
//! Whoever comes while another writes joins its transaction, in a savepoint of its own; the last one, or the thirty-second,
//! commits for all. Nobody is told that its work is committed before that commit is durable, and if it fails nobody's was.
//! A member that gives up, or is dropped at any point, takes back its own savepoint and nothing else.
//! (PostgreSQL gathers the commits of its sessions by itself.)

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// A batch takes no more members than this, and none after this long: the first ones wait for their answer.
const MEMBERS_MAX: usize = 32;
const AGE_MAX: Duration = Duration::from_millis(10);

/// The one connection that writes.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Mutex<Batch>>,
    waiting: Arc<AtomicUsize>,
    wait: Duration,
}

struct Batch {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    /// Whether a transaction is open, or may be: a caller may have been dropped while it was being opened.
    open: bool,
    /// Whether it is known to be open.
    ready: bool,
    /// Whether a member's savepoint is there, with work that is not to be kept.
    abandoned: bool,
    /// Those whose work is in the open transaction, waiting to be told whether it was committed.
    members: Vec<oneshot::Sender<bool>>,
    begun: Instant,
}

/// One member's turn to write. Dropped without [`Turn::commit`], its work never happened.
pub struct Turn {
    batch: OwnedMutexGuard<Batch>,
    writer: Writer,
}

/// Counts somebody in the queue. Whoever leaves it last without writing sees to it that the batch does not stay open.
struct Waiting<'a>(&'a Writer);

impl<'a> Waiting<'a> {
    fn new(writer: &'a Writer) -> Self {
        writer.waiting.fetch_add(1, Ordering::SeqCst);
        Self(writer)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.close_soon();
        }
    }
}

impl Writer {
    pub async fn open(options: SqliteConnectOptions, wait: Duration) -> Result<Self> {
        let connection = options.connect().await?;
        let batch = Batch { connection, options, open: false, ready: false, abandoned: false, members: Vec::new(), begun: Instant::now() };
        Ok(Self { shared: Arc::new(Mutex::new(batch)), waiting: Arc::default(), wait })
    }

    async fn take_turn(&self, apart: bool) -> Result<Turn> {
        let waiting = Waiting::new(self);
        let lock = tokio::time::timeout(self.wait, self.shared.clone().lock_owned()).await;
        let batch = lock.map_err(|_| Error::from(sqlx::Error::PoolTimedOut))?;
        // From here on the turn itself answers for the batch.
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        std::mem::forget(waiting);
        let batch = if batch.full() || apart && !batch.members.is_empty() { closed(batch).await? } else { batch };
        let mut turn = Turn { batch, writer: self.clone() };
        turn.batch.enter().await?;
        Ok(turn)
    }

    pub async fn begin(&self) -> Result<Turn> {
        self.take_turn(false).await
    }

    /// For work that takes long: whoever came before is answered first.
    pub async fn begin_apart(&self) -> Result<Turn> {
        self.take_turn(true).await
    }

    /// Runs something on the connection outside any transaction.
    pub async fn alone<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> Result<T> {
        let batch = self.shared.clone().lock_owned().await;
        let mut batch = closed(batch).await?;
        Ok(work(&mut batch.connection).await)
    }

    /// Commits what is open as soon as nobody writes, unless somebody is about to.
    fn close_soon(&self) {
        let writer = self.clone();
        let work = async move {
            let mut batch = writer.shared.clone().lock_owned().await;
            if writer.waiting.load(Ordering::SeqCst) == 0 {
                batch.close().await;
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(work);
        }
    }
}

/// Commits in a task of its own: the caller may be dropped, the others' commit may not.
async fn closed(mut batch: OwnedMutexGuard<Batch>) -> Result<OwnedMutexGuard<Batch>> {
    let work = async move {
        batch.close().await;
        batch
    };
    tokio::spawn(work).await.map_err(Error::internal)
}

impl Batch {
    fn full(&self) -> bool {
        self.open && (!self.ready || self.members.len() >= MEMBERS_MAX || self.begun.elapsed() >= AGE_MAX)
    }

    async fn run(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        self.connection.execute(text).await.map(|_| ())
    }

    /// Opens a member's savepoint, in the open transaction or in a new one; one that was left behind is emptied and used again.
    async fn enter(&mut self) -> Result<()> {
        if self.abandoned && self.roll_back_member().await {
            return Ok(());
        }
        if self.abandoned {
            self.close().await;
        }
        if !self.open {
            // Said before it is so: a caller that is dropped meanwhile must not leave a transaction that nobody knows of.
            self.open = true;
            self.begun = Instant::now();
            if let Err(e) = self.begin().await {
                self.open = false;
                return Err(e.into());
            }
            self.ready = true;
        }
        self.abandoned = true;
        self.run("SAVEPOINT member").await?;
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self.run("BEGIN IMMEDIATE").await {
            Err(sqlx::Error::WorkerCrashed) => {
                self.connection = self.options.connect().await?;
                self.run("BEGIN IMMEDIATE").await
            }
            done => done,
        }
    }

    /// Asked again afterwards: a worker that died with the command in its hands gives no error of its own.
    async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.run("COMMIT").await?;
        self.connection.ping().await
    }

    /// Leaves an empty savepoint, which the next member uses or the commit releases: doing it twice does no harm. False when
    /// the engine has rolled back more than the member's own work (a full disk can do that).
    async fn roll_back_member(&mut self) -> bool {
        self.run("ROLLBACK TO member").await.is_ok()
    }

    /// Ends the open transaction and tells its members how.
    async fn close(&mut self) {
        if !self.open {
            return;
        }
        let mut whole = self.ready && !self.members.is_empty() && (!self.abandoned || self.roll_back_member().await);
        if whole && let Err(e) = self.commit().await {
            tracing::error!(cause = %e, members = self.members.len(), "a commit failed");
            whole = false;
        }
        if !whole {
            // Refused where nothing is open any more, which is as good.
            let _ = self.run("ROLLBACK").await;
        }
        (self.open, self.ready, self.abandoned) = (false, false, false);
        for member in self.members.drain(..) {
            let _ = member.send(whole);
        }
    }
}

impl Turn {
    /// Resolves when the work is durable. In a task of its own: a caller that is dropped in the middle must not leave the
    /// batch in doubt of whose work is in it.
    pub async fn commit(mut self) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let join = async move {
            self.batch.run("RELEASE member").await?;
            self.batch.abandoned = false;
            self.batch.members.push(tell);
            Ok::<_, Error>(())
        };
        tokio::spawn(join).await.map_err(Error::internal)??;
        match told.await {
            Ok(true) => Ok(()),
            _ => Err(Error::TryLater),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Who waits has the batch next, and commits or adds to it.
        if self.writer.waiting.load(Ordering::SeqCst) == 0 {
            self.writer.close_soon();
        }
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.batch.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.batch.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer(dir: &tempfile::TempDir) -> Writer {
        let options = SqliteConnectOptions::new().filename(dir.path().join("x.db")).create_if_missing(true);
        let writer = Writer::open(options, Duration::from_secs(5)).await.unwrap();
        writer.alone(async |c| c.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)").await.map(|_| ())).await.unwrap().unwrap();
        writer
    }

    async fn rows(writer: &Writer) -> Vec<i64> {
        writer
            .alone(async |c| sqlx::query_as::<_, (i64,)>("SELECT n FROM t ORDER BY n").fetch_all(c).await)
            .await
            .unwrap()
            .unwrap()
            .into_iter()
            .map(|r| r.0)
            .collect()
    }

    async fn add(turn: &mut Turn, n: i64) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO t (n) VALUES ($1)").bind(n).execute(&mut **turn).await.map(|_| ())
    }

    #[tokio::test]
    async fn many_commit_together_and_each_alone_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(&dir).await;
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let writer = writer.clone();
                tokio::spawn(async move {
                    let mut turn = writer.begin().await.unwrap();
                    add(&mut turn, n).await.unwrap();
                    if n % 3 == 0 {
                        return false;
                    }
                    if n % 3 == 1 {
                        // A statement that is refused takes nothing of the others with it.
                        assert!(add(&mut turn, n).await.is_err());
                    }
                    turn.commit().await.is_ok()
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n % 3 != 0, "{n}");
        }
        assert_eq!(rows(&writer).await, (0..100).filter(|n| n % 3 != 0).collect::<Vec<i64>>());
    }

    #[tokio::test]
    async fn who_is_dropped_while_waiting_leaves_nothing_open() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(&dir).await;
        let mut first = writer.begin().await.unwrap();
        add(&mut first, 1).await.unwrap();
        let waiting = tokio::spawn({
            let writer = writer.clone();
            async move { writer.begin().await.map(|_| ()) }
        });
        while writer.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let committing = tokio::spawn(first.commit());
        waiting.abort();
        // Whether the second one was dropped before its turn or in it, the first is told.
        tokio::time::timeout(Duration::from_secs(5), committing).await.unwrap().unwrap().unwrap();
        assert_eq!(rows(&writer).await, [1]);
        let mut third = writer.begin().await.unwrap();
        add(&mut third, 3).await.unwrap();
        drop(third);
        assert_eq!(rows(&writer).await, [1]);
    }

    #[tokio::test]
    async fn when_the_engine_rolls_everything_back_nobody_is_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(&dir).await;
        let mut first = writer.begin().await.unwrap();
        add(&mut first, 1).await.unwrap();
        let second = tokio::spawn({
            let writer = writer.clone();
            async move {
                let mut turn = writer.begin().await.unwrap();
                // What SQLite does on its own when a disk is full.
                turn.batch.run("ROLLBACK").await.unwrap();
            }
        });
        while writer.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(first.commit().await, Err(Error::TryLater)));
        second.await.unwrap();
        let mut third = writer.begin().await.unwrap();
        add(&mut third, 3).await.unwrap();
        third.commit().await.unwrap();
        assert_eq!(rows(&writer).await, [3]);
    }
}
