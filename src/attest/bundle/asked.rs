//! What a bundle is asked for with: which exhibits, for whom, why, and so what of them goes along.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::custody::EventType;
use crate::domain::exhibit::State;
use crate::domain::purpose::worded;
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// For whom a bundle is. What is withheld stays visible as commitments without openings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Everything.
    Prosecution,
    /// Without what could lead to the witness.
    Defence,
}

impl Profile {
    pub const fn as_str(self) -> &'static str {
        match self {
            Profile::Prosecution => "prosecution",
            Profile::Defence => "defence",
        }
    }

    /// Whether an opening goes along. To the defence only what is named here: what a witness called the file and said of it, and what
    /// staff wrote, can name the witness; a kind of event that comes later stays closed until somebody has thought about it.
    pub(super) fn discloses(self, kind: &str, path: &str) -> bool {
        const TO_THE_DEFENCE: [&str; 16] = [
            "sha256",
            "size",
            "received_at",
            "appeal",
            "declared_type",
            "decision",
            "previous",
            "found",
            "export",
            "manifest_sha256",
            "source_sha256",
            "thumbnail_sha256",
            "view_sha256",
            "sheet_sha256",
            "proxy_sha256",
            "exhibits",
        ];
        self == Profile::Prosecution
            || TO_THE_DEFENCE.contains(&path)
            || kind == EventType::ExportCreated.as_str() && matches!(path, "recipient" | "reason")
    }
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub appeal: String,
    pub exhibits: Vec<Id>,
    /// Everything with this decision was asked for; `exhibits` is what that was when it was asked.
    #[serde(default)]
    pub decided: Option<String>,
    pub profile: Profile,
    pub recipient: String,
    pub reason: String,
}

impl Asked {
    /// Whether it says what a bundle needs: something, for somebody, for a reason.
    pub fn check(&self) -> Result<()> {
        if self.exhibits.is_empty() {
            return Err(Error::Invalid { field: "exhibits", why: "nothing is chosen".into() });
        }
        for (field, text) in [("recipient", &self.recipient), ("reason", &self.reason)] {
            if !worded(text) {
                return Err(Error::Invalid { field, why: "say it in a few words".into() });
            }
        }
        Ok(())
    }
}

/// Every exhibit of an appeal on which this was decided.
pub async fn decided_as(app: &App, appeal: &Appeal, state: State) -> Result<Vec<Id>> {
    let mut tx = app.db.read().await?;
    Ok(db::exhibits::of_appeal(&mut tx, appeal.id).await?.into_iter().filter(|e| e.state == state).map(|e| e.id).collect())
}
