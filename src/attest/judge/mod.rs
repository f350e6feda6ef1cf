//! Proofs checked. Needs no database, no network and no trust in us.

mod bundle;
mod files;
mod receipt;

use serde::Serialize;
use serde_json::Value;

use crate::domain::custody::timestamp::{self, Distrust, Roots};
use crate::domain::custody::{Checkpoint, Policy, Signed, VerifierKey, bare_note, signed_by};
use crate::domain::value::{Sha256, Utc};

pub use bundle::verify_bundle;
pub use receipt::{ConsistencyProof, compare, verify_receipt};

/// What a check comes to. The numbers are the exit codes of `temoin verify`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Everything is proven under the given trust.
    Proven = 0,
    /// It cannot be decided: an unknown key, an undisclosed field.
    Undecided = 2,
    /// A proof contradicts the data.
    Contradicted = 1,
    /// This is not something that can be checked.
    Unusable = 3,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub result: Exit,
    pub detail: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub exit: Exit,
    pub findings: Vec<Finding>,
    /// What the entry itself says, once it is proven to stand in the log.
    pub entry: Option<Value>,
}

impl Verdict {
    fn of(findings: Vec<Finding>, entry: Option<Value>) -> Self {
        let worst = |f: &Finding| match f.result {
            Exit::Proven => 0,
            Exit::Undecided => 1,
            Exit::Unusable => 2,
            Exit::Contradicted => 3,
        };
        let exit = findings.iter().max_by_key(|f| worst(f)).map_or(Exit::Unusable, |f| f.result);
        Self { exit, findings, entry }
    }
}

/// What a reader brings along: whose signatures count.
#[derive(Clone, Copy, Default)]
pub struct Trust<'a> {
    /// Logs and witnesses.
    pub policy: Option<&'a Policy>,
    /// Timestamp authorities. With them, what is not timestamped is not decided.
    pub authorities: Option<&'a Roots>,
}

/// A file that a receipt is checked against.
pub struct GivenFile {
    pub name: String,
    pub sha256: Sha256,
    pub size: u64,
}

/// Judges timestamps over a checkpoint: the earliest time that one states, and what there is to say of each.
fn stamps<'a>(note: &str, tokens: impl Iterator<Item = (&'a str, Vec<u8>)>, roots: &Roots) -> (Option<Utc>, Vec<(Exit, String)>) {
    let imprint = Sha256::of(bare_note(note).unwrap_or_default().as_bytes());
    let (mut earliest, mut said) = (None, Vec::new());
    for (name, token) in tokens {
        said.push(match timestamp::verify(&token, imprint, None, roots) {
            Ok(at) => {
                earliest = Some(earliest.map_or(at, |e: Utc| e.min(at)));
                (Exit::Proven, format!("{name}: this checkpoint was there at {at}"))
            }
            // An authority that the reader does not know says nothing, for or against.
            Err(why @ (Distrust::Untrusted | Distrust::Unsupported)) => (Exit::Undecided, format!("{name}: {}", why.as_str())),
            Err(distrust) => (Exit::Contradicted, format!("{name}: {}", distrust.as_str())),
        });
    }
    if earliest.is_some() {
        // One good clock is enough; others that are not known do no harm.
        said.retain(|(result, _)| *result != Exit::Undecided);
    } else if said.is_empty() {
        said.push((Exit::Undecided, "nobody whom you trust has timestamped this checkpoint".into()));
    }
    (earliest, said)
}

fn signature(note: &str, checkpoint: &Checkpoint, own: &str, policy: Option<&Policy>) -> (Exit, String) {
    let Some(policy) = policy else {
        let own = VerifierKey::parse(own).filter(|k| k.name == checkpoint.origin);
        return match own {
            Some(key) if signed_by(note, &key) => {
                (Exit::Undecided, "signed by the key inside the receipt only; give a policy with --trust".into())
            }
            _ => (Exit::Contradicted, "not even the receipt's own key signed this checkpoint".into()),
        };
    };
    let origin = &checkpoint.origin;
    match policy.signed(note, checkpoint) {
        Signed::Unknown => return (Exit::Undecided, format!("the policy knows no log named {origin}")),
        Signed::No => return (Exit::Contradicted, format!("no key that the policy trusts for {origin} signed this checkpoint")),
        Signed::Replaced => return (Exit::Contradicted, "signed only by a key that was replaced before this checkpoint".into()),
        Signed::Yes => {}
    }
    if policy.witnessed(note) {
        (Exit::Proven, format!("signed by {}", checkpoint.origin))
    } else {
        (Exit::Undecided, "signed by the log, and not cosigned by the witnesses that the policy asks for".into())
    }
}
