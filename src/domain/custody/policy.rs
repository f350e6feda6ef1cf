//! Whom a verifier trusts: C2SP tlog-policy, with witnesses, groups and a quorum, and C2SP tlog-cosignature.
//!
//! One line of our own, which other readers take for a comment: `#until SIZE` before a `log` line says that this key signs no
//! checkpoint larger than that. It is what a key rotation leaves behind.

use ed25519_dalek::{Signature, VerifyingKey};

use super::note::{Checkpoint, VerifierKey, note_text, read_key, signature_lines, signed_by};

/// Signature type of `cosignature/v1`.
const COSIGNATURE: u8 = 0x04;

/// A witness's public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    pub name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl WitnessKey {
    pub fn parse(text: &str) -> Option<Self> {
        let (name, id, key) = read_key(text, COSIGNATURE)?;
        Some(Self { name, id, key })
    }

    /// When this witness cosigned the note, in seconds since 1970, if it did.
    pub fn cosigned(&self, note: &str) -> Option<u64> {
        let text = note_text(note)?;
        signature_lines(note).find_map(|(name, bytes)| {
            let (id, rest) = bytes.split_first_chunk::<4>()?;
            let (time, signature) = rest.split_first_chunk::<8>()?;
            let time = u64::from_be_bytes(*time);
            let message = format!("cosignature/v1\ntime {time}\n{text}");
            let signature = Signature::from_slice(signature).ok()?;
            (name == self.name && *id == self.id && self.key.verify_strict(message.as_bytes(), &signature).is_ok()).then_some(time)
        })
    }
}

#[derive(Clone, Debug)]
enum Member {
    Witness(WitnessKey),
    Group { needed: usize, members: Vec<String> },
}

/// A log whose checkpoints count.
#[derive(Clone, Debug)]
pub struct TrustedLog {
    pub key: VerifierKey,
    /// The largest checkpoint that this key signs.
    pub until: Option<u64>,
}

/// Who signed a checkpoint, as a policy sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// A key that counts.
    Yes,
    /// The policy knows no log of this name.
    Unknown,
    /// None of the keys that it knows for this log.
    No,
    /// Only a key that was replaced before.
    Replaced,
}

#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub logs: Vec<TrustedLog>,
    members: Vec<(String, Member)>,
    /// `None` when no witness is asked for.
    quorum: Option<String>,
}

impl Policy {
    /// The policy that trusts one key and asks for no witness.
    pub fn of(key: VerifierKey) -> Self {
        Self { logs: vec![TrustedLog { key, until: None }], ..Self::default() }
    }

    /// The same, with a key that signed until the log had that size.
    pub fn with_replaced(mut self, key: VerifierKey, until: u64) -> Self {
        self.logs.push(TrustedLog { key, until: Some(until) });
        self
    }

    /// The lines that name the log's keys, newest first; `url` is where it is served.
    pub fn log_lines(&self, url: &str) -> String {
        let until = |log: &TrustedLog| log.until.map_or_else(String::new, |size| format!("#until {size}\n"));
        self.logs.iter().map(|log| format!("{}log {} {url}", until(log), log.key).trim_end().to_owned() + "\n").collect()
    }

    /// The keys that count for a log of this name and size.
    pub fn keys_for(&self, checkpoint: &Checkpoint) -> impl Iterator<Item = &VerifierKey> {
        let (name, size) = (checkpoint.origin.clone(), checkpoint.size);
        self.logs.iter().filter(move |l| l.key.name == name && l.until.is_none_or(|until| size <= until)).map(|l| &l.key)
    }

    /// Which key signed a checkpoint, if one of this policy did.
    pub fn signer_of(&self, note: &str, checkpoint: &Checkpoint) -> Option<&VerifierKey> {
        self.keys_for(checkpoint).find(|key| signed_by(note, key))
    }

    /// Whose signature a checkpoint has.
    pub fn signed(&self, note: &str, checkpoint: &Checkpoint) -> Signed {
        let mut known = self.logs.iter().filter(|l| l.key.name == checkpoint.origin).peekable();
        if known.peek().is_none() {
            return Signed::Unknown;
        }
        let mut signing = known.filter(|l| signed_by(note, &l.key)).peekable();
        if signing.peek().is_none() {
            return Signed::No;
        }
        if signing.all(|l| l.until.is_some_and(|until| checkpoint.size > until)) { Signed::Replaced } else { Signed::Yes }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let mut policy = Self::default();
        let (mut quorum, mut until) = (None, None);
        for (i, line) in text.lines().enumerate() {
            let wrong = |why: &str| format!("line {}: {why}", i + 1);
            let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            match words.as_slice() {
                ["#until", size] => until = Some(size.parse().map_err(|_| wrong("not a size"))?),
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["log", key] | ["log", key, _] => {
                    let key = VerifierKey::parse(key).ok_or_else(|| wrong("not an Ed25519 verifier key"))?;
                    policy.logs.push(TrustedLog { key, until: until.take() });
                }
                ["witness", name, key] | ["witness", name, key, _] => {
                    let key = WitnessKey::parse(key).ok_or_else(|| wrong("not a cosignature/v1 verifier key"))?;
                    policy.add(name, Member::Witness(key)).map_err(wrong)?;
                }
                ["group", name, needed, members @ ..] if !members.is_empty() => {
                    let needed = match *needed {
                        "any" => 1,
                        "all" => members.len(),
                        n => n.parse().ok().filter(|n| (1..=members.len()).contains(n)).ok_or_else(|| wrong("an impossible threshold"))?,
                    };
                    let members: Vec<String> = members.iter().map(|m| (*m).to_owned()).collect();
                    if members.iter().any(|m| policy.member(m).is_none()) {
                        return Err(wrong("a member that is not defined above"));
                    }
                    policy.add(name, Member::Group { needed, members }).map_err(wrong)?;
                }
                ["quorum", name] if quorum.is_none() => quorum = Some((*name).to_owned()),
                _ => return Err(wrong("not understood")),
            }
        }
        match quorum.as_deref() {
            Some("none") => Ok(policy),
            Some(name) if policy.member(name).is_some() => Ok(Self { quorum: Some(name.to_owned()), ..policy }),
            Some(_) => Err("the quorum is not defined".into()),
            None => Err("a policy needs one quorum line".into()),
        }
    }

    fn add(&mut self, name: &str, member: Member) -> Result<(), &'static str> {
        if name == "none" || self.member(name).is_some() {
            return Err("a name that is taken");
        }
        self.members.push((name.to_owned(), member));
        Ok(())
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, m)| m)
    }

    /// Whether enough witnesses cosigned this note. Groups name only what stands above them, so this ends.
    pub fn witnessed(&self, note: &str) -> bool {
        self.quorum.as_deref().is_none_or(|name| self.holds(name, note))
    }

    fn holds(&self, name: &str, note: &str) -> bool {
        match self.member(name) {
            Some(Member::Witness(key)) => key.cosigned(note).is_some(),
            Some(Member::Group { needed, members }) => members.iter().filter(|m| self.holds(m, note)).count() >= *needed,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;
    use crate::domain::custody::{Signer, checkpoint_body};
    use crate::domain::value::Sha256;

    fn witness(name: &str, seed: u8) -> (String, SigningKey, [u8; 4]) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let bytes = [&[COSIGNATURE][..], key.verifying_key().as_bytes()].concat();
        let id: [u8; 4] = Sha256::of(&[name.as_bytes(), b"\n", &bytes].concat()).bytes()[..4].try_into().unwrap();
        (format!("{name}+{}+{}", HEXLOWER.encode(&id), BASE64.encode(&bytes)), key, id)
    }

    fn cosign(note: &str, name: &str, (_, key, id): &(String, SigningKey, [u8; 4]), time: u64) -> String {
        let text = note_text(note).unwrap();
        let signature = key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
        let bytes = [&id[..], &time.to_be_bytes(), &signature.to_bytes()].concat();
        format!("{note}\u{2014} {name} {}\n", BASE64.encode(&bytes))
    }

    #[test]
    fn quorums_count_witnesses() {
        let signer = Signer::new("log.example", &[3; 32]);
        let note = signer.sign(&checkpoint_body("log.example", 7, Sha256::of(b"root")));
        let (a, b, c) = (witness("a.example", 5), witness("b.example", 6), witness("c.example", 7));
        let text = format!(
            "log {}\nwitness A {}\nwitness B {} https://b.example\nwitness C {}\ngroup two 2 A B C\nquorum two\n",
            signer.verifier(),
            a.0,
            b.0,
            c.0
        );
        let policy = Policy::parse(&text).unwrap();
        assert!(!policy.witnessed(&note));
        let one = cosign(&note, "a.example", &a, 1_700_000_000);
        assert!(!policy.witnessed(&one));
        assert!(policy.witnessed(&cosign(&one, "c.example", &c, 1)));
        assert!(!policy.witnessed(&cosign(&one, "a.example", &a, 2)), "the same one twice is one");
        assert!(!policy.witnessed(&cosign(&one, "b.example", &c, 2)), "another's key");
        let other = signer.sign(&checkpoint_body("log.example", 8, Sha256::of(b"root")));
        let moved = format!("{other}{}\n", cosign(&note, "b.example", &b, 2).lines().last().unwrap());
        assert_eq!(WitnessKey::parse(&b.0).unwrap().cosigned(&moved), None, "a cosignature of another checkpoint");
        assert_eq!(WitnessKey::parse(&a.0).unwrap().cosigned(&one), Some(1_700_000_000));
    }

    #[test]
    fn policies() {
        let key = Signer::new("a.example", &[3; 32]).verifier().to_string();
        let policy = Policy::parse(&format!("# ours\n#until 12\nlog {key}\nlog {key}\n\nquorum none\n")).unwrap();
        assert_eq!(policy.logs.iter().map(|l| l.until).collect::<Vec<_>>(), [Some(12), None]);
        let w = witness("w", 1).0;
        for wrong in [
            format!("log {key}\n"),
            "quorum three-of-five\n".into(),
            "log nonsense\nquorum none\n".into(),
            format!("log {key}\nwitness W {key}\nquorum W\n"),
            format!("witness W {w}\nwitness W {w}\nquorum W\n"),
            format!("group g any W\nwitness W {w}\nquorum g\n"),
            format!("witness W {w}\ngroup g 2 W\nquorum g\n"),
            format!("witness W {w}\ngroup g any\nquorum g\n"),
            "quorum none\nquorum none\n".into(),
        ] {
            assert!(Policy::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
