//! A PostgreSQL of a test's own.

use std::fs;
use std::process::Command;

use crate::support::Port;

/// A PostgreSQL of its own, for tests that stop it, fill it or put another in its place.
pub struct Cluster {
    folder: tempfile::TempDir,
    _held: Port,
    pub port: u16,
}

impl Cluster {
    /// As the account that PostgreSQL agrees to run under.
    pub fn run(&self, program: &str, args: &[&str]) {
        let bin = fs::read_dir("/usr/lib/postgresql").unwrap().map(|e| e.unwrap().path()).max().unwrap().join("bin").join(program);
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = if root { Command::new("runuser") } else { Command::new(&bin) };
        if root {
            command.args(["-u", "postgres", "--"]).arg(&bin);
        }
        let done = command.args(args).current_dir("/").output().unwrap();
        assert!(done.status.success(), "{program}: {}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    }

    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Command::new("chmod").arg("777").arg(folder.path()).status().unwrap();
        let held = Port::new();
        Self { folder, port: held.number, _held: held }
    }

    /// One that runs, and has nothing in it.
    pub fn begun() -> Self {
        let cluster = Self::new();
        cluster.run("initdb", &["-D", &cluster.data(), "-U", "temoin", "-A", "trust", "-E", "UTF8", "--locale=C"]);
        cluster.start();
        cluster
    }

    /// The same, which lets others in from these addresses too.
    pub fn begun_for(network: &str) -> Self {
        let cluster = Self::begun();
        let rules = format!("{}/pg_hba.conf", cluster.data());
        let mut text = fs::read_to_string(&rules).unwrap();
        text.push_str(&format!("host all all {network} trust\n"));
        fs::write(&rules, text).unwrap();
        let loaded = || cluster.sql("SELECT pg_conf_load_time()");
        let before = loaded();
        cluster.sql("SELECT pg_reload_conf()");
        // A session learns of it when it begins, after the server has.
        let until = std::time::Instant::now() + crate::support::PATIENCE;
        while loaded() == before {
            assert!(std::time::Instant::now() < until, "its rules are not read again");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        cluster
    }

    /// Another one that follows it.
    pub fn standby(&self) -> Self {
        let standby = Self::new();
        let source = format!("host=127.0.0.1 port={} user=temoin application_name=standby", self.port);
        standby.run("pg_basebackup", &["-d", &source, "-D", &standby.data(), "-R", "-X", "stream", "-c", "fast"]);
        standby.start();
        standby
    }

    /// As a machine loses its power: nobody is told.
    pub fn stop(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }

    pub fn data(&self) -> String {
        self.folder.path().join("pg").to_string_lossy().into_owned()
    }

    pub fn start(&self) {
        let options = format!("-p {} -c listen_addresses=* -c unix_socket_directories= -c wal_level=replica", self.port);
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-l", &format!("{}/log", self.data()), "-o", &options, "start"]);
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://temoin@127.0.0.1:{}/{database}", self.port)
    }

    pub fn sql(&self, text: &str) -> String {
        let done = Command::new("psql").args([&self.url("postgres"), "-qtAc", text]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::path::Path::new(&self.data()).join("postmaster.pid").exists() {
            self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
        }
    }
}
