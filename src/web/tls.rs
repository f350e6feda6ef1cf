//! TLS for a server that meets the public by itself: rustls, versions 1.2 and 1.3, its own choice of suites (all with forward secrecy and AEAD),
//! HTTP/1.1. The files are read again when they change, so that a renewed certificate needs no restart; ones that cannot be read leave the
//! old ones in place, and that is said.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config;
use crate::error::{Error, Result};

/// How often it is looked whether the files changed.
const LOOK: Duration = Duration::from_secs(10);

struct Loaded {
    acceptor: TlsAcceptor,
    changed: Option<SystemTime>,
    looked: Instant,
}

pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

impl Tls {
    /// `None`: plain HTTP, for a proxy in front.
    pub fn new(config: &config::Tls) -> Result<Option<Self>> {
        match (config.certificate.as_os_str().is_empty(), config.key.as_os_str().is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {}
            _ => return Err(Error::Internal("tls.certificate and tls.key belong together".into())),
        }
        let (certificate, key) = (config.certificate.clone(), config.key.clone());
        let loaded = load(&certificate, &key)?;
        Ok(Some(Self { certificate, key, loaded: RwLock::new(loaded) }))
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        let due = {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if loaded.looked.elapsed() < LOOK {
                return loaded.acceptor.clone();
            }
            loaded.changed != changed(&self.certificate, &self.key)
        };
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.looked = Instant::now();
        if due {
            match load(&self.certificate, &self.key) {
                Ok(new) => *loaded = new,
                Err(e) => tracing::error!(cause = %e, "the new certificate cannot be used; the old one stays"),
            }
        }
        loaded.acceptor.clone()
    }
}

fn changed(certificate: &Path, key: &Path) -> Option<SystemTime> {
    let of = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    of(certificate).max(of(key))
}

fn load(certificate: &Path, key: &Path) -> Result<Loaded> {
    let changed = changed(certificate, key);
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|e| Error::Internal(format!("{}: {e}", path.display())));
    let chain = CertificateDer::pem_reader_iter(open(certificate)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|e| Error::Internal(format!("{}: {e}", certificate.display())))?;
    let private = PrivateKeyDer::from_pem_reader(open(key)?).map_err(|e| Error::Internal(format!("{}: {e}", key.display())))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| Error::Internal(format!("{} and {} do not fit: {e}", certificate.display(), key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { acceptor: TlsAcceptor::from(Arc::new(config)), changed, looked: Instant::now() })
}
