//! Throws away what no acknowledged upload refers to, a day after it came. Nothing else removes bytes.

use crate::app::App;
use crate::db;
use crate::error::Result;

/// How much a sweep took away.
#[derive(Debug, Default)]
pub struct Swept {
    pub staged: u64,
    pub blobs: u64,
}

pub async fn sweep(app: &App) -> Result<Swept> {
    let mut swept = Swept { staged: app.blobs.sweep_staged().await?, blobs: 0 };
    let mut after = None;
    loop {
        let (keys, next) = app.blobs.list_old(after).await?;
        for key in keys {
            // Asked of the writer, so that a row committed this instant is seen.
            let mut tx = app.db.begin().await?;
            let wanted = db::contents::refers_to(&mut tx, &key).await?;
            drop(tx);
            if !wanted {
                app.blobs.remove(&key).await?;
                swept.blobs += 1;
            }
        }
        if next.is_none() {
            return Ok(swept);
        }
        after = next;
    }
}
