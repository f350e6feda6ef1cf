//! Anchors: outsiders who say what the log was, and when. Timestamp authorities (RFC 3161) sign the published checkpoint; witnesses
//! (C2SP tlog-witness) cosign it after they have checked that it continues what they saw before. After that not even somebody with
//! the database *and* the log's key can tell another history.
//!
//! An authority that is away, or whose answer does not hold, is a failure: an event, and a red state that people see. The service
//! goes on.

use std::collections::HashMap;
use std::fs;

use serde_json::Value;

use super::growth_is_only;
use crate::app::App;
use crate::attest::append;
use crate::attest::receipt::consistency;
use crate::config::{Timestamping, Witness};
use crate::db::anchors::{self, Anchor, Kind};
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::timestamp::{self, Roots};
use crate::domain::custody::{Checkpoint, Draft, EventType, WitnessKey};
use crate::domain::value::{SECOND_US, Sha256, Utc};
use crate::error::{Error, Result};
use crate::outside::Outside;

/// Asks everybody for whom there is something new. One who fails does not keep the others from being asked.
pub async fn anchor(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let Some((size, note)) = db::log::last_checkpoint(&mut tx).await? else { return Ok(()) };
    drop(tx);
    anchor_checkpoint(app, size, &note, false).await
}

/// Asks everybody for this very checkpoint, as for a bundle that is about to leave.
pub async fn anchor_checkpoint(app: &App, size: u64, note: &str, even_if_idle: bool) -> Result<()> {
    let anchors = &app.config.anchors;
    if anchors.timestamps.is_empty() && anchors.witnesses.is_empty() {
        return Ok(());
    }
    let outside = Outside::new().map_err(Error::Internal)?;
    for authority in &anchors.timestamps {
        if wanted(app, Kind::Timestamp, &authority.name, size, even_if_idle).await? {
            let done = stamp(app, &outside, authority, note).await;
            write_down(app, Kind::Timestamp, &authority.name, size, done).await?;
        }
    }
    for witness in &anchors.witnesses {
        let name = name_of(witness);
        if wanted(app, Kind::Witness, &name, size, even_if_idle).await? {
            let done = cosign(app, &outside, witness, size, note).await?;
            write_down(app, Kind::Witness, &name, size, done).await?;
        }
    }
    Ok(())
}

fn name_of(witness: &Witness) -> String {
    witness.key.split('+').next().unwrap_or_default().to_owned()
}

/// Whether the log has grown by more than our own notes about anchors since this one was asked with success.
async fn wanted(app: &App, kind: Kind, name: &str, size: u64, even_if_idle: bool) -> Result<bool> {
    let mut tx = app.db.read().await?;
    Ok(match anchors::last(&mut tx, kind, name).await? {
        Some(last) if last.size >= size => false,
        Some(last) => even_if_idle || !growth_is_only(&mut tx, last.size, size, "anchor.").await?,
        None => size > 0,
    })
}

/// Proof and time of a success, or why not.
type Done = std::result::Result<(Vec<u8>, Utc), String>;

/// A timestamp over the signed note, byte for byte as it is published.
async fn stamp(app: &App, outside: &Outside, authority: &Timestamping, note: &str) -> Done {
    let pem = fs::read_to_string(&authority.ca).map_err(|e| format!("{}: {e}", authority.ca.display()))?;
    let roots = Roots::parse(&pem).ok_or_else(|| format!("{} holds no certificate", authority.ca.display()))?;
    let (imprint, nonce) = (Sha256::of(note.as_bytes()), app.salt());
    let question = timestamp::request(imprint, nonce).ok_or("the question cannot be asked")?;
    let (status, answer) = outside.post(&authority.url, "application/timestamp-query", question).await?;
    if status != 200 {
        return Err(format!("it answers {status}"));
    }
    let token = timestamp::token_of(&answer).map_err(|d| d.as_str().to_owned())?;
    let at = timestamp::verify(&token, imprint, Some(nonce), &roots).map_err(|d| d.as_str().to_owned())?;
    in_time(app, at)?;
    Ok((token, at))
}

/// A clock that is further off than verifiers allow is of no use as a clock.
fn in_time(app: &App, at: Utc) -> std::result::Result<(), String> {
    if (at.micros() - app.now().micros()).abs() > SKEW_US { Err(format!("it says that it is {at}")) } else { Ok(()) }
}

/// A cosignature: the witness is told what it saw last, and shown that this continues it. If it remembers another size than we do,
/// it says so and is asked once more.
async fn cosign(app: &App, outside: &Outside, witness: &Witness, size: u64, note: &str) -> Result<Done> {
    let Some(key) = WitnessKey::parse(&witness.key) else { return Ok(Err("its key cannot be read".into())) };
    let mut tx = app.db.read().await?;
    let mut old = anchors::last(&mut tx, Kind::Witness, &name_of(witness)).await?.map_or(0, |a| a.size);
    let url = format!("{}/add-checkpoint", witness.url.trim_end_matches('/'));
    for again in [true, false] {
        let mut question = format!("old {old}\n");
        for hash in consistency(&mut tx, old, size).await?.unwrap_or_default() {
            question.push_str(&hash.base64());
            question.push('\n');
        }
        question.push('\n');
        question.push_str(note);
        let (status, answer) = match outside.post(&url, "text/plain; charset=utf-8", question.into_bytes()).await {
            Ok(answered) => answered,
            Err(why) => return Ok(Err(why)),
        };
        let text = String::from_utf8_lossy(&answer).into_owned();
        match status {
            200 => {
                let cosigned = format!("{note}{}\n", text.trim_end());
                let Some(time) = key.cosigned(&cosigned) else { return Ok(Err("its cosignature does not hold".into())) };
                let line = text.lines().find(|l| key.cosigned(&format!("{note}{l}\n")).is_some()).unwrap_or_default();
                let at = Utc::from_micros(i64::try_from(time).unwrap_or(0).saturating_mul(SECOND_US));
                return Ok(in_time(app, at).map(|()| (line.as_bytes().to_vec(), at)));
            }
            409 if again => match text.trim().parse::<u64>() {
                Ok(theirs) if theirs <= size => old = theirs,
                // It has seen more of this log than we have: that is the worst news there is.
                Ok(theirs) => return Ok(Err(format!("it has seen {theirs} entries, and we have {size}"))),
                Err(_) => return Ok(Err("it answers 409 without a size".into())),
            },
            422 => return Ok(Err("it has seen another history of this log".into())),
            status => return Ok(Err(format!("it answers {status}"))),
        }
    }
    Ok(Err("it remembers another size each time".into()))
}

/// One transaction: what came of it, and its event. The same failure again is no new event.
async fn write_down(app: &App, kind: Kind, name: &str, size: u64, done: Done) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let before = anchors::failure(&mut tx, kind, name).await?;
    let (row, event) = match done {
        Ok((proof, at)) => {
            let draft = Draft::new(EventType::AnchorOk, Actor::System).fact("proof_sha256", Sha256::of(&proof).to_string());
            (Anchor { kind, name: name.to_owned(), size, proof, problem: String::new(), at }, Some(draft))
        }
        Err(problem) => {
            tracing::error!(name, problem, "an anchor failed");
            let new = before.is_none_or(|b| b.problem != problem);
            let draft = new.then(|| Draft::new(EventType::AnchorFailed, Actor::System).fact("problem", problem.clone()));
            (Anchor { kind, name: name.to_owned(), size, proof: Vec::new(), problem, at: app.now() }, draft)
        }
    };
    anchors::add(&mut tx, app.new_id(), &row).await?;
    if let Some(draft) = event {
        append(app, &mut tx, draft.fact("kind", kind.as_str()).fact("name", name.to_owned()).fact("size", size)).await?;
    }
    tx.commit().await
}

/// The checkpoint of a size as it is published, with the cosignatures that it has.
pub async fn cosigned(tx: &mut Tx, size: u64, note: &str) -> Result<String> {
    let mut whole = note.to_owned();
    for a in anchors::at(tx, size).await?.into_iter().filter(|a| a.kind == Kind::Witness) {
        whole.push_str(&String::from_utf8_lossy(&a.proof));
        whole.push('\n');
    }
    Ok(whole)
}

/// The timestamps of a size: name and token.
pub async fn timestamps(tx: &mut Tx, size: u64) -> Result<Vec<(String, Vec<u8>)>> {
    let all = anchors::at(tx, size).await?;
    Ok(all.into_iter().filter(|a| a.kind == Kind::Timestamp).map(|a| (a.name, a.proof)).collect())
}

/// How one authority stands.
pub struct Standing {
    pub kind: Kind,
    pub name: String,
    /// The last checkpoint that it vouched for, and when.
    pub last: Option<(u64, Utc)>,
    pub problem: Option<String>,
    /// Since when something waits for it.
    pub waiting_since: Option<Utc>,
    /// Whether people have to look.
    pub red: bool,
}

/// How everybody whom the operator named stands.
pub async fn standing(app: &App, tx: &mut Tx) -> Result<Vec<Standing>> {
    let anchors = &app.config.anchors;
    let named = anchors.timestamps.iter().map(|a| (Kind::Timestamp, a.name.clone()));
    let named = named.chain(anchors.witnesses.iter().map(|w| (Kind::Witness, name_of(w))));
    let size = db::log::head(tx).await?.size();
    let patience = i64::try_from(anchors.every_seconds).unwrap_or(i64::MAX / SECOND_US / 4).saturating_mul(3 * SECOND_US);
    let mut all = Vec::new();
    for (kind, name) in named {
        let last = anchors::last(tx, kind, &name).await?;
        let problem = anchors::failure(tx, kind, &name).await?.map(|f| f.problem);
        let from = last.as_ref().map_or(0, |a| a.size);
        let waiting_since = match db::log::entries(tx, from, 1).await?.first() {
            Some(next) if !growth_is_only(tx, from, size, "anchor.").await? => {
                serde_json::from_slice::<Value>(&next.bytes).ok().and_then(|e| e["t"].as_str()?.parse::<Utc>().ok())
            }
            _ => None,
        };
        let late = waiting_since.is_some_and(|since| app.now().micros() - since.micros() > patience);
        all.push(Standing { kind, last: last.map(|a| (a.size, a.at)), red: problem.is_some() || late, problem, waiting_since, name });
    }
    Ok(all)
}

/// A name that can be a file's.
pub fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' }).collect()
}

/// How far the clocks of nodes and authorities may lie apart.
const SKEW_US: i64 = 5 * 60 * SECOND_US;

/// Whether an entry's own time lies outside what outsiders saw: before the last anchor that does not contain it yet, or after the
/// first one that does. `seen` are sizes and times in order.
pub fn out_of_time(seen: &[(u64, Utc)], envelope: &Value, index: u64) -> Option<String> {
    let at: Utc = envelope["t"].as_str()?.parse().ok()?;
    let first_with = seen.partition_point(|(size, _)| *size <= index);
    let before = first_with.checked_sub(1).map(|n| seen[n].1);
    let after = seen.get(first_with).map(|s| s.1);
    if let Some(before) = before.filter(|b| at.micros() < b.micros() - SKEW_US) {
        return Some(format!("entry {index} claims {at}, and came after what was seen outside at {before}"));
    }
    let after = after.filter(|a| at.micros() > a.micros() + SKEW_US)?;
    Some(format!("entry {index} claims {at}, and was seen outside at {after}"))
}

/// Anchors that the log of these roots contradicts, or that do not hold, for the audit.
pub async fn contradicted(app: &App, tx: &mut Tx, roots: &HashMap<u64, Sha256>) -> Result<Vec<String>> {
    let authorities: HashMap<&str, Roots> = app
        .config
        .anchors
        .timestamps
        .iter()
        .filter_map(|a| Some((a.name.as_str(), Roots::parse(&fs::read_to_string(&a.ca).ok()?)?)))
        .collect();
    let witnesses: Vec<WitnessKey> = app.config.anchors.witnesses.iter().filter_map(|w| WitnessKey::parse(&w.key)).collect();
    let mut wrong = Vec::new();
    let mut sizes: Vec<u64> = anchors::times(tx).await?.into_iter().map(|(size, _)| size).collect();
    sizes.dedup();
    for size in sizes {
        let note = db::log::checkpoint_at(tx, size).await?.unwrap_or_default();
        if Checkpoint::parse(&note).is_none_or(|c| roots.get(&size) != Some(&c.root)) {
            wrong.push(format!("what outsiders saw at {size} entries is not in this log"));
            continue;
        }
        for a in anchors::at(tx, size).await? {
            let holds = match a.kind {
                // One that is configured no more cannot be judged here.
                Kind::Timestamp => authorities
                    .get(a.name.as_str())
                    .is_none_or(|roots| timestamp::verify(&a.proof, Sha256::of(note.as_bytes()), None, roots).is_ok()),
                Kind::Witness => witnesses
                    .iter()
                    .find(|w| w.name == a.name)
                    .is_none_or(|w| w.cosigned(&format!("{note}{}\n", String::from_utf8_lossy(&a.proof))).is_some()),
            };
            if !holds {
                wrong.push(format!("what {} said at {size} entries does not hold for them", a.name));
            }
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_lies_between_its_anchors() {
        let at = |minutes: i64| Utc::from_micros(1_700_000_000_000_000 + minutes * 60 * SECOND_US);
        let seen = [(10, at(0)), (20, at(60))];
        let entry = |minutes: i64| json!({"t": at(minutes).to_string()});
        // T17: entry 12 came after the first anchor, and the second contains it.
        assert!(out_of_time(&seen, &entry(30), 12).is_none());
        assert!(out_of_time(&seen, &entry(-2 * 24 * 60), 12).unwrap().contains("came after"));
        assert!(out_of_time(&seen, &entry(90), 12).unwrap().contains("was seen outside"));
        assert!(out_of_time(&seen, &entry(-3), 12).is_none(), "clocks differ by minutes");
        assert!(out_of_time(&seen, &entry(-500), 3).is_none() && out_of_time(&seen, &entry(900), 25).is_none());
        assert!(out_of_time(&seen, &entry(10), 25).is_some());
        assert!(out_of_time(&[], &entry(0), 0).is_none());
    }
}
