//! Signed notes and checkpoints, as C2SP writes them.
//!
//! Ed25519 keys only (signature type 0x01); lines of other types and unknown keys are ignored, as
//! the specification asks, so that ML-DSA lines can stand beside ours one day.

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::sshsig;
use crate::domain::value::Sha256;

const ED25519: u8 = 0x01;

fn key_id(name: &str, kind: u8, public: &[u8]) -> [u8; 4] {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(b'\n');
    bytes.push(kind);
    bytes.extend_from_slice(public);
    let digest = Sha256::of(&bytes);
    let mut id = [0; 4];
    id.copy_from_slice(&digest.bytes()[..4]);
    id
}

/// Reads `name+id+base64` of one kind of key: name, id, key.
pub(super) fn read_key(text: &str, kind: u8) -> Option<(String, [u8; 4], VerifyingKey)> {
    let mut parts = text.splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    if name.is_empty() || name.chars().any(char::is_whitespace) {
        return None;
    }
    let bytes = BASE64.decode(key.as_bytes()).ok()?;
    let (&own_kind, public) = bytes.split_first()?;
    let own_id = key_id(name, kind, public);
    if own_kind != kind || HEXLOWER.encode(&own_id) != id {
        return None;
    }
    Some((name.to_owned(), own_id, VerifyingKey::from_bytes(public.try_into().ok()?).ok()?))
}

/// A public key with the name of its log: `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    pub name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    pub fn parse(text: &str) -> Option<Self> {
        let (name, _, key) = read_key(text, ED25519)?;
        Some(Self { name, key })
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, ED25519, self.key.as_bytes())
    }

    pub fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key as OpenSSL reads it (RFC 8410), so that a checkpoint can be checked with what every system has.
    pub fn pem(&self) -> String {
        let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        spki.extend_from_slice(self.key.as_bytes());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&spki))
    }

    /// Whether this key made that `ssh-keygen -Y` signature of the message, in this namespace.
    pub fn signed_file(&self, signature: &str, namespace: &str, message: &[u8]) -> bool {
        sshsig::parse(signature, namespace).is_some_and(|(public, signature)| {
            &public == self.key.as_bytes()
                && self.key.verify_strict(&sshsig::signed_bytes(namespace, message), &Signature::from_bytes(&signature)).is_ok()
        })
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), BASE64.encode(&bytes))
    }
}

/// The log's private key with its name (the checkpoint's origin).
pub struct Signer {
    name: String,
    key: SigningKey,
    /// A key that is being replaced, which signs along.
    old: Option<SigningKey>,
}

impl Signer {
    /// `seed` is the RFC 8032 secret, 32 bytes.
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(seed), old: None }
    }

    /// The same, with a key that signs notes along.
    pub fn along_with(self, old: &[u8; 32]) -> Self {
        Self { old: Some(SigningKey::from_bytes(old)), ..self }
    }

    pub fn origin(&self) -> &str {
        &self.name
    }

    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// A signature file of the message, as `ssh-keygen -Y sign` makes it.
    pub fn sign_file(&self, namespace: &str, message: &[u8]) -> String {
        let signature = self.key.sign(&sshsig::signed_bytes(namespace, message)).to_bytes();
        sshsig::armored(namespace, self.key.verifying_key().as_bytes(), &signature)
    }

    /// The note: text, empty line, signature lines. Ed25519 is deterministic: the same text gives the
    /// same note, also after a crash. `text` ends with a newline.
    pub fn sign(&self, text: &str) -> String {
        let mut note = format!("{text}\n");
        for key in [Some(&self.key), self.old.as_ref()].into_iter().flatten() {
            let mut bytes = VerifierKey { name: self.name.clone(), key: key.verifying_key() }.id().to_vec();
            bytes.extend_from_slice(&key.sign(text.as_bytes()).to_bytes());
            note.push_str(&format!("\u{2014} {} {}\n", self.name, BASE64.encode(&bytes)));
        }
        note
    }
}

/// A note's text (with its last newline) and its signature lines.
fn split_note(note: &str) -> Option<(&str, &str)> {
    let at = note.rfind("\n\n")?;
    Some((&note[..=at], &note[at + 2..]))
}

/// The text that a note's signatures cover.
pub(super) fn note_text(note: &str) -> Option<&str> {
    split_note(note).map(|(text, _)| text)
}

/// A note's signatures: name, and key id with what follows it.
pub(super) fn signature_lines(note: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let lines = split_note(note).map_or("", |(_, lines)| lines).lines();
    lines.filter_map(|line| {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        Some((name, BASE64.decode(signature.as_bytes()).ok()?))
    })
}

/// The note as the log alone signed it, without anybody's cosignature: what timestamps cover.
pub fn bare_note(note: &str) -> Option<String> {
    let (text, lines) = split_note(note)?;
    let origin = text.lines().next()?;
    let own = lines.lines().filter(|l| l.strip_prefix("\u{2014} ").and_then(|l| l.split_once(' ')).is_some_and(|(name, _)| name == origin));
    Some(own.fold(format!("{text}\n"), |note, line| note + line + "\n"))
}

/// Whether this key signed the note's text.
pub fn signed_by(note: &str, key: &VerifierKey) -> bool {
    let Some(text) = note_text(note) else { return false };
    signature_lines(note).any(|(name, bytes)| {
        name == key.name
            && bytes.get(..4) == Some(&key.id()[..])
            && Signature::from_slice(&bytes[4..]).is_ok_and(|s| key.key.verify_strict(text.as_bytes(), &s).is_ok())
    })
}

/// The three lines that a checkpoint's signature covers.
pub fn checkpoint_body(origin: &str, size: u64, root: Sha256) -> String {
    format!("{origin}\n{size}\n{}\n", root.base64())
}

/// What a checkpoint says. Parsing proves nothing: see [`signed_by`].
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Sha256,
}

impl Checkpoint {
    pub fn parse(note: &str) -> Option<Self> {
        let (text, _) = split_note(note)?;
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let parsed: u64 = size.parse().ok()?;
        (!origin.is_empty() && parsed.to_string() == size).then_some(())?;
        Some(Self { origin: origin.to_owned(), size: parsed, root: Sha256::from_base64(root)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_signed_and_read_back() {
        let signer = Signer::new("log.example/custody", &[3; 32]);
        let key = VerifierKey::parse(&signer.verifier().to_string()).unwrap();
        let body = checkpoint_body(signer.origin(), 7, Sha256::of(b"root"));
        let note = signer.sign(&body);
        assert!(signed_by(&note, &key));
        assert_eq!(Checkpoint::parse(&note).unwrap().size, 7);
        assert!(!signed_by(&note.replacen('7', "8", 1), &key));
        let other = Signer::new("log.example/custody", &[4; 32]).verifier();
        assert!(!signed_by(&note, &other));
        assert_eq!(note, signer.sign(&body), "signing again gives the same note");
    }

    #[test]
    fn a_signed_file_is_bound_to_its_key_its_namespace_and_its_bytes() {
        let (signer, other) = (Signer::new("a", &[3; 32]), Signer::new("a", &[4; 32]));
        let signature = signer.sign_file("evidence-export", b"manifest");
        assert!(signer.verifier().signed_file(&signature, "evidence-export", b"manifest"));
        assert!(!signer.verifier().signed_file(&signature, "evidence-export", b"manifesto"));
        assert!(!signer.verifier().signed_file(&signature, "git", b"manifest"));
        assert!(!other.verifier().signed_file(&signature, "evidence-export", b"manifest"));
        for cut in 0..signature.len() {
            assert!(!signer.verifier().signed_file(&signature[..cut], "evidence-export", b"manifest") || cut + 1 == signature.len());
        }
    }

    #[test]
    fn verifier_keys_that_lie_are_refused() {
        let text = Signer::new("a.example", &[3; 32]).verifier().to_string();
        assert!(VerifierKey::parse(&text.replacen("a.example", "b.example", 1)).is_none());
        assert!(VerifierKey::parse("a+00000000+AAAA").is_none());
        assert!(VerifierKey::parse("").is_none());
    }
}
