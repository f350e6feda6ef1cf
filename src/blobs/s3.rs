//! Blobs in an S3-compatible bucket. The only file that knows the S3 SDK.
//!
//! Up to one part (8 MiB, nearly every photo) is buffered and put under `blobs/<sha256>`, hashed before
//! it is sent. Larger files go up in parts while they come, to a key fixed at their start, and stay
//! there: the database maps hash to key, and no byte is copied. Every request carries a SHA-256 that the store checks, in a
//! header, with an unsigned payload: the style that works on all servers tried. Conditional writes are
//! not relied upon (some servers accept and ignore them); the same hash gives the same bytes, so
//! putting it twice changes nothing.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio_util::io::ReaderStream;

use super::{GRACE, Reader};
use crate::app::random;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

const PART_BYTES_MIN: u64 = 8 << 20;
/// S3 takes 10,000 parts; equal parts of `length / 9,000` leave room.
const PARTS_AIM: u64 = 9_000;

#[derive(Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or ends with a slash.
    prefix: String,
}

pub struct Staged {
    store: S3,
    part_bytes: usize,
    buffer: BytesMut,
    multipart: Option<Multipart>,
}

struct Multipart {
    key: String,
    upload_id: String,
    parts: Vec<CompletedPart>,
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
    /// `rest` is `BUCKET[/PREFIX][?endpoint=URL&region=NAME]`.
    pub async fn open(rest: &str) -> Result<Self> {
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
            .force_path_style(true);
        if let Some(endpoint) = options.get("endpoint") {
            config = config.endpoint_url(endpoint.replace("%3A", ":").replace("%2F", "/"));
        }
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            p => format!("{p}/"),
        };
        let store = Self { client: Client::from_conf(config.build()), bucket: bucket.to_owned(), prefix };
        store.ping().await.map_err(|_| Error::Internal(format!("the S3 bucket {bucket} cannot be reached with these credentials")))?;
        Ok(store)
    }

    pub fn stage(&self, length: Option<u64>) -> Staged {
        let mib = 1 << 20;
        let even = length.unwrap_or(0).div_ceil(PARTS_AIM).div_ceil(mib) * mib;
        Staged {
            store: self.clone(),
            part_bytes: usize::try_from(even.max(PART_BYTES_MIN)).unwrap_or(usize::MAX),
            buffer: BytesMut::new(),
            multipart: None,
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

    pub async fn sweep_staged(&self) -> Result<u64> {
        let mut swept = 0;
        let listed = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(format!("{}blobs/", self.prefix))
            .send()
            .await
            .map_err(away("listing unfinished uploads"))?;
        for upload in listed.uploads() {
            let (Some(key), Some(id), Some(begun)) = (upload.key(), upload.upload_id(), upload.initiated()) else {
                continue;
            };
            if is_old(begun.secs()) {
                self.abort(key, id).await;
                swept += 1;
            }
        }
        Ok(swept)
    }

    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        match self.client.head_object().bucket(&self.bucket).key(self.key(key)).send().await {
            Ok(head) => Ok(Some(head.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(away("asking for a length")(e)),
        }
    }

    pub async fn remove(&self, key: &str) -> Result<()> {
        self.client.delete_object().bucket(&self.bucket).key(self.key(key)).send().await.map_err(away("removing"))?;
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

impl Staged {
    pub async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() > self.part_bytes {
            let part = self.buffer.split_to(self.part_bytes).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    async fn send_part(&mut self, part: Bytes) -> Result<()> {
        let store = self.store.clone();
        let multipart = match &mut self.multipart {
            Some(m) => m,
            none => {
                let key = format!("blobs/{}", data_encoding::HEXLOWER.encode(&random::<32>()));
                let begun = store
                    .client
                    .create_multipart_upload()
                    .bucket(&store.bucket)
                    .key(store.key(&key))
                    .checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256)
                    .send()
                    .await
                    .map_err(away("beginning an upload"))?;
                let upload_id = begun.upload_id().unwrap_or_default().to_owned();
                none.insert(Multipart { key, upload_id, parts: Vec::new() })
            }
        };
        let number = i32::try_from(multipart.parts.len() + 1).unwrap_or(i32::MAX);
        let sha256 = Sha256::of(&part).base64();
        let sent = store
            .client
            .upload_part()
            .bucket(&store.bucket)
            .key(store.key(&multipart.key))
            .upload_id(&multipart.upload_id)
            .part_number(number)
            .checksum_sha256(&sha256)
            .body(ByteStream::from(part))
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(away("sending a part"))?;
        multipart
            .parts
            .push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag().map(str::to_owned)).checksum_sha256(sha256).build());
        Ok(())
    }

    pub async fn keep(mut self, sha256: Sha256) -> Result<String> {
        if self.multipart.is_none() {
            return self.put_whole(sha256).await;
        }
        let last = self.buffer.split().freeze();
        if !last.is_empty() {
            self.send_part(last).await?;
        }
        let Some(Multipart { key, upload_id, parts }) = self.multipart.take() else {
            return Err(Error::Internal("an upload without parts".into()));
        };
        let store = &self.store;
        store
            .client
            .complete_multipart_upload()
            .bucket(&store.bucket)
            .key(store.key(&key))
            .upload_id(upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(away("completing an upload"))?;
        Ok(key)
    }

    async fn put_whole(mut self, sha256: Sha256) -> Result<String> {
        let key = format!("blobs/{sha256}");
        let body = self.buffer.split().freeze();
        self.store
            .client
            .put_object()
            .bucket(&self.store.bucket)
            .key(self.store.key(&key))
            .checksum_sha256(sha256.base64())
            .body(ByteStream::from(body))
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(away("writing"))?;
        Ok(key)
    }

    pub async fn discard(mut self) {
        if let Some(m) = self.multipart.take() {
            self.store.abort(&self.store.key(&m.key), &m.upload_id).await;
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // A cut connection drops us without a word: give the parts back now if we still can.
        if let (Some(m), Ok(runtime)) = (self.multipart.take(), tokio::runtime::Handle::try_current()) {
            let store = self.store.clone();
            runtime.spawn(async move { store.abort(&store.key(&m.key), &m.upload_id).await });
        }
    }
}
