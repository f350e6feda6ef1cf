//! `temoin verify`: a bundle, or a receipt and files against it; `temoin log compare`: two checkpoints. Without any server.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::attest::{self, ConsistencyProof, Exit, GivenFile, Trust, Verdict, verify_bundle, verify_receipt};
use crate::domain::custody::timestamp::Roots;
use crate::domain::custody::{LogProof, Policy, strict};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

#[derive(clap::Args)]
pub struct Verify {
    /// A bundle (its folder, or the ZIP file as it was fetched), a receipt (.tlog-proof), or a file whose receipt lies beside it as FILE.tlog-proof
    path: PathBuf,
    /// Files to check against the receipt, or to be told apart by the bundle: original, picture made of one, or neither
    files: Vec<PathBuf>,
    /// Whom to trust: a C2SP tlog-policy file. Without one the best answer is "undecided"
    #[arg(long, value_name = "POLICY")]
    trust: Option<PathBuf>,
    /// Timestamp authorities to trust: a PEM file with their roots. What is then not timestamped is undecided
    #[arg(long, value_name = "PEM")]
    tsa_ca: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct Compare {
    /// A checkpoint: of a bundle, of the server at another time; or a receipt, which has one in it
    one: PathBuf,
    /// Another one of the same log
    other: PathBuf,
    /// What /api/v1/log/consistency answered for their two sizes
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Whom to trust: a C2SP tlog-policy file
    #[arg(long, value_name = "POLICY")]
    trust: PathBuf,
    #[arg(long)]
    json: bool,
}

/// `temoin log compare`.
pub fn compare(c: &Compare) -> Result<ExitCode> {
    let policy = policy(&c.trust)?;
    let proof = c.proof.as_deref().map(proof).transpose()?;
    say_verdict(c.json, &attest::compare(&checkpoint(&c.one)?, &checkpoint(&c.other)?, proof.as_ref(), Some(&policy)))
}

/// What the server answered, whole: a problem that was saved in its place shows nothing about the log.
fn proof(path: &Path) -> Result<ConsistencyProof> {
    let read = || {
        let value = strict::parse(small(path).ok()?.as_bytes())?;
        let number = |name: &str| value.get(name)?.as_u64();
        let texts = value.get("hashes")?.as_array()?;
        let hashes = texts.iter().map(|t| Sha256::from_base64(t.as_str()?)).collect::<Option<Vec<_>>>()?;
        Some(ConsistencyProof { old: number("old")?, new: number("new")?, hashes })
    };
    read().ok_or_else(|| Error::Internal(format!("{}: not what /api/v1/log/consistency answers", path.display())))
}

/// A checkpoint, or the one inside a receipt.
fn checkpoint(path: &Path) -> Result<String> {
    let text = small(path)?;
    Ok(LogProof::parse(&text).map_or(text, |proof| proof.checkpoint))
}

/// A small text file.
fn small(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    open(path)?.take(RECEIPT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes of a receipt that are read at all.
const RECEIPT_BYTES_MAX: u64 = 1 << 20;

pub fn verify(c: &Verify) -> Result<ExitCode> {
    if c.path.is_dir() || is_zip(&c.path) && !beside_receipt(&c.path).exists() {
        return bundle(c);
    }
    let mut files = c.files.clone();
    let beside = beside_receipt(&c.path);
    let receipt_path = if c.path.extension().is_none_or(|e| e != "tlog-proof") && beside.exists() {
        files.push(c.path.clone());
        beside
    } else {
        c.path.clone()
    };
    let receipt = small(&receipt_path)?;
    let (policy, authorities) = trusted(c)?;
    let trust = Trust { policy: policy.as_ref(), authorities: authorities.as_ref() };
    let given = files.iter().map(|p| hash(p)).collect::<Result<Vec<_>>>()?;
    say_verdict(c.json, &verify_receipt(&receipt, &given, trust))
}

/// Told from its first bytes: mail gateways change names.
fn is_zip(path: &Path) -> bool {
    let mut head = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"PK\x03\x04"
}

/// Where the receipt of a file lies, if it has one.
fn beside_receipt(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.tlog-proof", path.display()))
}

fn bundle(c: &Verify) -> Result<ExitCode> {
    let (policy, authorities) = trusted(c)?;
    let trust = Trust { policy: policy.as_ref(), authorities: authorities.as_ref() };
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    let mut read = 0;
    let given = c.files.iter().map(|p| hash(p)).collect::<Result<Vec<_>>>()?;
    let verdict = verify_bundle(&c.path, &given, trust, |n| {
        read += n;
        bar.set_message(format!("{} MB read", read / 1_000_000));
    });
    bar.finish_and_clear();
    say_verdict(c.json, &verdict)
}

fn trusted(c: &Verify) -> Result<(Option<Policy>, Option<Roots>)> {
    let roots = |path: &Path| {
        let text = fs::read_to_string(path).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
        Roots::parse(&text).ok_or_else(|| Error::Internal(format!("{}: no certificate in it", path.display())))
    };
    Ok((c.trust.as_deref().map(policy).transpose()?, c.tsa_ca.as_deref().map(roots).transpose()?))
}

fn policy(path: &Path) -> Result<Policy> {
    let text = fs::read_to_string(path).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))?;
    Policy::parse(&text).map_err(|why| Error::Internal(format!("{}: {why}", path.display())))
}

fn say_verdict(json: bool, verdict: &Verdict) -> Result<ExitCode> {
    if json {
        say!("{}", serde_json::to_string(verdict).map_err(Error::internal)?);
    } else {
        for f in &verdict.findings {
            say!("{:<13} {:<10} {}", format!("{:?}", f.result).to_lowercase(), f.check, f.detail);
        }
        let words = match verdict.exit {
            Exit::Proven => "PROVEN under the given trust",
            Exit::Contradicted if verdict.findings.iter().all(|f| f.check == "file" || f.result != Exit::Contradicted) => {
                "CONTRADICTED: a file that was given is not what it stands beside (changed, or another one); nothing else is contradicted"
            }
            Exit::Contradicted => "CONTRADICTED: something was changed",
            Exit::Undecided => "UNDECIDED",
            Exit::Unusable => "UNUSABLE: this cannot be checked",
        };
        say!("{words}");
    }
    Ok(ExitCode::from(verdict.exit as u8))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))
}

fn hash(path: &Path) -> Result<GivenFile> {
    let (sha256, size) = Sha256::of_reader(open(path)?, |_| {})?;
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Ok(GivenFile { name, sha256, size })
}
