//! Who may come in: bounds on what is under way at once and on what one address block may ask for, so that a flood is
//! answered politely instead of with a reset connection. Refusals say when to come again.
//!
//! An address block is one IPv4 address (mobile networks put thousands of people behind one: the defaults are generous)
//! or an IPv6 /56. Addresses stay in memory and are never written down.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::domain::value::Id;
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

pub struct Gate {
    uploads: Arc<Semaphore>,
    /// Places for large files while a flood lasts.
    large: Arc<Semaphore>,
    large_bytes: u64,
    per_block_max: usize,
    under_way: Arc<Mutex<HashMap<Block, usize>>>,
    openings: DefaultKeyedRateLimiter<Block>,
    /// Openings through one appeal's link, from everywhere.
    link: DefaultKeyedRateLimiter<Id>,
    /// Files begun.
    begun: DefaultKeyedRateLimiter<Block>,
    frames: Arc<Semaphore>,
    megabytes: Arc<DefaultKeyedRateLimiter<Block>>,
}

/// The right to send one file now, until it is dropped.
pub struct Pass {
    block: Block,
    under_way: Arc<Mutex<HashMap<Block, usize>>>,
    megabytes: Arc<DefaultKeyedRateLimiter<Block>>,
    announced: Option<u64>,
    came: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
    _large: Option<OwnedSemaphorePermit>,
}

const MEGABYTE: u64 = 1_000_000;
const BUSY_RETRY_S: u64 = 20;
/// Blocks kept before those that have their whole budget again are forgotten.
const CROWD: usize = 10_000;

fn hourly(n: u64) -> Quota {
    let n = u32::try_from(n).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
    Quota::per_hour(n)
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(limits.uploads_max)),
            large: Arc::new(Semaphore::new(limits.flood_large_max)),
            large_bytes: limits.flood_large_bytes,
            per_block_max: limits.uploads_per_block_max,
            under_way: Arc::default(),
            openings: RateLimiter::keyed(hourly(limits.openings_per_block_hour)),
            link: RateLimiter::keyed(hourly(limits.openings_per_appeal_hour)),
            begun: RateLimiter::keyed(hourly(limits.files_per_block_hour)),
            frames: Arc::new(Semaphore::new(limits.uploads_max / 2)),
            megabytes: Arc::new(RateLimiter::keyed(hourly(limits.bytes_per_block_hour / MEGABYTE))),
        }
    }

    /// One more submission to this appeal from this block.
    pub fn opening(&self, appeal: Id, block: Block) -> Result<()> {
        if self.openings.len() > CROWD {
            self.openings.retain_recent();
        }
        self.openings.check_key(&block).map_err(|_| Error::TooMany { retry_after_s: 600 })?;
        self.link.check_key(&appeal).map_err(|_| Error::Busy { retry_after_s: 3 * BUSY_RETRY_S })
    }

    /// One more file from this block, of which nothing has come yet.
    pub fn begin(&self, block: Block) -> Result<()> {
        if self.begun.len() > CROWD {
            self.begun.retain_recent();
        }
        self.begun.check_key(&block).map_err(|_| Error::TooMany { retry_after_s: 600 })
    }

    /// A place for a page that stays open and tells how far the files are.
    pub fn frame(&self) -> Result<OwnedSemaphorePermit> {
        self.frames.clone().try_acquire_owned().map_err(|_| Error::Busy { retry_after_s: BUSY_RETRY_S })
    }

    /// One more request for a file from this block: `file` is the whole file's length and `bytes` what comes with this
    /// request, where they are known.
    pub fn upload(&self, block: Block, file: Option<u64>, bytes: Option<u64>, flood: bool) -> Result<Pass> {
        let place = self.uploads.clone().try_acquire_owned().map_err(|_| Error::Busy { retry_after_s: BUSY_RETRY_S })?;
        // A length that is not told may be anything.
        let large = flood && file.is_none_or(|n| n > self.large_bytes);
        let large = match large.then(|| self.large.clone().try_acquire_owned()) {
            Some(Err(_)) => return Err(Error::Busy { retry_after_s: 3 * BUSY_RETRY_S }),
            Some(Ok(permit)) => Some(permit),
            None => None,
        };
        if self.megabytes.len() > CROWD {
            self.megabytes.retain_recent();
        }
        let megabytes = u32::try_from(bytes.unwrap_or(0).div_ceil(MEGABYTE)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        if !matches!(self.megabytes.check_key_n(&block, megabytes), Ok(Ok(()))) {
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
        let (under_way, megabytes) = (self.under_way.clone(), self.megabytes.clone());
        Ok(Pass { block, under_way, megabytes, announced: bytes, came: Arc::default(), _place: place, _large: large })
    }
}

impl Pass {
    /// Counts what comes: what had not been announced is charged when the pass ends, however it ends, so that the next file
    /// pays for it.
    pub fn counted<E, S: Stream<Item = Result<Bytes, E>>>(&self, body: S) -> impl Stream<Item = Result<Bytes, E>> + use<E, S> {
        let came = self.came.clone();
        body.inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                came.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.announced.is_none() {
            // The first megabyte is paid for, and who has spent everything cannot pay more.
            let more = 1..self.came.load(Ordering::Relaxed).div_ceil(MEGABYTE);
            let _ = more.take_while(|_| self.megabytes.check_key(&self.block).is_ok()).count();
        }
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
        let gate = Gate::new(&limits());
        let (a, b) = (block("192.0.2.1"), block("192.0.2.2"));
        let one = gate.upload(a, Some(1), Some(1), false).unwrap();
        let two = gate.upload(a, Some(1), Some(1), false).unwrap();
        assert!(matches!(gate.upload(a, Some(1), Some(1), false), Err(Error::TooMany { .. })), "two at a time from one block");
        let three = gate.upload(b, Some(1), Some(1), false).unwrap();
        assert!(matches!(gate.upload(b, Some(1), Some(1), false), Err(Error::Busy { .. })), "three at a time in all");
        drop((one, two, three));
        gate.upload(a, Some(1), Some(1), false).unwrap();
        // A large file in small requests costs what comes with each.
        gate.upload(a, Some(10_000 * MEGABYTE), Some(MEGABYTE), false).unwrap();
        assert!(
            matches!(gate.upload(a, Some(200 * MEGABYTE), Some(200 * MEGABYTE), false), Err(Error::TooMany { .. })),
            "bytes in an hour"
        );
        let appeal = Id::new(crate::domain::value::Utc::from_micros(0), [1; 10]);
        gate.opening(appeal, a).unwrap();
        gate.opening(appeal, a).unwrap();
        assert!(matches!(gate.opening(appeal, a), Err(Error::TooMany { .. })));
        gate.opening(appeal, b).unwrap();
        gate.opening(appeal, b).unwrap();
        assert!(matches!(gate.opening(appeal, block("192.0.2.3")), Err(Error::Busy { .. })), "the appeal's own link");
    }

    #[test]
    fn in_a_flood_small_files_pass_large_ones() {
        let gate = Gate::new(&limits());
        let (a, b) = (block("192.0.2.1"), block("192.0.2.2"));
        let _large = gate.upload(a, Some(20 * MEGABYTE), Some(20 * MEGABYTE), true).unwrap();
        assert!(matches!(gate.upload(b, Some(20 * MEGABYTE), Some(20 * MEGABYTE), true), Err(Error::Busy { .. })));
        assert!(matches!(gate.upload(b, None, None, true), Err(Error::Busy { .. })));
        gate.upload(b, Some(MEGABYTE), Some(MEGABYTE), true).unwrap();
        gate.upload(b, Some(20 * MEGABYTE), Some(20 * MEGABYTE), false).unwrap();
    }
}
