//! `temoin examine FILE…`: reads files as the server does, confined, and prints what it found: so that anybody can do again what stands in
//! a record, on any machine, without a database.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::config::{Config, Flags};
use crate::domain::capture::{Frame, place_claims, time_claims, time_in_name};
use crate::domain::contradiction;
use crate::domain::media::{keep_head, sniff};
use crate::domain::value::{Sha256, Utc};
use crate::error::Result;
use crate::examine;

#[derive(Args)]
pub struct Examine {
    /// Files to read
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The time zone to assume where a file names none
    #[arg(long, default_value = "UTC")]
    zone: String,
}

/// One JSON document a line for each file. Exit code 0, or 3 when a file could not be opened.
pub async fn examine(flags: &Flags, asked: Examine) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    let mut code = ExitCode::SUCCESS;
    for path in &asked.files {
        match one(&config, path, &asked.zone).await {
            Ok(line) => say!("{line}"),
            Err(e) => {
                say!("{}", json!({"file": path.display().to_string(), "error": e.to_string()}));
                code = ExitCode::from(3);
            }
        }
    }
    Ok(code)
}

async fn one(config: &Config, path: &PathBuf, zone: &str) -> Result<serde_json::Value> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    let mut first = vec![0; 8_192];
    let read = file.read(&mut first)?;
    keep_head(&mut head, &first[..read]);
    let sniffed = sniff(&head);
    file.rewind()?;
    let (sha256, size) = Sha256::of_reader(&file, |_| {})?;
    file.rewind()?;
    let out = match sniffed.quarantine {
        None => examine::of_file(&config.examine, file, sniffed.media_type).await?,
        Some(_) => examine::Outcome { notes: vec!["not-previewed".into()], ..examine::Outcome::default() },
    };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let reader = examine::reader();
    let mut found = out.found;
    let frame = Frame { zone, zone_there: examine::zone_there(&found), received_at: Utc::from_micros(i64::MAX / 2), reader: &reader };
    let places = place_claims(&found, &reader);
    found.times.extend(time_in_name(&name));
    let times = time_claims(&found, &frame);
    let indicators = contradiction::all(&name, &found, &times, &places, 0);
    Ok(json!({
        "file": path.display().to_string(),
        "sha256": sha256.to_string(),
        "size": size,
        "media_type": sniffed.media_type,
        "quarantine": sniffed.quarantine.map(|q| q.as_str()),
        "reader": reader,
        "tools": out.tools,
        "confined": out.confined,
        "peak_kb": out.peak_kb,
        "device": found.device,
        "shape": found.shape,
        "duration_us": found.duration_us,
        "streams": found.streams,
        "times": found.times,
        "places": found.places,
        "time_claims": times,
        "place_claims": places,
        "indicators": indicators,
        "notes": out.notes,
        "essence": out.essence,
        "prints": out.prints,
        "made": out.made.iter().map(|m| json!({"variant": m.variant, "width": m.width, "height": m.height, "how": m.how})).collect::<Vec<_>>(),
        "raw": out.raw,
    }))
}
