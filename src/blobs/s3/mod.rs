//! Blobs in an S3-compatible bucket. The only file that knows the S3 SDK.
//!
//! Up to one part (8 MiB, nearly every photo) is buffered and put under `blobs/<sha256>-<random>`, hashed before
//! it is sent. Larger files go up in parts while they come, to a key fixed at their start, and stay
//! there: the database maps hash to key, and no byte is copied. No key is used twice, so that a deletion that comes late (a store may take
//! minutes, and a node that slept may ask again) never meets bytes that somebody was told are kept. Every request carries a SHA-256 that the store checks, in a
//! header. Where the store was seen to check it, the payload is not signed besides, which spares a pass over the bytes; where it ignores the
//! header (Ceph does), the signature is what refuses bytes that changed on their way. Conditional writes are
//! not relied upon (some servers accept and ignore them). What the store really does is asked at the start (`probe.rs`).

mod probe;
mod staged;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockEnabled, ObjectLockMode, ServerSideEncryption};
use bytes::Bytes;
use futures_util::StreamExt as _;
use md5::Digest as _;
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

use staged::Parked;
pub use staged::Staged;

use super::{Published, Reader, Trait};
use crate::domain::value::{DAY_US, SECOND_US, Sha256, Utc};
use crate::error::{Error, Result};
use crate::observe;

/// The budget for buffers is counted in grains.
const GRAIN: usize = 64 * 1024;
/// A store that does not answer must not hold an upload, and all that wait behind it, for ever.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
const ANSWER_WAIT: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Buffered bytes of all uploads together, in grains.
    memory: Arc<Semaphore>,
    /// Empty, or ends with a slash.
    prefix: String,
    /// How long keeping took lately: files put whole, files in parts.
    usual_us: Arc<[AtomicU64; 2]>,
    /// For how long the store itself lets nobody overwrite or remove what was published (Object Lock, compliance mode).
    lock_us: Option<i64>,
    /// How the store is asked to encrypt what lies there.
    seal: Seal,
    /// What the store was seen to do, once it was asked.
    probed: Arc<OnceLock<Vec<Trait>>>,
    /// Half of the budget's half: a part that fills beside one that is being sent.
    part_bytes_max: u64,
}

/// Encryption at rest, by the store.
#[derive(Clone)]
enum Seal {
    /// As the bucket does by itself.
    AsItIs,
    /// With the store's keys, or with one of its key service.
    Store(ServerSideEncryption, Option<String>),
    /// With a key of ours that is sent along each time and that the store forgets: it cannot read what it keeps. In base64, with its MD5.
    Ours { key: String, md5: String },
}

impl Seal {
    fn read(options: &HashMap<&str, &str>) -> Result<Self> {
        match (options.get("sse").copied(), options.get("kms_key")) {
            (None, None) => Ok(Self::AsItIs),
            (Some("AES256"), None) => Ok(Self::Store(ServerSideEncryption::Aes256, None)),
            (Some("aws:kms"), key) => Ok(Self::Store(ServerSideEncryption::AwsKms, key.map(|k| k.replace("%3A", ":").replace("%2F", "/")))),
            (Some("C"), None) => {
                let key = secret("AWS_SSE_CUSTOMER_KEY")?;
                let bytes = data_encoding::BASE64.decode(key.as_bytes()).ok().filter(|bytes| bytes.len() == 32);
                let bytes = bytes.ok_or_else(|| Error::Internal("AWS_SSE_CUSTOMER_KEY is not 32 bytes in base64".into()))?;
                let md5 = data_encoding::BASE64.encode(&md5::Md5::digest(&bytes));
                Ok(Self::Ours { key, md5 })
            }
            _ => Err(Error::Internal("sse is AES256, aws:kms (with kms_key=…) or C".into())),
        }
    }
}

fn secret(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| Error::Internal(format!("the environment has no {name} for the S3 store")))
}

/// The headers with which a customer's key goes along, on whichever request.
macro_rules! sealed {
    ($store:expr, $request:expr) => {
        match &$store.seal {
            Seal::Ours { key, md5 } => $request.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5),
            _ => $request,
        }
    };
}
use sealed;

/// The same where something is created: there the store's own keys are asked for, too.
macro_rules! sealed_anew {
    ($store:expr, $request:expr) => {
        match &$store.seal {
            Seal::Store(how, key) => $request.server_side_encryption(how.clone()).set_ssekms_key_id(key.clone()),
            _ => sealed!($store, $request),
        }
    };
}
use sealed_anew;

fn away<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> Error {
    move |e| {
        observe::store_error(what);
        tracing::error!(cause = %DisplayErrorContext(&e), "S3: {what} failed");
        Error::TryLater
    }
}

/// HTTP status of a refused request.
fn status<E>(e: &SdkError<E>) -> Option<u16> {
    e.raw_response().map(|r| r.status().as_u16())
}

impl S3 {
    /// `rest` is `BUCKET[/PREFIX][?endpoint=URL&region=NAME&lock_days=N&sse=AES256|aws:kms|C&kms_key=NAME]`.
    pub async fn open(rest: &str, buffer_bytes_max: usize) -> Result<Self> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let options: HashMap<&str, &str> = query.split('&').filter_map(|p| p.split_once('=')).collect();
        let credentials = Credentials::new(
            secret("AWS_ACCESS_KEY_ID")?,
            secret("AWS_SECRET_ACCESS_KEY")?,
            std::env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .credentials_provider(credentials)
            .region(Region::new(options.get("region").copied().unwrap_or("us-east-1").to_owned()))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_WAIT).operation_attempt_timeout(ANSWER_WAIT).build())
            .force_path_style(true);
        if let Some(endpoint) = options.get("endpoint") {
            config = config.endpoint_url(endpoint.replace("%3A", ":").replace("%2F", "/"));
        }
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            p => format!("{p}/"),
        };
        let memory = Arc::new(Semaphore::new(buffer_bytes_max.div_ceil(GRAIN)));
        let lock_us = match options.get("lock_days") {
            Some(days) => {
                let days: u16 = days.parse().map_err(|_| Error::Internal(format!("lock_days={days} is not a number of days")))?;
                Some(i64::from(days) * DAY_US)
            }
            None => None,
        };
        let client = Client::from_conf(config.build());
        let store = Self {
            client,
            bucket: bucket.to_owned(),
            memory,
            prefix,
            usual_us: Arc::default(),
            lock_us,
            seal: Seal::read(&options)?,
            probed: Arc::default(),
            part_bytes_max: staged::part_bytes_max(buffer_bytes_max as u64),
        };
        store.ping().await.map_err(|_| Error::Internal(format!("the S3 bucket {bucket} cannot be reached with these credentials")))?;
        if store.lock_us.is_some() {
            store.refuse_without_lock().await?;
        }
        if !matches!(store.seal, Seal::AsItIs) {
            store.refuse_unsealed().await?;
        }
        Ok(store)
    }

    /// A lock that was asked for and is not there must not be believed in.
    async fn refuse_without_lock(&self) -> Result<()> {
        let asked = self.client.get_object_lock_configuration().bucket(&self.bucket).send().await;
        let on = asked.ok().and_then(|answer| answer.object_lock_configuration?.object_lock_enabled);
        if on == Some(ObjectLockEnabled::Enabled) {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "lock_days was asked for, and the bucket {} has no Object Lock: make it with one, or take lock_days away",
            self.bucket
        )))
    }

    async fn put(&self, key: &str, sha256: Sha256, bytes: Bytes) -> Result<()> {
        self.put_locked(key, sha256, bytes, None).await
    }

    /// As [`Self::put`]; with a lock, nobody overwrites or removes it until then.
    async fn put_locked(&self, key: &str, sha256: Sha256, bytes: Bytes, until: Option<Utc>) -> Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(self.key(key)).checksum_sha256(sha256.base64());
        let mut request = sealed_anew!(self, request.body(ByteStream::from(bytes)));
        if let Some(until) = until {
            let until = DateTime::from_secs(until.micros() / SECOND_US);
            request = request
                // With a lock the interface wants the checksum's algorithm named, besides the checksum itself.
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .object_lock_mode(ObjectLockMode::Compliance)
                .object_lock_retain_until_date(until);
        }
        let once = key.starts_with("published/") && self.does("if-none-match");
        let request = request.set_if_none_match(once.then(|| "*".to_owned())).customize();
        let sent = if self.does("wrong-checksum") { request.disable_payload_signing() } else { request }.send().await;
        match sent {
            Ok(_) => Ok(()),
            // Somebody was faster; what lies there is looked at next.
            Err(e) if once && status(&e).is_some_and(|s| matches!(s, 409 | 412)) => Ok(()),
            Err(e) => Err(away("writing")(e)),
        }
    }

    /// Removes a parked tail that nothing refers to any more; if that fails, the sweep will.
    async fn forget(&self, key: &str) {
        if let Err(e) = self.client.delete_object().bucket(&self.bucket).key(self.key(key)).send().await {
            tracing::warn!(cause = %DisplayErrorContext(&e), "S3: a parked tail could not be removed; the sweep will try again");
        }
    }

    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        if length == 0 {
            return Ok(futures_util::stream::empty().boxed());
        }
        let range = format!("bytes={start}-{}", start + length - 1);
        let request = self.client.get_object().bucket(&self.bucket).key(self.key(key)).range(range);
        let got = match sealed!(self, request).send().await {
            Ok(got) => got,
            // Nothing lies there: the blob is empty, or shorter than was asked.
            Err(e) if status(&e) == Some(416) => return Ok(futures_util::stream::empty().boxed()),
            Err(e) if status(&e) == Some(404) => return Err(Error::Internal(format!("the blob {key} is missing"))),
            Err(e) => return Err(away("reading")(e)),
        };
        let stream = ReaderStream::with_capacity(got.body.into_async_read(), 128 * 1024);
        // A connection that breaks says nothing of the bytes.
        Ok(stream
            .map(|r| {
                r.map_err(|e| {
                    tracing::warn!(cause = %e, "S3: an answer was cut off");
                    Error::TryLater
                })
            })
            .boxed())
    }

    pub async fn sweep_staged(&self, handles: &[String], grace: Duration, now: Utc) -> Result<u64> {
        let before = now.micros() / SECOND_US - i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let parked: Vec<Parked> = handles.iter().filter_map(|h| serde_json::from_str(h).ok()).collect();
        let uploads: HashSet<&str> = parked.iter().filter_map(|p| Some(p.multipart.as_ref()?.1.as_str())).collect();
        let tails: HashSet<String> = parked.iter().filter_map(|p| Some(self.key(&p.tail.as_ref()?.0))).collect();
        Ok(self.sweep_multiparts(&uploads, before).await? + self.sweep_tails(&tails, before).await?)
    }

    async fn sweep_tails(&self, known: &HashSet<String>, before: i64) -> Result<u64> {
        let mut swept = 0;
        let staging = format!("{}staging/", self.prefix);
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(staging).into_paginator().send();
        while let Some(listed) = pages.next().await {
            for object in listed.map_err(away("listing parked tails"))?.contents() {
                let (Some(key), Some(written)) = (object.key(), object.last_modified()) else { continue };
                if written.secs() <= before && !known.contains(key) {
                    let removed = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
                    removed.map_err(away("removing a parked tail"))?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    async fn sweep_multiparts(&self, known: &HashSet<&str>, before: i64) -> Result<u64> {
        let mut swept = 0;
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let listed = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(format!("{}blobs/", self.prefix))
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(away("listing unfinished uploads"))?;
            for upload in listed.uploads() {
                let (Some(key), Some(id), Some(begun)) = (upload.key(), upload.upload_id(), upload.initiated()) else {
                    continue;
                };
                if begun.secs() <= before && !known.contains(id) {
                    self.abort(key, id).await;
                    swept += 1;
                }
            }
            key_marker = listed.next_key_marker().map(str::to_owned);
            id_marker = listed.next_upload_id_marker().map(str::to_owned);
            if !listed.is_truncated().unwrap_or(false) || key_marker.is_none() {
                return Ok(swept);
            }
        }
    }

    /// Asked before and read after, because not every server honours a condition on writing; where one was seen to, the condition goes along,
    /// so that of two who publish one is refused.
    pub async fn publish(&self, name: &str, bytes: Bytes, now: Utc) -> Result<Published> {
        let lies_there = |found: Option<Bytes>| found.map(|b| if b == bytes { Published::Before } else { Published::Otherwise });
        if let Some(before) = lies_there(self.published(name).await?) {
            return Ok(before);
        }
        self.put_locked(&format!("published/{name}"), Sha256::of(&bytes), bytes.clone(), self.lock_us.map(|us| now.plus(us))).await?;
        match lies_there(self.published(name).await?) {
            Some(Published::Before) => Ok(Published::Now),
            Some(other) => Ok(other),
            None => Err(Error::TryLater),
        }
    }

    pub async fn published(&self, name: &str) -> Result<Option<Bytes>> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.key(&format!("published/{name}")));
        match sealed!(self, request).send().await {
            Ok(got) => Ok(Some(got.body.collect().await.map_err(away("reading what was published"))?.into_bytes())),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(away("reading what was published")(e)),
        }
    }

    pub async fn list_published(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = self.key(&format!("published/{folder}/"));
        let mut names = Vec::new();
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix).into_paginator().send();
        while let Some(listed) = pages.next().await {
            for object in listed.map_err(away("listing what was published"))?.contents() {
                names.extend(object.key().and_then(|key| key.strip_prefix(&prefix)).map(str::to_owned));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        let request = self.client.head_object().bucket(&self.bucket).key(self.key(key));
        match sealed!(self, request).send().await {
            Ok(head) => Ok(Some(head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(away("asking for a length")(e)),
        }
    }

    /// Every version, where the bucket keeps versions; a store that knows none says so, and has deleted the only one.
    pub async fn destroy(&self, key: &str) -> Result<()> {
        let full = self.key(key);
        self.client.delete_object().bucket(&self.bucket).key(&full).send().await.map_err(away("destroying"))?;
        let versions = match self.client.list_object_versions().bucket(&self.bucket).prefix(&full).send().await {
            Ok(versions) => versions,
            Err(e) if status(&e).is_some_and(|s| matches!(s, 400 | 404 | 405 | 501)) => return Ok(()),
            Err(e) => return Err(away("looking for versions")(e)),
        };
        let old = versions.versions().iter().filter_map(|v| Some((v.key()?, v.version_id()?)));
        let marks = versions.delete_markers().iter().filter_map(|m| Some((m.key()?, m.version_id()?)));
        for (_, version) in old.chain(marks).filter(|(key, _)| *key == full) {
            let gone = self.client.delete_object().bucket(&self.bucket).key(&full).version_id(version).send().await;
            gone.map_err(away("destroying a version"))?;
        }
        Ok(())
    }

    pub async fn ping(&self) -> Result<()> {
        self.client.head_bucket().bucket(&self.bucket).send().await.map_err(away("reaching the bucket"))?;
        Ok(())
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn abort(&self, full_key: &str, upload_id: &str) {
        let done = self.client.abort_multipart_upload().bucket(&self.bucket).key(full_key).upload_id(upload_id).send().await;
        if let Err(e) = done {
            tracing::warn!(cause = %DisplayErrorContext(&e), "S3: an unfinished upload could not be aborted; the sweep will try again");
        }
    }
}
