//! Fuzz target of whatever reads strangers' bytes: the readers of media (`src/examine/read`), and those of the record (`src/domain/custody`:
//! receipts, proofs, notes, policies, manifests, timestamps, ZIP files), which people hand in to be verified, and those of requests
//! (`src/web/header`, and the queue's filters and cursors). The very files of the program, fed by libFuzzer. `TEMOIN_FUZZ` names the reader, so that one build serves all; `infra/fuzz.sh` runs each. A reader may find nothing; it may not
//! panic, loop, or take more than its time; and what it has read and writes again, it reads as the same.

#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/domain"]
mod domain {
    pub mod actor;
    pub mod appeal;
    pub mod capture;
    pub mod custody;
    pub mod derivative;
    pub mod exhibit;
    pub mod indicator;
    pub mod media;
    pub mod purpose;
    pub mod review;
    pub mod submission;
    pub mod upload;
    pub mod value;
}
#[path = "../../src/examine"]
mod examine {
    mod outcome;
    pub mod read;
    pub use outcome::{Made, Outcome};
}

#[path = "../../src/web"]
mod web {
    pub mod header;
}

use std::io::Cursor;
use std::sync::OnceLock;

use domain::appeal::normal_code;
use domain::capture::{Frame, effective_place, effective_time, place_claims, time_claims, time_in_name};
use domain::custody::{Checkpoint, LogProof, Policy, Receipt, VerifierKey, Waiting, WitnessKey, bag, merkle, sshsig, strict, timestamp, zip};
use domain::media::{playable, sniff};
use domain::review::{self, Filter, RawFilter, TagBook};
use domain::submission::ReceiptCode;
use domain::upload::{Midstate, UploadKey};
use domain::value::{Id, Sha256, Utc};
use examine::{Outcome, read};
use web::header::metadata::Metadata;
use web::header::{digest, disposition, range};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static READER: OnceLock<String> = OnceLock::new();
    let reader = READER.get_or_init(|| std::env::var("TEMOIN_FUZZ").expect("TEMOIN_FUZZ names a reader"));
    if let Some(what) = reader.strip_prefix("record/") {
        return record(what, data);
    }
    if let Some(what) = reader.strip_prefix("request/") {
        return request(what, &String::from_utf8_lossy(data));
    }
    let mut out = Outcome::default();
    match reader.as_str() {
        "name" => {
            let name = String::from_utf8_lossy(data);
            out.found.times.extend(time_in_name(&name));
        }
        "raw" => {
            for kind in ["image/x-canon-cr3", "image/x-fuji-raf", "image/x-nikon-nef"] {
                let mut picture = read::photo(data, kind, &mut out);
                read::tail(&mut picture, &mut out);
                read::preview(data, kind);
            }
        }
        kind if kind.starts_with("image/") => {
            let mut picture = read::photo(data, kind, &mut out);
            read::tail(&mut picture, &mut out);
            read::modest(data, kind);
        }
        kind => read::recording(&mut Cursor::new(data), kind, &mut out),
    }
    // What was found goes through what is done with it: claims, and the rule.
    let out = out.bounded();
    let frame = Frame {
        zone: "Europe/Paris",
        zone_there: Some("America/New_York"),
        received_at: Utc::from_micros(1_784_000_000_000_000),
        reader: "fuzz",
    };
    effective_time(&time_claims(&out.found, &frame));
    effective_place(&place_claims(&out.found, "fuzz"));
    serde_json::to_string(&out).expect("an outcome is JSON");
});

/// A root that nobody's token is signed under.
const ROOT: &str = include_str!("root.pem");

/// What is handed in to be verified, and what addresses are made of.
fn record(what: &str, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match what {
        "proof" => {
            if let Some(proof) = LogProof::parse(&text) {
                assert_eq!(LogProof::parse(&proof.to_string()), Some(proof));
            }
            Receipt::parse(data);
        }
        "note" => {
            Checkpoint::parse(&text);
            VerifierKey::parse(&text);
            WitnessKey::parse(&text);
            let _ = Policy::parse(&text);
        }
        "event" => {
            Waiting::read(data);
            if let Some(value) = strict::parse(data) {
                let again = serde_json::to_vec(&value).expect("what was JSON is JSON");
                assert_eq!(strict::parse(&again), Some(value));
            }
        }
        "manifest" => {
            for (path, _) in bag::parse(&text).unwrap_or_default() {
                assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path} leaves its folder");
            }
            sshsig::parse(&text, "temoin");
            merkle::parse_tile_path(&text);
        }
        "timestamp" => {
            static ROOTS: OnceLock<timestamp::Roots> = OnceLock::new();
            let roots = ROOTS.get_or_init(|| timestamp::Roots::parse(ROOT).expect("a certificate"));
            timestamp::Roots::parse(&text);
            let token = timestamp::token_of(data).unwrap_or_else(|_| data.to_vec());
            assert!(timestamp::verify(&token, Sha256::of(data), None, roots).is_err(), "nobody signs so");
        }
        "zip" => {
            let tail = &data[data.len().saturating_sub(usize::try_from(zip::TAIL_BYTES).unwrap_or(0))..];
            let Some(directory) = zip::directory(tail, data.len() as u64) else { return };
            let Some(ending) = usize::try_from(directory.offset).ok().and_then(|at| data.get(at..)) else { return };
            for member in directory.members(ending).unwrap_or_default() {
                member.header_bytes();
                member.start();
            }
        }
        "kind" => {
            playable(sniff(data).media_type);
        }
        "address" => {
            if let Some(key) = UploadKey::parse(&text) {
                assert_eq!(UploadKey::parse(&key.to_string()), Some(key));
            }
            Midstate::restore(data);
            ReceiptCode::parse(&text);
            let _ = text.parse::<Id>();
            if let Some(code) = normal_code(&text) {
                assert_eq!(normal_code(&code), Some(code));
            }
        }
        other => panic!("no reader is called {other}"),
    }
}

/// What strangers write into headers and queries.
fn request(what: &str, text: &str) {
    match what {
        "range" => {
            let (size, asked) = text.split_once(' ').unwrap_or(("1000", text));
            let size = size.parse().unwrap_or(u64::MAX);
            if let Ok(Some((start, length))) = range::one_range(asked, size) {
                assert!(length > 0 && start.checked_add(length).is_some_and(|end| end <= size), "{asked} of {size}");
            }
        }
        "disposition" => assert!(disposition::name(text.as_bytes()).len() <= text.len()),
        "digest" => {
            let _ = digest::sha256_in(text.lines());
            digest::checksum(text);
        }
        "metadata" => {
            let Ok(read) = Metadata::read(text) else { return };
            let again = Metadata::read(&read.text).expect("what was kept can be read");
            assert!(again.token.is_none(), "the secret is kept: {text}");
            assert_eq!((again.text, again.claims.name, again.sha256), (read.text, read.claims.name, read.sha256));
        }
        "filter" => {
            // A field a line, as JSON has them.
            let fields: serde_json::Map<String, serde_json::Value> =
                text.lines().filter_map(|l| l.split_once('=')).map(|(name, value)| (name.to_owned(), value.into())).collect();
            let Ok(raw) = serde_json::from_value::<RawFilter>(fields.into()) else { return };
            let _ = Filter::limit(&raw);
            let Ok(filter) = Filter::read(&raw, &TagBook::default()) else { return };
            let _ = review::Cursor::read(raw.cursor.as_deref().unwrap_or_default(), &filter);
            let cursor = review::Cursor::after(&filter, 7, Id::new(Utc::from_micros(5), [1; 10]));
            assert!(review::Cursor::read(&cursor, &filter).is_ok(), "a cursor of this filter's own");
        }
        other => panic!("no reader is called {other}"),
    }
}
