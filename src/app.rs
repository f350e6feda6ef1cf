//! The application: every engine, clock and key is chosen here and nowhere else.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use hmac::{KeyInit as _, Mac as _};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::accounts::{Passkeys, Provider};
use crate::blobs::Blobs;
use crate::blobs::seal::Ring;
use crate::config::{Config, SecondFactor};
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
    /// The operator's keys for media in folders, if there are some.
    pub ring: Option<Arc<Ring>>,
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
    /// This process among all that ever ran on this log: the node's name, its command and a random part. Leases are held in its name.
    pub instance: String,
    /// Set when the process is asked to end: it is ready for nothing new.
    pub draining: AtomicBool,
    /// Cancelled when what is still under way has to end now.
    pub closing: CancellationToken,
    /// Whether this node is the one that sequences.
    pub sequences: AtomicBool,
    /// Rung when an event waits to be sequenced.
    pub sequence: Notify,
    /// Rung when a job waits.
    pub work: Notify,
    /// Argon2 is meant to be heavy: two at a time, so that logins cannot exhaust the machine.
    pub hashing: Semaphore,
    /// What is under way on this node.
    pub traffic: Traffic,
    /// Where browsers allow passkeys at this address.
    pub passkeys: Option<Passkeys>,
    /// The agency's identity provider, if there is one.
    pub provider: Option<Arc<Provider>>,
    /// Whether anything here is a demonstration: then every page says so.
    pub demo: AtomicBool,
    /// Whether this process was started as a demonstration, whose passwords it has printed.
    pub demonstrates: AtomicBool,
    /// The database's time at a moment of the clock that nobody sets.
    anchor: RwLock<Option<(Utc, Instant)>>,
    /// The running database server that the published log was last held against.
    pub server: AtomicI64,
    secret: [u8; 32],
}

/// How often the database is asked what time it is, and how long its answer may take to be believed.
const CLOCK_EVERY: Duration = Duration::from_secs(10);
const CLOCK_WAIT: Duration = Duration::from_millis(200);

impl App {
    pub async fn open(config: Config) -> Result<Arc<Self>> {
        Self::opened(config, "command", false).await
    }

    /// For what holds leases: `serve` or `worker`.
    pub async fn open_as(config: Config, role: &str) -> Result<Arc<Self>> {
        Self::opened(config, role, false).await
    }

    /// Where there has to be a log already: what looks at one must not make another.
    pub async fn open_existing(config: Config) -> Result<Arc<Self>> {
        if let Some(path) = config.database.strip_prefix("sqlite:").filter(|path| !Path::new(path).exists()) {
            return Err(Error::Internal(format!("there is no log here: {path} does not exist; `temoin serve` begins one")));
        }
        Self::opened(config, "command", false).await
    }

    /// On a database that may be behind its log, a restored one: its key may be one that was replaced since. Only for putting back
    /// what was published, which has to lead to the key in the file.
    pub async fn open_behind(config: Config) -> Result<Arc<Self>> {
        Self::opened(config, "command", true).await
    }

    async fn opened(config: Config, role: &str, behind: bool) -> Result<Arc<Self>> {
        fs::create_dir_all(&config.data)
            .map_err(|e| Error::Internal(format!("the data folder {} cannot be made: {e}", config.data.display())))?;
        let db = Db::open(&config.database).await?;
        let (signer, keys) = log_key(&db, &config, behind).await?;
        let ring = Ring::open(&config.media.key_file)?;
        let blobs = Blobs::open(&config.blobs, config.limits.buffer_bytes_max, ring.clone()).await?;
        let published = Blobs::open(&config.log.published, config.limits.buffer_bytes_max, ring.clone()).await?;
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
        let app = Arc::new(Self {
            signer,
            trust,
            keys,
            epoch,
            db,
            blobs,
            published,
            ring,
            published_size: AtomicI64::new(-1),
            stamp,
            stopped: Mutex::new(None),
            instance: format!("{}/{role}/{}", config.node, data_encoding::HEXLOWER.encode(&random::<8>())),
            draining: AtomicBool::new(false),
            closing: CancellationToken::new(),
            sequences: AtomicBool::new(false),
            sequence: Notify::new(),
            work: Notify::new(),
            hashing: Semaphore::new(2),
            traffic: Traffic::new(&config, mac(&secret, b"let-in"), now()),
            demo: AtomicBool::new(demo),
            demonstrates: AtomicBool::new(false),
            passkeys: Passkeys::new(&config.public_url),
            provider: Provider::new(&config.oidc, &config.public_url)?,
            config,
            anchor: RwLock::new(None),
            server: AtomicI64::new(-1),
            secret,
        });
        app.set_clock().await?;
        Ok(app)
    }

    /// What time it is: by the database's clock where nodes share one, so that they agree and none of them can be wrong by itself; by the wall
    /// clock otherwise.
    pub fn now(&self) -> Utc {
        match *self.anchor.read().unwrap_or_else(PoisonError::into_inner) {
            Some((then, steady)) => then.plus(i64::try_from(steady.elapsed().as_micros()).unwrap_or(i64::MAX)),
            None => now(),
        }
    }

    /// Whether a password alone opens anything. In a demonstration it does: its passwords stand on its pages.
    pub fn second_factor(&self) -> SecondFactor {
        if self.demonstrates.load(Ordering::Relaxed) { SecondFactor::Optional } else { self.config.accounts.second_factor }
    }

    /// The wall clock of this machine.
    pub fn wall(&self) -> Utc {
        now()
    }

    /// Asks the database what time it is.
    pub async fn set_clock(&self) -> Result<()> {
        if !self.db.is_shared() {
            return Ok(());
        }
        let mut tx = self.db.read().await?;
        let asked = Instant::now();
        let then = crate::db::clock(&mut tx, now()).await?;
        let took = asked.elapsed();
        // What was long under way says too little.
        if took < CLOCK_WAIT || self.anchor.read().is_ok_and(|a| a.is_none()) {
            let half = i64::try_from(took.as_micros() / 2).unwrap_or(0);
            *self.anchor.write().unwrap_or_else(PoisonError::into_inner) = Some((then.plus(half), Instant::now()));
        }
        Ok(())
    }

    /// Keeps the clock set, until the process ends.
    pub async fn run_clock(self: Arc<Self>) {
        loop {
            tokio::time::sleep(CLOCK_EVERY).await;
            // Out of reach: the steady clock goes on.
            let _ = self.set_clock().await;
        }
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
        if crate::db::log::fix_identity(&mut tx, signer.origin(), &signer.verifier().to_string()).await? {
            tx.commit().await?;
            return Ok((signer, keys));
        }
        // Another node was faster: the log is what that one made it.
        drop(tx);
        return Box::pin(log_key(db, config, behind)).await;
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
