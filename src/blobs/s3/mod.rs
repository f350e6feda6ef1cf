//! Blobs in an S3-compatible bucket. The only file that knows the S3 SDK.
//!
//! Up to one part (8 MiB, nearly every photo) is buffered and put under `blobs/<sha256>`, hashed before
//! it is sent. Larger files go up in parts while they come, to a key fixed at their start, and stay
//! there: the database maps hash to key, and no byte is copied. Every request carries a SHA-256 that the store checks, in a
//! header, with an unsigned payload: the style that works on all servers tried. Conditional writes are
//! not relied upon (some servers accept and ignore them); the same hash gives the same bytes, so
//! putting it twice changes nothing.

mod staged;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockEnabled, ObjectLockMode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

use staged::Parked;
pub use staged::Staged;

use super::{GRACE, Published, Reader};
use crate::domain::value::{DAY_US, SECOND_US, Sha256, Utc};
use crate::error::{Error, Result};

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
}

fn away<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> Error {
    move |e| {
        tracing::error!(cause = %DisplayErrorContext(&e), "S3: {what} failed");
        Error::TryLater
    }
}

/// HTTP status of a refused request.
fn status<E>(e: &SdkError<E>) -> Option<u16> {
    e.raw_response().map(|r| r.status().as_u16())
}

impl S3 {
    /// `rest` is `BUCKET[/PREFIX][?endpoint=URL&region=NAME&lock_days=N]`.
    pub async fn open(rest: &str, buffer_bytes_max: usize) -> Result<Self> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let options: HashMap<&str, &str> = query.split('&').filter_map(|p| p.split_once('=')).collect();
        let secret =
            |name: &str| std::env::var(name).map_err(|_| Error::Internal(format!("the environment has no {name} for the S3 store")));
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
        let store = Self { client, bucket: bucket.to_owned(), memory, prefix, usual_us: Arc::default(), lock_us };
        store.ping().await.map_err(|_| Error::Internal(format!("the S3 bucket {bucket} cannot be reached with these credentials")))?;
        if store.lock_us.is_some() {
            store.refuse_without_lock().await?;
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
        let mut request =
            self.client.put_object().bucket(&self.bucket).key(self.key(key)).checksum_sha256(sha256.base64()).body(ByteStream::from(bytes));
        if let Some(until) = until {
            let until = DateTime::from_secs(until.micros() / SECOND_US);
            request = request
                // With a lock the interface wants the checksum's algorithm named, besides the checksum itself.
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .object_lock_mode(ObjectLockMode::Compliance)
                .object_lock_retain_until_date(until);
        }
        request.customize().disable_payload_signing().send().await.map_err(away("writing"))?;
        Ok(())
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
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .range(format!("bytes={start}-{}", start + length - 1))
            .send()
            .await;
        let got = match got {
            Ok(got) => got,
            // Nothing lies there: the blob is empty, or shorter than was asked.
            Err(e) if status(&e) == Some(416) => return Ok(futures_util::stream::empty().boxed()),
            Err(e) if status(&e) == Some(404) => return Err(Error::Internal(format!("the blob {key} is missing"))),
            Err(e) => return Err(away("reading")(e)),
        };
        let stream = ReaderStream::with_capacity(got.body.into_async_read(), 128 * 1024);
        Ok(stream.map(|r| r.map_err(Error::from)).boxed())
    }

    pub async fn sweep_staged(&self, handles: &[String]) -> Result<u64> {
        let parked: Vec<Parked> = handles.iter().filter_map(|h| serde_json::from_str(h).ok()).collect();
        let uploads: HashSet<&str> = parked.iter().filter_map(|p| Some(p.multipart.as_ref()?.1.as_str())).collect();
        let tails: HashSet<String> = parked.iter().filter_map(|p| Some(self.key(&p.tail.as_ref()?.0))).collect();
        Ok(self.sweep_multiparts(&uploads).await? + self.sweep_tails(&tails).await?)
    }

    async fn sweep_tails(&self, known: &HashSet<String>) -> Result<u64> {
        let mut swept = 0;
        let staging = format!("{}staging/", self.prefix);
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(staging).into_paginator().send();
        while let Some(listed) = pages.next().await {
            for object in listed.map_err(away("listing parked tails"))?.contents() {
                let (Some(key), Some(written)) = (object.key(), object.last_modified()) else { continue };
                if is_old(written.secs()) && !known.contains(key) {
                    let removed = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
                    removed.map_err(away("removing a parked tail"))?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    async fn sweep_multiparts(&self, known: &HashSet<&str>) -> Result<u64> {
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
                if is_old(begun.secs()) && !known.contains(id) {
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

    /// Asked before and read after, because not every server honours a condition on writing; the one who publishes holds the
    /// log's head, so that nobody writes in between.
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
        let got = self.client.get_object().bucket(&self.bucket).key(self.key(&format!("published/{name}"))).send().await;
        match got {
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
        match self.client.head_object().bucket(&self.bucket).key(self.key(key)).send().await {
            Ok(head) => Ok(Some(head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(away("asking for a length")(e)),
        }
    }

    pub async fn yield_to(&self, mine: &str) -> Result<()> {
        self.destroy(mine).await
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

#[allow(clippy::disallowed_methods)] // The store's own clock and ours, for housekeeping only.
fn is_old(seconds: i64) -> bool {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    SystemTime::now().duration_since(then).is_ok_and(|age| age > GRACE)
}
