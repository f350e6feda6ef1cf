//! Fuzz target of the readers (`src/examine/read`): the very files of the program, fed by libFuzzer. `TEMOIN_FUZZ` names the reader, so that
//! one build serves all; `infra/fuzz.sh` runs each. A reader may find nothing; it may not panic, loop, or take more than its time.

#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/domain"]
mod domain {
    pub mod appeal;
    pub mod capture;
    pub mod derivative;
    pub mod exhibit;
    pub mod indicator;
    pub mod submission;
    pub mod value;
}
#[path = "../../src/examine"]
mod examine {
    mod outcome;
    pub mod read;
    pub use outcome::{Made, Outcome};
}

use std::io::Cursor;
use std::sync::OnceLock;

use domain::capture::{Frame, effective_place, effective_time, place_claims, time_claims, time_in_name};
use domain::value::Utc;
use examine::{Outcome, read};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static READER: OnceLock<String> = OnceLock::new();
    let reader = READER.get_or_init(|| std::env::var("TEMOIN_FUZZ").expect("TEMOIN_FUZZ names a reader"));
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
