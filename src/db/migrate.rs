//! One numbered sequence of migrations for both engines, handed to sqlx's own migrator.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqliteConnection};

use super::Db;
use crate::error::{Error, Result};

const FILES: &[(i64, &str, &str)] = &[
    (1, "spine", include_str!("../../migrations/0001_spine.sql")),
    (2, "uploads", include_str!("../../migrations/0002_uploads.sql")),
    (3, "published", include_str!("../../migrations/0003_published.sql")),
    (4, "proof", include_str!("../../migrations/0004_proof.sql")),
    (5, "record", include_str!("../../migrations/0005_record.sql")),
    (6, "facts", include_str!("../../migrations/0006_facts.sql")),
    (7, "order", include_str!("../../migrations/0007_order.sql")),
    (8, "notes", include_str!("../../migrations/0008_notes.sql")),
    (9, "workspace", include_str!("../../migrations/0009_workspace.sql")),
    (10, "review", include_str!("../../migrations/0010_review.sql")),
    (11, "nodes", include_str!("../../migrations/0011_nodes.sql")),
    (12, "people", include_str!("../../migrations/0012_people.sql")),
    (13, "requests", include_str!("../../migrations/0013_requests.sql")),
    (14, "colleagues", include_str!("../../migrations/0014_colleagues.sql")),
    (15, "schedule", include_str!("../../migrations/0015_schedule.sql")),
];

/// The newest schema that this program knows.
pub const KNOWN: i64 = FILES[FILES.len() - 1].0;

/// The schema of a database; 0 when it is empty.
pub async fn schema(db: &Db) -> Result<i64> {
    let exists = match db {
        Db::Lite { .. } => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Db::Pg { .. } => {
            "SELECT COUNT(*) FROM pg_catalog.pg_tables WHERE tablename = '_sqlx_migrations' AND schemaname = ANY (current_schemas(false))"
        }
    };
    let mut tx = db.begin().await?;
    if sql!(one &mut tx, (i64,), exists)?.0 == 0 {
        return Ok(0);
    }
    let (version,) = sql!(one &mut tx, (Option<i64>,), "SELECT MAX(version) FROM _sqlx_migrations")?;
    Ok(version.unwrap_or(0))
}

/// Whether nothing was ever written: there are no tables, or none of a log in them (a restore that broke off leaves them so).
pub async fn is_empty(db: &Db) -> Result<bool> {
    if schema(db).await? == 0 {
        return Ok(true);
    }
    let mut tx = db.begin().await?;
    Ok(sql!(one &mut tx, (i64,), "SELECT (SELECT COUNT(*) FROM agency) + (SELECT COUNT(*) FROM log_head WHERE origin <> '')")?.0 == 0)
}

/// What `serve` and all others ask for: an empty database is set up. An older one is brought up to date where nobody else can be working on
/// it; where several nodes share it, that is somebody's decision, and said in words. A newer one is refused.
pub async fn ready(db: &Db) -> Result<()> {
    match schema(db).await? {
        newer if newer > KNOWN => Err(Error::Internal(format!(
            "the database has schema {newer}, written by a newer Témoin; this program knows {KNOWN}. Run the newer program"
        ))),
        older if older > 0 && older < KNOWN && db.is_shared() => Err(Error::Internal(format!(
            "the database has schema {older}, and this program needs {KNOWN}. Make a backup, then run `temoin migrate` once; nodes of the version before may go on meanwhile"
        ))),
        KNOWN => Ok(()),
        _ => migrate(db).await,
    }
}

/// Brings the schema up to date. Several may try at once: sqlx lets one work and the others wait.
pub async fn migrate(db: &Db) -> Result<()> {
    let done = match db {
        Db::Lite { write, .. } => write.alone(async |connection| migrator("sqlite").run(connection).await).await?,
        Db::Pg { write, .. } => migrator("postgres").run(write).await,
    };
    done.map_err(does_not_fit)
}

/// The same for a file that nobody else has open.
pub async fn migrate_file(file: &mut SqliteConnection) -> Result<()> {
    migrator("sqlite").run(file).await.map_err(does_not_fit)
}

fn does_not_fit(e: MigrateError) -> Error {
    Error::Internal(format!("the database's schema does not fit this program: {e}"))
}

fn migrator(engine: &str) -> Migrator {
    let migrations = FILES
        .iter()
        .map(|(version, name, text)| {
            let sql = AssertSqlSafe(for_engine(text, engine)).into_sql_str();
            Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// The lines meant for one engine: those outside fences, and those inside its own.
fn for_engine(text: &str, engine: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match line.trim() {
            "--]" => fence = None,
            l if l.starts_with("--[") => fence = l.strip_prefix("--["),
            _ if fence.is_none_or(|f| f == engine) => {
                out.push_str(line);
                out.push('\n');
            }
            _ => {}
        }
    }
    if engine == "sqlite" { out.replace("BYTEA", "BLOB") } else { out }
}

#[cfg(test)]
mod tests {
    use super::for_engine;

    #[test]
    fn fences_choose_lines() {
        let text = "a BYTEA\n--[sqlite\nb\n--]\n--[postgres\nc\n--]\nd\n";
        assert_eq!(for_engine(text, "sqlite"), "a BLOB\nb\nd\n");
        assert_eq!(for_engine(text, "postgres"), "a BYTEA\nc\nd\n");
    }
}
