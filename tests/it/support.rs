//! Starts the real program on one of the two pairs, and talks to it as its users do.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::Value;

/// How long something may take that comes by itself. It fails nothing that works, on a slow and loaded machine either: what must
/// not take long is measured in `benches/`.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pair {
    /// SQLite and a folder.
    Lite,
    /// PostgreSQL and a real S3 server.
    Grown,
}

/// Makes one test of a function for each pair.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite_and_disk() { super::$name(crate::support::Pair::Lite).await }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_and_s3() { super::$name(crate::support::Pair::Grown).await }
        }
    )*};
}
pub(crate) use on_both;

pub struct Server {
    pub pair: Pair,
    pub dir: tempfile::TempDir,
    pub base: String,
    pub http: Client,
    port: Port,
    pub database: String,
    blobs: String,
    child: Option<Child>,
    extra: Vec<(String, String)>,
    /// A network of its own that it runs in, and the address there.
    room: Option<(String, String)>,
}

fn env(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with infra/test.sh, which starts PostgreSQL and Garage"))
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name that nothing else in this run has.
pub fn unique() -> String {
    format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A port that is nobody else's for as long as this lives: bound, and not listened at, so that a server that is told of it can (both
/// agree to share it), and nobody is given it who asks for any.
pub struct Port {
    _held: std::os::fd::OwnedFd,
    pub number: u16,
}

impl Port {
    pub fn new() -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};
        let held = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_reuseaddr(&held, true).unwrap();
        bind(&held, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = std::net::SocketAddrV4::try_from(getsockname(&held).unwrap()).unwrap().port();
        Self { _held: held, number }
    }
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_temoin"))
}

/// A client that never takes a used connection again (it may be closed under it), and that waits as long as the server
/// reads nothing: a store under load makes the server pause, and reqwest would give up after 30 seconds.
fn patient() -> reqwest::ClientBuilder {
    // What is taken away is taken away for a reason; `rights` shows what happens without.
    let reason = ("temoin-reason".parse().unwrap(), "Copie de travail".parse().unwrap());
    Client::builder().pool_max_idle_per_host(0).tcp_user_timeout(None).default_headers([reason].into_iter().collect())
}

impl Server {
    pub async fn start(pair: Pair) -> Self {
        Self::start_with(pair, &[]).await
    }

    pub async fn start_with(pair: Pair, extra: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = unique();
        let (database, blobs) = match pair {
            Pair::Lite => (String::new(), String::new()),
            Pair::Grown => {
                let admin = env("TEMOIN_TEST_POSTGRES");
                let made = Command::new("psql").args([&admin, "-qc", &format!("CREATE DATABASE {name}")]).output().unwrap();
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
                let database = admin.rsplit_once('/').unwrap().0.to_owned() + "/" + &name;
                (database, env("TEMOIN_TEST_S3").replace("PREFIX", &name))
            }
        };
        let port = Port::new();
        let mut server = Self {
            pair,
            dir,
            base: format!("http://127.0.0.1:{}", port.number),
            http: patient().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            port,
            database,
            blobs,
            child: None,
            room: None,
            extra: extra.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        if pair == Pair::Grown {
            server.give_vault();
        }
        server.run().await;
        server
    }

    /// Where nodes share a database the operator brings the vault's key.
    fn give_vault(&self) {
        std::fs::create_dir_all(self.path("keys")).unwrap();
        self.cli_ok(&["vault", "make-key", self.path("keys/vault.key").to_str().unwrap()], "");
    }

    fn configured(&self) -> Command {
        let (mut command, address) = match &self.room {
            Some((name, address)) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name, env!("CARGO_BIN_EXE_temoin")]);
                (command, address.as_str())
            }
            None => (binary(), "127.0.0.1"),
        };
        command
            .current_dir(self.dir.path())
            .env("TEMOIN_DATA", self.dir.path())
            .env("TEMOIN_LISTEN", format!("{address}:{}", self.port.number))
            .env("TEMOIN_LIMITS__FREE_BYTES_MIN", "0")
            // Passwords alone, where a test is about something else; `people` is about what is asked for otherwise.
            .env("TEMOIN_ACCOUNTS__SECOND_FACTOR", "optional")
            .env("TEMOIN_DATABASE", &self.database)
            .env("TEMOIN_BLOBS", &self.blobs);
        for (name, value) in &self.extra {
            command.env(name, value);
        }
        command
    }

    /// Starts, or starts again, and waits until the server answers.
    pub async fn run(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("server.log")).unwrap();
        let child = self.configured().arg("serve").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        let until = Instant::now() + PATIENCE;
        while self.http.get(format!("{}/healthz", self.base)).send().await.is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "the server did not start: {}", self.log());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// How many uploads it has let in and not answered yet. (It needs `TEMOIN_METRICS__LISTEN`.)
    pub async fn under_way(&self, metrics: &Port) -> u32 {
        let numbers = self.http.get(format!("http://127.0.0.1:{}/metrics", metrics.number)).send().await.unwrap().text().await.unwrap();
        let line = numbers.lines().find_map(|l| l.strip_prefix("temoin_uploads_in_progress ")).unwrap_or_else(|| panic!("{numbers}"));
        line.parse().unwrap()
    }

    /// A second node on the same database, store and key.
    pub async fn beside(&self) -> Self {
        self.beside_with(&[], None).await
    }

    /// The same in a network of its own: its name, its address, and where the database and the store are from there.
    pub async fn beside_in(&self, room: (&str, &str), database: &str, blobs: &str) -> Self {
        let extra = [("TEMOIN_DATABASE", database), ("TEMOIN_BLOBS", blobs)];
        self.beside_with(&extra, Some((room.0.to_owned(), room.1.to_owned()))).await
    }

    async fn beside_with(&self, more: &[(&str, &str)], room: Option<(String, String)>) -> Self {
        let port = Port::new();
        let key = self.dir.path().join("keys/log.seed").to_string_lossy().into_owned();
        let extra = [("TEMOIN_LOG__SEED_FILE".to_owned(), key), ("TEMOIN_NODE".to_owned(), "n2".to_owned())];
        let mut other = Self {
            pair: self.pair,
            dir: tempfile::tempdir().unwrap(),
            base: format!("http://{}:{}", room.as_ref().map_or("127.0.0.1", |(_, address)| address), port.number),
            http: self.http.clone(),
            port,
            // On a disk that is another process on the same machine.
            database: if self.database.is_empty() { format!("sqlite:{}", self.path("temoin.db").display()) } else { self.database.clone() },
            blobs: if self.blobs.is_empty() { format!("file:{}", self.path("media").display()) } else { self.blobs.clone() },
            child: None,
            room,
            extra: self.extra.iter().cloned().chain(extra).collect(),
        };
        for (name, value) in more {
            other.set(name, Some(value));
        }
        other.run().await;
        other
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Where the media are, as the server was told.
    pub fn blobs_url(&self) -> String {
        self.extra.iter().find(|(name, _)| name == "TEMOIN_BLOBS").map_or_else(|| self.blobs.clone(), |(_, url)| url.clone())
    }

    /// The end that a process is asked for; waits for it.
    pub async fn terminate(&mut self) {
        Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        let until = Instant::now() + PATIENCE;
        while !self.has_ended() {
            assert!(Instant::now() < until, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.child = None;
    }

    /// Sets or takes back a setting for the next start.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.extra.retain(|(known, _)| known != name);
        self.extra.extend(value.map(|v| (name.to_owned(), v.to_owned())));
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The end that no program can prepare for.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// A line of the server's output that contains `mark`.
    pub fn said(&self, mark: &str) -> Option<String> {
        self.log().lines().find(|l| l.contains(mark)).map(str::to_owned)
    }

    /// A command that ends by itself. One that does not is a failure with a name, not a run that hangs.
    pub fn cli(&self, args: &[&str]) -> Output {
        let child = self.configured().args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (told, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(child.wait_with_output()));
        ended.recv_timeout(4 * PATIENCE).map(Result::unwrap).unwrap_or_else(|_| {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            panic!("`temoin {}` does not end", args.join(" "))
        })
    }

    /// Runs on until it is dropped.
    pub fn cli_in_background(&self, args: &[&str]) -> Background {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("server.log")).unwrap();
        Background(self.configured().args(args).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    pub fn cli_with(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.configured().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub fn cli_ok(&self, args: &[&str], input: &str) -> String {
        let done = self.cli_with(args, input);
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// An open appeal around 48.85, 2.35 on 14 July 2026, 22:00 to 22:30 in Paris.
    pub fn appeal(&self, code: &str, extra: &[&str]) {
        let mut args = vec![
            "appeal",
            "new",
            code,
            "--title",
            "Essai",
            "--what",
            "Quelque chose",
            "--place",
            "Place",
            "--from",
            "2026-07-14T22:00:00+02:00",
            "--to",
            "2026-07-14T22:30:00+02:00",
            "--near",
            "48.85,2.35",
            "--open",
        ];
        args.extend(extra);
        self.cli_ok(&args, "");
    }

    pub const PASSWORD: &'static str = "correct horse battery";

    pub fn user(&self, name: &str, role: &str) {
        self.cli_ok(&["user", "add", name, "--role", role, "--password-stdin"], Self::PASSWORD);
    }

    /// An API token of a new account with this role.
    pub fn token(&self, role: &str) -> String {
        self.user(role, role);
        self.cli_ok(&["token", "add", role, "--purpose", "investigation", "--reason", "Affaire 12/2026"], "")
    }

    /// The same in another agency, which has to be there.
    pub fn user_of(&self, agency: &str, name: &str, role: &str) {
        self.cli_ok(&["user", "add", name, "--role", role, "--agency", agency, "--password-stdin"], Self::PASSWORD);
    }

    /// Makes another agency, with a vault whose key nobody has.
    pub fn agency(&self, name: &str) {
        let key = self.path(&format!("{name}.vault"));
        let recipient = self.cli_ok(&["vault", "make-key", key.to_str().unwrap()], "");
        std::fs::remove_file(key).unwrap();
        self.cli_ok(&["agency", "new", name, "--vault", &recipient], "");
    }

    /// A client with a browser's session.
    pub async fn signed_in(&self, name: &str) -> Client {
        let client = patient().cookie_store(true).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = client.post(self.url("/login")).form(&[("name", name), ("password", Self::PASSWORD)]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        // Who may not look at anything is not asked why.
        let why = [("purpose", "investigation"), ("reason", "Affaire 12/2026"), ("to", "/appeals")];
        client.post(self.url("/purpose")).form(&why).send().await.unwrap();
        client
    }

    /// Somebody whose password an administrator chose chooses their own (and then the tests' again).
    pub async fn chooses_password(&self, client: &Client) {
        let other = "a password of one's own";
        for (old, new) in [(Self::PASSWORD, other), (other, Self::PASSWORD)] {
            let changed = client.post(self.url("/account/password")).form(&[("old", old), ("new", new)]).send().await.unwrap();
            assert_eq!(changed.status(), StatusCode::SEE_OTHER);
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn submission(&self, code: &str, statement: Option<Value>) -> Submission {
        let mut request = self.http.post(self.url(&format!("/api/v1/appeals/{code}/submissions")));
        if let Some(statement) = statement {
            request = request.json(&statement);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body: Value = answer.json().await.unwrap();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        Submission { id: text("id"), token: text("token"), receipt: text("receipt") }
    }

    pub async fn send(&self, s: &Submission, name: &str, bytes: Vec<u8>) -> reqwest::Response {
        self.http
            .post(self.url(&format!("/api/v1/submissions/{}/files", s.id)))
            .bearer_auth(&s.token)
            .header("content-disposition", format!("attachment; filename=\"{name}\""))
            .body(bytes)
            .send()
            .await
            .unwrap()
    }

    pub async fn sent(&self, s: &Submission, name: &str, bytes: Vec<u8>) -> Value {
        let answer = self.send(s, name, bytes).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{name}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    pub async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        let answer = self.http.get(self.url(path)).bearer_auth(token).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// How many entries the newest checkpoint has signed.
    pub async fn log_size(&self) -> usize {
        let checkpoint = self.http.get(self.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap();
        checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Every event of the log, in order, as an auditor fetches them.
    pub async fn events(&self) -> Vec<Value> {
        self.settled().await;
        // Refused where an earlier call has made it.
        self.cli_with(&["user", "add", "events", "--role", "auditor", "--password-stdin"], Self::PASSWORD);
        let token = self.cli_ok(&["token", "add", "events"], "");
        // The account and its token are events themselves: whoever goes on to kill the server counts on all of them.
        self.settled().await;
        let size = self.log_size().await;
        let mut events = Vec::new();
        for tile in 0..size.div_ceil(256) {
            let width = 256.min(size - 256 * tile);
            let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
            let answer =
                self.http.get(self.url(&format!("/log/tile/entries/{tile:03}{partial}"))).bearer_auth(&token).send().await.unwrap();
            let bundle = answer.bytes().await.unwrap();
            let mut rest = &bundle[..];
            while let Some((length, more)) = rest.split_first_chunk::<2>() {
                let (entry, more) = more.split_at(u16::from_be_bytes(*length).into());
                events.push(serde_json::from_slice(entry).unwrap());
                rest = more;
            }
        }
        assert_eq!(events.len(), size);
        events
    }

    /// Waits until nothing is left to examine or to sequence: as long as it takes, while it becomes less.
    pub async fn settled(&self) {
        let (mut least, mut since) = (i64::MAX, Instant::now());
        loop {
            let (_, ready) = self.get("", "/readyz").await;
            let left = ready["events_waiting"].as_i64().zip(ready["jobs_waiting"].as_i64()).map(|(events, jobs)| events + jobs);
            match left {
                Some(0) => return,
                Some(left) if left < least => (least, since) = (left, Instant::now()),
                _ => assert!(since.elapsed() < PATIENCE, "work is left: {ready} {}", self.log()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The audits of the operator: the log, and every stored byte.
    pub fn audit(&self) -> (i32, Value) {
        Self::report(&self.cli(&["audit", "--json"]))
    }

    pub fn fixity(&self) -> (i32, Value) {
        Self::report(&self.cli(&["fixity", "--json"]))
    }

    fn report(done: &Output) -> (i32, Value) {
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&done.stderr)));
        (done.status.code().unwrap(), value)
    }

    pub fn assert_sound(&self) {
        let (code, report) = self.audit();
        assert_eq!(code, 0, "{report}");
        let (code, report) = self.fixity();
        assert_eq!(code, 0, "{report}");
    }

    /// Runs SQL straight on the database, as somebody with a hand in it would.
    pub fn sql(&self, text: &str) {
        let done = match self.pair {
            Pair::Lite => {
                Command::new("sqlite3").args(["-cmd", ".timeout 120000"]).arg(self.dir.path().join("temoin.db")).arg(text).output()
            }
            Pair::Grown => Command::new("psql").args([&self.database_url(), "-qc", text]).output(),
        }
        .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn database_url(&self) -> String {
        self.extra.iter().find(|(name, _)| name == "TEMOIN_DATABASE").map_or_else(|| self.database.clone(), |(_, url)| url.clone())
    }

    /// What a SELECT of one column finds, a line each.
    pub fn query(&self, text: &str) -> String {
        let done = match self.pair {
            Pair::Lite => {
                Command::new("sqlite3").args(["-cmd", ".timeout 120000"]).arg(self.dir.path().join("temoin.db")).arg(text).output()
            }
            Pair::Grown => Command::new("psql").args([&self.database_url(), "-qtAc", text]).output(),
        }
        .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Nothing is left of what was there: neither rows nor keys nor bytes on this disk. The server must not run.
    pub fn reset(&mut self) {
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
        if let Pair::Grown = self.pair {
            let (server, name) = self.database.rsplit_once('/').unwrap();
            for text in [format!("DROP DATABASE {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
                assert!(Command::new("psql").args([&format!("{server}/postgres"), "-qc", &text]).status().unwrap().success());
            }
            self.blobs = self.blobs.replacen("?", "_again?", 1);
        }
        self.give_vault();
    }

    /// Starts without asking whether it answers: it is meant to end by itself.
    pub fn start_unasked(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("server.log")).unwrap();
        let child = self.configured().arg("serve").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.child = Some(child);
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    pub async fn waits_for_end(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while !self.has_ended() {
            if Instant::now() > until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// As [`Self::sent`], from a server that may not be there: the exhibit, if it was acknowledged.
    pub async fn try_send(&self, s: &Submission, bytes: Vec<u8>) -> Option<String> {
        let url = self.url(&format!("/api/v1/submissions/{}/files", s.id));
        let answer = self.http.post(url).bearer_auth(&s.token).body(bytes).send().await.ok()?;
        if answer.status() != StatusCode::CREATED {
            return None;
        }
        answer.json::<Value>().await.ok()?["exhibit"].as_str().map(str::to_owned)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server said:\n{}", self.log());
        }
    }
}

pub struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Clone)]
pub struct Submission {
    pub id: String,
    pub token: String,
    pub receipt: String,
}

pub fn verify(args: &[&Path], trust: Option<&Path>) -> i32 {
    let mut command = binary();
    command.arg("verify").args(args);
    if let Some(trust) = trust {
        command.arg("--trust").arg(trust);
    }
    command.output().unwrap().status.code().unwrap()
}

/// As [`verify`], with whatever else the reader trusts.
pub fn verify_with(args: &[&Path], options: &[&str]) -> i32 {
    binary().arg("verify").args(args).args(options).output().unwrap().status.code().unwrap()
}

/// The judge in `tests/oracle`, built once from Go's own packages as Debian ships them.
pub fn oracle() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT
        .get_or_init(|| {
            let to = std::env::temp_dir().join(format!("temoin-oracle-{}", std::process::id()));
            let done = Command::new("go")
                .args(["build", "-o"])
                .arg(&to)
                .arg(".")
                .current_dir("tests/oracle")
                .env("GO111MODULE", "off")
                .env("GOPATH", "/usr/share/gocode")
                .env("GOFLAGS", "")
                .output()
                .expect("Go is missing: infra/tools.sh installs it");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            to
        })
        .clone()
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

/// Waits for something that has to come true.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < until, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Nothing half-sent lies about on a disk's server. (What is published is written there first, too, for a moment.)
pub async fn nothing_is_staged(server: &Server) {
    let staged = server.path("media/staging");
    until("nothing is left behind", async || std::fs::read_dir(&staged).unwrap().count() == 0).await;
}
