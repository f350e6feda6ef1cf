//! The application: every engine, clock and key is chosen here and nowhere else.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use data_encoding::BASE64URL_NOPAD;
use hmac::{KeyInit as _, Mac as _};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Notify, Semaphore};

use crate::blobs::Blobs;
use crate::config::Config;
use crate::db::Db;
use crate::domain::custody::{Policy, Signer, Stamp, VerifierKey};
use crate::domain::submission::{ReceiptCode, new_secret, reference};
use crate::domain::upload::UploadKey;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};
use crate::keys::LogKeys;
use crate::traffic::Traffic;

pub struct App {
    pub config: Config,
    pub db: Db,
    pub blobs: Blobs,
    /// Where the log's checkpoints and entries are written once.
    pub published: Blobs,
    /// Entries published so far; negative while that is not known yet.
    pub published_size: AtomicI64,
    pub signer: Signer,
    /// The log's own keys, those that were replaced included.
    pub trust: Policy,
    pub keys: LogKeys,
    /// How often this log was closed and opened again, from 1, and with how many entries the newest epoch began.
    pub epoch: (u64, u64),
    pub stamp: Stamp,
    /// Why the log is not extended at the moment, if it is not.
    pub stopped: Mutex<Option<String>>,
    /// Rung when an event waits to be sequenced.
    pub sequence: Notify,
    /// Rung when a job waits.
    pub work: Notify,
    /// Rung when a checkpoint has been signed.
    pub sequenced: Notify,
    /// Argon2 is meant to be heavy: two at a time, so that logins cannot exhaust the machine.
    pub hashing: Semaphore,
    /// What is under way on this node.
    pub traffic: Traffic,
    /// Whether anything here is a demonstration: then every page says so.
    pub demo: AtomicBool,
    secret: [u8; 32],
}

impl App {
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        Self::opened(config, false).await
    }

    /// Where there has to be a log already: what looks at one must not make another.
    pub async fn open_existing(config: Config) -> Result<Arc<Self>> {
        if let Some(path) = config.database.strip_prefix("sqlite:").filter(|path| !Path::new(path).exists()) {
            return Err(Error::Internal(format!("there is no log here: {path} does not exist")));
        }
        Self::opened(config, false).await
    }

    /// On a database that may be behind its log, a restored one: its key may be one that was replaced since. Only for putting back
    /// what was published, which has to lead to the key in the file.
    pub async fn open_behind(config: Config) -> Result<Arc<Self>> {
        Self::opened(config, true).await
    }

    async fn opened(config: Config, behind: bool) -> Result<Arc<Self>> {
        fs::create_dir_all(&config.data)
            .map_err(|e| Error::Internal(format!("the data folder {} cannot be made: {e}", config.data.display())))?;
        let db = Db::open(&config.database).await?;
        let (signer, keys) = log_key(&db, &config, behind).await?;
        let blobs = Blobs::open(&config.blobs, config.limits.buffer_bytes_max).await?;
        let published = Blobs::open(&config.log.published, config.limits.buffer_bytes_max).await?;
        let mut tx = db.read().await?;
        let demo = crate::db::appeals::any_demo(&mut tx).await?;
        let epoch = crate::db::log::epoch(&mut tx).await?;
        let mut trust = Policy::of(signer.verifier());
        for (vkey, until) in crate::db::log::replaced_keys(&mut tx).await? {
            let key = VerifierKey::parse(&vkey).ok_or_else(|| Error::Internal(format!("{vkey} is not a key")))?;
            trust = trust.with_replaced(key, until);
        }
        drop(tx);
        let build = build_digest();
        let stamp = Stamp {
            node: config.node.clone(),
            app: format!("{}+sha256:{}", env!("CARGO_PKG_VERSION"), &build.to_string()[..16]),
            clock: clock_state(),
        };
        let secret = keys.secret();
        Ok(Arc::new(Self {
            signer,
            trust,
            keys,
            epoch,
            db,
            blobs,
            published,
            published_size: AtomicI64::new(-1),
            stamp,
            stopped: Mutex::new(None),
            sequence: Notify::new(),
            work: Notify::new(),
            sequenced: Notify::new(),
            hashing: Semaphore::new(2),
            traffic: Traffic::new(&config),
            demo: AtomicBool::new(demo),
            config,
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

    /// The address of an upload; only we can make one.
    pub fn upload_key(&self, id: Id) -> UploadKey {
        let mut mac = [0; 16];
        mac.copy_from_slice(&self.mac(format!("upload|{id}").as_bytes())[..16]);
        UploadKey { id, mac }
    }

    /// What remains of a blob that was destroyed: nobody can tell from it which one it was.
    pub fn blob_mark(&self, key: &str) -> Sha256 {
        Sha256::from_bytes(self.mac(format!("destroyed|{key}").as_bytes()))
    }

    pub fn salt(&self) -> [u8; 16] {
        random()
    }

    /// What a submission is called, by a witness without a receipt and by staff.
    pub fn reference(&self, submission: Id) -> String {
        reference(self.mac(format!("reference|{submission}").as_bytes()))
    }

    /// A ticket for what is on record already, good until then. Only we can make one, and no table keeps it.
    pub fn ticket(&self, what: &str, until: Utc) -> String {
        format!("{:x}.{}", until.micros(), self.ticket_mac(what, until.micros()))
    }

    /// Whether a ticket for this holds now.
    pub fn ticket_holds(&self, what: &str, ticket: &str) -> bool {
        let Some((until, mac)) = ticket.split_once('.') else { return false };
        let Ok(until) = i64::from_str_radix(until, 16) else { return false };
        until > self.now().micros() && bool::from(self.ticket_mac(what, until).as_bytes().ct_eq(mac.as_bytes()))
    }

    fn ticket_mac(&self, what: &str, until: i64) -> String {
        BASE64URL_NOPAD.encode(&self.mac(format!("{what}|{until}").as_bytes())[..16])
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

/// HMAC-SHA-256.
pub fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    #[allow(clippy::expect_used)]
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The log's key. Identity and key are fixed by the first start and changed by `temoin log` alone; another one would orphan every
/// receipt, so it is refused rather than taken, and a lost key is not quietly replaced.
async fn log_key(db: &Db, config: &Config, behind: bool) -> Result<(Signer, LogKeys)> {
    let path = Path::new(&config.log.seed_file);
    let mut tx = db.begin().await?;
    let (origin, vkey) = crate::db::log::identity(&mut tx).await?;
    if origin.is_empty() {
        let keys = match LogKeys::read(path)? {
            Some(keys) => keys,
            None => LogKeys::make(path)?,
        };
        let signer = keys.signer(&config.first_origin());
        if !crate::db::log::fix_identity(&mut tx, signer.origin(), &signer.verifier().to_string()).await? {
            return Err(Error::Internal("another node is making this log right now; start again".into()));
        }
        tx.commit().await?;
        return Ok((signer, keys));
    }
    if !config.log.origin.is_empty() && config.log.origin != origin {
        return Err(Error::Internal(format!("this log is {origin} and cannot become {}", config.log.origin)));
    }
    let retired: Vec<String> = crate::db::log::retired_keys(&mut tx).await?;
    let is_retired = |keys: &LogKeys| keys.old(&origin).is_some_and(|old| retired.contains(&old.to_string()));
    let fits = |keys: &LogKeys| behind || keys.signer(&origin).verifier().to_string() == vkey;
    // What lies beside the file was to take its place in the very moment of a crash.
    let (file, beside) = (LogKeys::read(path)?.filter(fits), LogKeys::beside(path)?.filter(fits));
    if let Some(keys) = file.clone().filter(|keys| !is_retired(keys)) {
        return Ok((keys.signer(&origin), keys));
    }
    if let Some(keys) = beside.filter(|keys| !behind && !is_retired(keys)) {
        keys.take_place()?;
        return Ok((keys.signer(&origin), keys));
    }
    // A node that was not given the newest file: the old key signs along no more all the same.
    if let Some(keys) = file {
        let keys = keys.alone();
        return Ok((keys.signer(&origin), keys));
    }
    Err(Error::Internal(format!("{} is not the key of this log, {vkey}", path.display())))
}

/// SHA-256 of the running program, so that every event says what wrote it.
fn build_digest() -> Sha256 {
    let read = || Ok::<_, std::io::Error>(Sha256::of_reader(fs::File::open(std::env::current_exe()?)?, |_| {})?.0);
    read().unwrap_or_else(|_| Sha256::from_bytes([0; 32]))
}

/// Only what is known: systemd leaves a mark when the clock was set from the network.
fn clock_state() -> &'static str {
    if Path::new("/run/systemd/timesync/synchronized").exists() { "ntp-ok" } else { "unknown" }
}
