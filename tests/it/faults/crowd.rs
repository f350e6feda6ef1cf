//! Witnesses who send without end, whatever happens to the server, and what must be true afterwards.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::files::jpeg;
use crate::support::{PATIENCE, Pair, Server, Submission, sha256};

/// Seeds of pictures, different ones in the whole run.
static SEED: AtomicU64 = AtomicU64::new(1_000);

pub struct Crowd {
    s: Submission,
    /// Exhibit and hash of what was acknowledged.
    acknowledged: Arc<Mutex<Vec<(String, String)>>>,
    /// How often each was sent.
    attempted: Arc<Mutex<HashMap<String, usize>>>,
    stop: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
    /// How many of the lanes stand still.
    still: Arc<AtomicUsize>,
    lanes: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// So many witnesses send to these servers; one who is refused or hears nothing turns to the next server.
    pub fn begin(bases: &[String], s: &Submission, lanes: usize) -> Self {
        let crowd = Self {
            s: s.clone(),
            acknowledged: Arc::default(),
            attempted: Arc::default(),
            stop: Arc::default(),
            paused: Arc::default(),
            still: Arc::default(),
            lanes: Vec::new(),
        };
        let lanes = (0..lanes).map(|lane| {
            let (acknowledged, attempted, stop) = (crowd.acknowledged.clone(), crowd.attempted.clone(), crowd.stop.clone());
            let (paused, still) = (crowd.paused.clone(), crowd.still.clone());
            let (s, bases) = (s.clone(), bases.to_vec());
            let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build().unwrap();
            tokio::spawn(async move {
                let (mut at, mut n) = (lane, 0u64);
                while !stop.load(Ordering::SeqCst) {
                    if paused.load(Ordering::SeqCst) {
                        still.fetch_add(1, Ordering::SeqCst);
                        while paused.load(Ordering::SeqCst) && !stop.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        still.fetch_sub(1, Ordering::SeqCst);
                    }
                    n += 1;
                    // Most repeat bytes that are known already, as on the day itself; and what is new takes a process each to examine.
                    let seed = if n % 4 == 1 { SEED.fetch_add(1, Ordering::SeqCst) } else { n % 5 };
                    let bytes = jpeg(seed as u32, 40, 40);
                    let sha = sha256(&bytes);
                    *attempted.lock().await.entry(sha.clone()).or_default() += 1;
                    let url = format!("{}/api/v1/submissions/{}/files", bases[at % bases.len()], s.id);
                    let answer = match http.post(url).bearer_auth(&s.token).body(bytes).send().await {
                        Ok(answer) if answer.status() == 201 => answer.json::<Value>().await.ok(),
                        Ok(answer) => {
                            // Refusals are for trying again, and nothing here is anybody's mistake.
                            assert!(answer.status() == 503 || answer.status() == 507, "{}", answer.status());
                            None
                        }
                        Err(_) => None,
                    };
                    match answer {
                        Some(body) => {
                            assert_eq!(body["sha256"], sha);
                            acknowledged.lock().await.push((body["exhibit"].as_str().unwrap().to_owned(), sha));
                            // More than is examined meanwhile would only be waited for afterwards.
                            tokio::time::sleep(Duration::from_millis(200)).await;
                        }
                        None => {
                            at += 1;
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
            })
        });
        let lanes = lanes.collect();
        Self { lanes, ..crowd }
    }

    /// Everybody waits for their answer, and then sends nothing until [`Self::go_on`].
    pub async fn pause(&self) {
        self.paused.store(true, Ordering::SeqCst);
        crate::support::until("everybody stands still", async || self.still.load(Ordering::SeqCst) == self.lanes.len()).await;
    }

    pub fn go_on(&self) {
        self.paused.store(false, Ordering::SeqCst);
    }

    pub async fn acknowledged(&self) -> usize {
        self.acknowledged.lock().await.len()
    }

    /// Somebody else sent this, too, so many times at the most.
    pub async fn also_sent(&self, sha: &str, times: usize) {
        *self.attempted.lock().await.entry(sha.to_owned()).or_default() += times;
    }

    /// Waits until so many more files were acknowledged: the crowd is served again.
    pub async fn served(&self, more: usize) {
        let before = self.acknowledged().await;
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.acknowledged().await < before + more {
            assert!(tokio::time::Instant::now() < until, "nobody is served within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everybody stops; then the property, asked of a server that is well again. Returns how many were acknowledged.
    pub async fn end(self, server: &mut Server) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for lane in self.lanes {
            lane.await.unwrap();
        }
        server.settled().await;
        let acknowledged = self.acknowledged.lock().await;
        let attempted = self.attempted.lock().await;
        let (_, shown) = server.get(&self.s.token, &format!("/api/v1/submissions/{}", self.s.id)).await;
        let shown: HashMap<String, String> = shown["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| (f["exhibit"].as_str().unwrap().to_owned(), f["sha256"].as_str().unwrap().to_owned()))
            .collect();
        for (id, sha) in acknowledged.iter() {
            assert_eq!(shown.get(id), Some(sha), "acknowledged and lost: {id}");
        }
        // What is shown beyond that was committed, and its answer lost: sent whole, and not more often than it was sent.
        let mut times: BTreeMap<&String, usize> = BTreeMap::new();
        for sha in shown.values() {
            *times.entry(sha).or_default() += 1;
        }
        for (sha, times) in times {
            assert!(attempted.get(sha).is_some_and(|sent| *sent >= times), "{sha} is there {times} times");
        }
        // Each has its event, once.
        let events = server.events().await;
        let received: Vec<&str> = events
            .iter()
            .filter(|e| e["type"] == "exhibit.received")
            .filter_map(|e| e["subj"].as_array()?.iter().find(|s| s["k"] == "exhibit")?["id"].as_str())
            .filter(|id| shown.contains_key(*id))
            .collect();
        assert_eq!(received.len(), shown.len(), "events of receipt and exhibits");
        assert_eq!(received.iter().collect::<HashSet<_>>().len(), shown.len(), "an event is doubled");
        server.assert_sound();
        nothing_is_left_over(server).await;
        acknowledged.len()
    }
}

/// After the sweep the store holds what rows refer to and nothing else, and nothing is half-sent.
pub async fn nothing_is_left_over(server: &mut Server) {
    server.kill();
    server.set("TEMOIN_LIMITS__SWEEP_AFTER_HOURS", Some("0"));
    run_and_sweep(server).await;
    server.settled().await;
    let used: HashSet<String> = server
        .query("SELECT blob_key FROM content UNION SELECT blob_key FROM derivative")
        .lines()
        .map(str::to_owned)
        .filter(|l| !l.is_empty())
        .collect();
    let (kept, staged) = stored(server).await;
    assert_eq!(kept.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "left over in the store");
    assert_eq!(used.difference(&kept).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in the store");
    assert_eq!(staged, Vec::<String>::new(), "half-sent, and left over");
    server.set("TEMOIN_LIMITS__SWEEP_AFTER_HOURS", None);
}

/// Starts a server that stands still, and waits until it has swept: at a start that comes first.
pub async fn run_and_sweep(server: &mut Server) {
    // What an earlier sweep planned for later would look like one that is over.
    server.sql("UPDATE job SET run_at = 0 WHERE kind = 'sweep'");
    server.run().await;
    // As long as it takes, while there is less to do.
    let swept = || server.query("SELECT COUNT(*) FROM job WHERE kind = 'sweep' AND run_at > 0 AND last_error IS NULL").trim() == "1";
    let left = || server.query("SELECT COUNT(*) FROM keeping").trim().parse::<u64>().unwrap();
    let mut least = u64::MAX;
    while !swept() {
        let now = left();
        assert!(now < least, "the sweep does not get on: {}", server.log());
        least = now;
        let _ = tokio::time::timeout(PATIENCE, async {
            while !swept() && left() >= least {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    }
}

/// Keys of what is kept, and names of what is staged.
async fn stored(server: &Server) -> (HashSet<String>, Vec<String>) {
    match server.pair {
        Pair::Lite => {
            let media = server.path("media");
            // Sealed or not.
            let shelves: Vec<_> = [media.clone(), media.join("sealed")].into_iter().filter(|shelf| shelf.exists()).collect();
            let mut kept = HashSet::new();
            for upper in shelves.iter().flat_map(|shelf| std::fs::read_dir(shelf.join("blobs")).unwrap()) {
                for lower in std::fs::read_dir(upper.unwrap().path()).unwrap() {
                    for file in std::fs::read_dir(lower.unwrap().path()).unwrap() {
                        kept.insert(file.unwrap().file_name().into_string().unwrap());
                    }
                }
            }
            let staged = shelves.iter().flat_map(|shelf| std::fs::read_dir(shelf.join("staging")).unwrap());
            (kept, staged.map(|f| f.unwrap().file_name().into_string().unwrap()).collect())
        }
        Pair::Grown => {
            let (bucket, prefix, client) = super::store::client(&server.blobs_url());
            let mut keys = Vec::new();
            let mut pages = client.list_objects_v2().bucket(&bucket).prefix(&prefix).into_paginator().send();
            while let Some(page) = pages.next().await {
                keys.extend(page.unwrap().contents().iter().filter_map(|o| Some(o.key()?.strip_prefix(&prefix)?.to_owned())));
            }
            let uploads = client.list_multipart_uploads().bucket(&bucket).prefix(&prefix).send().await.unwrap();
            let mut staged: Vec<String> = uploads.uploads().iter().filter_map(|u| Some(u.key()?.to_owned())).collect();
            staged.extend(keys.iter().filter(|k| k.starts_with("staging/")).cloned());
            (keys.into_iter().filter(|k| k.starts_with("blobs/")).collect(), staged)
        }
    }
}
