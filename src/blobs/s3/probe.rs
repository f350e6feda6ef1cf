//! What a store really does, tried out: some S3 servers accept a header and ignore it, and answer as if they had not. Nothing is believed
//! of a store that it was not seen to do.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::{S3, Seal, away, sealed, sealed_anew, status};
use crate::app::random;
use crate::blobs::Trait;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// A store that takes bytes and then does not say whether it would have refused others is asked so often, so long after one another.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(2);

impl S3 {
    /// Tries the store out, once in the life of a process. What it writes it removes.
    pub async fn probe(&self) -> Result<Vec<Trait>> {
        if let Some(probed) = self.probed.get() {
            return Ok(probed.clone());
        }
        let mut tries = TRIES;
        let traits = loop {
            tries -= 1;
            match self.ask().await? {
                Some(traits) => break traits,
                None if tries > 0 => tokio::time::sleep(PAUSE).await,
                None => return Err(Error::TryLater),
            }
        };
        Ok(self.probed.get_or_init(|| traits).clone())
    }

    /// `None` when it does not say.
    async fn ask(&self) -> Result<Option<Vec<Trait>>> {
        let name = format!("staging/probe-{}", data_encoding::HEXLOWER.encode(&random::<8>()));
        let key = self.key(&name);
        let (one, other) = (Bytes::from_static(b"one"), Bytes::from_static(b"another"));
        let put = |bytes: &Bytes, sha256: Sha256| {
            let request = self.client.put_object().bucket(&self.bucket).key(&key).checksum_sha256(sha256.base64());
            sealed_anew!(self, request.body(ByteStream::from(bytes.clone())))
        };
        put(&one, Sha256::of(&one)).customize().disable_payload_signing().send().await.map_err(away("trying to write"))?;
        // (A store that is away refuses nothing: only its own word counts.)
        let refuses = |status: Option<u16>, word: &[u16]| match status {
            None => Some(false),
            Some(status) => word.contains(&status).then_some(true),
        };
        let wrong = put(&other, Sha256::of(&one)).customize().disable_payload_signing().send().await;
        let wrong = refuses(wrong.err().map(|e| status(&e).unwrap_or(0)), &[400, 422]);
        // (Written over, if it was taken: then the next question is asked of other bytes, and answered all the same.)
        let twice = put(&other, Sha256::of(&other)).if_none_match("*").customize().disable_payload_signing().send().await;
        let twice = match twice.err().map(|e| status(&e).unwrap_or(0)) {
            // A store that does not know the condition says so.
            Some(501) => Some(false),
            said => refuses(said, &[409, 412]),
        };
        let versions = self.client.get_bucket_versioning().bucket(&self.bucket).send().await;
        let versions = versions.is_ok_and(|answer| answer.status.is_some_and(|s| s.as_str() == "Enabled"));
        let multiparts = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(&key).send().await.is_ok();
        self.destroy(&name).await?;
        let (Some(wrong), Some(twice)) = (wrong, twice) else { return Ok(None) };
        Ok(Some(vec![
            Trait { name: "wrong-checksum", does: wrong, matters: false },
            Trait { name: "if-none-match", does: twice, matters: false },
            Trait { name: "lists-multiparts", does: multiparts, matters: true },
            Trait { name: "versions", does: versions, matters: false },
            Trait { name: "object-lock", does: self.lock_us.is_some(), matters: false },
            Trait { name: "encrypted-as-asked", does: !matches!(self.seal, Seal::AsItIs), matters: false },
        ]))
    }

    /// Whether the store was seen to do this.
    pub(super) fn does(&self, name: &str) -> bool {
        self.probed.get().is_some_and(|traits| traits.iter().any(|t| t.name == name && t.does))
    }

    /// An encryption that was asked for and does not happen must not be believed in.
    pub(super) async fn refuse_unsealed(&self) -> Result<()> {
        let key = self.key(&format!("staging/probe-{}", data_encoding::HEXLOWER.encode(&random::<8>())));
        let request = self.client.put_object().bucket(&self.bucket).key(&key).body(ByteStream::from_static(b"sealed"));
        let put = sealed_anew!(self, request).customize().disable_payload_signing().send().await.map_err(away("trying to encrypt"))?;
        let happened = match &self.seal {
            Seal::AsItIs => true,
            Seal::Store(how, _) => put.server_side_encryption() == Some(how),
            // Without the key nobody reads it.
            Seal::Ours { .. } => {
                let read = self.client.get_object().bucket(&self.bucket).key(&key).send().await;
                read.err().is_some_and(|e| status(&e).is_some_and(|s| matches!(s, 400 | 403)))
            }
        };
        self.client.delete_object().bucket(&self.bucket).key(&key).send().await.map_err(away("removing what was tried"))?;
        if happened {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "the bucket {} does not encrypt as sse asks it to: take sse away, or use a store that does",
            self.bucket
        )))
    }
}
