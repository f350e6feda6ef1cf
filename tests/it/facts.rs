//! What files tell: families found and parted, copies that browsers play, clocks corrected, hostile files that stop nothing.

use std::path::Path;
use std::process::Command;

use reqwest::StatusCode;
use serde_json::Value;

use crate::files::{Gps, jpeg, png_bomb, with_exif};
use crate::support::{Pair, Server, on_both, until};

on_both!(
    copies_that_are_not_equal_are_one_family,
    clips_are_known_again_after_they_were_encoded_again,
    what_browsers_do_not_play_gets_a_copy_that_they_do,
    what_an_investigator_states_comes_first_and_can_be_withdrawn,
    hostile_files_stop_nothing_and_are_told_of,
    a_virus_scanner_is_asked_and_its_absence_is_told,
    what_came_before_a_scanner_is_scanned_and_a_trust_list_must_be_one,
    a_clock_that_was_never_set_is_read_back,
);

fn ffmpeg(args: &[&str], out: &Path) -> Vec<u8> {
    let done = Command::new("ffmpeg").args(["-v", "error", "-y", "-threads", "1"]).args(args).arg(out).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(out).unwrap()
}

/// A picture of hills that no other seed's is like.
fn scene(seed: u32) -> image::RgbImage {
    let at = |n: u32| f64::from((seed.wrapping_mul(2_654_435_761).wrapping_add(n.wrapping_mul(40_503)) >> 7) % 1_000) / 1_000.0;
    let hills: Vec<(f64, f64, f64, f64)> =
        (0..24).map(|n| (at(4 * n) * 640.0, at(4 * n + 1) * 480.0, 20.0 + at(4 * n + 2) * 90.0, at(4 * n + 3) * 400.0 - 200.0)).collect();
    image::RgbImage::from_fn(640, 480, |x, y| {
        let v: f64 =
            hills.iter().map(|(cx, cy, r, h)| h * (-((f64::from(x) - cx).powi(2) + (f64::from(y) - cy).powi(2)) / (r * r)).exp()).sum();
        let v = (128.0 + v).clamp(0.0, 255.0) as u8;
        image::Rgb([v, v.saturating_add(20), v / 2])
    })
}

fn encoded_png(px: u32) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(px, px, |x, y| image::Rgb([x as u8, y as u8, 9])).write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn encoded(picture: &image::RgbImage, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality).encode_image(picture).unwrap();
    out
}

async fn exhibit(server: &Server, token: &str, id: &str) -> Value {
    server.get(token, &format!("/api/v1/exhibits/{id}")).await.1
}

fn relatives(exhibit: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    exhibit["family"].as_array().unwrap().iter().map(|r| (text(&r["exhibit"]), text(&r["relation"]))).collect()
}

async fn post(server: &Server, token: &str, path: &str, form: &[(&str, &str)]) -> StatusCode {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    client.post(server.url(path)).bearer_auth(token).form(form).send().await.unwrap().status()
}

async fn kinds(server: &Server, token: &str, id: &str) -> Vec<String> {
    server.settled().await;
    let (_, events) = server.get(token, &format!("/api/v1/exhibits/{id}/events")).await;
    events.as_array().unwrap().iter().map(|e| e["entry"]["type"].as_str().unwrap().to_owned()).collect()
}

async fn copies_that_are_not_equal_are_one_family(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("FAM", &[]);
    let token = server.token("investigator");
    let s = server.submission("FAM", None).await;
    let send = async |name: &str, bytes: Vec<u8>| {
        let id = server.sent(&s, name, bytes).await["exhibit"].as_str().unwrap().to_owned();
        server.settled().await;
        id
    };
    let picture = scene(1);
    let original = encoded(&picture, 92);
    let first = send("a.jpg", original.clone()).await;
    let other = send("other.jpg", encoded(&scene(2), 92)).await;
    let tagged = send("tagged.jpg", with_exif(&original, "2026:07:14 22:10:00", None, 1, &Gps::Absent)).await;
    let small = image::imageops::resize(&picture, 400, 300, image::imageops::FilterType::Triangle);
    let resized = send("IMG-20260714-WA0001.jpg", encoded(&small, 60)).await;
    let turned = send("turned.jpg", encoded(&image::imageops::rotate90(&picture), 85)).await;
    let mirrored = send("mirrored.jpg", encoded(&image::imageops::flip_horizontal(&picture), 85)).await;
    let mut screen = image::RgbImage::from_pixel(720, 1_480, image::Rgb([20, 20, 24]));
    image::imageops::replace(&mut screen, &image::imageops::resize(&picture, 720, 540, image::imageops::FilterType::Triangle), 0, 420);
    let screenshot = send("Screenshot_20260714.jpg", encoded(&screen, 85)).await;

    let e = exhibit(&server, &token, &first).await;
    let mut found = relatives(&e);
    found.sort();
    let near = |id: &str, relation: &str| (id.to_owned(), relation.to_owned());
    let mut wanted = vec![near(&tagged, "same_media")];
    wanted.extend([&resized, &turned, &mirrored, &screenshot].map(|id| near(id, "near_identical")));
    wanted.sort();
    assert_eq!(found, wanted, "the family of {first}, and not {other}");
    assert!(relatives(&exhibit(&server, &token, &other).await).is_empty());
    assert!(kinds(&server, &token, &resized).await.contains(&"duplicate.linked".to_owned()));
    let indicators = exhibit(&server, &token, &resized).await["indicators"].to_string();
    assert!(indicators.contains("messenger_copy"), "{indicators}");

    // The page shows them, with a look on record and in words.
    let page = server.http.get(server.url(&format!("/exhibits/{first}"))).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains(&format!("/exhibits/{resized}/thumbnail?look=")) && page.contains("same picture or recording, other metadata"),
        "{page}"
    );

    // Parted by hand, it stays apart, also when the same bytes come again.
    let path = format!("/exhibits/{mirrored}/family");
    assert_eq!(post(&server, &token, &path, &[("act", "part"), ("reason", "")]).await, 422, "without a reason nothing is parted");
    assert_eq!(post(&server, &token, &path, &[("act", "part"), ("reason", "Other side of the square")]).await, 303);
    assert_eq!(relatives(&exhibit(&server, &token, &first).await).len(), 4);
    assert!(relatives(&exhibit(&server, &token, &mirrored).await).is_empty());
    send("again.jpg", encoded(&image::imageops::flip_horizontal(&picture), 85)).await;
    assert!(relatives(&exhibit(&server, &token, &mirrored).await).is_empty());
    assert_eq!(post(&server, &token, &path, &[("act", "part"), ("reason", "Once more, with feeling")]).await, 409);
    // Joined by hand what the program had not, family and all.
    let path = format!("/exhibits/{other}/family");
    for wrong in ["", "nonsense", &other] {
        assert_eq!(
            post(&server, &token, &path, &[("act", "join"), ("other", wrong), ("reason", "Same van in both")]).await,
            422,
            "{wrong}"
        );
    }
    let address = format!("{}/exhibits/{first}", server.base);
    assert_eq!(post(&server, &token, &path, &[("act", "join"), ("other", &address), ("reason", "Same van in both")]).await, 303);
    assert!(relatives(&exhibit(&server, &token, &first).await).contains(&near(&other, "stated")));
    let events = kinds(&server, &token, &other).await;
    assert!(events.contains(&"family.joined".to_owned()), "{events:?}");
    assert!(kinds(&server, &token, &mirrored).await.contains(&"family.parted".to_owned()));
    // Auditors never get here.
    assert_eq!(post(&server, &server.token("auditor"), &path, &[("act", "part"), ("reason", "Curious about this")]).await, 403);
    server.assert_sound();
}

async fn clips_are_known_again_after_they_were_encoded_again(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("CLIP", &[]);
    let token = server.token("investigator");
    let s = server.submission("CLIP", None).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Six scenes of a second each.
    for n in 0..6 {
        scene(100 + n).save(path(&format!("s{n}.png"))).unwrap();
    }
    let frames = path("s%d.png").display().to_string();
    let original = ffmpeg(
        &["-framerate", "1", "-i", &frames, "-r", "10", "-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
        &path("o.mp4"),
    );
    let source = path("o.mp4").display().to_string();
    let remuxed = ffmpeg(&["-i", &source, "-c", "copy", "-metadata", "title=x"], &path("r.mkv"));
    let again = ffmpeg(&["-i", &source, "-vf", "scale=320:-2", "-c:v", "libx264", "-crf", "32", "-g", "250"], &path("m.mp4"));
    let excerpt =
        ffmpeg(&["-ss", "1.4", "-i", &source, "-t", "3.2", "-vf", "scale=400:-2", "-c:v", "libx264", "-crf", "30"], &path("e.mp4"));
    for n in 0..4 {
        scene(200 + n).save(path(&format!("u{n}.png"))).unwrap();
    }
    let unlike = path("u%d.png").display().to_string();
    let unlike = ffmpeg(&["-framerate", "1", "-i", &unlike, "-r", "10", "-c:v", "libx264", "-pix_fmt", "yuv420p"], &path("u.mp4"));
    let mut ids = Vec::new();
    for (name, bytes) in [("o.mp4", original), ("r.mkv", remuxed), ("m.mp4", again), ("e.mp4", excerpt), ("u.mp4", unlike)] {
        ids.push(server.sent(&s, name, bytes).await["exhibit"].as_str().unwrap().to_owned());
        server.settled().await;
    }
    let e = exhibit(&server, &token, &ids[0]).await;
    let found = relatives(&e);
    assert!(found.contains(&(ids[1].clone(), "same_media".into())), "another container: {found:?} {}", e["notes"]);
    assert!(found.contains(&(ids[2].clone(), "same_clip".into())), "encoded again: {found:?}");
    assert!(found.contains(&(ids[3].clone(), "same_clip".into())), "an excerpt: {found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
    let sheet = server.http.get(server.url(&format!("/exhibits/{}/sheet", ids[0]))).bearer_auth(&token).send().await.unwrap();
    assert_eq!((sheet.status(), sheet.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "image/jpeg"));
    let sheet = image::load_from_memory(&sheet.bytes().await.unwrap()).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (1_280, 480), "six frames in rows of four");
    server.assert_sound();
}

async fn what_browsers_do_not_play_gets_a_copy_that_they_do(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("PROXY", &[]);
    let token = server.token("investigator");
    let s = server.submission("PROXY", None).await;
    let folder = tempfile::tempdir().unwrap();
    let avi = ffmpeg(
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=10:duration=2",
            "-f",
            "lavfi",
            "-i",
            "sine=duration=2",
            "-c:v",
            "mpeg4",
            "-c:a",
            "pcm_s16le",
        ],
        &folder.path().join("cctv.avi"),
    );
    let id = server.sent(&s, "cctv.avi", avi.clone()).await["exhibit"].as_str().unwrap().to_owned();
    let again = server.sent(&s, "cctv.avi", avi).await["exhibit"].as_str().unwrap().to_owned();
    until("a proxy is made", async || kinds(&server, &token, &id).await.iter().filter(|k| *k == "derivative.created").count() >= 2).await;
    let played = server.http.get(server.url(&format!("/exhibits/{id}/play"))).bearer_auth(&token).send().await.unwrap();
    let led = played.headers()["location"].to_str().unwrap().to_owned();
    let played = server.http.get(server.url(&led)).bearer_auth(&token).send().await.unwrap();
    assert_eq!((played.status(), played.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "video/mp4"));
    let copy = folder.path().join("copy.mp4");
    std::fs::write(&copy, played.bytes().await.unwrap()).unwrap();
    let probed =
        Command::new("ffprobe").args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]).arg(&copy).output().unwrap();
    let codecs = String::from_utf8(probed.stdout).unwrap();
    assert!(codecs.contains("h264") && codecs.contains("aac"), "{codecs}");
    // The original is what came, and its lineage is in both histories.
    let page = server.http.get(server.url(&format!("/exhibits/{id}"))).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("libx264"), "the page says how the copy was made");
    // (Of what was known when it came one event tells; of what was not, another.)
    let (_, events) = server.get(&token, &format!("/api/v1/exhibits/{again}/events")).await;
    let made: Vec<&Value> = events.as_array().unwrap().iter().flat_map(|e| e["entry"]["f"]["variants"].as_array()).flatten().collect();
    assert!(made.iter().any(|v| *v == "thumbnail") && made.iter().any(|v| *v == "proxy"), "{events}");
    let sound = ffmpeg(&["-f", "lavfi", "-i", "sine=duration=3", "-c:a", "libmp3lame"], &folder.path().join("voice.mp3"));
    let sound = server.sent(&s, "voice.mp3", sound).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    let wave = server.http.get(server.url(&format!("/exhibits/{sound}/view"))).bearer_auth(&token).send().await.unwrap();
    let wave = image::load_from_memory(&wave.bytes().await.unwrap()).unwrap().to_luma8();
    assert!(wave.get_pixel(640, 120).0[0] < 128 && wave.get_pixel(640, 5).0[0] > 200, "a tone is a band in the middle");
    let (_, fixity) = server.fixity();
    assert_eq!(fixity["findings"].as_array().map(Vec::len), Some(0), "{fixity}");
    server.assert_sound();
}

async fn what_an_investigator_states_comes_first_and_can_be_withdrawn(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("CLOCK", &[]);
    let token = server.token("investigator");
    let s = server.submission("CLOCK", None).await;
    let folder = tempfile::tempdir().unwrap();
    let camera = |n: u32, date: &str| {
        let path = folder.path().join(format!("{n}.jpg"));
        std::fs::write(&path, jpeg(n, 320, 240)).unwrap();
        let date = format!("-ExifIFD:DateTimeOriginal={date}");
        let mut write = Command::new("exiftool");
        write.args(["-q", "-overwrite_original", "-Make=CCTV", "-Model=X", "-ExifIFD:SerialNumber=7788", &date]).arg(&path);
        assert!(write.status().unwrap().success());
        std::fs::read(path).unwrap()
    };
    let send = async |name: &str, bytes: Vec<u8>| {
        let id = server.sent(&s, name, bytes).await["exhibit"].as_str().unwrap().to_owned();
        server.settled().await;
        id
    };
    let one = send("one.jpg", camera(1, "2001:01:01 00:00:00")).await;
    let two = send("two.jpg", camera(2, "2001:01:01 01:00:00")).await;
    let taken = async |id: &str| {
        let e = exhibit(&server, &token, id).await;
        (e["time"]["from"].as_str().unwrap_or_default().to_owned(), e["time"]["source"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(taken(&one).await.1, "exif_original");
    let clock = format!("/exhibits/{one}/clock");
    let right = [("act", "correct"), ("truth", "2026-07-14T22:10:00"), ("doubt_s", "10"), ("reason", "Station clock in the picture")];
    for (field, wrong) in [("truth", "yesterday"), ("doubt_s", "x"), ("doubt_s", "-1"), ("reason", "x")] {
        let form: Vec<_> = right.iter().map(|(k, v)| (*k, if *k == field { wrong } else { *v })).collect();
        assert_eq!(post(&server, &token, &clock, &form).await, 422, "{field} {wrong}");
    }
    // Looked at first: both files of the device, before and after; nothing is written.
    let look: Vec<_> = right.iter().map(|(k, v)| (*k, if *k == "act" { "preview" } else { *v })).collect();
    let page = server.http.post(server.url(&format!("{clock}?lang=en"))).bearer_auth(&token).form(&look).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("2 exhibits of this device") || page.replace(['\u{2068}', '\u{2069}'], "").contains("2 exhibits of this device"),
        "{page}"
    );
    assert!(page.contains("2026-07-14 22:10:00") && page.contains("2026-07-14 23:10:00"), "{page}");
    assert_eq!(taken(&one).await.1, "exif_original");
    assert_eq!(post(&server, &token, &clock, &right).await, 303);
    assert_eq!(
        taken(&one).await,
        ("2026-07-14T19:09:50.000000Z".to_owned(), "clock_correction".to_owned()),
        "an hour's doubt, and ten seconds"
    );
    assert_eq!(taken(&two).await.0, "2026-07-14T20:09:50.000000Z", "the same device an hour later");
    let three = send("three.jpg", camera(3, "2001:01:01 02:00:00")).await;
    assert_eq!(taken(&three).await.1, "clock_correction", "and what comes later");
    // What is stated of one file counts more; withdrawn, the clock counts again; withdrawn as well, the file.
    let capture = format!("/exhibits/{two}/capture");
    let said = [
        ("from", "2026-07-14T21:00:00"),
        ("to", "2026-07-14T21:05:00"),
        ("point", "48.8566, 2.3522"),
        ("radius_m", "30"),
        ("reason", "Seen on the town hall's clock"),
    ];
    assert_eq!(post(&server, &token, &capture, &said).await, 303);
    assert_eq!(taken(&two).await, ("2026-07-14T19:00:00.000000Z".to_owned(), "investigator_statement".to_owned()));
    let place = exhibit(&server, &token, &two).await["place"].clone();
    assert_eq!((place["lat"].as_f64(), place["source"].as_str()), (Some(48.8566), Some("investigator_statement")), "{place}");
    for (field, wrong) in [("from", "x"), ("to", "2026-07-14T20:00:00"), ("point", "91, 2"), ("radius_m", "0"), ("reason", "")] {
        let form: Vec<_> = said.iter().map(|(k, v)| (*k, if *k == field { wrong } else { *v })).collect();
        assert_eq!(post(&server, &token, &capture, &form).await, 422, "{field} {wrong}");
    }
    assert_eq!(post(&server, &token, &capture, &[("reason", "Nothing is stated here")]).await, 422);
    let back = [("act", "withdraw"), ("reason", "It was another clock")];
    assert_eq!(post(&server, &token, &capture, &back).await, 303);
    assert_eq!(taken(&two).await.1, "clock_correction");
    assert!(exhibit(&server, &token, &two).await["place"].is_null());
    assert_eq!(post(&server, &token, &clock, &back).await, 303);
    assert_eq!(taken(&two).await.1, "exif_original");
    assert_eq!(post(&server, &token, &clock, &back).await, 409, "nothing is left to withdraw");
    assert!(kinds(&server, &token, &two).await.iter().filter(|k| *k == "exhibit.corrected").count() == 4);
    // A device that made files of two submissions is told of.
    let elsewhere = server.submission("CLOCK", None).await;
    server.sent(&elsewhere, "four.jpg", camera(4, "2001:01:01 03:00:00")).await;
    server.settled().await;
    assert!(exhibit(&server, &token, &one).await["indicators"].to_string().contains("same_device"));
    server.assert_sound();
}

async fn hostile_files_stop_nothing_and_are_told_of(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("HOSTILE", &[]);
    let token = server.token("investigator");
    let s = server.submission("HOSTILE", None).await;
    let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    let whole = jpeg(3, 320, 240);
    let pages = {
        // 65,535 pages that are all the same.
        let mut tiff = b"II*\0\x08\0\0\0".to_vec();
        for n in 0..65_535u32 {
            tiff.extend(b"\x01\0\x00\x01\x04\0\x01\0\0\0\x01\0\0\0");
            tiff.extend((8 + 18 * (n + 1)).to_le_bytes());
        }
        tiff
    };
    let nested = (0..2_000).fold(boxed(b"mvhd", &[0; 100]), |inner, _| boxed(b"moov", &inner));
    let overlapping = [boxed(b"ftyp", b"isom\0\0\0\0isom"), b"\xff\xff\xff\xffmoov\0\0\0\x10trak\0\0\0\x01".to_vec()].concat();
    // Twenty thousand fields that are all the same megabyte.
    let repeated = {
        let mut tiff = b"II*\0\x08\0\0\0\x20\x4e".to_vec();
        for _ in 0..20_000 {
            tiff.extend(b"\x86\x92\x02\0\x40\x42\x0f\0");
            tiff.extend(240_016u32.to_le_bytes());
        }
        tiff.extend([0; 6]);
        tiff.resize(240_016 + 1_000_000, b'A');
        tiff
    };
    // Two hundred texts of ten megabytes in ten kilobytes each.
    let texts = {
        let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut z, &vec![b'A'; 10_000_000]).unwrap();
        let text = [b"zTXtComment\0\0".to_vec(), z.finish().unwrap()].concat();
        let chunk = [&(text.len() as u32 - 4).to_be_bytes()[..], &text, &crc32(&text).to_be_bytes()].concat();
        let png = encoded_png(64);
        [&png[..33], &chunk.repeat(200), &png[33..]].concat()
    };
    // One item whose pieces are the whole file, 65,535 times.
    let pieces = {
        let meta = |inner: Vec<u8>| boxed(b"meta", &[vec![0; 4], inner].concat());
        let infe = boxed(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0");
        let iinf = boxed(b"iinf", &[b"\0\0\0\0\0\x01".to_vec(), infe].concat());
        let mut iloc = b"\x01\0\0\0\x44\0\0\x01\0\x01\0\0\0\0\xff\xff".to_vec();
        for _ in 0..65_535 {
            iloc.extend(b"\0\0\0\0\0\x08\0\0");
        }
        [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), meta([iinf, boxed(b"iloc", &iloc)].concat())].concat()
    };
    // Twenty thousand items, each of which a decoder would hold against as many references.
    let crowded = {
        let infe: Vec<u8> = (0..20_000u16)
            .flat_map(|n| boxed(b"infe", &[b"\x02\0\0\0".to_vec(), n.to_be_bytes().to_vec(), b"\0\0Exif\0".to_vec()].concat()))
            .collect();
        let iinf = boxed(b"iinf", &[b"\0\0\0\0\x4e\x20".to_vec(), infe].concat());
        let mut cdsc = b"\0\x01\x4e\x20".to_vec();
        cdsc.extend((0..20_000u16).flat_map(u16::to_be_bytes));
        let iref = boxed(b"iref", &[vec![0; 4], boxed(b"cdsc", &cdsc).repeat(30)].concat());
        [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), boxed(b"meta", &[vec![0; 4], iinf, iref].concat())].concat()
    };
    let xml = [b"\x89PNG\r\n\x1a\n".to_vec(), whole.clone()].concat();
    let polyglot = [whole.clone(), b"PK\x03\x04".to_vec(), vec![9; 500]].concat();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("bomb.png", png_bomb()),
        ("pages.tif", pages),
        ("nested.mp4", [boxed(b"ftyp", b"isom\0\0\0\0isom"), nested].concat()),
        ("overlapping.mp4", overlapping),
        ("zero.mp4", [boxed(b"ftyp", b"isom\0\0\0\0isom"), vec![0; 4_096]].concat()),
        ("cut.jpg", whole[..whole.len() / 3].to_vec()),
        ("archive.jpg", polyglot),
        ("zip.jpg", b"PK\x03\x04zip called jpg".to_vec()),
        ("not.png", xml),
        ("unknown.webm", [b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff".to_vec(), vec![0xff; 900]].concat()),
        ("repeated.tif", repeated),
        ("texts.png", texts),
        ("pieces.heic", pieces),
        ("crowded.heic", crowded),
        ("loop.heic", [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), boxed(b"meta", &[0xff; 300])].concat()),
    ];
    for (name, bytes) in &files {
        server.sent(&s, name, bytes.clone()).await;
    }
    let good = server.sent(&s, "good.jpg", whole).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    let (_, page) = server.get(&token, "/api/v1/appeals/HOSTILE/exhibits?limit=100").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), files.len() + 1);
    assert!(items.iter().all(|i| i["state"] == "ready"), "nothing is stuck: {page}");
    assert!(exhibit(&server, &token, &good).await["thumbnail"].is_string());
    for item in items {
        let id = item["id"].as_str().unwrap();
        let e = exhibit(&server, &token, id).await;
        let name = e["name"].as_str().unwrap();
        let told = format!("{} {} {}", e["notes"], e["indicators"], e["quarantine"]);
        assert!(!told.contains("stopped"), "{name} was too much: {told}");
        let wanted = match name {
            "bomb.png" => "refused-pixels",
            "pages.tif" | "crowded.heic" => "refused-structure",
            "not.png" | "loop.heic" | "repeated.tif" | "pieces.heic" => "undecodable",
            "overlapping.mp4" | "nested.mp4" | "unknown.webm" => "no-poster",
            "zero.mp4" => "no-moov",
            "archive.jpg" => "data_after_end",
            "zip.jpg" => "archive",
            _ => continue,
        };
        assert!(told.contains(wanted), "{name}: {told}");
        let page = server.http.get(server.url(&format!("/exhibits/{id}"))).bearer_auth(&token).send().await.unwrap();
        assert_eq!(page.status(), 200, "{name}");
    }
    // The queue says it, too.
    let queue = server.http.get(server.url("/appeals/HOSTILE/exhibits")).bearer_auth(&token).header("accept-language", "en");
    let queue = queue.send().await.unwrap().text().await.unwrap();
    for words in [
        "larger than can be opened here",
        "damaged or of an unusual kind",
        "It is an archive",
        "probably broke off",
        "more parts than pictures have",
    ] {
        assert!(queue.contains(words), "{words}");
    }
    server.assert_sound();
}

/// A real clamd with one signature of our own.
struct Clamd(std::process::Child);

impl Clamd {
    fn start(folder: &Path) -> Self {
        let signature: String = b"TEMOIN-HARMLESS-TEST-SIGNATURE".iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(folder.join("own.ndb"), format!("Temoin.Test:0:*:{signature}\n")).unwrap();
        let socket = folder.join("clamd.ctl");
        let config = format!(
            "DatabaseDirectory {0}\nLocalSocket {1}\nForeground yes\nStreamMaxLength 1M\nMaxFileSize 1M\nMaxScanSize 2M\nAlertExceedsMax yes\nUser {2}\n",
            folder.display(),
            socket.display(),
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim()
        );
        std::fs::write(folder.join("clamd.conf"), config).unwrap();
        let program = if Path::new("/usr/sbin/clamd").exists() { "/usr/sbin/clamd" } else { "clamd" };
        let child = Command::new(program).arg("-c").arg(folder.join("clamd.conf")).stdout(std::process::Stdio::null()).spawn().unwrap();
        Self(child)
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn a_virus_scanner_is_asked_and_its_absence_is_told(pair: Pair) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("clamd.ctl").display());
    let server = Server::start_with(pair, &[("TEMOIN_EXAMINE__SCANNER", &address)]).await;
    server.appeal("SCAN", &[]);
    let (token, chief) = (server.token("investigator"), server.token("supervisor"));
    let s = server.submission("SCAN", None).await;
    let send = async |name: &str, bytes: Vec<u8>| server.sent(&s, name, bytes).await["exhibit"].as_str().unwrap().to_owned();
    let page = async |id: &str| {
        let page = server.http.get(server.url(&format!("/exhibits/{id}"))).bearer_auth(&token).header("accept-language", "en");
        page.send().await.unwrap().text().await.unwrap()
    };
    let clean = send("clean.jpg", jpeg(1, 64, 48)).await;
    // The scanner is away: the exhibit is there, with its picture, and that it was not scanned is said.
    until("it is examined", async || exhibit(&server, &token, &clean).await["state"] == "ready").await;
    assert!(page(&clean).await.contains("Not scanned for viruses: the scanner is away"));
    let _clamd = Clamd::start(folder.path());
    let infected = send("infected.jpg", [jpeg(2, 64, 48), b"TEMOIN-HARMLESS-TEST-SIGNATURE".to_vec()].concat()).await;
    let large = send("large.jpg", [jpeg(3, 64, 48), vec![0; 3 << 20]].concat()).await;
    for (id, words) in [(&clean, "Nothing known found"), (&infected, "Temoin.Test"), (&large, "larger than the scanner takes")] {
        until("it is scanned", async || page(id).await.contains(words)).await;
        assert!(kinds(&server, &token, id).await.contains(&"exhibit.scanned".to_owned()));
    }
    assert_eq!(exhibit(&server, &token, &infected).await["quarantine"], "infected");
    let original = async |token: &str, id: &str| {
        server.http.get(server.url(&format!("/api/v1/exhibits/{id}/original"))).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!((original(&token, &clean).await, original(&token, &infected).await, original(&chief, &infected).await), (200, 403, 403));
    // Who answers for it is a person, and no token.
    let boss = server.signed_in("supervisor").await;
    let taken = boss.get(server.url(&format!("/api/v1/exhibits/{infected}/original"))).send().await.unwrap().status();
    assert_eq!(taken.as_u16(), 200);
    let ask_release = async |id: &str, reason: &str| {
        boss.post(server.url(&format!("/exhibits/{id}/release"))).form(&[("reason", reason)]).send().await.unwrap().status().as_u16()
    };
    // A false alarm: a supervisor takes it out, with a reason and once; what it is decides whether it can be seen.
    let release = |id: &str| format!("/exhibits/{id}/release");
    assert_eq!(post(&server, &token, &release(&infected), &[("reason", "Our own test file")]).await, 403);
    for (id, reason, wanted) in [
        (&infected, "", 422),
        (&clean, "Never was infected", 409),
        (&infected, "Our own test file", 303),
        (&infected, "Our own test file", 409),
    ] {
        assert_eq!(ask_release(id, reason).await, wanted, "{reason}");
    }
    assert!(exhibit(&server, &token, &infected).await["quarantine"].is_null());
    assert_eq!(original(&token, &infected).await, 200);
    assert!(kinds(&server, &token, &infected).await.contains(&"exhibit.released".to_owned()));
    let archive = send("infected.zip", b"PK\x03\x04TEMOIN-HARMLESS-TEST-SIGNATURE".to_vec()).await;
    until("it is found in what is behind glass already", async || exhibit(&server, &token, &archive).await["quarantine"] == "infected")
        .await;
    assert_eq!(ask_release(&archive, "Our own test file").await, 303);
    assert_eq!(exhibit(&server, &token, &archive).await["quarantine"], "archive");
    // The same bytes again are behind glass at once.
    let again = send("again.jpg", [jpeg(2, 64, 48), b"TEMOIN-HARMLESS-TEST-SIGNATURE".to_vec()].concat()).await;
    until("the copy is behind glass", async || exhibit(&server, &token, &again).await["quarantine"] == "infected").await;
    server.assert_sound();
}

async fn what_came_before_a_scanner_is_scanned_and_a_trust_list_must_be_one(pair: Pair) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(pair).await;
    server.appeal("LATE", &[]);
    let token = server.token("investigator");
    let s = server.submission("LATE", None).await;
    let infected = [jpeg(2, 64, 48), b"TEMOIN-HARMLESS-TEST-SIGNATURE".to_vec()].concat();
    let id = server.sent(&s, "before.jpg", infected).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    assert!(exhibit(&server, &token, &id).await["quarantine"].is_null());
    server.kill();
    // What cannot be right is said at the start.
    let list = folder.path().join("list.pem");
    std::fs::write(&list, "no certificates").unwrap();
    for (name, value) in [
        ("TEMOIN_EXAMINE__TRUST_LIST", list.to_str().unwrap()),
        ("TEMOIN_EXAMINE__TRUST_LIST", "/nowhere"),
        ("TEMOIN_EXAMINE__SCANNER", "clamd"),
    ] {
        server.set(name, Some(value));
        server.start_unasked();
        assert!(server.waits_for_end().await, "{name}={value}");
        server.set(name, None);
    }
    let _clamd = Clamd::start(folder.path());
    let address = format!("unix:{}", folder.path().join("clamd.ctl").display());
    server.set("TEMOIN_EXAMINE__SCANNER", Some(&address));
    server.run().await;
    until("it is scanned", async || exhibit(&server, &token, &id).await["quarantine"] == "infected").await;
    server.assert_sound();
}

/// What programs write that have no time is a date before all others; what is made of it has to be read again, everywhere.
async fn a_clock_that_was_never_set_is_read_back(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("NEVER", &[]);
    let (s, token) = (server.submission("NEVER", None).await, server.token("investigator"));
    for (n, date, offset) in
        [(1, "0001:01:01 00:00:00", None), (2, "0001:01:01 00:00:00", Some("+14:00")), (3, "0000:01:01 00:00:00", None)]
    {
        let photo = with_exif(&jpeg(n, 64, 64), date, offset, 1, &Gps::Absent);
        let id = server.sent(&s, "a.jpg", photo).await["exhibit"].as_str().unwrap().to_owned();
        server.settled().await;
        for path in [format!("/api/v1/exhibits/{id}"), format!("/exhibits/{id}")] {
            let told = server.http.get(server.url(&path)).bearer_auth(&token).send().await.unwrap();
            assert_eq!(told.status(), StatusCode::OK, "{date} {offset:?}: {path}");
        }
        let decided = server.http.post(server.url(&format!("/api/v1/exhibits/{id}/decision"))).bearer_auth(&token);
        assert_eq!(decided.json(&serde_json::json!({"decision": "relevant"})).send().await.unwrap().status(), StatusCode::OK);
    }
    // Said again, which looks at every claim; and packed.
    let said = server.http.put(server.url(&format!("/api/v1/submissions/{}/statement", s.id))).bearer_auth(&s.token);
    assert_eq!(said.json(&serde_json::json!({"own": "yes", "when": "during"})).send().await.unwrap().status(), 204);
    server.settled().await;
    let to = server.path("bundle");
    let mut args = vec!["export", "--appeal", "NEVER", "--decided", "relevant", "--profile", "defence", "--recipient", "Tribunal"];
    args.extend(["--reason", "Affaire 12/2026", "--to", to.to_str().unwrap()]);
    server.cli_ok(&args, "");
    server.assert_sound();
}
