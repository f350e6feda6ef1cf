//! Content credentials (C2PA 2.2), read by the crate `c2pa`: who signed, whether it holds, what it was made from. Nothing is fetched, and
//! what is found is an observation: a signature tells who vouches, not what is true.

use std::io::{self, Cursor, Read, Seek};

use c2pa::validation_results::validation_codes as codes;
use c2pa::{Context, Error, Manifest, Reader, Settings};

use super::{Outcome, read};
use crate::domain::capture::PlaceStatus;
use crate::domain::indicator::{Indicator, Seen};

const ANCESTORS_MAX: usize = 64;
/// Of a clip that is searched for a mark.
const SEARCHED_BYTES_MAX: u64 = 512 << 20;
const PATH: &str = "C2PA";

pub fn of_bytes(bytes: &[u8], media_type: &str, trust: Option<&str>, out: &mut Outcome) {
    judge(Cursor::new(bytes), media_type, trust, out);
}

pub fn of_file(file: &mut std::fs::File, media_type: &str, trust: Option<&str>, out: &mut Outcome) {
    judge(file, media_type, trust, out);
}

fn judge(mut stream: impl Read + Seek + Send, media_type: &str, trust: Option<&str>, out: &mut Outcome) {
    out.tools.push(format!("c2pa/{}", c2pa::VERSION));
    // Cheap first: a bent TIFF keeps the crate busy for a minute to say "none".
    match marked(&mut stream) {
        Ok(true) => {}
        Ok(false) => return out.found.checked.push("credentials".into()),
        Err(_) => return,
    }
    let mut read = |strict| context(trust, strict).and_then(|c| Reader::from_context(c).with_stream(media_type, &mut stream));
    let first = read(true);
    let again = first.as_ref().is_ok_and(believes_its_stamp);
    // An expired certificate under a stamp of an unlisted authority: looked at again, believing the stamp, and never called listed.
    let (reader, strict) = if again { (read(false), false) } else { (first, true) };
    out.found.checked.push("credentials".into());
    match reader {
        Ok(reader) => tell(&reader, strict, out),
        Err(Error::RemoteManifestUrl(url)) => {
            out.found.seen.push(Seen::new(Indicator::CredentialsElsewhere, url, "XMP:dcterms:provenance"))
        }
        Err(Error::JumbfNotFound | Error::UnsupportedType) => {}
        Err(e) => out.found.seen.push(Seen::new(Indicator::CredentialsUnread, e.to_string(), PATH)),
    }
}

/// Whether a configured trust list can be read and has certificates in it; none is fine.
pub fn check_trust_list(path: &str) -> crate::error::Result<()> {
    let wrong = |why: String| Err(crate::error::Error::Internal(format!("examine.trust_list {path}: {why}")));
    if path.is_empty() {
        return Ok(());
    }
    match std::fs::read_to_string(path) {
        Err(e) => wrong(e.to_string()),
        Ok(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => wrong("there is no PEM certificate in it".into()),
        Ok(pem) => context(Some(&pem), true).map(|_| ()).or_else(|e| wrong(e.to_string())),
    }
}

fn context(trust: Option<&str>, strict: bool) -> Result<Context, Error> {
    let mut settings = Settings::new()
        .with_value("verify.verify_timestamp_trust", strict)?
        // These would be asked for over the network.
        .with_value("core.decode_identity_assertions", false)?;
    if let Some(pem) = trust {
        settings = settings.with_value("trust.trust_anchors", pem)?;
    }
    (settings.verify.remote_manifest_fetch, settings.verify.ocsp_fetch) = (false, false);
    settings.core.allowed_network_hosts = Some(Vec::new());
    settings.core.max_decompressed_manifest_size_in_mb = 16;
    Context::new().with_settings(settings)
}

fn failures(reader: &Reader) -> Vec<String> {
    let active = reader.validation_results().and_then(|r| r.active_manifest());
    distinct(active.into_iter().flat_map(|a| a.failure()).map(|s| s.code()))
}

fn believes_its_stamp(reader: &Reader) -> bool {
    let stamped = reader.active_manifest().is_some_and(|m| m.time().is_some());
    let late = |c: &String| c == codes::SIGNING_CREDENTIAL_EXPIRED || c == codes::CLAIM_SIGNATURE_OUTSIDE_VALIDITY;
    stamped && failures(reader).iter().any(late)
}

fn tell(reader: &Reader, strict: bool, out: &mut Outcome) {
    let active = reader.validation_results().and_then(|r| r.active_manifest());
    let (Some(manifest), Some(results)) = (reader.active_manifest(), active) else {
        return out.found.seen.push(Seen::new(Indicator::CredentialsUnread, "no claim".into(), PATH));
    };
    let holds = |code| results.success().iter().any(|s| s.code() == code);
    let failed = failures(reader);
    let signed = holds(codes::CLAIM_SIGNATURE_VALIDATED) && holds(codes::CLAIM_SIGNATURE_INSIDE_VALIDITY);
    // Only the digest over the file's bytes differs. A phone that empties the place does that, and so does every other change.
    let only_bytes = !failed.is_empty() && failed.iter().all(|c| c.ends_with("Hash.mismatch"));
    let emptied = out.found.places.iter().any(|p| p.status == PlaceStatus::RemovedByPhone);
    let what = match (signed, failed.is_empty()) {
        (true, true) if strict && holds(codes::SIGNING_CREDENTIAL_TRUSTED) => Indicator::CredentialsTrusted,
        (true, true) => Indicator::CredentialsUnknown,
        (true, false) if only_bytes && emptied => Indicator::CredentialsRedacted,
        _ => Indicator::CredentialsBroken,
    };
    let signer = [manifest.common_name(), manifest.issuer()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let generator = manifest.claim_generator_info.as_ref().and_then(|g| g.first()).map(|g| g.name.clone());
    let parts = [Some(signer).filter(|s| !s.is_empty()), generator, manifest.time(), Some(failed.join(", ")).filter(|f| !f.is_empty())];
    out.found.seen.push(Seen::new(what, parts.into_iter().flatten().collect::<Vec<_>>().join(" · "), PATH));
    for kind in source_types(manifest).into_iter().filter(|k| read::is_generated(k)) {
        out.found.seen.push(Seen::new(Indicator::GeneratedStated, kind, "C2PA:c2pa.actions"));
    }
    let mut ancestors = Vec::new();
    walk(reader, manifest, &mut Vec::new(), &mut ancestors);
    for (title, broken) in ancestors.into_iter().filter(|(_, broken)| !broken.is_empty()) {
        out.found.seen.push(Seen::new(Indicator::CredentialsAncestor, format!("{title}: {}", broken.join(", ")), "C2PA:c2pa.ingredient"));
    }
}

/// What it was made from, and what that was made from, each with what does not hold: as its importer saw and signed, or since.
fn walk(reader: &Reader, manifest: &Manifest, above: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let label = manifest.label().unwrap_or_default().to_owned();
    if above.contains(&label) {
        return;
    }
    above.push(label.clone());
    for ingredient in manifest.ingredients() {
        if found.len() >= ANCESTORS_MAX {
            break;
        }
        let recorded = match ingredient.validation_results() {
            Some(results) => distinct(
                results
                    .active_manifest()
                    .into_iter()
                    .chain(results.ingredient_deltas().into_iter().flatten().map(|d| d.validation_deltas()))
                    .flat_map(|s| s.failure())
                    .map(|s| s.code()),
            ),
            None => distinct(
                ingredient
                    .validation_status()
                    .into_iter()
                    .flatten()
                    .map(|s| s.code())
                    .filter(|c| codes::log_kind(c) == c2pa::status_tracker::LogKind::Failure),
            ),
        };
        let uri = format!("/{label}/c2pa.assertions/{}", ingredient.label().unwrap_or_default());
        let since = reader.validation_results().and_then(|r| r.ingredient_deltas()).into_iter().flatten();
        let since = since.filter(|d| d.ingredient_assertion_uri().ends_with(&uri)).flat_map(|d| d.validation_deltas().failure());
        let broken = distinct(recorded.iter().map(String::as_str).chain(since.map(|s| s.code())));
        found.push((ingredient.title().unwrap_or_default().to_owned(), broken));
        if let Some(child) = ingredient.active_manifest().and_then(|l| reader.get_manifest(l)) {
            walk(reader, child, above, found);
        }
    }
    above.pop();
}

fn source_types(manifest: &Manifest) -> Vec<String> {
    let actions = manifest.assertions().iter().filter(|a| a.label().starts_with("c2pa.actions"));
    let kinds = actions.filter_map(|a| a.value().ok()?.get("actions")?.as_array()).flatten();
    distinct(kinds.filter_map(|a| a.get("digitalSourceType")?.as_str()).map(str::trim))
}

/// Without that a signer is on no list, which is said in other words.
fn distinct<'a>(codes: impl Iterator<Item = &'a str>) -> Vec<String> {
    let known = codes.filter(|c| *c != codes::SIGNING_CREDENTIAL_UNTRUSTED).map(str::to_owned);
    known.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// Whether there is a store (its JUMBF description stands in one piece in every container), or an address of one.
fn marked(stream: &mut (impl Read + Seek)) -> io::Result<bool> {
    const MARKS: [&[u8]; 2] = [b"jumdc2pa", b"provenance"];
    let (mut buffer, mut kept, mut total) = (vec![0u8; 1 << 16], 0, 0);
    stream.rewind()?;
    while total < SEARCHED_BYTES_MAX {
        let end = kept + stream.read(&mut buffer[kept..])?;
        if end == kept {
            break;
        }
        total += (end - kept) as u64;
        if MARKS.iter().any(|m| buffer[..end].windows(m.len()).any(|w| w == *m)) {
            return Ok(true);
        }
        kept = end.min(11);
        buffer.copy_within(end - kept..end, 0);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use c2pa::{Builder, BuilderIntent, DigitalSourceType, EphemeralSigner, Signer as _};

    use super::*;
    use crate::domain::capture::PlaceFound;
    use crate::domain::capture::Source;

    fn jpeg() -> Vec<u8> {
        let mut out = Vec::new();
        let picture = image::RgbImage::from_fn(96, 64, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        image::codecs::jpeg::JpegEncoder::new(&mut out).encode_image(&picture).unwrap();
        out
    }

    fn signer() -> (EphemeralSigner, String) {
        let signer = EphemeralSigner::new("camera.temoin.example").unwrap();
        let authority = signer.certs().unwrap().pop().unwrap();
        let pem = data_encoding::BASE64.encode(&authority);
        (signer, format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n"))
    }

    /// A file as its camera signs it, or (`edit`) as the next program does, with what it was given as its parent.
    fn signed(signer: &EphemeralSigner, source: &[u8], edit: bool) -> Vec<u8> {
        let settings = Settings::new().with_value("verify.verify_after_sign", false).unwrap();
        let definition = r#"{"claim_generator_info":[{"name":"Camera"}]}"#;
        let mut builder = Builder::from_context(Context::new().with_settings(settings).unwrap()).with_definition(definition).unwrap();
        builder.set_intent(if edit { BuilderIntent::Edit } else { BuilderIntent::Create(DigitalSourceType::DigitalCapture) });
        let mut out = Cursor::new(Vec::new());
        builder.sign(signer, "image/jpeg", &mut Cursor::new(source), &mut out).unwrap();
        out.into_inner()
    }

    fn seen(bytes: &[u8], trust: Option<&str>, emptied: bool) -> Vec<Indicator> {
        let mut out = Outcome::default();
        if emptied {
            out.found.places.push(PlaceFound::of(Source::ExifGps, PlaceStatus::RemovedByPhone));
        }
        of_bytes(bytes, "image/jpeg", trust, &mut out);
        assert!(out.found.checked.contains(&"credentials".to_owned()));
        out.found.seen.into_iter().map(|s| s.what).collect()
    }

    /// One byte of the picture, near its end, is another.
    fn changed(mut bytes: Vec<u8>) -> Vec<u8> {
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
        bytes
    }

    #[test]
    fn who_signed_and_whether_it_holds() {
        let (signer, authority) = signer();
        let (_, stranger) = self::signer();
        let file = signed(&signer, &jpeg(), false);
        assert_eq!(seen(&jpeg(), None, false), []);
        assert_eq!(seen(&file, None, false), [Indicator::CredentialsUnknown], "without a list nobody is listed");
        assert_eq!(seen(&file, Some(&stranger), false), [Indicator::CredentialsUnknown]);
        assert_eq!(seen(&file, Some(&authority), false), [Indicator::CredentialsTrusted]);
        let changed = changed(file);
        assert_eq!(seen(&changed, Some(&authority), false), [Indicator::CredentialsBroken]);
        assert_eq!(seen(&changed, Some(&authority), true), [Indicator::CredentialsRedacted], "as when a phone has emptied the place");
    }

    #[test]
    fn what_it_was_made_from_is_walked() {
        let (signer, authority) = signer();
        let parent = signed(&signer, &jpeg(), false);
        let whole = signed(&signer, &parent, true);
        assert_eq!(seen(&whole, Some(&authority), false), [Indicator::CredentialsTrusted]);
        let broken = changed(parent);
        let later = signed(&signer, &broken, true);
        assert_eq!(seen(&later, Some(&authority), false), [Indicator::CredentialsTrusted, Indicator::CredentialsAncestor]);
    }

    #[test]
    fn a_trust_list_is_one_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.pem");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            check_trust_list(path.to_str().unwrap())
        };
        assert!(of(&signer().1).is_ok() && check_trust_list("").is_ok());
        assert!(of("nothing").is_err() && check_trust_list("/nowhere/list.pem").is_err());
    }
}
