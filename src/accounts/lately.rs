//! What was done with an account lately, as its owner is told: so that who sees a sign-in that was not theirs can end it. Ways in, and what was
//! changed of them; not that auditors were told of many looks. The log has all of it.

use serde_json::Value;

use crate::db::{self, Tx};
use crate::domain::actor::Person;
use crate::domain::custody::{EventType, SubjectKind};
use crate::domain::value::Utc;
use crate::error::Result;

const TOLD: [EventType; 17] = [
    EventType::AccessLogin,
    EventType::AccessLoginFailed,
    EventType::AccountCreated,
    EventType::AccountDisabled,
    EventType::AccountEnabled,
    EventType::FactorChanged,
    EventType::SessionsEnded,
    EventType::RecoveryRequested,
    EventType::RecoveryApproved,
    EventType::RecoveryRefused,
    EventType::AccountRecovered,
    EventType::AccountVouched,
    EventType::AccountRefused,
    EventType::TokenCreated,
    EventType::TokenRevoked,
    EventType::RoleChanged,
    EventType::AccessLogout,
];
/// How many are told, among how many of the account's newest events.
const MANY: usize = 20;
const AMONG: i64 = 1_000;

/// Who did something with an account.
#[derive(Debug, PartialEq)]
pub enum By {
    /// Themselves, or nobody who has a name for them: who could not sign in, or the program.
    Owner,
    Operator,
    Person(String),
}

/// One of the things that were done.
pub struct Did {
    /// The event's type.
    pub kind: String,
    pub by: By,
    pub at: Utc,
    /// How often in a row, and since when, where somebody tried to sign in and could not; otherwise 0.
    pub failed: usize,
    pub since: Option<Utc>,
}

/// The newest first.
pub async fn lately(tx: &mut Tx, me: &Person) -> Result<Vec<Did>> {
    let names = db::accounts::names(tx, me.agency).await?;
    let entries = db::log::newest_of_subject(tx, SubjectKind::Account.as_str(), &me.id.to_string(), AMONG).await?;
    let told = entries.iter().filter_map(|entry| {
        let said: Value = serde_json::from_slice(&entry.bytes).ok()?;
        let text = |at: &str| said.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let kind = TOLD.iter().find(|told| told.as_str() == text("/type"))?;
        let other = names.iter().find(|(id, _)| *id != me.id && id.to_string() == text("/actor/ref"));
        let by = match other {
            Some((_, name)) => By::Person(name.clone()),
            None if text("/actor/k") == "operator" => By::Operator,
            None => By::Owner,
        };
        let failed = usize::from(*kind == EventType::AccessLoginFailed);
        Some(Did { kind: kind.as_str().to_owned(), by, at: text("/t").parse().ok()?, failed, since: None })
    });
    Ok(rows(told))
}

/// Many failed attempts in a row are one of what is told: they must not push out what they led to.
fn rows(told: impl Iterator<Item = Did>) -> Vec<Did> {
    let mut rows: Vec<Did> = Vec::new();
    for did in told {
        if let Some(row) = rows.last_mut().filter(|row| did.failed > 0 && row.failed > 0) {
            (row.failed, row.since) = (row.failed + 1, Some(did.at));
            continue;
        }
        if rows.len() == MANY {
            break;
        }
        rows.push(did);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(kind: EventType, at: i64) -> Did {
        let failed = usize::from(kind == EventType::AccessLoginFailed);
        Did { kind: kind.as_str().to_owned(), by: By::Owner, at: Utc::from_micros(at), failed, since: None }
    }

    #[test]
    fn attempts_push_nothing_out() {
        let attempts = (0..500).map(|n| did(EventType::AccessLoginFailed, 1_000 - n));
        let others = (0..30).map(|n| did(EventType::AccessLogin, 400 - n));
        let rows = rows(std::iter::once(did(EventType::FactorChanged, 2_000)).chain(attempts).chain(others));
        assert_eq!(rows.len(), MANY);
        assert_eq!((rows[1].failed, rows[1].at, rows[1].since), (500, Utc::from_micros(1_000), Some(Utc::from_micros(501))));
        assert!(rows[2..].iter().all(|row| row.kind == EventType::AccessLogin.as_str() && row.failed == 0));
    }

    /// Attempts between two other things are told where they were, at the end of the list, too.
    #[test]
    fn the_last_line_counts_on() {
        let others = (0..19).map(|n| did(EventType::AccessLogin, 100 - n));
        let attempts = (0..7).map(|n| did(EventType::AccessLoginFailed, 50 - n));
        let rows = rows(others.chain(attempts).chain(std::iter::once(did(EventType::AccessLogout, 1))));
        assert_eq!((rows.len(), rows[MANY - 1].failed), (MANY, 7));
    }
}
