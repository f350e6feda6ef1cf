//! OpenSSH signatures of files (PROTOCOL.sshsig, version 1), Ed25519 with SHA-512, so that `ssh-keygen -Y verify`, which is on
//! every clerk's machine, can check a bundle. The key is the log's own; the namespace keeps the two uses apart.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha512};

const MAGIC: &[u8] = b"SSHSIG";
const ALGORITHM: &[u8] = b"ssh-ed25519";
const HASH: &[u8] = b"sha512";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(text);
}

/// An Ed25519 key as OpenSSH writes it, in binary.
fn key_blob(public: &[u8; 32]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, ALGORITHM);
    put(&mut blob, public);
    blob
}

/// A line for an `allowed_signers` file.
pub fn allowed_signer(name: &str, namespace: &str, public: &[u8; 32]) -> String {
    format!("{name} namespaces=\"{namespace}\" ssh-ed25519 {}\n", BASE64.encode(&key_blob(public)))
}

/// What is signed for a message.
pub fn signed_bytes(namespace: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    put(&mut bytes, namespace.as_bytes());
    put(&mut bytes, b"");
    put(&mut bytes, HASH);
    put(&mut bytes, &Sha512::digest(message));
    bytes
}

/// The signature file.
pub fn armored(namespace: &str, public: &[u8; 32], signature: &[u8; 64]) -> String {
    let mut wrapped = Vec::new();
    put(&mut wrapped, ALGORITHM);
    put(&mut wrapped, signature);
    let mut blob = MAGIC.to_vec();
    blob.extend(1u32.to_be_bytes());
    for part in [&key_blob(public)[..], namespace.as_bytes(), b"", HASH, &wrapped] {
        put(&mut blob, part);
    }
    let text = BASE64.encode(&blob);
    let lines: Vec<&str> = text.as_bytes().chunks(70).filter_map(|c| std::str::from_utf8(c).ok()).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}

/// Key and signature of a signature file made for this namespace; `None` for any other.
pub fn parse(text: &str, namespace: &str) -> Option<([u8; 32], [u8; 64])> {
    let inner = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let blob = BASE64.decode(inner.split_whitespace().collect::<String>().as_bytes()).ok()?;
    let mut rest = blob.strip_prefix(MAGIC)?.strip_prefix(&1u32.to_be_bytes())?;
    let mut take = || -> Option<&[u8]> {
        let (length, more) = rest.split_first_chunk::<4>()?;
        let (part, more) = more.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = more;
        Some(part)
    };
    let (key, space, _reserved, hash, wrapped) = (take()?, take()?, take()?, take()?, take()?);
    if !rest.is_empty() || space != namespace.as_bytes() || hash != HASH {
        return None;
    }
    let public: [u8; 32] = key.get(key.len().checked_sub(32)?..)?.try_into().ok()?;
    let signature: [u8; 64] = wrapped.get(wrapped.len().checked_sub(64)?..)?.try_into().ok()?;
    (key == key_blob(&public)).then_some((public, signature))
}
