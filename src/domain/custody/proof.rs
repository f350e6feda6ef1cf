//! The witness's receipt: a C2SP tlog-proof whose `extra` carries the entry and its openings.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::event::Opening;
use super::merkle::PROOF_HASHES_MAX;
use super::strict;
use crate::domain::value::Sha256;

/// First line of every proof file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A receipt is about 3 KiB; nothing honest comes near this.
pub const PROOF_BYTES_MAX: usize = 256 * 1024;

/// An offline proof that one entry stands in a signed log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogProof {
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    pub hashes: Vec<Sha256>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

impl LogProof {
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > PROOF_BYTES_MAX {
            return None;
        }
        let rest = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
        let (head, checkpoint) = rest.split_once("\n\n")?;
        let mut lines = head.lines().peekable();
        let extra = match lines.peek()?.strip_prefix("extra ") {
            Some(base64) => {
                let bytes = BASE64.decode(base64.as_bytes()).ok()?;
                lines.next();
                Some(bytes)
            }
            None => None,
        };
        let index_text = lines.next()?.strip_prefix("index ")?;
        let index: u64 = index_text.parse().ok()?;
        (index.to_string() == index_text).then_some(())?;
        let hashes = lines.map(Sha256::from_base64).collect::<Option<Vec<_>>>()?;
        (hashes.len() <= PROOF_HASHES_MAX).then_some(())?;
        Some(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

impl std::fmt::Display for LogProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", hash.base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// What a receipt carries beside the proof. Nothing in it is believed before it is checked against
/// the entry, the entry against the tree, and the tree against a key that the reader trusts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The entry's exact bytes, base64.
    pub entry: String,
    pub openings: Vec<Opening>,
    /// The log's public key as the server states it. A hint only.
    pub vkey: String,
    pub server: String,
    /// What came of it, when it was erased: then there are no openings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<Tombstone>,
    /// When outsiders saw this checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<Timestamp>,
    /// That this checkpoint contains the one of an older receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// An RFC 3161 token over the checkpoint's note as the log alone signed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    pub name: String,
    /// DER, base64.
    pub token: String,
}

/// An older checkpoint of the same log, and the consistency proof from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    pub checkpoint: String,
    /// RFC 9162 consistency proof, base64.
    pub hashes: Vec<String>,
}

/// The entry that erased an exhibit, in the same tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    pub index: u64,
    /// The entry's exact bytes, base64.
    pub entry: String,
    /// Its inclusion proof, base64.
    pub hashes: Vec<String>,
}

impl Receipt {
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).unwrap_or_default()
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        strict::parse_as(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_read_back_and_junk_does_not() {
        let proof = LogProof {
            extra: Some(b"{}".to_vec()),
            index: 12,
            hashes: vec![Sha256::of(b"a"), Sha256::of(b"b")],
            checkpoint: "o\n13\nAAAA\n\n\u{2014} o xyz\n".into(),
        };
        assert_eq!(LogProof::parse(&proof.to_string()), Some(proof.clone()));
        let bare = LogProof { extra: None, hashes: vec![], index: 0, ..proof.clone() };
        assert_eq!(LogProof::parse(&bare.to_string()), Some(bare));
        let text = proof.to_string();
        for wrong in [
            text.replace("index 12", "index 012"),
            text.replace("@v1", "@v2"),
            text.replace("extra ", "extra"),
            String::new(),
            format!("{HEADER}\nindex 0\n{}\n\nx\n", "!".repeat(44)),
        ] {
            assert!(LogProof::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
