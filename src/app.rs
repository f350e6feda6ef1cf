//! The application: every engine, clock and key is chosen here and nowhere else.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use hmac::{KeyInit as _, Mac as _};
use tokio::sync::{Notify, Semaphore};

use crate::blobs::Blobs;
use crate::config::Config;
use crate::db::Db;
use crate::domain::custody::{Signer, Stamp};
use crate::domain::submission::{ReceiptCode, new_secret};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};

pub struct App {
    pub config: Config,
    pub db: Db,
    pub blobs: Blobs,
    pub signer: Signer,
    pub stamp: Stamp,
    /// Rung when an event waits to be sequenced.
    pub sequence: Notify,
    /// Rung when a job waits.
    pub work: Notify,
    /// Rung when a checkpoint has been signed.
    pub sequenced: Notify,
    /// Argon2 is meant to be heavy: two at a time, so that logins cannot exhaust the machine.
    pub hashing: Semaphore,
    secret: [u8; 32],
}

impl App {
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        fs::create_dir_all(&config.data)
            .map_err(|e| Error::Internal(format!("the data folder {} cannot be made: {e}", config.data.display())))?;
        let seed = load_or_make_seed(Path::new(&config.log.seed_file))?;
        let db = Db::open(&config.database).await?;
        let blobs = Blobs::open(&config.blobs).await?;
        let build = build_digest();
        let stamp = Stamp {
            node: config.node.clone(),
            app: format!("{}+sha256:{}", env!("CARGO_PKG_VERSION"), &build.to_string()[..16]),
            clock: clock_state(),
        };
        let origin = fixed_origin(&db, &config).await?;
        let mut secret = [0; 32];
        secret.copy_from_slice(&mac(&seed, b"temoin look/v1"));
        Ok(Arc::new(Self {
            signer: Signer::new(&origin, &seed),
            config,
            db,
            blobs,
            stamp,
            sequence: Notify::new(),
            work: Notify::new(),
            sequenced: Notify::new(),
            hashing: Semaphore::new(2),
            secret,
        }))
    }

    /// The wall clock. The one place that reads it.
    pub fn now(&self) -> Utc {
        now()
    }

    pub fn new_id(&self) -> Id {
        Id::new(self.now(), random())
    }

    pub fn new_receipt(&self) -> ReceiptCode {
        ReceiptCode::new(random())
    }

    pub fn new_secret(&self) -> (String, Sha256) {
        new_secret(random())
    }

    pub fn salt(&self) -> [u8; 16] {
        random()
    }

    /// Keyed digest for tokens that need no table. Every node with the same log key agrees.
    pub fn mac(&self, text: &[u8]) -> [u8; 32] {
        mac(&self.secret, text)
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Utc {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Utc::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Random bytes from the operating system. Without them nothing here is safe, so there is no other
/// answer than to stop.
#[allow(clippy::expect_used)]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives no random bytes");
    bytes
}

fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    #[allow(clippy::expect_used)]
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The log's identity is fixed by the first start. Another one later would orphan every receipt, so it is
/// refused rather than taken.
async fn fixed_origin(db: &Db, config: &Config) -> Result<String> {
    let mut tx = db.begin().await?;
    let origin = crate::db::log::origin(&mut tx, &config.first_origin()).await?;
    tx.commit().await?;
    if !config.log.origin.is_empty() && config.log.origin != origin {
        return Err(Error::Internal(format!("this log is {origin} and cannot become {}", config.log.origin)));
    }
    Ok(origin)
}

fn load_or_make_seed(path: &Path) -> Result<[u8; 32]> {
    match fs::read_to_string(path) {
        Ok(text) => Sha256::from_hex(&text)
            .map(|s| *s.bytes())
            .ok_or_else(|| Error::Internal(format!("{} is not 64 hexadecimal digits", path.display()))),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let seed: [u8; 32] = random();
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", Sha256::from_bytes(seed))?;
            file.sync_all()?;
            Ok(seed)
        }
        Err(e) => Err(Error::Internal(format!("{}: {e}", path.display()))),
    }
}

/// SHA-256 of the running program, so that every event says what wrote it.
fn build_digest() -> Sha256 {
    let read = || -> std::io::Result<Sha256> {
        let mut file = fs::File::open(std::env::current_exe()?)?;
        let mut hasher = <sha2::Sha256 as sha2::Digest>::new();
        std::io::copy(&mut file, &mut HashWriter(&mut hasher))?;
        Ok(Sha256::from_bytes(sha2::Digest::finalize(hasher).into()))
    };
    read().unwrap_or_else(|_| Sha256::from_bytes([0; 32]))
}

struct HashWriter<'a>(&'a mut sha2::Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        sha2::Digest::update(self.0, bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Only what is known: systemd leaves a mark when the clock was set from the network.
fn clock_state() -> &'static str {
    if Path::new("/run/systemd/timesync/synchronized").exists() { "ntp-ok" } else { "unknown" }
}
