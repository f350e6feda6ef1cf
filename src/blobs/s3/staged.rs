//! One file on its way into the bucket: a buffer, and parts once it is longer than one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{GRAIN, S3, Seal, away, sealed, sealed_anew};
use crate::app::random;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

const PART_BYTES_MIN: u64 = 8 << 20;
/// S3 takes 10,000 parts, some of whose numbers stay unused: equal parts of `length / 4,000` leave room.
const PARTS_AIM: u64 = 4_000;
/// Of a file whose length nobody told, the parts grow: twice as large after every so many.
const PARTS_GROW: usize = 1_000;

/// The largest part for a budget of memory: one fills while another one is sent, and others want some, too.
pub(super) const fn part_bytes_max(buffer_bytes_max: u64) -> u64 {
    if buffer_bytes_max / 4 > PART_BYTES_MIN { buffer_bytes_max / 4 } else { PART_BYTES_MIN }
}

/// How large the parts of a file of this length are.
fn even_parts(length: u64, most: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    (length.div_ceil(PARTS_AIM).div_ceil(MIB) * MIB).clamp(PART_BYTES_MIN, most)
}

/// How large the next part of a file of unknown length is, after so many.
fn growing_part(parts: usize, most: u64) -> u64 {
    PART_BYTES_MIN.checked_shl(u32::try_from(parts / PARTS_GROW).unwrap_or(u32::MAX)).unwrap_or(most).clamp(PART_BYTES_MIN, most)
}

const MEMORY_WAIT: Duration = Duration::from_secs(20);
/// Who takes an upload over leaves numbers free for the parts that its last owner may still be sending: many while they are
/// plenty, fewer later. 5,000 parts fit, however often an upload is taken up.
const fn numbers_left(last: i32) -> i32 {
    match last {
        ..2_000 => 16,
        2_000..8_000 => 2,
        _ => 1,
    }
}
pub struct Staged {
    store: S3,
    part_bytes: usize,
    /// Whether the length is unknown, so that later parts are larger.
    grows: bool,
    /// Where it goes if it stays within one part.
    target: Option<String>,
    /// What the first part will hold, as far as it is known.
    first_bytes: usize,
    buffer: BytesMut,
    /// Our share of the common budget for buffers.
    held: Option<OwnedSemaphorePermit>,
    multipart: Option<Multipart>,
    sending: Option<JoinHandle<Result<Part>>>,
    /// Where the bytes that fill no part yet were put when we were parked, and how many.
    tail: Option<(String, usize)>,
    /// Tails of earlier handles: of use until a newer one is committed.
    stale_tails: Vec<String>,
    /// Whether somebody holds the handle: then it outlives us.
    parked: bool,
}

struct Multipart {
    key: String,
    upload_id: String,
    parts: Vec<Part>,
    next: i32,
    completed: bool,
}

/// A part that has arrived: its number, entity tag, SHA-256 in base64, length.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Part(i32, String, String, usize);

/// The handle of a parked upload.
#[derive(Serialize, Deserialize)]
pub(super) struct Parked {
    part_bytes: usize,
    #[serde(default)]
    grows: bool,
    /// Key, upload id, and the parts that count: others of the same upload do not.
    pub(super) multipart: Option<(String, String, Vec<Part>)>,
    pub(super) tail: Option<(String, usize)>,
    stale_tails: Vec<String>,
}

impl S3 {
    pub fn stage(&self, length: Option<u64>) -> Staged {
        let part_bytes = usize::try_from(even_parts(length.unwrap_or(0), self.part_bytes_max)).unwrap_or(usize::MAX);
        let first_bytes = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(part_bytes);
        self.staged(part_bytes, length.is_none(), first_bytes)
    }

    fn staged(&self, part_bytes: usize, grows: bool, first_bytes: usize) -> Staged {
        Staged {
            store: self.clone(),
            part_bytes,
            grows,
            target: None,
            first_bytes,
            buffer: BytesMut::new(),
            held: None,
            multipart: None,
            sending: None,
            tail: None,
            stale_tails: Vec::new(),
            parked: false,
        }
    }

    pub async fn resume(&self, handle: &str, offset: u64) -> Result<Option<Staged>> {
        let parked: Parked = serde_json::from_str(handle).map_err(|_| Error::Internal("a staging handle that we never gave out".into()))?;
        let mut staged = self.staged(parked.part_bytes, parked.grows, parked.part_bytes);
        let in_parts: usize = parked.multipart.iter().flat_map(|m| &m.2).map(|p| p.3).sum();
        let tail_bytes = parked.tail.as_ref().map_or(0, |t| t.1);
        if (in_parts + tail_bytes) as u64 != offset {
            return Ok(None);
        }
        if let Some((key, length)) = &parked.tail {
            let mut reader = match self.open_range(key, 0, *length as u64).await {
                Ok(reader) => reader,
                Err(Error::TryLater) => return Err(Error::TryLater),
                Err(_) => return Ok(None),
            };
            while let Some(chunk) = reader.next().await {
                staged.append(chunk.map_err(|_| Error::TryLater)?).await?;
            }
            if staged.buffer.len() != *length {
                return Ok(None);
            }
        }
        staged.multipart = parked.multipart.map(|(key, upload_id, parts)| {
            let last = parts.last().map_or(0, |p| p.0);
            let next = last + numbers_left(last);
            Multipart { key, upload_id, parts, next, completed: false }
        });
        (staged.tail, staged.stale_tails, staged.parked) = (parked.tail, parked.stale_tails, true);
        Ok(Some(staged))
    }
}

impl Staged {
    pub async fn append(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            if self.buffer.len() == self.part_bytes {
                self.send_part().await?;
            }
            let take = bytes.len().min(self.part_bytes - self.buffer.len());
            self.hold(take).await?;
            if self.buffer.capacity() == 0 {
                self.buffer.reserve(self.first_bytes.max(take));
            }
            self.buffer.extend_from_slice(&bytes.split_to(take));
        }
        Ok(())
    }

    /// Counts bytes that are about to be buffered against the common budget. Who gets none in time is sent away
    /// politely: everybody waits for somebody else's part to end, and slow senders may hold theirs for long.
    async fn hold(&mut self, bytes: usize) -> Result<()> {
        let want = self.buffer.len() + bytes;
        let missing = want.div_ceil(GRAIN).saturating_sub(self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if missing == 0 {
            return Ok(());
        }
        let asked = self.store.memory.clone().acquire_many_owned(u32::try_from(missing).unwrap_or(u32::MAX));
        let permit = match tokio::time::timeout(MEMORY_WAIT, asked).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(Error::TryLater),
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }

    pub fn until_boundary(&self) -> usize {
        match self.part_bytes - self.buffer.len() {
            0 => self.part_bytes,
            more => more,
        }
    }

    /// Sends the buffered bytes as the next part, while the following ones come.
    async fn send_part(&mut self) -> Result<()> {
        self.sent().await?;
        let store = self.store.clone();
        let multipart = match &mut self.multipart {
            Some(m) => m,
            none => {
                let key = format!("blobs/{}", data_encoding::HEXLOWER.encode(&random::<32>()));
                let request = store.client.create_multipart_upload().bucket(&store.bucket).key(store.key(&key));
                let begun = sealed_anew!(store, request.checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256))
                    .send()
                    .await
                    .map_err(away("beginning an upload"))?;
                let upload_id = begun.upload_id().unwrap_or_default().to_owned();
                none.insert(Multipart { key, upload_id, parts: Vec::new(), next: 1, completed: false })
            }
        };
        let number = multipart.next;
        multipart.next += 1;
        let (part, held) = (std::mem::take(&mut self.buffer).freeze(), self.held.take());
        let length = part.len();
        if self.grows {
            self.part_bytes = usize::try_from(growing_part(multipart.parts.len() + 1, store.part_bytes_max)).unwrap_or(usize::MAX);
        }
        let (key, upload_id) = (store.key(&multipart.key), multipart.upload_id.clone());
        self.sending = Some(tokio::spawn(async move {
            let sha256 = Sha256::of(&part).base64();
            let request = store.client.upload_part().bucket(&store.bucket).key(key).upload_id(upload_id).part_number(number);
            let request = sealed!(store, request.checksum_sha256(&sha256).body(ByteStream::from(part))).customize();
            let sent = if store.does("wrong-checksum") { request.disable_payload_signing() } else { request }
                .send()
                .await
                .map_err(away("sending a part"))?;
            drop(held);
            Ok(Part(number, sent.e_tag().unwrap_or_default().to_owned(), sha256, length))
        }));
        Ok(())
    }

    /// Waits until the part under way has arrived.
    async fn sent(&mut self) -> Result<()> {
        if let Some(sending) = self.sending.take() {
            let part = sending.await.map_err(Error::internal)??;
            if let Some(m) = &mut self.multipart {
                m.parts.push(part);
            }
        }
        Ok(())
    }

    pub async fn park(&mut self) -> Result<String> {
        if self.buffer.len() == self.part_bytes {
            self.send_part().await?;
        }
        self.sent().await?;
        self.stale_tails.extend(self.tail.take().map(|t| t.0));
        if !self.buffer.is_empty() {
            let key = format!("staging/{}", data_encoding::HEXLOWER.encode(&random::<16>()));
            let tail = Bytes::copy_from_slice(&self.buffer);
            let length = tail.len();
            self.store.put(&key, Sha256::of(&tail), tail).await?;
            self.tail = Some((key, length));
        }
        self.handle()
    }

    pub async fn committed(&mut self) {
        for stale in std::mem::take(&mut self.stale_tails) {
            self.store.forget(&stale).await;
        }
    }

    pub async fn seal(&mut self) -> Result<Option<String>> {
        if self.multipart.is_none() {
            return Ok(None);
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        self.sent().await?;
        self.stale_tails.extend(self.tail.take().map(|t| t.0));
        self.handle().map(Some)
    }

    fn handle(&mut self) -> Result<String> {
        self.parked = true;
        let parked = Parked {
            part_bytes: self.part_bytes,
            grows: self.grows,
            multipart: self.multipart.as_ref().map(|m| (m.key.clone(), m.upload_id.clone(), m.parts.clone())),
            tail: self.tail.clone(),
            stale_tails: self.stale_tails.clone(),
        };
        serde_json::to_string(&parked).map_err(Error::internal)
    }

    /// Fixed at the first asking; of a file in parts, at its first part.
    pub fn target(&mut self, sha256: Sha256) -> String {
        if let Some(multipart) = &self.multipart {
            return multipart.key.clone();
        }
        let fresh = || format!("blobs/{sha256}-{}", data_encoding::HEXLOWER.encode(&random::<8>()));
        self.target.get_or_insert_with(fresh).clone()
    }

    /// As long as keeping took lately, for files put whole and for files in parts.
    pub async fn as_if_kept(&self) {
        let usual = self.store.usual_us[usize::from(self.multipart.is_some())].load(Ordering::Relaxed);
        // What it takes varies, and so must this: between three quarters and five quarters.
        let part = u64::from(random::<1>()[0]) * 2 + 768;
        tokio::time::sleep(Duration::from_micros(usual * part / 1024)).await;
    }

    /// A moving average over the last few.
    fn took(&self, begun: Instant) {
        let usual = &self.store.usual_us[usize::from(self.multipart.is_some())];
        let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let _ = usual.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |u| Some(if u == 0 { us } else { (7 * u + us) / 8 }));
    }

    pub async fn keep(&mut self, sha256: Sha256, size: u64) -> Result<String> {
        let begun = Instant::now();
        let kept = self.keep_now(sha256, size).await;
        if kept.is_ok() {
            self.took(begun);
        }
        kept
    }

    async fn keep_now(&mut self, sha256: Sha256, size: u64) -> Result<String> {
        if self.multipart.is_none() {
            let key = self.target(sha256);
            self.store.put(&key, sha256, std::mem::take(&mut self.buffer).freeze()).await?;
            self.held = None;
            return Ok(key);
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        self.sent().await?;
        let Some(multipart) = &mut self.multipart else {
            return Err(Error::Internal("an upload without parts".into()));
        };
        let parts = multipart
            .parts
            .iter()
            .map(|Part(number, etag, sha256, _)| CompletedPart::builder().part_number(*number).e_tag(etag).checksum_sha256(sha256).build());
        let request = self.store.client.complete_multipart_upload().bucket(&self.store.bucket).key(self.store.key(&multipart.key));
        let request = request.multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build());
        let done = sealed!(self.store, request.upload_id(&multipart.upload_id)).send().await;
        if let Err(e) = done {
            // Completed before, and then the caller's commit failed, or the answer was lost.
            if self.store.length(&multipart.key).await? != Some(size) {
                return Err(away("completing an upload")(e));
            }
        }
        multipart.completed = true;
        Ok(multipart.key.clone())
    }

    pub async fn discard(mut self) {
        self.parked = true;
        if let Some(sending) = self.sending.take() {
            sending.abort();
        }
        if let Some(m) = self.multipart.take().filter(|m| !m.completed) {
            self.store.abort(&self.store.key(&m.key), &m.upload_id).await;
        }
        for tail in self.tail.take().map(|t| t.0).into_iter().chain(std::mem::take(&mut self.stale_tails)) {
            self.store.forget(&tail).await;
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.parked {
            return;
        }
        // A cut connection drops us without a word: give the parts back now if we still can.
        let multipart = self.multipart.take().filter(|m| !m.completed);
        if let (Some(m), Ok(runtime)) = (multipart, tokio::runtime::Handle::try_current()) {
            let store = self.store.clone();
            runtime.spawn(async move { store.abort(&store.key(&m.key), &m.upload_id).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_hundred_gigabytes_fit() {
        let most = part_bytes_max(256 * MIB);
        assert_eq!((even_parts(3_000_000, most), even_parts(60_000_000, most)), (8 * MIB, 8 * MIB));
        let parts = |length: u64| length.div_ceil(even_parts(length, most));
        // Numbers stay unused each time that it is taken up: a third of the 10,000 is left for them.
        assert!(parts(100_000_000_000) <= 4_000 && even_parts(100_000_000_000, most).is_multiple_of(MIB));
        assert!(parts(500_000_000_000) <= 9_000);
        let unknown: u64 = (0..6_000).map(|n| growing_part(n, most)).sum();
        assert!(unknown > 200_000_000_000, "of unknown length, too: {unknown}");
        assert!(growing_part(usize::MAX, most) == most && 2 * most <= 256 * MIB, "and the memory holds two");
        assert_eq!(part_bytes_max(1), PART_BYTES_MIN);
    }
}
