//! XMP (ISO 16684-1), as far as it tells of time, place and making. Read as a stream, bounded, without entities or documents
//! from elsewhere.

use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::when::iso;
use crate::domain::capture::{PlaceFound, PlaceStatus, Source, TimeFound};
use crate::domain::indicator::{Indicator, Seen};
use crate::domain::value::{Point, shown};
use crate::examine::Outcome;

const PACKET_BYTES_MAX: usize = 4 << 20;
const EVENTS_MAX: usize = 200_000;
const VALUES_MAX: usize = 400;
const VALUE_CHARS_MAX: usize = 400;

/// The values of a packet as (`prefix:name`, text), with the prefixes that everybody uses, in order.
fn values(packet: &[u8]) -> Vec<(String, String)> {
    let packet = &packet[..packet.len().min(PACKET_BYTES_MAX)];
    let text = String::from_utf8_lossy(packet);
    let mut reader = NsReader::from_str(&text);
    reader.config_mut().check_end_names = false;
    let mut open: Vec<Option<String>> = Vec::new();
    let mut out = Vec::new();
    for _ in 0..EVENTS_MAX {
        let Ok(event) = reader.read_event() else { break };
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(tag) | Event::Empty(tag) if out.len() < VALUES_MAX => {
                let name = prefix(&reader.resolver().resolve_element(tag.name()).0).map(|p| format!("{p}:{}", tag.local_name().as_ref()));
                for attribute in tag.attributes().with_checks(false).flatten().take(VALUES_MAX) {
                    let (space, local) = reader.resolver().resolve_attribute(attribute.key);
                    let Some(p) = prefix(&space) else { continue };
                    let Ok(value) = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0) else { continue };
                    out.push((format!("{p}:{}", local.as_ref()), shown(&value, VALUE_CHARS_MAX)));
                }
                if let Some(name) = &name
                    && matches!(name.as_str(), "xmpMM:History" | "xmpMM:DerivedFrom" | "xmpMM:Ingredients")
                {
                    out.push((name.clone(), String::new()));
                }
                if !empty {
                    open.push(name);
                }
            }
            Event::Text(t) => {
                let value = t.xml10_content().trim().to_owned();
                if !value.is_empty() && out.len() < VALUES_MAX {
                    // Lists stand within the property that they belong to.
                    if let Some(name) = open.iter().rev().flatten().find(|n| !n.starts_with("rdf:")) {
                        out.push((name.clone(), shown(&value, VALUE_CHARS_MAX)));
                    }
                }
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    out
}

fn prefix(space: &ResolveResult<'_>) -> Option<&'static str> {
    let ResolveResult::Bound(space) = space else { return None };
    Some(match space.as_ref() {
        "http://ns.adobe.com/xap/1.0/" => "xmp",
        "http://ns.adobe.com/xap/1.0/mm/" => "xmpMM",
        "http://ns.adobe.com/photoshop/1.0/" => "photoshop",
        "http://ns.adobe.com/exif/1.0/" => "exif",
        "http://ns.adobe.com/tiff/1.0/" => "tiff",
        "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" => "stEvt",
        "http://iptc.org/std/Iptc4xmpExt/2008-02-29/" => "Iptc4xmpExt",
        "http://ns.google.com/photos/1.0/camera/" => "GCamera",
        "http://purl.org/dc/terms/" => "dcterms",
        "http://www.w3.org/1999/02/22-rdf-syntax-ns#" => "rdf",
        _ => return None,
    })
}

/// Writes what a packet tells into `out`.
pub fn facts(packet: &[u8], out: &mut Outcome) {
    let values = values(packet);
    let get = |name: &str| values.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
    for name in ["exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"] {
        if let Some(raw) = get(name) {
            let read = iso(raw);
            out.found.times.push(TimeFound {
                source: Source::XmpCreated,
                raw: raw.to_owned(),
                path: format!("XMP:{name}"),
                offset_min: read.as_ref().and_then(|r| r.1),
                date_only: read.as_ref().is_some_and(|r| r.2),
                local: read.map(|r| r.0),
            });
        }
    }
    if let Some((lat, lon)) = get("exif:GPSLatitude").zip(get("exif:GPSLongitude")) {
        let point = coordinate(lat, 'N', 'S').zip(coordinate(lon, 'E', 'W'));
        let status = match point {
            Some((0.0, 0.0)) => PlaceStatus::Zero,
            Some((lat, lon)) if Point::new(lat, lon).is_some() => PlaceStatus::Stated,
            _ => PlaceStatus::Impossible,
        };
        out.found.places.push(PlaceFound {
            raw: format!("{lat} {lon}"),
            path: "XMP:exif:GPSLatitude+GPSLongitude".into(),
            point: point.and_then(|(lat, lon)| Point::new(lat, lon)).filter(|_| status == PlaceStatus::Stated),
            altitude_m: get("exif:GPSAltitude")
                .and_then(rational)
                .map(|a| if get("exif:GPSAltitudeRef") == Some("1") { -a.abs() } else { a } + 0.0),
            ..PlaceFound::of(Source::XmpGps, status)
        });
    }
    let device = &mut out.found.device;
    device.make = device.make.take().or_else(|| get("tiff:Make").map(str::to_owned));
    device.model = device.model.take().or_else(|| get("tiff:Model").map(str::to_owned));
    indicators(&values, out);
    out.raw.extend(values.into_iter().filter(|(name, v)| !v.is_empty() && !name.starts_with("rdf:")).map(|(n, v)| (format!("XMP:{n}"), v)));
}

fn indicators(values: &[(String, String)], out: &mut Outcome) {
    let get = |name: &str| values.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
    if let Some(tool) = get("xmp:CreatorTool") {
        super::making::editor(tool, "XMP:xmp:CreatorTool", out);
    }
    let steps: Vec<&str> = values.iter().filter(|(n, _)| n == "stEvt:action").map(|(_, v)| v.as_str()).collect();
    if !steps.is_empty() {
        let agents: Vec<&str> = values.iter().filter(|(n, _)| n == "stEvt:softwareAgent").map(|(_, v)| v.as_str()).take(3).collect();
        out.found.seen.push(Seen::new(
            Indicator::EditHistory,
            format!("{} ({})", steps.join(", "), agents.join(", ")),
            "XMP:xmpMM:History",
        ));
    }
    if values.iter().any(|(n, _)| n == "xmpMM:DerivedFrom") {
        out.found.seen.push(Seen::new(Indicator::DerivedFrom, "xmpMM:DerivedFrom".into(), "XMP:xmpMM:DerivedFrom"));
    }
    if let Some(kind) = get("Iptc4xmpExt:DigitalSourceType")
        && super::making::is_generated(kind)
    {
        out.found.seen.push(Seen::new(Indicator::GeneratedStated, kind.to_owned(), "XMP:Iptc4xmpExt:DigitalSourceType"));
    }
}

/// `2915/10`, or a plain number.
fn rational(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let value = above.trim().parse::<f64>().ok()? / below.trim().parse::<f64>().ok()?;
    Some(value).filter(|v| v.is_finite())
}

/// `48,51.396N` or `48,51,23.76N`.
fn coordinate(text: &str, positive: char, negative: char) -> Option<f64> {
    // Some write decimal degrees with a sign instead of a letter.
    if let Ok(signed) = text.trim().parse::<f64>() {
        return Some(signed).filter(|v| v.is_finite());
    }
    let letter = text.chars().next_back()?.to_ascii_uppercase();
    let sign = if letter == positive { 1.0 } else { (letter == negative).then_some(-1.0)? };
    let parts: Vec<f64> = text.get(..text.len() - 1)?.split(',').map(|p| p.trim().parse().ok()).collect::<Option<_>>()?;
    let value = match parts[..] {
        [d] => d,
        [d, m] => d + m / 60.0,
        [d, m, s] => d + m / 60.0 + s / 3600.0,
        _ => return None,
    };
    (value.is_finite() && value >= 0.0).then_some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_tells_time_place_and_making() {
        let packet = br#"<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
            <rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreateDate="2026-07-14T22:10:03+02:00" xmp:CreatorTool="Adobe Photoshop 25.0"
              xmlns:e="http://ns.adobe.com/exif/1.0/" e:GPSLatitude="48,51.396N" e:GPSLongitude="2,21.132W"
              xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#">
              <xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved" stEvt:softwareAgent="Adobe Photoshop"/></rdf:Seq></xmpMM:History>
            </rdf:Description></rdf:RDF></x:xmpmeta>"#;
        let mut out = Outcome::default();
        facts(packet, &mut out);
        assert_eq!((out.found.times[0].local.as_deref(), out.found.times[0].offset_min), (Some("2026-07-14T22:10:03"), Some(120)));
        let p = out.found.places[0].point.unwrap();
        assert!((p.lat - 48.8566).abs() < 1e-9 && (p.lon + 2.3522).abs() < 1e-9);
        let seen: Vec<Indicator> = out.found.seen.iter().map(|s| s.what).collect();
        assert_eq!(seen, [Indicator::EditorNamed, Indicator::EditHistory]);
    }

    #[test]
    fn entities_and_nonsense_are_harmless() {
        for packet in [&b"<!DOCTYPE a [<!ENTITY b 'cccc'>]><a>&b;&b;</a>"[..], b"<a><b></a>", b"<", b"", &[0xff; 64]] {
            facts(packet, &mut Outcome::default());
        }
        facts(&b"<a>".repeat(300_000), &mut Outcome::default());
    }
}
