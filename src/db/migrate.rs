//! One numbered sequence of migrations for both engines, handed to sqlx's own migrator.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

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
];

pub async fn run(db: &Db) -> Result<()> {
    let engine = match db {
        Db::Lite { .. } => "sqlite",
        Db::Pg { .. } => "postgres",
    };
    let migrations = FILES
        .iter()
        .map(|(version, name, text)| {
            let sql = AssertSqlSafe(for_engine(text, engine)).into_sql_str();
            Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
        })
        .collect();
    let migrator = Migrator::with_migrations(migrations);
    let done = match db {
        Db::Lite { write, .. } => write.alone(async |connection| migrator.run(connection).await).await?,
        Db::Pg { write, .. } => migrator.run(write).await,
    };
    done.map_err(|e| Error::Internal(format!("the database's schema does not fit this program: {e}")))
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
