//! What every benchmark needs: the floor, the real server, and how much of a processor they used.

pub mod filled;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use futures_util::StreamExt as _;
use sha2::Digest as _;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Whether this process was started to be the floor; then it is, and never returns.
pub fn floor_or_go_on() {
    if let Ok(folder) = std::env::var("TEMOIN_BENCH_FLOOR") {
        runtime().block_on(floor(folder.into()));
    }
}

pub fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

pub fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

/// The floor: what any server that hashes and syncs must do, and nothing else.
async fn floor(folder: PathBuf) {
    let app = Router::new().route("/", post(floor_upload)).layer(axum::extract::DefaultBodyLimit::disable()).with_state(folder);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    axum::serve(listener, app).await.unwrap();
}

async fn floor_upload(State(folder): State<PathBuf>, body: Body) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let path = folder.join(&name);
    let mut file = std::fs::File::create(&path).unwrap();
    let (mut stream, mut hasher) = (body.into_data_stream(), sha2::Sha256::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        hasher.update(&chunk);
        file.write_all(&chunk).unwrap();
    }
    let sha = data_encoding::HEXLOWER.encode(&hasher.finalize());
    tokio::task::spawn_blocking(move || {
        file.sync_all().unwrap();
        std::fs::rename(&path, folder.join(format!("{name}.kept"))).unwrap();
        std::fs::File::open(&folder).unwrap().sync_all().unwrap();
    })
    .await
    .unwrap();
    sha
}

pub struct Running {
    child: Child,
    settings: Vec<(String, String)>,
    pub base: String,
    pub dir: tempfile::TempDir,
    pub database: Option<String>,
}

/// Processor seconds of a process: user and system, and with `fields` 4 those of its ended children.
fn cpu_of(pid: &str, fields: usize) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let all: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // In hundredths of a second.
    all[11..11 + fields].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// Processor seconds of every process of this name, ended children included.
pub fn cpu_of_all(name: &str) -> f64 {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().into_string().ok());
    let named = pids.filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name));
    named.map(|pid| cpu_of(&pid, 4)).sum()
}

fn free_address() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("127.0.0.1:{port}")
}

/// A database of its own on the server of infra/servers.sh, and a place in its store; `None` where they do not run.
pub fn grown(name: &str) -> Option<(String, String)> {
    let (admin, store) = (std::env::var("TEMOIN_TEST_POSTGRES").ok()?, std::env::var("TEMOIN_TEST_S3").ok()?);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{name}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    assert!(Command::new("psql").args([&admin, "-qc", &format!("CREATE DATABASE {name}")]).status().unwrap().success());
    Some((format!("{}/{name}", admin.rsplit_once('/').unwrap().0), store.replace("PREFIX", &name)))
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Ends the server as an operator would, and waits.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }

    /// Another node on the same database, store and key, under this name.
    pub async fn beside(&self, name: &str) -> Running {
        let dir = scratch();
        let listen = free_address();
        let own = [
            ("TEMOIN_NODE", name.to_owned()),
            ("TEMOIN_LOG__SEED_FILE", self.dir.path().join("keys/log.seed").to_string_lossy().into_owned()),
        ];
        let mut settings = self.settings.clone();
        settings.extend(own.map(|(k, v)| (k.to_owned(), v)));
        let child = serve(dir.path(), &listen, self.database.as_deref(), &settings);
        let running = Running { child, settings, base: format!("http://{listen}"), dir, database: self.database.clone() };
        answers(&running.base).await;
        running
    }

    /// Processor seconds of it and of all its children that have ended.
    pub fn cpu_with_children_s(&self) -> f64 {
        cpu_of(&self.child.id().to_string(), 4)
    }

    /// What a statement finds, a line for each row.
    pub fn query(&self, text: &str) -> String {
        let done = match &self.database {
            None => Command::new("sqlite3").args(["-cmd", ".timeout 60000"]).arg(self.dir.path().join("temoin.db")).arg(text).output(),
            Some(url) => Command::new("psql").args([url, "-qtAc", text]).output(),
        };
        String::from_utf8(done.unwrap().stdout).unwrap()
    }

    /// Starts it again; the processor seconds that the start took.
    pub async fn start_again(&mut self) -> f64 {
        let listen = self.base.trim_start_matches("http://").to_owned();
        self.child = serve(self.dir.path(), &listen, self.database.as_deref(), &self.settings);
        answers(&self.base).await;
        self.cpu_s()
    }

    pub fn cpu_s(&self) -> f64 {
        cpu_of(&self.child.id().to_string(), 2)
    }

    /// Resident memory now and at its peak, in megabytes.
    pub fn rss_mb(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let of = |key: &str| {
            let line = status.lines().find(|l| l.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
        };
        (of("VmRSS"), of("VmHWM"))
    }

    pub fn cli(&self, args: &[&str], input: &str) -> String {
        let mut command = server_command(self.dir.path(), "127.0.0.1:0", self.database.as_deref());
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    }

    pub fn sql(&self, text: &str) {
        let done = match &self.database {
            // What is put there for a figure need not outlive the machine.
            None => Command::new("sqlite3")
                .args(["-cmd", ".timeout 60000", "-cmd", "PRAGMA synchronous = OFF", "-cmd", "PRAGMA cache_size = -4000000"])
                .arg(self.dir.path().join("temoin.db"))
                .arg(text)
                .status(),
            Some(url) => Command::new("psql").args([url, "-qc", text]).status(),
        };
        assert!(done.unwrap().success());
    }
}

fn server_command(dir: &Path, listen: &str, database: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_temoin"));
    // (Public; its other half was thrown away.)
    command.env("TEMOIN_VAULT__RECIPIENT", "age1xnke3sksvra2y7t9uvpplhywd5g0yqqv6jk7s3sef4yw2vdulggqjataj6");
    command.env("TEMOIN_DATA", dir).env("TEMOIN_LISTEN", listen).env("TEMOIN_DATABASE", database.unwrap_or_default()).current_dir(dir);
    command
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::var("TEMOIN_BENCH_DIR").unwrap_or_else(|_| "/tmp".into())).unwrap()
}

fn serve(dir: &Path, listen: &str, database: Option<&str>, settings: &[(String, String)]) -> Child {
    let mut command = server_command(dir, listen, database);
    command.envs(settings.iter().map(|(k, v)| (k, v))).arg("serve").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

async fn answers(base: &str) {
    while reqwest::get(format!("{base}/healthz")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The real server with an open appeal BENCH; `settings` are environment variables.
pub async fn temoin(database: Option<String>, settings: &[(&str, String)]) -> Running {
    let dir = scratch();
    let listen = free_address();
    let settings: Vec<(String, String)> = settings.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let child = serve(dir.path(), &listen, database.as_deref(), &settings);
    let running = Running { child, settings, base: format!("http://{listen}"), dir, database };
    answers(&running.base).await;
    running.cli(
        &[
            "appeal",
            "new",
            "BENCH",
            "--title",
            "b",
            "--what",
            "b",
            "--place",
            "b",
            "--from",
            "2026-07-14T22:00:00Z",
            "--to",
            "2026-07-14T23:00:00Z",
            "--near",
            "48.85,2.35",
            "--open",
            "--submission-files-max",
            "1000000",
        ],
        "",
    );
    running
}

pub fn bare() -> Running {
    let dir = scratch();
    let mut child =
        Command::new(std::env::current_exe().unwrap()).env("TEMOIN_BENCH_FLOOR", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    Running { child, settings: Vec::new(), base: format!("http://{}/", line.trim()), dir, database: None }
}

/// @tus/server in its folder of `benches/peers`, if `npm ci` has been run there.
pub fn tus_server() -> Option<Running> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    if !folder.join("node_modules").is_dir() {
        return None;
    }
    let dir = scratch();
    let mut child = Command::new("node").arg("tus-server.mjs").arg(dir.path()).current_dir(folder).stdout(Stdio::piped()).spawn().ok()?;
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take()?), &mut line).ok()?;
    Some(Running { child, settings: Vec::new(), base: format!("http://{}", line.trim()), dir, database: None })
}

/// A place to post files to: address and bearer token.
#[derive(Clone)]
pub struct Door(pub String, pub String);

pub async fn submission(server: &Running) -> Door {
    let opened: serde_json::Value = reqwest::Client::new()
        .post(format!("{}/api/v1/appeals/BENCH/submissions", server.base))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let url = format!("{}/api/v1/submissions/{}/files", server.base, opened["id"].as_str().unwrap());
    Door(url, opened["token"].as_str().unwrap().to_owned())
}
