//! One typed configuration. `default.toml` beside this file is both the defaults and the manual.

use std::path::PathBuf;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub listen: String,
    pub public_url: String,
    pub database: String,
    pub blobs: String,
    pub node: String,
    pub agency: String,
    pub trusted_proxies: Vec<IpNet>,
    pub map_tiles: String,
    pub security_contact: String,
    pub log: Log,
    pub anchors: Anchors,
    pub fixity: Fixity,
    pub audit: Audit,
    pub retention: Retention,
    pub limits: Limits,
    pub metrics: Metrics,
    pub tls: Tls,
    pub sessions: Sessions,
    pub accounts: Accounts,
    pub oidc: Oidc,
    pub vault: Vault,
    pub media: Media,
    pub privacy: Privacy,
    pub examine: Examine,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub origin: String,
    pub seed_file: String,
    pub published: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchors {
    pub timestamps: Vec<Timestamping>,
    pub witnesses: Vec<Witness>,
    pub witness_quorum: usize,
    pub every_seconds: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixity {
    pub days: u64,
    pub bytes_per_second: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub every_hours: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub every_hours: u64,
}

/// A timestamp authority (RFC 3161).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamping {
    pub name: String,
    pub url: String,
    /// PEM file with the roots that it is trusted by.
    pub ca: PathBuf,
}

/// A C2SP witness.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    pub key: String,
    pub url: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub idle_seconds: u64,
    pub header_seconds: u64,
    pub write_seconds: u64,
    pub connections_max: usize,
    pub free_bytes_min: u64,
    pub sweep_after_hours: u64,
    pub drain_seconds: u64,
    pub form_bytes_max: usize,
    pub buffer_bytes_max: usize,
    pub uploads_max: usize,
    pub quiet_minutes: u64,
    pub uploads_per_block_max: usize,
    pub openings_per_block_hour: u64,
    pub openings_per_appeal_hour: u64,
    pub files_per_block_hour: u64,
    pub bytes_per_block_hour: u64,
    pub flood_large_bytes: u64,
    pub flood_large_max: usize,
    pub flood_work_bits: u32,
}

impl Limits {
    /// How long bytes that nobody refers to are left alone.
    pub fn sweep_after(&self) -> Duration {
        Duration::from_secs(self.sweep_after_hours.saturating_mul(3600))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub listen: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    pub idle_minutes: i64,
    pub absolute_hours: i64,
    pub looks_per_minute: u64,
}

/// Whether a password alone opens anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    Required,
    Optional,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    pub second_factor: SecondFactor,
    pub proof_minutes: i64,
    pub bundle_alone_max: usize,
    pub banner: String,
    pub token_days: i64,
}

/// An OpenID Connect provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub client_id: String,
    pub client_secret_file: PathBuf,
    pub name: String,
    pub claim: String,
    pub acr: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    pub recipient: String,
    pub key_file: PathBuf,
    pub hours: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    pub key_file: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    pub source_days: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examine {
    pub processes: usize,
    pub memory_bytes_max: u64,
    pub cpu_seconds_max: u64,
    pub wall_seconds_max: u64,
    pub proxy_seconds_max: u64,
    pub trust_list: String,
    pub scanner: String,
}

/// Names after `TEMOIN_` that belong to the command line and to the tests; any other unknown one is refused as a
/// mistake.
const NOT_SETTINGS: [&str; 5] = ["demo", "no_worker", "test", "bench", "cache"];

/// What the command line can say; absent means "as configured".
#[derive(Clone, Debug, Default, Serialize, clap::Args)]
pub struct Flags {
    /// Folder for the database, the media and the keys
    #[arg(long, global = true, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Address of the web server
    #[arg(long, global = true, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// postgres://… or sqlite:PATH
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// s3://BUCKET/PREFIX?endpoint=URL&region=NAME or file:DIR
    #[arg(long, global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<String>,
}

impl Config {
    /// Defaults, then `temoin.toml`, then `TEMOIN_…`, then flags.
    pub fn load(flags: &Flags) -> Result<Self> {
        let mut config: Self = Figment::from(Toml::string(include_str!("default.toml")))
            .merge(Toml::file("temoin.toml"))
            .merge(Env::prefixed("TEMOIN_").filter(|k| !NOT_SETTINGS.iter().any(|n| k.starts_with(n))).split("__"))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|e| Error::Internal(format!("the configuration makes no sense: {e}")))?;
        config.fill_in();
        let contact = &config.security_contact;
        if !contact.is_empty() && !["mailto:", "https:", "tel:"].iter().any(|scheme| contact.starts_with(scheme)) {
            return Err(Error::Internal("security_contact is not a mailto:, https: or tel: address".into()));
        }
        config.makes_sense()?;
        Ok(config)
    }

    /// What the types allow, and nobody can mean.
    fn makes_sense(&self) -> Result<()> {
        let years = |minutes: i64| (1..=10 * 366 * 24 * 60).contains(&minutes);
        let wrong = [
            (self.limits.connections_max == 0, "limits.connections_max: nobody could connect"),
            (self.limits.uploads_max == 0, "limits.uploads_max: nobody could send anything"),
            (self.limits.uploads_per_block_max == 0, "limits.uploads_per_block_max: nobody could send anything"),
            (self.limits.files_per_block_hour == 0, "limits.files_per_block_hour: nobody could send anything"),
            (self.limits.bytes_per_block_hour < 1_000_000, "limits.bytes_per_block_hour: a megabyte at least"),
            (self.limits.openings_per_block_hour == 0, "limits.openings_per_block_hour: nobody could begin"),
            (self.limits.openings_per_appeal_hour == 0, "limits.openings_per_appeal_hour: nobody could begin"),
            (!years(self.sessions.idle_minutes), "sessions.idle_minutes: from 1 to ten years"),
            (!years(self.sessions.absolute_hours.saturating_mul(60)), "sessions.absolute_hours: from 1 to ten years"),
            (!years(self.accounts.proof_minutes), "accounts.proof_minutes: from 1 to ten years"),
            (
                !["http://", "https://"].iter().any(|scheme| self.public_url.starts_with(scheme)),
                "public_url: an http or https address, as people type it",
            ),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(Error::Internal(format!("the configuration makes no sense: {why}"))),
            None => Ok(()),
        }
    }

    fn fill_in(&mut self) {
        if self.public_url.is_empty() {
            self.public_url = format!("http://{}", self.listen);
        }
        self.public_url = self.public_url.trim_end_matches('/').to_owned();
        if self.database.is_empty() {
            self.database = format!("sqlite:{}", self.data.join("temoin.db").display());
        }
        if self.blobs.is_empty() {
            self.blobs = format!("file:{}", self.data.join("media").display());
        }
        if self.log.published.is_empty() {
            self.log.published.clone_from(&self.blobs);
        }
        if self.log.seed_file.is_empty() {
            self.log.seed_file = self.data.join("keys").join("log.seed").display().to_string();
        }
        if self.vault.key_file.as_os_str().is_empty() {
            self.vault.key_file = self.data.join("keys").join("vault.key");
        }
        if self.examine.processes == 0 {
            self.examine.processes = std::thread::available_parallelism().map_or(1, usize::from);
        }
    }

    /// The custody log's identity where neither the operator nor an earlier start has fixed one.
    pub fn first_origin(&self) -> String {
        if !self.log.origin.is_empty() {
            return self.log.origin.clone();
        }
        format!("{}/custody/1", self.public_url.split("://").last().unwrap_or("localhost"))
    }

    pub fn https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_complete() {
        let config = Config::load(&Flags { data: Some("/x".into()), ..Flags::default() }).unwrap();
        assert_eq!(config.database, "sqlite:/x/temoin.db");
        assert_eq!(config.public_url, "http://127.0.0.1:8080");
        assert!(config.examine.processes > 0);
    }
}
