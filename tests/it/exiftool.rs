//! The readers held against exiftool, field by field: everything that exiftool reads of the fields below is compared, nothing is left out
//! in silence, and the table is printed. Files are made here, with exiftool's own writer, in every format that it can write.
//!
//! `TEMOIN_TEST_MEDIA=FOLDER` holds a folder of real files against exiftool as well, and prints its table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::files::jpeg;

/// How often a field was compared, right, missing, and wrong with examples.
#[derive(Default)]
struct Score {
    fields: BTreeMap<&'static str, [u32; 3]>,
    faults: Vec<String>,
    /// What was not compared, and why: counted, never silent.
    left_out: BTreeMap<String, u32>,
}

impl Score {
    fn hold(&mut self, field: &'static str, file: &str, theirs: &str, ours: Option<String>) {
        let counts = self.fields.entry(field).or_default();
        match ours {
            Some(ours) if ours == theirs => counts[0] += 1,
            ours => {
                counts[if ours.is_none() { 1 } else { 2 }] += 1;
                self.faults.push(format!("{file}: {field} is {theirs}, read {ours:?}"));
            }
        }
    }

    fn leave_out(&mut self, why: &str) {
        *self.left_out.entry(why.to_owned()).or_default() += 1;
    }

    /// Compared, right and wrong, of the fields whose names begin so.
    fn share(&self, of: &str) -> (u32, u32, u32) {
        self.fields
            .iter()
            .filter(|(name, _)| name.starts_with(of))
            .fold((0, 0, 0), |(all, right, wrong), (_, [r, m, w])| (all + r + m + w, right + r, wrong + w))
    }

    fn table(&self) -> String {
        let mut text = String::from("field: right, missing, wrong\n");
        for (name, [right, missing, wrong]) in &self.fields {
            let _ = writeln!(text, "{name}: {right}, {missing}, {wrong}");
        }
        for (why, count) in &self.left_out {
            let _ = writeln!(text, "not compared: {why}: {count}");
        }
        text + &self.faults.join("\n")
    }
}

/// `2026:07:14 22:10:03` as we write it.
fn date(text: &str) -> Option<String> {
    let digits: Vec<u32> = text.get(..19)?.split([':', ' ', '-']).map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let [y, mo, d, h, mi, s] = digits[..] else { return None };
    (y > 0 && (1..=12).contains(&mo) && (1..=31).contains(&d)).then(|| format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}"))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).trim().to_owned()
}

/// Holds everything that exiftool reads in these files against what `temoin examine` reads.
fn score(files: &[PathBuf]) -> Score {
    let mut score = Score::default();
    for group in files.chunks(100) {
        let told = Command::new("exiftool").args(["-j", "-n", "-G1", "-struct"]).args(group).output().unwrap();
        let told: Vec<Map<String, Value>> = serde_json::from_slice(&told.stdout).unwrap();
        let read =
            Command::new(env!("CARGO_BIN_EXE_temoin")).arg("examine").args(group).current_dir(std::env::temp_dir()).output().unwrap();
        let read = String::from_utf8(read.stdout).unwrap();
        let ours: BTreeMap<String, Value> =
            read.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).map(|v| (v["file"].as_str().unwrap().to_owned(), v)).collect();
        assert_eq!(ours.len(), group.len(), "every file was read");
        for theirs in told {
            let file = theirs["SourceFile"].as_str().unwrap();
            let ours = &ours[file];
            match theirs.get("File:MIMEType").and_then(Value::as_str).unwrap_or_default() {
                m if m.starts_with("image/") => picture(&mut score, file, &theirs, ours),
                m if m.starts_with("video/") => recording(&mut score, file, &theirs, ours),
                "" => score.leave_out("files that exiftool does not know"),
                other => score.leave_out(&format!("files of type {other}")),
            }
        }
    }
    score
}

fn found<'a>(ours: &'a Value, list: &str, source: &str) -> Option<&'a Value> {
    ours[list].as_array()?.iter().find(|v| v["source"] == source)
}

fn picture(score: &mut Score, file: &str, theirs: &Map<String, Value>, ours: &Value) {
    let original = found(ours, "times", "exif_original").and_then(|t| t["local"].as_str());
    if let Some(wanted) = theirs.get("ExifIFD:DateTimeOriginal").and_then(|v| date(v.as_str()?)) {
        score.hold("image time", file, &wanted, original.map(|l| l.get(..19).unwrap_or(l).to_owned()));
        if let Some(fraction) =
            theirs.get("ExifIFD:SubSecTimeOriginal").map(text_of).filter(|f| f.bytes().all(|b| b.is_ascii_digit()) && !f.is_empty())
        {
            let ours = original.map(|l| l.split_once('.').map_or("", |(_, f)| f).to_owned()).filter(|f| !f.is_empty());
            score.hold("image sub-seconds", file, &fraction, ours);
        }
        let offset = theirs.get("ExifIFD:OffsetTimeOriginal").and_then(Value::as_str).map(str::trim);
        if offset.is_some_and(|o| o.len() != 6) {
            score.leave_out("offsets that are not of the form +00:00");
        }
        if let Some(offset) = offset.filter(|o| o.len() == 6) {
            let minutes = found(ours, "times", "exif_original").and_then(|t| t["offset_min"].as_i64());
            let words = minutes.map(|m| format!("{}{:02}:{:02}", if m < 0 { '-' } else { '+' }, m.abs() / 60, m.abs() % 60));
            score.hold("image offset", file, offset, words);
        }
    }
    if let Some(wanted) = theirs.get("ExifIFD:CreateDate").and_then(|v| date(v.as_str()?)) {
        let read = found(ours, "times", "exif_digitized").and_then(|t| Some(t["local"].as_str()?.get(..19)?.to_owned()));
        score.hold("image digitized", file, &wanted, read);
    }
    if let (Some(day), Some(clock)) = (theirs.get("GPS:GPSDateStamp"), theirs.get("GPS:GPSTimeStamp"))
        && let Some(wanted) = date(&format!("{} {}", text_of(day), text_of(clock).get(..8).unwrap_or_default()))
    {
        let read = found(ours, "times", "exif_gps").and_then(|t| Some(t["local"].as_str()?.get(..19)?.to_owned()));
        score.hold("image satellite time", file, &wanted, read);
    }
    let place = found(ours, "places", "exif_gps").filter(|p| p["point"].is_object());
    for (field, key, side) in [("image latitude", "GPS:GPSLatitude", "lat"), ("image longitude", "GPS:GPSLongitude", "lon")] {
        let (Some(degrees), Some(letter)) = (theirs.get(key).and_then(Value::as_f64), theirs.get(&format!("{key}Ref"))) else { continue };
        let negative = matches!(text_of(letter).chars().next(), Some('S' | 'W'));
        let wanted = if negative { -degrees } else { degrees };
        if wanted == 0.0 && found(ours, "places", "exif_gps").is_some_and(|p| p["status"] == "zero") {
            continue;
        }
        // Closer than a metre is the same.
        let read = place.and_then(|p| p["point"][side].as_f64()).map(|r| if (r - wanted).abs() < 1e-5 { wanted } else { r });
        score.hold(field, file, &format!("{wanted:.5}"), read.map(|r| format!("{r:.5}")));
    }
    let place = found(ours, "places", "exif_gps");
    if place.is_none() && (theirs.contains_key("GPS:GPSAltitude") || theirs.contains_key("GPS:GPSImgDirection")) {
        score.leave_out("altitudes and directions of no place");
    }
    if place.is_some() {
        let number = |key: &str| theirs.get(key).and_then(Value::as_f64);
        let ours = |name: &str| place.and_then(|p| p[name].as_f64()).map(|v| format!("{v:.2}"));
        if let Some(altitude) = number("GPS:GPSAltitude") {
            let below = number("GPS:GPSAltitudeRef") == Some(1.0);
            score.hold("image altitude", file, &format!("{:.2}", if below { -altitude } else { altitude }), ours("altitude_m"));
        }
        if let Some(direction) = number("GPS:GPSImgDirection") {
            score.hold("image direction", file, &format!("{direction:.2}"), ours("direction_deg"));
        }
    }
    let device = |name: &str| ours["device"][name].as_str().map(str::to_owned);
    for (field, keys, name) in [
        ("image make", &["IFD0:Make"][..], "make"),
        ("image model", &["IFD0:Model"], "model"),
        ("image software", &["IFD0:Software"], "software"),
        ("image serial", &["ExifIFD:SerialNumber", "IFD0:CameraSerialNumber", "IFD0:SerialNumber"], "serial"),
    ] {
        if let Some(wanted) = keys.iter().find_map(|k| theirs.get(*k)).map(text_of).filter(|w| !w.is_empty()) {
            // JSON shows a text of digits as a number: 1.00 becomes 1.0.
            // What is no text it shows as a question mark.
            let number = |text: &str| text.parse::<f64>().ok();
            let ours = device(name).map(|o| o.replace('\u{fffd}', "?"));
            let ours = ours.map(|o| if number(&o).is_some() && number(&o) == number(&wanted) { wanted.clone() } else { o });
            score.hold(field, file, &wanted, ours);
        }
    }
    if let Some(o) = theirs.get("IFD0:Orientation").and_then(Value::as_u64).filter(|o| (1..=8).contains(o)) {
        score.hold("image orientation", file, &o.to_string(), ours["shape"]["orientation"].as_u64().map(|o| o.to_string()));
    }
}

fn recording(score: &mut Score, file: &str, theirs: &Map<String, Value>, ours: &Value) {
    let local = |source| found(ours, "times", source).and_then(|t| Some(t["local"].as_str()?.get(..19)?.to_owned()));
    if let Some(wanted) = theirs.get("QuickTime:CreateDate").and_then(|v| date(v.as_str()?)) {
        score.hold("video created", file, &wanted, local("container_header"));
    }
    if let Some(wanted) = theirs.get("Keys:CreationDate").and_then(|v| date(v.as_str()?)) {
        score.hold("video creation date", file, &wanted, local("quicktime_creationdate"));
    }
    if let Some(wanted) = ["QuickTime:Duration", "Matroska:Duration"].iter().find_map(|k| theirs.get(*k)?.as_f64()).filter(|d| *d > 0.0) {
        score.hold("video duration", file, &format!("{wanted:.1}"), ours["duration_us"].as_f64().map(|us| format!("{:.1}", us / 1e6)));
    }
    let recorded = ["UserData:DateTimeOriginal", "RIFF:DateTimeOriginal", "H264:DateTimeOriginal", "Matroska:DateTimeOriginal"];
    if let Some(wanted) = recorded.iter().find_map(|k| date(theirs.get(*k)?.as_str()?)) {
        let times = ours["times"].as_array().unwrap();
        let read: Vec<String> = times.iter().filter_map(|t| Some(t["local"].as_str()?.get(..19)?.to_owned())).collect();
        score.hold("video recorded", file, &wanted, read.iter().find(|r| **r == wanted).or(read.first()).cloned());
    }
    let riff = theirs.get("RIFF:FrameRate").zip(theirs.get("RIFF:FrameCount")).and_then(|(r, n)| Some(n.as_f64()? / r.as_f64()?));
    if let Some(wanted) = riff.or_else(|| theirs.get("M2TS:Duration")?.as_f64()).filter(|d| *d > 0.0) {
        // (Some count to the last picture's beginning, others to its end.)
        let read = ours["duration_us"].as_f64().map(|us| us / 1e6);
        let near = read.is_some_and(|r| (r - wanted).abs() <= 0.1);
        let wanted = format!("{wanted:.2}");
        score.hold("video duration (AVI, MTS)", file, &wanted, read.map(|r| if near { wanted.clone() } else { format!("{r:.2}") }));
    }
    for group in ["RIFF", "H264"] {
        let side = |name: &str| theirs.get(&format!("{group}:Image{name}")).and_then(Value::as_u64);
        if let Some((w, h)) = side("Width").zip(side("Height")) {
            let ours = ours["shape"]["width"].as_u64().zip(ours["shape"]["height"].as_u64()).map(|(w, h)| format!("{w} × {h}"));
            score.hold("video size (AVI, MTS)", file, &format!("{w} × {h}"), ours);
        }
    }
    let coordinates = ["Keys:GPSCoordinates", "UserData:GPSCoordinates", "ItemList:GPSCoordinates"];
    if let Some(wanted) = coordinates.iter().find_map(|k| theirs.get(*k)).map(text_of) {
        let numbers: Vec<f64> = wanted.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let ours: Vec<_> = ours["places"].as_array().unwrap().iter().filter(|p| p["point"].is_object()).collect();
        let words = |lat: f64, lon: f64| format!("{lat:.4} {lon:.4}");
        let wanted = words(numbers[0], numbers[1]);
        let read = ours.iter().map(|p| words(p["point"]["lat"].as_f64().unwrap(), p["point"]["lon"].as_f64().unwrap()));
        let read: Vec<String> = read.collect();
        score.hold("video place", file, &wanted, read.iter().find(|r| **r == wanted).or(read.first()).cloned());
        if let (Some(altitude), Some(p)) = (numbers.get(2), ours.first()) {
            score.hold("video altitude", file, &format!("{altitude:.1}"), p["altitude_m"].as_f64().map(|a| format!("{a:.1}")));
        }
    }
    if let Some(r) = theirs.get("Composite:Rotation").and_then(Value::as_f64) {
        score.hold("video rotation", file, &format!("{r:.0}"), ours["shape"]["rotation"].as_f64().map(|r| format!("{r:.0}")));
    }
    let tracks = (1..=3).filter_map(|n| {
        Some((theirs.get(&format!("Track{n}:ImageWidth"))?.as_u64()?, theirs.get(&format!("Track{n}:ImageHeight"))?.as_u64()?))
    });
    if let Some((w, h)) = tracks.into_iter().find(|(w, h)| *w > 0 && *h > 0) {
        let ours = ours["shape"]["width"].as_u64().zip(ours["shape"]["height"].as_u64()).map(|(w, h)| format!("{w} × {h}"));
        score.hold("video size", file, &format!("{w} × {h}"), ours);
    }
    for (field, key, name) in
        [("video make", "Make", "make"), ("video model", "Model", "model"), ("video software", "Software", "software")]
    {
        let groups = ["Keys", "UserData", "RIFF", "H264"];
        if let Some(wanted) = groups
            .iter()
            .find_map(|g| theirs.get(&format!("{g}:{key}")))
            .map(text_of)
            .filter(|w| w.parse::<f64>().is_err() || key == "Software")
        {
            score.hold(field, file, &wanted, ours["device"][name].as_str().map(str::to_owned));
        }
    }
}

fn ffmpeg(args: &[&str], out: &Path) {
    let done = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).arg(out).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Files of every format that exiftool writes, each with other values.
fn made(folder: &Path) -> Vec<PathBuf> {
    let still = folder.join("still.jpg");
    std::fs::write(&still, jpeg(5, 160, 120)).unwrap();
    for name in ["still.png", "still.tif", "still.webp", "still.avif"] {
        ffmpeg(&["-i", still.to_str().unwrap(), "-frames:v", "1"], &folder.join(name));
    }
    for name in ["clip.mp4", "clip.mov", "clip.3gp"] {
        ffmpeg(
            &["-f", "lavfi", "-i", "testsrc=size=176x144:rate=10:duration=2", "-c:v", "libx264", "-pix_fmt", "yuv420p"],
            &folder.join(name),
        );
    }
    for name in ["clip.mkv", "clip.webm"] {
        let codec = if name.ends_with("webm") { "libvpx" } else { "libx264" };
        ffmpeg(&["-f", "lavfi", "-i", "testsrc=size=176x144:rate=10:duration=2", "-c:v", codec, "-pix_fmt", "yuv420p"], &folder.join(name));
    }
    let mut orders = String::new();
    let mut files = vec![folder.join("clip.mkv"), folder.join("clip.webm")];
    let offsets = ["+02:00", "-03:30", "+05:45", "+00:00", "-08:00", "+14:00"];
    for n in 0..24usize {
        for kind in ["jpg", "png", "tif", "webp", "avif"] {
            let path = folder.join(format!("p{n}.{kind}"));
            std::fs::copy(folder.join(format!("still.{kind}")), &path).unwrap();
            let (lat, lon) = (-80.0 + 6.9 * n as f64, -170.0 + 14.3 * n as f64);
            let mut tags = vec![
                format!("-ExifIFD:DateTimeOriginal=20{:02}:{:02}:{:02} {:02}:{:02}:{:02}", n, n % 12 + 1, n + 1, n, 2 * n, 59 - n),
                format!("-ExifIFD:SubSecTimeOriginal={:03}", n * 37 + 1),
                format!("-ExifIFD:OffsetTimeOriginal={}", offsets[n % 6]),
                format!("-IFD0:Make=Maker {n} é"),
                format!("-IFD0:Model=Model-{n}"),
                format!("-ExifIFD:SerialNumber=SN{n:05}X"),
                format!("-IFD0:Software=Firmware {n}.{n}.1"),
                format!("-IFD0:Orientation#={}", n % 8 + 1),
            ];
            if n % 4 != 3 {
                tags.extend([
                    format!("-GPS:GPSLatitude={}", lat.abs()),
                    format!("-GPS:GPSLatitudeRef={}", if lat < 0.0 { "S" } else { "N" }),
                    format!("-GPS:GPSLongitude={}", lon.abs()),
                    format!("-GPS:GPSLongitudeRef={}", if lon < 0.0 { "W" } else { "E" }),
                    format!("-GPS:GPSAltitude={}.5", n * 11),
                    format!("-GPS:GPSAltitudeRef#={}", n % 2),
                    format!("-GPS:GPSImgDirection={}.25", n * 15),
                    format!("-GPS:GPSImgDirectionRef={}", if n % 3 == 0 { "M" } else { "T" }),
                    format!("-GPS:GPSDateStamp=20{n:02}:0{}:11", n % 9 + 1),
                    format!("-GPS:GPSTimeStamp={n:02}:{:02}:07", 59 - n),
                ]);
            }
            let _ = writeln!(orders, "{}\n-overwrite_original\n{}\n-execute", tags.join("\n"), path.display());
            files.push(path);
        }
        for kind in ["mp4", "mov", "3gp"] {
            let path = folder.join(format!("v{n}.{kind}"));
            std::fs::copy(folder.join(format!("clip.{kind}")), &path).unwrap();
            let tags = [
                format!("-QuickTime:CreateDate=20{:02}:{:02}:{:02} {:02}:10:11", n, n % 12 + 1, n + 1, n),
                format!("-Keys:CreationDate=20{:02}:{:02}:{:02} {:02}:10:15{}", n, n % 12 + 1, n + 1, n, offsets[n % 6]),
                format!("-Keys:GPSCoordinates#={} {} {}", -80.0 + 6.9 * n as f64, -170.0 + 14.3 * n as f64, n * 3),
                format!("-Keys:Make=Maker {n}"),
                format!("-Keys:Model=Model {n}"),
                format!("-Keys:Software={n}.1"),
                format!("-Rotation={}", n % 4 * 90),
            ];
            let _ = writeln!(orders, "{}\n-overwrite_original\n{}\n-execute", tags.join("\n"), path.display());
            files.push(path);
        }
    }
    let list = folder.join("orders");
    std::fs::write(&list, orders).unwrap();
    let done = Command::new("exiftool")
        .args(["-q", "-api", "QuickTimeUTC=1", "-charset", "utf8", "-@"])
        .arg(&list)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    files
}

#[test]
fn the_readers_agree_with_exiftool() {
    let folder = tempfile::tempdir().unwrap();
    let files = made(folder.path());
    let score = score(&files);
    let (pictures, right, wrong) = score.share("image");
    assert!(pictures >= 120 * 8 + 90 * 5, "{pictures} fields of pictures\n{}", score.table());
    assert!(f64::from(right) >= 0.994 * f64::from(pictures) && wrong == 0, "{}", score.table());
    let (clips, right, wrong) = score.share("video");
    assert!(clips >= 72 * 7, "{clips} fields of clips\n{}", score.table());
    assert!(f64::from(right) >= 0.98 * f64::from(clips) && wrong == 0, "{}", score.table());
}

/// Real files, when a folder of them is named. Their table is for reading: exiftool errs, too.
#[test]
fn a_folder_of_real_files_is_held_against_exiftool() {
    let Ok(folder) = std::env::var("TEMOIN_TEST_MEDIA") else {
        return println!("TEMOIN_TEST_MEDIA names no folder: only the files made here are held against exiftool");
    };
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e != "json" && e != "md") {
                files.push(path.canonicalize().unwrap());
            }
        }
    }
    files.sort();
    let score = score(&files);
    for kind in ["image", "video"] {
        let (all, right, wrong) = score.share(kind);
        println!("{kind}: {right} of {all} right, {wrong} wrong, {:.2} %", 100.0 * f64::from(right) / f64::from(all.max(1)));
    }
    println!("{}", score.table());
    assert!(score.share("image l").2 == 0, "no latitude or longitude is wrong\n{}", score.table());
}
