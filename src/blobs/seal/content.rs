//! A sealed file: its header, and what is behind it as if it were the whole.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};

use super::ring::{Key, Ring, USED};
use crate::app::random;
use crate::error::{Error, Result};

/// Apart by what a disk writes at once, so that a power cut tears one of them at the most.
pub(super) const SLOT_BYTES: u64 = 4_096;
pub(super) const HEADER_BYTES: u64 = 2 * SLOT_BYTES;

/// The key of a file, and which slot it was found in.
pub(super) fn unseal(ring: &Ring, file: &File) -> Result<(Key, usize)> {
    // A rotation that goes on meanwhile writes one slot while the other is looked at: then once more.
    for _ in 0..2 {
        let wrappers = ring.wrappers()?;
        for slot in 0..2 {
            let bytes = read_slot(file, slot)?;
            if let Some(key) = wrappers.iter().find_map(|w| w.unwrap(&bytes)) {
                return Ok((key, slot));
            }
        }
    }
    Err(Error::Internal("a sealed file that none of the media's keys opens (media.key_file)".into()))
}

fn read_slot(file: &File, slot: usize) -> io::Result<[u8; USED]> {
    let mut bytes = [0; USED];
    let mut read = 0;
    // Shorter than its header: torn, and no slot is whole.
    while read < USED {
        match file.read_at(&mut bytes[read..], slot as u64 * SLOT_BYTES + read as u64)? {
            0 => break,
            n => read += n,
        }
    }
    Ok(bytes)
}

/// The content of a file, sealed or not: reads, writes and seeks in it as if it were the file.
pub struct Content {
    file: File,
    seal: Option<ChaCha20>,
}

impl Content {
    /// A new file.
    pub fn create(path: &Path, ring: Option<&Ring>) -> Result<Self> {
        let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
        let Some(ring) = ring else { return Ok(Self { file, seal: None }) };
        let key: Key = random();
        file.write_all(&ring.wrappers()?[0].wrap(&key)?)?;
        file.set_len(HEADER_BYTES)?;
        file.seek(SeekFrom::Start(HEADER_BYTES))?;
        Ok(Self { file, seal: Some(cipher(&key)) })
    }

    /// A file that is there, at its beginning: sealed, or not.
    pub fn of(mut file: File, ring: Option<&Ring>) -> Result<Self> {
        let Some(ring) = ring else { return Ok(Self { file, seal: None }) };
        let (key, _) = unseal(ring, &file)?;
        file.seek(SeekFrom::Start(HEADER_BYTES))?;
        Ok(Self { file, seal: Some(cipher(&key)) })
    }

    /// A file that is there: sealed if one of the keys opens it, else as it lies. (Nobody without a key makes one that opens.)
    pub fn either(file: File, ring: Option<&Ring>) -> Result<Self> {
        match ring {
            Some(ring) if unseal(ring, &file).is_ok() => Self::of(file, Some(ring)),
            _ => Self::of(file, None),
        }
    }

    pub const fn file(&self) -> &File {
        &self.file
    }

    const fn header(&self) -> u64 {
        if self.seal.is_some() { HEADER_BYTES } else { 0 }
    }

    /// Bytes of the content.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().saturating_sub(self.header()))
    }

    /// Cuts the content off, and goes on there.
    pub fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(self.header() + length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }

    /// What reads the file itself, and what makes its bytes those of the content, for whoever reads it in another way.
    pub fn apart(self) -> (File, Unseal) {
        (self.file, Unseal(self.seal))
    }
}

/// Whether a file is cut within its header: whoever began it died before the first byte of its content.
pub fn never_began(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.len() < HEADER_BYTES)
}

/// Bytes of the content in a file of so many.
pub fn content_length(file_length: u64, sealed: bool) -> u64 {
    if sealed { file_length.saturating_sub(HEADER_BYTES) } else { file_length }
}

/// Makes what was read next of the file what it is in the content.
pub struct Unseal(Option<ChaCha20>);

impl Unseal {
    pub const fn is_needed(&self) -> bool {
        self.0.is_some()
    }

    pub fn apply(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        match &mut self.0 {
            Some(cipher) => cipher.try_apply_keystream(bytes).map_err(|_| too_long()),
            None => Ok(()),
        }
    }
}

fn cipher(key: &Key) -> ChaCha20 {
    // (The key is the file's alone, so that the nonce may be any.)
    ChaCha20::new(key.into(), &[0; 12].into())
}

fn too_long() -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, "a sealed file ends at 256 GiB")
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        if let Some(cipher) = &mut self.seal {
            cipher.try_apply_keystream(&mut buffer[..n]).map_err(|_| too_long())?;
        }
        Ok(n)
    }
}

impl Write for Content {
    /// All of it, or an error after which nothing more may be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.seal {
            None => self.file.write(bytes),
            Some(cipher) => {
                let mut sealed = bytes.to_vec();
                cipher.try_apply_keystream(&mut sealed).map_err(|_| too_long())?;
                self.file.write_all(&sealed)?;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let header = self.header();
        let at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.len()?.saturating_add_signed(by),
            SeekFrom::Current(by) => (self.file.stream_position()? - header).saturating_add_signed(by),
        };
        self.file.seek(SeekFrom::Start(header + at))?;
        if let Some(cipher) = &mut self.seal {
            cipher.try_seek(at).map_err(|_| too_long())?;
        }
        Ok(at)
    }
}

/// Wraps a file's key by the current one, and by no other; whether it was not.
pub fn wrap_anew(file: &File, ring: &Ring) -> Result<bool> {
    let (key, used) = unseal(ring, file)?;
    let current = ring.wrappers()?[0].clone();
    let other = 1 - used;
    if current.unwrap(&read_slot(file, used)?).is_some() {
        // As it should be, or interrupted before the older one went.
        if read_slot(file, other)? == [0; USED] {
            return Ok(false);
        }
    } else if current.unwrap(&read_slot(file, other)?) != Some(key) {
        file.write_all_at(&current.wrap(&key)?, other as u64 * SLOT_BYTES)?;
        file.sync_data()?;
    }
    let older = if current.unwrap(&read_slot(file, used)?).is_some() { other } else { used };
    file.write_all_at(&[0; USED], older as u64 * SLOT_BYTES)?;
    file.sync_data()?;
    Ok(true)
}
