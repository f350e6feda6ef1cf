//! A disk that is full, that turned read-only, whose sync fails.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::crowd::Crowd;
use crate::support::{Pair, Server};

/// A file system of its own for the media, in memory; gone with the test.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn at(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "none", path.to_str().unwrap()]);
        Self(path.to_owned())
    }

    fn again(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}: infra/tools.sh installs it"));
    assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Everything of the server's on one small disk.
async fn on_a_small_disk(code: &str, options: &str) -> (Server, Mounted, crate::support::Submission) {
    let mut server = Server::start(Pair::Lite).await;
    server.kill();
    server.reset();
    let disk = Mounted::at(server.dir.path(), options);
    server.run().await;
    server.appeal(code, &["--submission-files-max", "100000"]);
    let s = server.submission(code, None).await;
    (server, disk, s)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_full() {
    let (mut server, disk, s) = on_a_small_disk("FULL", "size=48m").await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 3);
    crowd.served(5).await;
    // Somebody else fills it to the last byte.
    let filler = server.path("filler");
    let _ = Command::new("dd").args(["if=/dev/zero", &format!("of={}", filler.display()), "bs=64k"]).stderr(Stdio::null()).status();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let refused = server.send(&s, "x.jpg", vec![1; 300_000]).await;
    assert!(matches!(refused.status().as_u16(), 503 | 507), "{}", refused.status());
    assert_eq!(server.http.get(server.url("/healthz")).send().await.unwrap().status(), 200, "and lives");
    std::fs::remove_file(filler).unwrap();
    crowd.served(5).await;
    crowd.end(&mut server).await;
    drop(server);
    drop(disk);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_read_only() {
    let mut server = Server::start(Pair::Lite).await;
    server.kill();
    server.reset();
    // The media alone: a database cannot be remounted under an open write-ahead log.
    let disk = Mounted::at(&server.path("media"), "size=64m");
    server.run().await;
    server.appeal("READ", &["--submission-files-max", "100000"]);
    let s = server.submission("READ", None).await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 3);
    for _ in 0..2 {
        crowd.served(5).await;
        // (Refused while a file is open for writing: tried until the moment between two uploads.)
        crate::support::until("it is read-only", async || {
            Command::new("mount").args(["-o", "remount,ro", disk.0.to_str().unwrap()]).stderr(Stdio::null()).status().unwrap().success()
        })
        .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let refused = server.send(&s, "x.jpg", vec![1; 3_000]).await;
        assert_eq!(refused.status(), 503);
        disk.again("rw");
    }
    crowd.served(5).await;
    crowd.end(&mut server).await;
    drop(server);
    drop(disk);
}

/// Lets system calls of a running server fail, as the kernel would.
struct Failing(Child);

impl Failing {
    async fn calls(server: &Server, calls: &str, how: &str) -> Self {
        let pid = server.pid().to_string();
        let child = Command::new("strace")
            .args(["-f", "-qq", "-p", &pid, "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{how}")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is missing: infra/tools.sh installs it");
        let traced = |task: std::io::Result<std::fs::DirEntry>| {
            // (One that has ended meanwhile calls nothing.)
            let Ok(status) = std::fs::read_to_string(task.unwrap().path().join("status")) else { return true };
            status.lines().any(|l| l.starts_with("TracerPid:") && !l.ends_with("\t0"))
        };
        crate::support::until("the tracer is at every thread", async || {
            std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(traced)
        })
        .await;
        Self(child)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // (Asked to end, it waits for a child that waits for it.)
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every sync fails for a while: files, folders and the database. What was acknowledged before and after is there; nothing was in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn does_not_sync() {
    let mut server = Server::start(Pair::Lite).await;
    server.appeal("SYNC", &["--submission-files-max", "100000"]);
    let s = server.submission("SYNC", None).await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 3);
    crowd.served(5).await;
    // Nothing is under way when it begins, and nothing when it ends: a tracer that goes away leaves a call half-answered.
    crowd.pause().await;
    let failing = Failing::calls(&server, "fsync,fdatasync", "error=EIO").await;
    let before = crowd.acknowledged().await;
    crowd.go_on();
    tokio::time::sleep(Duration::from_secs(3)).await;
    crowd.pause().await;
    assert_eq!(crowd.acknowledged().await, before, "acknowledged what was never on the disk");
    drop(failing);
    crowd.go_on();
    crowd.served(5).await;
    // Now and then one fails, and the others do not.
    let failing = Failing::calls(&server, "fsync,fdatasync", "error=EIO:when=3+5").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    crowd.pause().await;
    drop(failing);
    crowd.go_on();
    crowd.served(5).await;
    crowd.end(&mut server).await;
}
