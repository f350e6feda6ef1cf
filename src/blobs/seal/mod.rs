//! Bytes at rest in folders, sealed: what is stolen with a disk, or copied by whoever may read it, is noise without the operator's key.
//!
//! **Envelopes.** Each file has a random key of its own (ChaCha20, RFC 8439), and in its header that key wrapped by the operator's
//! (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha). To rotate the operator's key, headers are wrapped anew and contents stay as they are.
//!
//! **Layout.** Two slots of 4,096 bytes, then the content, byte for byte at its own offset, so that a phone's upload goes on anywhere and a
//! player seeks anywhere. A slot is `temoin-sealed/1` and a newline, the wrapping key's id (8 bytes), a nonce (24), the wrapped key (48), zeros.
//! One slot is in use; a rotation writes the other one first, so that at every moment one of them is whole on the disk.
//!
//! **What it does not do.** It keeps secrets, and does not prove that bytes are unchanged: that is the SHA-256 in the signed log, which every
//! audit of the media compares (`temoin fixity`). Bytes behind an offset that were never acknowledged are written again under the same keystream:
//! whoever has the disk of before *and* after learns how a client's two attempts differ. A file is at most 256 GiB, where the cipher ends.

mod content;
mod marker;
mod ring;

pub use content::{Content, content_length, never_began, wrap_anew};
pub use marker::Marker;
pub use ring::Ring;

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;
    use std::sync::Arc;

    use super::content::{HEADER_BYTES, SLOT_BYTES, unseal};
    use super::ring::MAGIC;
    use super::*;

    fn ring(folder: &Path) -> Arc<Ring> {
        let path = folder.join("media.key");
        Ring::make(&path).unwrap();
        Ring::open(&path).unwrap().unwrap()
    }

    fn content(path: &Path, ring: &Ring) -> Content {
        Content::of(File::options().read(true).write(true).open(path).unwrap(), Some(ring)).unwrap()
    }

    #[test]
    fn what_is_written_is_read_at_every_offset_and_the_disk_has_none_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let ring = ring(dir.path());
        let path = dir.path().join("a");
        let bytes: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_le_bytes()).collect();
        let mut written = Content::create(&path, Some(&ring)).unwrap();
        for piece in bytes.chunks(777) {
            written.write_all(piece).unwrap();
        }
        let on_disk = fs::read(&path).unwrap();
        assert_eq!(on_disk.len() as u64, HEADER_BYTES + bytes.len() as u64);
        assert!(!on_disk.windows(16).any(|w| bytes.starts_with(w) || w == &bytes[400_000..400_016]));
        let mut read = content(&path, &ring);
        assert_eq!(read.len().unwrap(), bytes.len() as u64);
        for at in [0, 1, 63, 64, 65, 4_095, 8_192, 99_999, 799_999] {
            let mut some = vec![0; 100.min(bytes.len() - at)];
            read.seek(SeekFrom::Start(at as u64)).unwrap();
            read.read_exact(&mut some).unwrap();
            assert_eq!(some, bytes[at..at + some.len()], "{at}");
        }
        // Cut off and gone on with, as a parked upload is.
        read.cut(1_001).unwrap();
        read.write_all(b"another end").unwrap();
        let mut all = Vec::new();
        content(&path, &ring).read_to_end(&mut all).unwrap();
        assert_eq!(all, [&bytes[..1_001], b"another end"].concat());
        // Two files with the same bytes have nothing in common.
        let twin = dir.path().join("b");
        Content::create(&twin, Some(&ring)).unwrap().write_all(&all).unwrap();
        assert_ne!(fs::read(&path).unwrap()[HEADER_BYTES as usize..], fs::read(&twin).unwrap()[HEADER_BYTES as usize..]);
    }

    #[test]
    fn a_key_is_replaced_and_the_old_one_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let ring = ring(dir.path());
        let (path, keys) = (dir.path().join("a"), dir.path().join("media.key"));
        Content::create(&path, Some(&ring)).unwrap().write_all(b"evidence").unwrap();
        let (stolen, first) = (dir.path().join("stolen.key"), ring.current().unwrap());
        fs::copy(&keys, &stolen).unwrap();
        for round in 0..3 {
            Ring::turn(&keys).unwrap();
            assert_ne!(ring.current().unwrap(), first, "seen without a new start");
            let file = File::options().read(true).write(true).open(&path).unwrap();
            if round == 1 {
                // Interrupted when both slots were full.
                let (key, used) = unseal(&ring, &file).unwrap();
                let slot = ring.wrappers().unwrap()[0].wrap(&key).unwrap();
                file.write_all_at(&slot, (1 - used) as u64 * SLOT_BYTES).unwrap();
            }
            assert!(wrap_anew(&file, &ring).unwrap());
            assert!(!wrap_anew(&file, &ring).unwrap(), "once is enough");
            assert_eq!(Ring::forget_older(&keys, &ring.current().unwrap()).unwrap(), 1);
            assert!(Ring::forget_older(&keys, &first).is_err(), "a key that is not there any more forgets none");
            assert_eq!(ring.len().unwrap(), 1);
            let mut text = String::new();
            content(&path, &ring).read_to_string(&mut text).unwrap();
            assert_eq!(text, "evidence");
        }
        let old = Ring::open(&stolen).unwrap().unwrap();
        assert!(Content::of(File::open(&path).unwrap(), Some(&old)).is_err(), "the old key is worth nothing");
    }

    #[test]
    fn damage_is_told_and_nothing_panics() {
        let dir = tempfile::tempdir().unwrap();
        let ring = ring(dir.path());
        for bytes in [&b""[..], b"short", MAGIC, &[0; 9_000]] {
            let path = dir.path().join("damaged");
            fs::write(&path, bytes).unwrap();
            assert!(Content::of(File::open(&path).unwrap(), Some(&ring)).is_err());
        }
        for text in ["", "zz", "# only a word\n", &"a".repeat(63), &format!("{}\nx", "a".repeat(64))] {
            let path = dir.path().join("wrong.key");
            fs::write(&path, text).unwrap();
            assert!(Ring::open(&path).is_err(), "{text}");
        }
        assert!(Ring::open(Path::new("")).unwrap().is_none());
        assert!(Ring::open(&dir.path().join("none")).is_err());
        assert!(Ring::make(&dir.path().join("media.key")).is_err(), "what exists is not overwritten");
    }
}
