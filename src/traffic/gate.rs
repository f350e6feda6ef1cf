//! Who may come in: bounds on what is under way at once and on what one address block may ask for, so that a flood is
//! answered politely instead of with a reset connection. Refusals say when to come again.
//!
//! An address block is one IPv4 address (mobile networks put thousands of people behind one: the defaults are generous)
//! or an IPv6 /56. Addresses stay in memory and are never written down; what nodes tell one another are keyed digests.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::mac;
use crate::config::Limits;
use crate::domain::value::{HOUR_US, Id, Utc};
use crate::error::{Error, Result};

/// What shares one budget of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Block(IpAddr);

impl Block {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72).into()),
            v4 => Self(v4),
        }
    }

    /// The block as text, to be digested with a key before it is kept.
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

/// What is counted over time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Counted {
    /// Submissions from one block.
    Opening,
    /// Submissions through one appeal's link, from everywhere.
    Link,
    /// Files begun, from one block.
    File,
    /// Megabytes, from one block.
    Megabyte,
    /// Passwords tried from one block, and for one name from one block: a stranger elsewhere cannot lock anybody out.
    Login,
    LoginName,
    /// Codes tried for one account by who has its password, from everywhere: of a million codes three are right at a time.
    Code,
}

impl Counted {
    pub const ALL: [Self; 7] = [Self::Opening, Self::Link, Self::File, Self::Megabyte, Self::Login, Self::LoginName, Self::Code];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Link => "link",
            Self::File => "file",
            Self::Megabyte => "megabyte",
            Self::Login => "login",
            Self::LoginName => "login-name",
            Self::Code => "code",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

/// A keyed digest of what is counted: other nodes can count it too, and nobody can tell what it was. The key changes every day.
pub type Who = [u8; 16];

/// Budgets over time, one bucket for each kind and digest. What this node lets in is noted, for [`Counters::spent_here`] to tell the other
/// nodes; what they let in is charged here by [`Counters::spent_elsewhere`], so that a budget is one budget however many nodes there are.
pub struct Counters {
    buckets: [DefaultKeyedRateLimiter<Who>; Counted::ALL.len()],
    secret: [u8; 32],
    /// Since the epoch. Told from outside, because nothing here has a clock.
    hour: AtomicI64,
    spent: Mutex<HashMap<(Counted, Who), u64>>,
}

impl Counters {
    fn new(limits: &Limits, secret: [u8; 32], now: Utc) -> Self {
        let minutely = |n| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        let quota = |counted| match counted {
            Counted::Opening => hourly(limits.openings_per_block_hour),
            Counted::Link => hourly(limits.openings_per_appeal_hour),
            Counted::File => hourly(limits.files_per_block_hour),
            Counted::Megabyte => hourly(limits.bytes_per_block_hour / MEGABYTE),
            // Enough for an office behind one address.
            Counted::Login => minutely(60),
            Counted::LoginName => minutely(10),
            // Twelve an hour once these are spent: a year of guessing finds one with a chance of a quarter.
            Counted::Code => hourly(12).allow_burst(NonZeroU32::new(CODES).unwrap_or(NonZeroU32::MIN)),
        };
        let buckets = Counted::ALL.map(|counted| RateLimiter::keyed(quota(counted)));
        Self { buckets, secret, hour: AtomicI64::new(now.micros() / HOUR_US), spent: Mutex::default() }
    }

    fn bucket(&self, counted: Counted) -> &DefaultKeyedRateLimiter<Who> {
        &self.buckets[counted as usize]
    }

    fn who(&self, what: &str, day: i64) -> Who {
        let mut who = [0; 16];
        let text = format!("let-in|{day}|{what}");
        who.copy_from_slice(&mac(&self.secret, text.as_bytes())[..16]);
        who
    }

    /// Takes so much out of a budget; false, and nothing is taken, when there is not so much.
    fn take(&self, counted: Counted, what: &str, n: NonZeroU32) -> bool {
        let bucket = self.bucket(counted);
        if bucket.len() > CROWD {
            bucket.retain_recent();
        }
        let hour = self.hour.load(Ordering::Relaxed);
        let who = self.who(what, hour.div_euclid(HOURS));
        let taken = matches!(bucket.check_key_n(&who, n), Ok(Ok(())));
        if taken {
            self.note(counted, who, n);
            // Under tomorrow's name, too: nobody has two budgets at midnight.
            if hour.rem_euclid(HOURS) == HOURS - 1 {
                let tomorrow = self.who(what, hour.div_euclid(HOURS) + 1);
                let _ = bucket.check_key_n(&tomorrow, n);
                self.note(counted, tomorrow, n);
            }
        }
        taken
    }

    fn note(&self, counted: Counted, who: Who, n: NonZeroU32) {
        if let Ok(mut spent) = self.spent.lock() {
            *spent.entry((counted, who)).or_default() += u64::from(n.get());
        }
    }

    /// What was let in here since this was asked last. What time it is is told with the question.
    pub fn spent_here(&self, now: Utc) -> Vec<(Counted, Who, u64)> {
        self.hour.store(now.micros() / HOUR_US, Ordering::Relaxed);
        let spent = self.spent.lock().map(|mut spent| std::mem::take(&mut *spent)).unwrap_or_default();
        spent.into_iter().map(|((counted, who), n)| (counted, who, n)).collect()
    }

    /// Charges what another node has let in; who has spent everything cannot pay more.
    pub fn spent_elsewhere(&self, counted: Counted, who: Who, n: u64) {
        let (bucket, mut left, mut step) = (self.bucket(counted), u32::try_from(n).unwrap_or(u32::MAX), u32::MAX);
        while left > 0 && step > 0 {
            let Some(some) = NonZeroU32::new(left.min(step)) else { return };
            match bucket.check_key_n(&who, some) {
                Ok(Ok(())) => left -= some.get(),
                _ => step = some.get() / 2,
            }
        }
    }
}

pub struct Gate {
    uploads: Arc<Semaphore>,
    /// Places for large files while a flood lasts.
    large: Arc<Semaphore>,
    large_bytes: u64,
    per_block_max: usize,
    under_way: Arc<Mutex<HashMap<Block, usize>>>,
    frames: Arc<Semaphore>,
    pub counters: Arc<Counters>,
}

/// The right to send one file now, until it is dropped. Its first megabyte is paid for.
pub struct Pass {
    block: Block,
    under_way: Arc<Mutex<HashMap<Block, usize>>>,
    counters: Arc<Counters>,
    came: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
    _large: Option<OwnedSemaphorePermit>,
}

/// Codes that somebody may get wrong, or sign in with, before it is slow.
const CODES: u32 = 30;
/// Of a day.
const HOURS: i64 = 24;
const MEGABYTE: u64 = 1_000_000;
const BUSY_RETRY_S: u64 = 20;
/// Blocks kept before those that have their whole budget again are forgotten.
const CROWD: usize = 10_000;

fn hourly(n: u64) -> Quota {
    let n = u32::try_from(n).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
    Quota::per_hour(n)
}

impl Gate {
    pub fn new(limits: &Limits, secret: [u8; 32], now: Utc) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(limits.uploads_max)),
            large: Arc::new(Semaphore::new(limits.flood_large_max)),
            large_bytes: limits.flood_large_bytes,
            per_block_max: limits.uploads_per_block_max,
            under_way: Arc::default(),
            frames: Arc::new(Semaphore::new(limits.uploads_max / 2)),
            counters: Arc::new(Counters::new(limits, secret, now)),
        }
    }

    /// Requests for a file that are under way.
    pub fn uploads_under_way(&self) -> usize {
        self.under_way.lock().map(|u| u.values().sum()).unwrap_or(0)
    }

    /// One more submission to this appeal from this block.
    pub fn opening(&self, appeal: Id, block: Block) -> Result<()> {
        if !self.counters.take(Counted::Opening, &block.text(), NonZeroU32::MIN) {
            return Err(Error::TooMany { retry_after_s: 600 });
        }
        if !self.counters.take(Counted::Link, &appeal.to_string(), NonZeroU32::MIN) {
            return Err(Error::Busy { retry_after_s: 3 * BUSY_RETRY_S });
        }
        Ok(())
    }

    /// One more file from this block, of which nothing has come yet.
    pub fn begin(&self, block: Block) -> Result<()> {
        if self.counters.take(Counted::File, &block.text(), NonZeroU32::MIN) { Ok(()) } else { Err(Error::TooMany { retry_after_s: 600 }) }
    }

    /// One more sign-in from this block that names nobody yet.
    pub fn knock(&self, address: IpAddr) -> Result<()> {
        let block = Block::of(address).text();
        if self.counters.take(Counted::Login, &block, NonZeroU32::MIN) { Ok(()) } else { Err(Error::TooMany { retry_after_s: 60 }) }
    }

    /// One more code for this account, from somebody who has its password.
    pub fn code(&self, account: Id) -> Result<()> {
        let taken = self.counters.take(Counted::Code, &account.to_string(), NonZeroU32::MIN);
        if taken { Ok(()) } else { Err(Error::TooMany { retry_after_s: 300 }) }
    }

    /// One more password from this block, for this name.
    pub fn login(&self, address: IpAddr, name: &str) -> Result<()> {
        let block = Block::of(address).text();
        let tried = self.counters.take(Counted::Login, &block, NonZeroU32::MIN)
            && self.counters.take(Counted::LoginName, &format!("{block}/{name}"), NonZeroU32::MIN);
        if tried { Ok(()) } else { Err(Error::TooMany { retry_after_s: 60 }) }
    }

    /// A place for a page that stays open and tells how far the files are.
    pub fn frame(&self) -> Result<OwnedSemaphorePermit> {
        self.frames.clone().try_acquire_owned().map_err(|_| Error::Busy { retry_after_s: BUSY_RETRY_S })
    }

    /// One more request for a file from this block; `file` is the whole file's length, where it is known. What is announced costs nothing
    /// (or who announces much and sends nothing would shut out everybody behind the same address): what comes is paid for as it comes, and
    /// who has spent everything begins no other.
    pub fn upload(&self, block: Block, file: Option<u64>, flood: bool) -> Result<Pass> {
        let place = self.uploads.clone().try_acquire_owned().map_err(|_| Error::Busy { retry_after_s: BUSY_RETRY_S })?;
        // A length that is not told may be anything.
        let large = flood && file.is_none_or(|n| n > self.large_bytes);
        let large = match large.then(|| self.large.clone().try_acquire_owned()) {
            Some(Err(_)) => return Err(Error::Busy { retry_after_s: 3 * BUSY_RETRY_S }),
            Some(Ok(permit)) => Some(permit),
            None => None,
        };
        if !self.counters.take(Counted::Megabyte, &block.text(), NonZeroU32::MIN) {
            return Err(Error::TooMany { retry_after_s: 600 });
        }
        {
            let mut under_way = self.under_way.lock().map_err(Error::internal)?;
            let count = under_way.entry(block).or_default();
            if *count >= self.per_block_max {
                return Err(Error::TooMany { retry_after_s: BUSY_RETRY_S });
            }
            *count += 1;
        }
        let (under_way, counters) = (self.under_way.clone(), self.counters.clone());
        Ok(Pass { block, under_way, counters, came: Arc::default(), _place: place, _large: large })
    }
}

impl Pass {
    /// Charges what comes, a megabyte at a time. A request that has begun goes on when everything is spent: the next one does not begin.
    pub fn counted<E, S: Stream<Item = Result<Bytes, E>>>(&self, body: S) -> impl Stream<Item = Result<Bytes, E>> + use<E, S> {
        let (came, counters, block) = (self.came.clone(), self.counters.clone(), self.block.text());
        body.inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                let megabytes = |bytes: u64| bytes.div_ceil(MEGABYTE).max(1);
                let before = came.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                let more = megabytes(before)..megabytes(before + chunk.len() as u64);
                let _ = more.take_while(|_| counters.take(Counted::Megabyte, &block, NonZeroU32::MIN)).count();
            }
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Ok(mut under_way) = self.under_way.lock()
            && let Some(count) = under_way.get_mut(&self.block)
        {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            idle_seconds: 1,
            header_seconds: 1,
            write_seconds: 1,
            connections_max: 10,
            free_bytes_min: 0,
            sweep_after_hours: 24,
            drain_seconds: 0,
            form_bytes_max: 1,
            buffer_bytes_max: 1,
            quiet_minutes: 60,
            uploads_max: 3,
            uploads_per_block_max: 2,
            openings_per_block_hour: 2,
            openings_per_appeal_hour: 4,
            files_per_block_hour: 10,
            bytes_per_block_hour: 100 * MEGABYTE,
            flood_large_bytes: 10 * MEGABYTE,
            flood_large_max: 1,
            flood_work_bits: 1,
        }
    }

    fn block(text: &str) -> Block {
        Block::of(text.parse().unwrap())
    }

    #[test]
    fn blocks() {
        assert_eq!(block("192.0.2.1"), block("::ffff:192.0.2.1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
        assert_eq!(block("2001:db8:1:200::1"), block("2001:db8:1:2ff::9"));
        assert_ne!(block("2001:db8:1:200::1"), block("2001:db8:1:300::1"));
    }

    #[test]
    fn every_bound_holds_and_gives_back() {
        let gate = Gate::new(&limits(), [7; 32], Utc::from_micros(0));
        let (a, b) = (block("192.0.2.1"), block("192.0.2.2"));
        let one = gate.upload(a, Some(1), false).unwrap();
        let two = gate.upload(a, Some(1), false).unwrap();
        assert!(matches!(gate.upload(a, Some(1), false), Err(Error::TooMany { .. })), "two at a time from one block");
        let three = gate.upload(b, Some(1), false).unwrap();
        assert!(matches!(gate.upload(b, Some(1), false), Err(Error::Busy { .. })), "three at a time in all");
        drop((one, two, three));
        gate.upload(a, Some(1), false).unwrap();
        let appeal = Id::new(crate::domain::value::Utc::from_micros(0), [1; 10]);
        gate.opening(appeal, a).unwrap();
        gate.opening(appeal, a).unwrap();
        assert!(matches!(gate.opening(appeal, a), Err(Error::TooMany { .. })));
        gate.opening(appeal, b).unwrap();
        gate.opening(appeal, b).unwrap();
        assert!(matches!(gate.opening(appeal, block("192.0.2.3")), Err(Error::Busy { .. })), "the appeal's own link");
    }

    #[tokio::test]
    async fn what_comes_is_paid_for_and_what_is_announced_is_not() {
        let gate = Gate::new(&limits(), [7; 32], Utc::from_micros(0));
        let (a, b) = (block("192.0.2.1"), block("192.0.2.2"));
        // A megabyte for each that sends nothing, whatever it announces.
        for _ in 0..10 {
            gate.upload(a, Some(1_000_000 * MEGABYTE), false).unwrap();
        }
        let pass = gate.upload(a, Some(10_000 * MEGABYTE), false).unwrap();
        // 89 are left beside the one that is paid for; in pieces that meet no megabyte's edge.
        let piece = Bytes::from(vec![0; 700_000]);
        let sent = |n| futures_util::stream::iter((0..n).map(|_| Ok::<_, ()>(piece.clone())).collect::<Vec<_>>());
        assert_eq!(pass.counted(sent(127)).count().await, 127);
        gate.upload(a, None, false).unwrap();
        assert!(matches!(gate.upload(a, Some(1), false), Err(Error::TooMany { .. })), "bytes in an hour");
        // What has begun goes on.
        assert_eq!(pass.counted(sent(10)).count().await, 10);
        gate.upload(b, Some(1), false).unwrap();
    }

    #[test]
    fn in_a_flood_small_files_pass_large_ones() {
        let gate = Gate::new(&limits(), [7; 32], Utc::from_micros(0));
        let (a, b) = (block("192.0.2.1"), block("192.0.2.2"));
        let _large = gate.upload(a, Some(20 * MEGABYTE), true).unwrap();
        assert!(matches!(gate.upload(b, Some(20 * MEGABYTE), true), Err(Error::Busy { .. })));
        assert!(matches!(gate.upload(b, None, true), Err(Error::Busy { .. })));
        gate.upload(b, Some(MEGABYTE), true).unwrap();
        gate.upload(b, Some(20 * MEGABYTE), false).unwrap();
    }

    #[test]
    fn a_budget_is_one_budget_however_many_nodes_there_are() {
        let (here, there) = (Gate::new(&limits(), [7; 32], Utc::from_micros(0)), Gate::new(&limits(), [7; 32], Utc::from_micros(0)));
        let (a, now) = (block("192.0.2.1"), Utc::from_micros(0));
        let appeal = Id::new(now, [1; 10]);
        here.opening(appeal, a).unwrap();
        for (counted, who, n) in here.counters.spent_here(now) {
            there.counters.spent_elsewhere(counted, who, n);
        }
        assert!(here.counters.spent_here(now).is_empty(), "told once");
        there.opening(appeal, a).unwrap();
        assert!(matches!(there.opening(appeal, a), Err(Error::TooMany { .. })), "two in an hour, one of them there");
        // More than there is: everything is gone, and no more.
        here.counters.spent_elsewhere(Counted::Megabyte, here.counters.who(&a.text(), 0), 1_000);
        assert!(here.upload(a, Some(1), false).is_err());
        here.upload(block("192.0.2.2"), Some(1), false).unwrap();
    }

    #[test]
    fn nobody_has_two_budgets_at_midnight() {
        let gate = Gate::new(&limits(), [7; 32], Utc::from_micros(23 * HOUR_US));
        let (a, appeal) = (block("192.0.2.1"), Id::new(Utc::from_micros(0), [1; 10]));
        gate.opening(appeal, a).unwrap();
        gate.opening(appeal, a).unwrap();
        gate.counters.spent_here(Utc::from_micros(24 * HOUR_US));
        assert!(matches!(gate.opening(appeal, a), Err(Error::TooMany { .. })), "under another name, spent all the same");
        gate.opening(appeal, block("192.0.2.2")).unwrap();
    }
}
