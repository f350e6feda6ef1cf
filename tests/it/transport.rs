//! TLS that the program speaks by itself, by a client that is not ours.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Pair, Server};

fn certificate(server: &Server, name: &str) -> (String, String) {
    let (cert, key) = (server.path(&format!("{name}.pem")), server.path(&format!("{name}.key")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj"])
        .arg(format!("/CN={name}"))
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert.to_string_lossy().into_owned(), key.to_string_lossy().into_owned())
}

fn curl(args: &[&str]) -> Output {
    Command::new("curl").args(["-sS", "--max-time", "120"]).args(args).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_ends_tls_itself() {
    let mut server = Server::start(Pair::Lite).await;
    server.kill();
    let (cert, key) = certificate(&server, "first");
    server.set("TEMOIN_TLS__CERTIFICATE", Some(&cert));
    // One without the other is said, and nothing is served.
    let half = server.cli(&["serve"]);
    assert!(half.status.code() == Some(3) && String::from_utf8_lossy(&half.stderr).contains("belong together"));
    server.set("TEMOIN_TLS__KEY", Some(&key));
    let https = format!("https://localhost:{}", server.port());
    server.set("TEMOIN_PUBLIC_URL", Some(&https));
    let _running = server.cli_in_background(&["serve"]);
    let until = Instant::now() + PATIENCE;
    let health = format!("{https}/healthz");
    while !curl(&["--cacert", &cert, &health]).status.success() {
        assert!(Instant::now() < until, "{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let page = curl(&["--cacert", &cert, "-i", &format!("{https}/login")]);
    let page = String::from_utf8_lossy(&page.stdout).to_lowercase();
    assert!(page.starts_with("http/1.1 200") && page.contains("strict-transport-security"), "{page}");
    assert!(!curl(&[&health]).status.success(), "nobody's certificate is not trusted");
    assert!(!curl(&["--cacert", &cert, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &health]).status.success(), "TLS 1.1");
    assert!(curl(&["--cacert", &cert, "--tls-max", "1.2", &health]).status.success());
    assert!(curl(&["--cacert", &cert, "--tlsv1.3", &health]).status.success());
    assert!(!curl(&[&format!("http://localhost:{}/healthz", server.port())]).status.success(), "plain HTTP is not answered");
    // Cookies are for this host and for https alone.
    server.user("ines", "investigator");
    let login =
        curl(&["--cacert", &cert, "-i", "-d", "name=ines", "-d", &format!("password={}", Server::PASSWORD), &format!("{https}/login")]);
    let login = String::from_utf8_lossy(&login.stdout).into_owned();
    assert!(login.contains("__Host-temoin=") && login.contains("; Secure") && login.contains("SameSite=Strict"), "{login}");
    let page = curl(&["--cacert", &cert, "-i", &format!("{https}/verify?lang=fr")]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("__Host-lang=fr; Path=/") && page.contains("; Secure"), "{page}");
    let page = curl(&["--cacert", &cert, "-b", "__Host-lang=fr; lang=en", &format!("{https}/verify")]);
    assert!(String::from_utf8_lossy(&page.stdout).contains("<html lang=\"fr\""), "which no other host can set");
    // A handshake that never comes costs no place for long, and a large file comes through.
    let silent = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    server.appeal("TLS", &[]);
    let opened = curl(&["--cacert", &cert, "-X", "POST", &format!("{https}/api/v1/appeals/TLS/submissions")]);
    let opened: serde_json::Value = serde_json::from_slice(&opened.stdout).unwrap();
    let file = server.path("large.bin");
    std::fs::write(&file, vec![7; 20 << 20]).unwrap();
    let sent = curl(&[
        "--cacert",
        &cert,
        "-H",
        &format!("Authorization: Bearer {}", opened["token"].as_str().unwrap()),
        "--data-binary",
        &format!("@{}", file.display()),
        &format!("{https}/api/v1/submissions/{}/files", opened["id"].as_str().unwrap()),
    ]);
    assert!(String::from_utf8_lossy(&sent.stdout).contains("\"size\":20971520"), "{}", String::from_utf8_lossy(&sent.stdout));
    drop(silent);
    // A renewed certificate is taken without a restart; a broken one leaves the old one in place.
    let (second, second_key) = certificate(&server, "second");
    std::fs::copy(&second_key, &key).unwrap();
    std::fs::copy(&second, &cert).unwrap();
    let until = Instant::now() + PATIENCE;
    while !curl(&["--cacert", &second, &health]).status.success() {
        assert!(Instant::now() < until, "{}", server.log());
        std::thread::sleep(Duration::from_millis(500));
    }
    std::fs::write(&cert, "nonsense").unwrap();
    std::thread::sleep(Duration::from_secs(11));
    assert!(curl(&["--cacert", &second, &health]).status.success());
    assert!(curl(&["--cacert", &second, &health]).status.success());
    assert!(server.log().contains("the old one stays"));
}
