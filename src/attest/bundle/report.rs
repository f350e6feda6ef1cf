//! What a bundle says to people and to other programs: the report, the draft certificate, the schedule of what is not in it,
//! CASE documents, and the page that tells how to check all of it.
//!
//! The pages carry no script and stand in French and English side by side: a bundle crosses borders, and nobody asks a paper
//! for its language. CASE 1.5 / UCO 1.5 as `case_validate` understands it, one document per exhibit.

use askama::Template;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha1::Digest as _;

use super::asked::Profile;
use super::export::{NAMESPACE, moment};
use crate::db::log::Entry;
use crate::domain::capture::{PlaceClaim, TimeClaim};
use crate::domain::custody::Opening;
use crate::domain::exhibit::{Exhibit, State};
use crate::error::{Error, Result};

/// Everything that the pages are made of.
pub struct Facts {
    /// File names of the timestamps over the checkpoint.
    pub stamps: Vec<String>,
    pub export: String,
    /// Nothing in it is real.
    pub demo: bool,
    pub appeal: String,
    pub agency: String,
    pub profile: &'static str,
    pub recipient: String,
    pub reason: String,
    pub begun_at: String,
    pub program: String,
    pub origin: String,
    pub key: String,
    /// SHA-256 of `manifest-sha256.txt`, which the log holds.
    pub manifest: String,
    pub bytes: u64,
    pub exhibits: Vec<Shown>,
    pub others: Vec<Other>,
}

pub struct Shown {
    pub id: String,
    pub name: String,
    pub sha256: String,
    pub size: u64,
    pub media_type: String,
    pub state: &'static str,
    pub received_at: String,
    pub quarantined: bool,
    pub claims: Vec<Claim>,
    pub events: Vec<Told>,
    /// Path and SHA-256 of the picture that people looked at.
    pub derivative: Option<(String, String)>,
}

/// What the file or a person says of time or place, and how far that goes.
pub struct Claim {
    pub about: &'static str,
    pub source: &'static str,
    pub said: String,
    pub worth: String,
}

pub struct Told {
    /// The event's own id.
    pub id: String,
    pub index: u64,
    pub at: String,
    pub kind: String,
    pub actor: String,
    pub facts: String,
}

/// An exhibit that is not in the bundle.
pub struct Other {
    pub id: String,
    pub kind: &'static str,
    pub state: &'static str,
    pub size: u64,
    pub received_at: String,
}

#[derive(Template)]
#[template(path = "bundle_report.html")]
struct ReportPage<'a> {
    f: &'a Facts,
}

#[derive(Template)]
#[template(path = "bundle_certificate.html")]
struct CertificatePage<'a> {
    f: &'a Facts,
}

#[derive(Template)]
#[template(path = "bundle_schedule.html")]
struct SchedulePage<'a> {
    f: &'a Facts,
}

#[derive(Template)]
#[template(path = "bundle_readme.txt")]
struct Readme<'a> {
    f: &'a Facts,
    namespace: &'a str,
}

/// A decision as people outside read it, in both languages.
pub const fn decided(state: State) -> &'static str {
    match state {
        State::Received | State::Ready => "personne n'a décidé · nobody decided",
        State::Relevant => "utile · relevant",
        State::NotRelevant => "sans intérêt · not relevant",
        State::Undecided => "indécis · undecided",
    }
}

/// One event as the report tells it: who, when, what, and what of it is disclosed.
pub fn event(entry: &Entry, disclosed: &[Opening]) -> Told {
    let envelope: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
    let text = |at: &str| envelope.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut facts: Vec<String> =
        envelope.get("f").and_then(Value::as_object).into_iter().flatten().map(|(k, v)| format!("{k} {}", plain(v))).collect();
    // Long lists stand in events.jsonl.
    facts.extend(
        disclosed
            .iter()
            .filter(|o| !matches!(o.value, Value::Array(_)) && o.path != "result")
            .map(|o| format!("{} {}", o.path, plain(&o.value))),
    );
    let actor = match (text("/actor/k").as_str(), text("/actor/role").as_str()) {
        ("user", role) => format!("{role} {}", text("/actor/ref")),
        (kind, _) => kind.to_owned(),
    };
    Told {
        id: text("/id"),
        index: entry.index,
        at: moment(&envelope).map(|t| t.to_string()).unwrap_or_default(),
        kind: text("/type"),
        actor,
        facts: facts.join(" · "),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

pub fn shown(e: &Exhibit, name: &str, profile: Profile, times: &[TimeClaim], places: &[PlaceClaim], events: Vec<Told>) -> Shown {
    let mut claims = Vec::new();
    // A name, a statement: what is withheld elsewhere is not told here.
    let may = |source: &str| profile == Profile::Prosecution || !matches!(source, "file_name" | "witness_statement");
    for t in times.iter().filter(|t| may(t.source.as_str())) {
        let said = match (t.from, t.to) {
            (Some(a), Some(b)) if a == b => a.to_string(),
            (Some(a), Some(b)) => format!("{a} – {b}"),
            _ => t.raw.clone(),
        };
        let worth = t.problem.clone().unwrap_or_else(|| format!("grade {}, zone: {}", t.grade.as_str(), t.zone_from));
        claims.push(Claim { about: "time", source: t.source.as_str(), said, worth });
    }
    for p in places.iter().filter(|p| may(p.source.as_str())) {
        let said = p.lat.zip(p.lon).map_or_else(|| p.raw.clone(), |(lat, lon)| format!("{lat:.6}, {lon:.6}"));
        claims.push(Claim { about: "place", source: p.source.as_str(), said, worth: format!("{:?}", p.status) });
    }
    Shown {
        id: e.id.to_string(),
        name: name.to_owned(),
        sha256: e.sha256.to_string(),
        size: e.size,
        media_type: e.media_type.clone(),
        state: decided(e.state),
        received_at: e.received_at.to_string(),
        quarantined: e.is_behind_glass(),
        claims,
        events,
        derivative: None,
    }
}

/// Path and text of every page.
pub fn pages(f: &Facts) -> Result<Vec<(String, String)>> {
    let mut pages = vec![
        ("report/report.html".to_owned(), ReportPage { f }.render().map_err(Error::internal)?),
        ("report/certificate-902.html".to_owned(), CertificatePage { f }.render().map_err(Error::internal)?),
        ("report/schedule.html".to_owned(), SchedulePage { f }.render().map_err(Error::internal)?),
        ("README.txt".to_owned(), Readme { f, namespace: NAMESPACE }.render().map_err(Error::internal)?),
    ];
    for e in &f.exhibits {
        let text = serde_json::to_string_pretty(&case(f, e)).map_err(Error::internal)?;
        pages.push((format!("report/case/{}.jsonld", e.id), text + "\n"));
    }
    Ok(pages)
}

/// The exhibit, its hash, and how it was received and handed on.
fn case(f: &Facts, e: &Shown) -> Value {
    let id = |what: &str, n: &str| format!("kb:{what}-{}", name_uuid(&format!("{what} {n}")));
    let typed = |kind: &str, value: &str| json!({"@type": kind, "@value": value});
    let mut graph = vec![
        json!({
            "@id": id("file", &e.id),
            "@type": "uco-observable:File",
            "uco-core:hasFacet": [
                {"@id": id("file-facet", &e.id), "@type": "uco-observable:FileFacet", "uco-observable:fileName": e.name,
                 "uco-observable:sizeInBytes": {"@type": "xsd:integer", "@value": e.size.to_string()}},
                {"@id": id("content-facet", &e.id), "@type": "uco-observable:ContentDataFacet", "uco-observable:mimeType": e.media_type,
                 "uco-observable:hash": {"@id": id("hash", &e.id), "@type": "uco-types:Hash", "uco-types:hashMethod": "SHA256",
                     "uco-types:hashValue": typed("xsd:hexBinary", &e.sha256)}},
            ],
        }),
        json!({
            "@id": id("provenance", &e.id), "@type": "case-investigation:ProvenanceRecord",
            "case-investigation:exhibitNumber": e.id, "uco-core:object": {"@id": id("file", &e.id)},
        }),
    ];
    for told in &e.events {
        graph.push(json!({
            "@id": id("action", &told.id),
            "@type": "case-investigation:InvestigativeAction",
            "uco-core:name": told.kind,
            "uco-core:description": format!("custody log {}, entry {}: {}", f.origin, told.index, told.actor),
            "uco-action:endTime": typed("xsd:dateTime", &told.at),
            "uco-action:object": {"@id": id("file", &e.id)},
        }));
    }
    json!({
        "@context": {
            "kb": "http://example.org/kb/",
            "case-investigation": "https://ontology.caseontology.org/case/investigation/",
            "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
            "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
            "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
            "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@graph": graph,
    })
}

/// A UUID made of a name (RFC 9562 version 5, in the URL namespace): UCO asks for such ids and knows no newer versions.
fn name_uuid(name: &str) -> String {
    const URL: [u8; 16] = [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
    let mut hash = sha1::Sha1::digest([&URL[..], format!("urn:temoin:{name}").as_bytes()].concat());
    hash[6] = hash[6] & 0x0f | 0x50;
    hash[8] = hash[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&hash[..16]);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// One line per label: a value that a person wrote must not begin another.
pub fn bag_info(f: &Facts, files: usize) -> String {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "Source-Organization: {}\nBagging-Date: {}\nExternal-Identifier: {}\nInternal-Sender-Identifier: {}\nInternal-Sender-Description: profile {}\nPayload-Oxum: {}.{files}\nBag-Software-Agent: temoin {}\n",
        line(&f.agency),
        &f.begun_at[..10.min(f.begun_at.len())],
        f.export,
        line(&f.appeal),
        f.profile,
        f.bytes,
        f.program
    )
}
