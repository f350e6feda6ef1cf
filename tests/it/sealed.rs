//! Media at rest, sealed: nothing of them lies open on the disk or in a backup, everything else goes on as without, and keys are replaced while
//! witnesses send. (A bucket encrypts by itself: `stores.rs`.)

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use crate::faults::crowd::Crowd;
use crate::files::{Gps, jpeg, with_exif};
use crate::support::{Pair, Server, Submission, sha256};

/// A server whose media are sealed, and where its key is.
async fn sealed() -> (Server, PathBuf) {
    let mut server = Server::start(Pair::Lite).await;
    server.kill();
    let key = server.path("media.key");
    server.cli_ok(&["media", "make-key", key.to_str().unwrap()], "");
    server.set("TEMOIN_MEDIA__KEY_FILE", key.to_str());
    server.run().await;
    server.appeal("SEALED", &["--submission-files-max", "100000"]);
    (server, key)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let of = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|e| of(e.unwrap().path())).collect()
}

/// The files under a folder in which these bytes can be read. A server that runs takes files away and puts others there: then it is looked
/// through again.
fn that_tell(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    'again: loop {
        let mut tell = Vec::new();
        for path in files(folder) {
            match fs::read(&path) {
                Ok(read) if memchr::memmem::find(&read, bytes).is_some() => tell.push(path),
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue 'again,
                Err(e) => panic!("{}: {e}", path.display()),
            }
        }
        return tell;
    }
}

fn ok(done: &std::process::Output) -> String {
    assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn refused(done: &std::process::Output, word: &str) {
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(3) && said.contains(word), "{:?} {said}", done.status);
}

fn photo(seed: u32) -> Vec<u8> {
    with_exif(&jpeg(seed, 640, 480), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::At(48.8501, 2.3501))
}

/// The one the program makes is of this, too.
const MARK: &[u8] = b"2026:07:14 22:10:00";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_lies_open_and_everything_goes_on() {
    let (mut server, key) = sealed().await;
    let s = server.submission("SEALED", None).await;
    let bytes = photo(1);
    assert!(memchr::memmem::find(&bytes, MARK).is_some());
    let one = server.sent(&s, "one.jpg", bytes.clone()).await;
    // A large one in pieces, over a start of the server.
    let large: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let url = begun(&server, &s, large.len()).await;
    for (n, piece) in large.chunks(5_000_001).enumerate() {
        let answer = server
            .http
            .patch(server.url(&url))
            .bearer_auth(&s.token)
            .header("tus-resumable", "1.0.0")
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", n * 5_000_001)
            .body(piece.to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{}", answer.text().await.unwrap());
        assert_eq!(that_tell(&server.path("media"), &large[40_000..40_064]), Vec::<PathBuf>::new(), "nor while they come");
        server.kill();
        server.run().await;
    }
    server.settled().await;
    let token = server.token("investigator");
    let get = async |path: String| server.http.get(server.url(&path)).bearer_auth(&token).send().await.unwrap();
    let id = one["exhibit"].as_str().unwrap();
    assert_eq!(get(format!("/api/v1/exhibits/{id}/original")).await.bytes().await.unwrap(), bytes);
    let (_, told) = server.get(&token, &format!("/api/v1/exhibits/{id}")).await;
    assert_eq!(told["time"]["grade"], "A", "it was examined: {told}");
    let picture = get(told["thumbnail"].as_str().unwrap().to_owned()).await.bytes().await.unwrap();
    assert!(image::load_from_memory(&picture).is_ok());
    let (_, page) = server.get(&token, "/api/v1/appeals/SEALED/exhibits?time=unknown").await;
    let id = page["items"][0]["id"].as_str().unwrap();
    let whole = get(format!("/api/v1/exhibits/{id}/original")).await.bytes().await.unwrap();
    assert_eq!(sha256(&whole), sha256(&large));
    server.settled().await;
    assert_eq!(that_tell(&server.path("media"), MARK), Vec::<PathBuf>::new());
    assert_eq!(that_tell(&server.path("media"), &picture[picture.len() - 64..]), Vec::<PathBuf>::new(), "nor what was made of it");
    assert_eq!(that_tell(&server.path("tmp"), MARK), Vec::<PathBuf>::new());
    server.assert_sound();

    // A backup of it tells nothing either, can be checked and put back with the key, and not without.
    let backup = server.path("backup");
    let at = backup.to_str().unwrap().to_owned();
    for _ in 0..2 {
        ok(&server.cli(&["backup", &at]));
        ok(&server.cli(&["restore", &at, "--check"]));
    }
    assert_eq!(that_tell(&backup.join("media"), MARK), Vec::<PathBuf>::new());
    server.kill();
    server.set("TEMOIN_MEDIA__KEY_FILE", None);
    refused(&server.cli(&["restore", &at, "--check"]), "media.key_file");
    refused(&server.cli(&["serve"]), "media.key_file");
    server.set("TEMOIN_MEDIA__KEY_FILE", key.to_str());
    for folder in ["media", "temoin.db", "temoin.db-wal", "temoin.db-shm"] {
        let path = server.path(folder);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
    ok(&server.cli(&["restore", &at]));
    server.run().await;
    server.assert_sound();
    assert_eq!(that_tell(&server.path("media"), MARK), Vec::<PathBuf>::new());

    // A byte that is turned, in the content and in the envelope, is found, and the exhibit is named.
    let kept = files(&server.path("media/sealed/blobs"));
    for (offset, word) in [(9_000, "blob-changed"), (60, "blob-unreadable")] {
        let path = kept.iter().find(|p| p.to_string_lossy().contains(&sha256(&bytes))).unwrap();
        let whole = fs::read(path).unwrap();
        let mut turned = whole.clone();
        turned[offset] ^= 1;
        fs::write(path, turned).unwrap();
        let (code, report) = server.fixity();
        assert!(
            code == 1 && report.to_string().contains(word) && report.to_string().contains(one["exhibit"].as_str().unwrap()),
            "{report}"
        );
        fs::write(path, whole).unwrap();
    }
    // The key is in no log and no answer of the doctor.
    let secret = fs::read_to_string(&key).unwrap().lines().last().unwrap().to_owned();
    let doctor = server.cli(&["doctor"]);
    let said = format!("{}{}{}", server.log(), String::from_utf8_lossy(&doctor.stdout), String::from_utf8_lossy(&doctor.stderr));
    assert!(!said.contains(&secret) && said.contains("sealed"), "{said}");
}

async fn begun(server: &Server, s: &Submission, length: usize) -> String {
    let metadata = format!("submission {}", data_encoding::BASE64.encode(s.id.as_bytes()));
    let answer = server
        .http
        .post(server.url("/api/v1/uploads"))
        .bearer_auth(&s.token)
        .header("tus-resumable", "1.0.0")
        .header("upload-length", length)
        .header("upload-metadata", metadata)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    location[location.find("/api/").unwrap()..].to_owned()
}

/// Media that lay open are sealed, and the key is replaced twice, while witnesses send and the server dies; nothing is lost, and what somebody has
/// copied of the first key opens nothing of what lies there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_replaced_while_witnesses_send() {
    let mut server = Server::start(Pair::Lite).await;
    server.appeal("TURN", &["--submission-files-max", "100000"]);
    let s = server.submission("TURN", None).await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 3);
    crowd.served(20).await;
    let key = server.path("media.key");
    server.cli_ok(&["media", "make-key", key.to_str().unwrap()], "");
    refused(&server.cli(&["media", "make-key", key.to_str().unwrap()]), "not overwritten");
    refused(&server.cli(&["media", "seal"]), "make-key");
    server.set("TEMOIN_MEDIA__KEY_FILE", key.to_str());
    server.kill();
    server.run().await;
    crowd.served(10).await;
    assert!(ok(&server.cli(&["media", "seal"])).contains("files sealed"));
    let stolen = server.path("stolen.key");
    fs::copy(&key, &stolen).unwrap();
    for _ in 0..2 {
        ok(&server.cli(&["media", "new-key"]));
        crowd.served(10).await;
        ok(&server.cli(&["media", "seal", "--forget-older"]));
        server.kill();
        server.run().await;
    }
    crowd.served(10).await;
    ok(&server.cli(&["media", "seal"]));
    assert_eq!(files(&server.path("media/blobs")), Vec::<PathBuf>::new(), "nothing lies open");
    let before = server.events().await;
    assert_eq!(before.iter().filter(|e| e["type"] == "media.sealed").count(), 4);
    crowd.end(&mut server).await;
    // With the stolen key alone.
    server.kill();
    server.set("TEMOIN_MEDIA__KEY_FILE", stolen.to_str());
    for command in ["serve", "fixity"] {
        refused(&server.cli(&[command]), "another key");
    }
    let opened = |path: &Path, key: &Path| {
        let script = "import sys; print(open(sys.argv[1], 'rb').read(24)[16:].hex(), open(sys.argv[2]).read().splitlines()[-1])";
        let done = std::process::Command::new("python3").args(["-c", script]).args([path, key]).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let ids: std::collections::BTreeSet<String> =
        files(&server.path("media/sealed/blobs")).iter().map(|path| opened(path, &key).split(' ').next().unwrap().to_owned()).collect();
    assert!(ids.iter().filter(|id| **id != "0000000000000000").count() <= 1, "one key wraps everything: {ids:?}");
}

/// A server that has not got the key that the operator has turned to takes nothing that would be lost with the older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_got_the_new_key_seals_nothing() {
    let (mut server, key) = sealed().await;
    let s = server.submission("SEALED", None).await;
    server.sent(&s, "a.jpg", photo(1)).await;
    server.settled().await;
    // As a service manager hands it out: a copy made at the start.
    let copy = server.path("copy.key");
    fs::copy(&key, &copy).unwrap();
    server.kill();
    server.set("TEMOIN_MEDIA__KEY_FILE", copy.to_str());
    server.run().await;
    server.sent(&s, "b.jpg", photo(2)).await;
    server.settled().await;
    server.set("TEMOIN_MEDIA__KEY_FILE", key.to_str());
    ok(&server.cli(&["media", "new-key"]));
    ok(&server.cli(&["media", "seal", "--forget-older"]));
    let answer = server.send(&s, "c.jpg", photo(3)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text().await.unwrap());
    server.kill();
    server.run().await;
    server.sent(&s, "c.jpg", photo(3)).await;
    server.assert_sound();
}
