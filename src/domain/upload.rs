//! A resumable upload: one file on its way in, known by its durable offset. Below that offset every byte is
//! on stable storage and hashed; nothing above it was ever acknowledged.

use sha2::Digest as _;
use sha2::digest::common::hazmat::SerializableState;

use super::value::{Id, Sha256, Utc};

/// Bytes of a saved midstate: a version, the state, a check value.
const VERSION: u8 = 1;
const CHECK_BYTES: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UploadState {
    /// Takes bytes.
    Open,
    /// Became an exhibit.
    Done,
    /// Given up by the witness, expired, or refused: nothing of it is kept.
    Gone,
}

impl UploadState {
    pub const fn as_str(self) -> &'static str {
        match self {
            UploadState::Open => "open",
            UploadState::Done => "done",
            UploadState::Gone => "gone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Done, Self::Gone].into_iter().find(|s| s.as_str() == text)
    }
}

/// The protocol that an upload was begun in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    #[default]
    Tus,
    Ietf,
}

impl Dialect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Dialect::Tus => "tus",
            Dialect::Ietf => "ietf",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tus, Self::Ietf].into_iter().find(|d| d.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub struct Upload {
    pub id: Id,
    pub submission: Id,
    pub state: UploadState,
    pub dialect: Dialect,
    /// The whole file's length, once the client has said it.
    pub length: Option<u64>,
    /// Bytes that are durable and hashed.
    pub offset: u64,
    pub midstate: Midstate,
    /// The first bytes, for telling the type.
    pub head: Vec<u8>,
    /// The blob store's own handle; empty before the first byte.
    pub storage: String,
    pub generation: i64,
    pub claims: FileClaims,
    /// The whole file's digest, where the client announced one.
    pub expected: Option<Sha256>,
    pub fingerprint: Option<String>,
    pub metadata: String,
    pub exhibit: Option<Id>,
    pub created_at: Utc,
    pub touched_at: Utc,
    pub expires_at: Utc,
}

/// What the sender says of a file: kept as claims, never believed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileClaims {
    pub name: Vec<u8>,
    pub media_type: Option<String>,
    /// Where the file lay in the folder that was handed in.
    pub relative_path: Option<String>,
}

/// SHA-256 (FIPS 180-4) in the middle of a file: it can be written down and taken up again, so that a resumed
/// upload is never read twice.
#[derive(Clone, Default)]
pub struct Midstate(sha2::Sha256);

impl Midstate {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Sha256 {
        Sha256::from_bytes(self.0.finalize().into())
    }

    pub fn save(&self) -> Vec<u8> {
        let mut saved = vec![VERSION];
        saved.extend_from_slice(&self.0.serialize());
        let check = Sha256::of(&saved);
        saved.extend_from_slice(&check.bytes()[..CHECK_BYTES]);
        saved
    }

    /// `None` for anything that [`Self::save`] did not write.
    pub fn restore(saved: &[u8]) -> Option<Self> {
        let (state, check) = saved.split_at_checked(saved.len().checked_sub(CHECK_BYTES)?)?;
        let (version, state) = state.split_first()?;
        let whole = *version == VERSION && Sha256::of(&saved[..=state.len()]).bytes()[..CHECK_BYTES] == *check;
        let state = state.try_into().ok()?;
        whole.then(|| sha2::Sha256::deserialize(&state).ok().map(Self))?
    }
}

impl std::fmt::Debug for Midstate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Midstate")
    }
}

/// The last part of an upload's address: its id and a keyed digest of it. Whoever holds the address may go on with
/// the upload, so it cannot be guessed from the id; and it needs no table, so that the receipt's holder can be told it
/// again on another device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadKey {
    pub id: Id,
    pub mac: [u8; 16],
}

impl UploadKey {
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        let (id, mac) = bytes.split_at_checked(16)?;
        Some(Self { id: Id::from_slice(id)?, mac: mac.try_into().ok()? })
    }
}

impl std::fmt::Display for UploadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", data_encoding::HEXLOWER.encode(&self.id.blob()), data_encoding::HEXLOWER.encode(&self.mac))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_midstate_goes_on_where_it_was_saved(file in prop::collection::vec(any::<u8>(), 0..4_000), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut ends: Vec<usize> = cuts.iter().map(|c| c.index(file.len() + 1)).collect();
            ends.push(file.len());
            ends.sort_unstable();
            let (mut state, mut at) = (Midstate::default(), 0);
            for end in ends {
                state.update(&file[at..end]);
                state = Midstate::restore(&state.save()).unwrap();
                at = end;
            }
            prop_assert_eq!(state.finish(), Sha256::of(&file));
        }
    }

    #[test]
    fn a_damaged_midstate_is_refused() {
        let mut state = Midstate::default();
        state.update(b"abc");
        let saved = state.save();
        for at in 0..saved.len() {
            let mut broken = saved.clone();
            broken[at] ^= 1;
            assert!(Midstate::restore(&broken).is_none(), "byte {at}");
        }
        for short in [0, 1, 4, saved.len() - 1] {
            assert!(Midstate::restore(&saved[..short]).is_none());
        }
    }

    #[test]
    fn keys_read_back() {
        let key = UploadKey { id: Id::new(Utc::from_micros(1_000_000), [7; 10]), mac: [9; 16] };
        assert_eq!(UploadKey::parse(&key.to_string()), Some(key));
        for wrong in ["", "00", &key.to_string().to_uppercase(), &key.to_string()[1..], "../x"] {
            assert_eq!(UploadKey::parse(wrong), None);
        }
    }
}
