//! Matroska and WebM (RFC 9559): date, length, tracks and tags. Clusters are skipped by their length.

use std::io::{Read, Seek, SeekFrom};

use super::when::iso;
use crate::domain::capture::{Source, Stream, TimeFound};
use crate::domain::value::{SECOND_US, Utc, shown};
use crate::examine::Outcome;

const ELEMENTS_MAX: usize = 200_000;
/// Of one element that is read whole: tags and tracks stay far below.
const ELEMENT_BYTES_MAX: u64 = 4 << 20;
/// Seconds from 1970 to 2001, where Matroska's dates begin.
const EPOCH_2001_S: i64 = 978_307_200;

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const TAGS: u32 = 0x1254_c367;

pub fn read(file: &mut (impl Read + Seek), out: &mut Outcome) {
    if walk(file, out).is_err() {
        out.notes.push("unreadable".into());
    }
}

fn walk(file: &mut (impl Read + Seek), out: &mut Outcome) -> std::io::Result<()> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    for _ in 0..ELEMENTS_MAX {
        if at >= size {
            return Ok(());
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = Vec::new();
        file.by_ref().take(12).read_to_end(&mut head)?;
        let Some((id, length, header)) = element(&head) else { return Ok(()) };
        let body = at + header as u64;
        // A live recording does not know how long its parts will be; what follows cannot be skipped then.
        let length = match length {
            Some(length) => length,
            None if id == SEGMENT => size - body.min(size),
            None => return Ok(()),
        };
        match id {
            SEGMENT => {
                at = body;
                continue;
            }
            INFO | TRACKS | TAGS => {
                file.seek(SeekFrom::Start(body))?;
                let mut bytes = Vec::new();
                file.by_ref().take(length.min(ELEMENT_BYTES_MAX)).read_to_end(&mut bytes)?;
                match id {
                    INFO => info(&bytes, out),
                    TRACKS => children(&bytes).filter(|(id, _)| *id == 0xae).for_each(|(_, track)| self::track(track, out)),
                    _ => tags(&bytes, 0, out),
                }
            }
            _ => {}
        }
        at = body.saturating_add(length);
    }
    Ok(())
}

/// Id, length (`None`: unknown) and the header's own length.
fn element(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_len = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_len).filter(|_| id_len <= 4)?.iter().fold(0u32, |v, b| v << 8 | u32::from(*b));
    let first = *bytes.get(id_len)?;
    let size_len = first.leading_zeros() as usize + 1;
    let size = bytes.get(id_len..id_len + size_len).filter(|_| size_len <= 8)?;
    let value = size.iter().fold(0u64, |v, b| v << 8 | u64::from(*b)) & ((1u64 << (7 * size_len)) - 1);
    Some((id, (value != (1u64 << (7 * size_len)) - 1).then_some(value), id_len + size_len))
}

fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, length, header) = element(bytes)?;
        let length = usize::try_from(length?).ok()?;
        let body = bytes.get(header..header.checked_add(length)?.min(bytes.len()))?;
        bytes = bytes.get(header.checked_add(length)?..).unwrap_or_default();
        Some((id, body))
    })
    .take(10_000)
}

fn unsigned(body: &[u8]) -> u64 {
    body.iter().take(8).fold(0, |v, b| v << 8 | u64::from(*b))
}

fn text(body: &[u8]) -> String {
    shown(String::from_utf8_lossy(body).trim_end_matches('\0'), 400)
}

fn info(bytes: &[u8], out: &mut Outcome) {
    let (mut scale, mut duration) = (1_000_000.0, None);
    for (id, body) in children(bytes) {
        match (id, body.len()) {
            (0x2a_d7b1, 1..=8) => scale = unsigned(body) as f64,
            (0x4489, 4) => duration = Some(f64::from(f32::from_bits(u32::try_from(unsigned(body)).unwrap_or(0)))),
            (0x4489, 8) => duration = Some(f64::from_bits(unsigned(body))),
            (0x4461, 8) => {
                let seconds = unsigned(body).cast_signed().div_euclid(1_000_000_000).saturating_add(EPOCH_2001_S);
                out.found.times.push(TimeFound {
                    source: Source::ContainerHeader,
                    raw: unsigned(body).cast_signed().to_string(),
                    path: "Segment/Info/DateUTC".into(),
                    local: Utc::from_micros(seconds.saturating_mul(SECOND_US)).to_string().get(..19).map(str::to_owned),
                    offset_min: Some(0),
                    date_only: false,
                });
            }
            (0x4d80 | 0x5741, _) => {
                let name = if id == 0x5741 { "Segment/Info/WritingApp" } else { "Segment/Info/MuxingApp" };
                super::making::encoder(&text(body), name, out);
                out.raw.push((name.into(), text(body)));
            }
            (0x7ba9, _) => out.raw.push(("Segment/Info/Title".into(), text(body))),
            _ => {}
        }
    }
    if let Some(d) = duration.map(|d| d * scale / 1_000.0).filter(|d| d.is_finite() && *d >= 0.0 && *d < 1e16) {
        out.found.duration_us = Some(d as i64);
        out.raw.push(("Segment/Info/Duration".into(), format!("{:.0} ms", d / 1_000.0)));
    }
}

fn track(bytes: &[u8], out: &mut Outcome) {
    let mut stream = Stream::default();
    for (id, body) in children(bytes) {
        match id {
            0x83 => {
                stream.kind = match unsigned(body) {
                    1 => "video",
                    2 => "audio",
                    _ => "other",
                }
                .into();
            }
            0x86 => stream.codec = shown(&text(body), 40),
            0xe0 if out.found.shape.width.is_none() => {
                let side = |wanted| children(body).find(|(id, _)| *id == wanted).and_then(|(_, b)| u32::try_from(unsigned(b)).ok());
                (out.found.shape.width, out.found.shape.height) = (side(0xb0), side(0xba));
            }
            _ => {}
        }
    }
    if matches!(stream.kind.as_str(), "video" | "audio") && out.found.streams.len() < 64 {
        out.found.streams.push(stream);
    }
}

/// Tags nest: a tag, its simple tags, theirs.
fn tags(bytes: &[u8], depth: u8, out: &mut Outcome) {
    for (id, body) in children(bytes) {
        match id {
            0x7373 | 0x67c8 if depth < 4 => tags(body, depth + 1, out),
            _ => {}
        }
        if id != 0x67c8 || out.raw.len() > 300 {
            continue;
        }
        let part = |wanted| children(body).find(|(id, _)| *id == wanted).map(|(_, b)| text(b));
        let (Some(name), Some(value)) = (part(0x45a3), part(0x4487)) else { continue };
        if matches!(name.to_ascii_uppercase().as_str(), "DATE_RECORDED" | "CREATION_TIME" | "DATE" | "DATE_ENCODED" | "DATE_DIGITIZED") {
            let read = iso(&value);
            out.found.times.push(TimeFound {
                source: Source::RecordedText,
                raw: value.clone(),
                path: format!("Segment/Tags/{name}"),
                offset_min: read.as_ref().and_then(|r| r.1),
                date_only: read.as_ref().is_some_and(|r| r.2),
                local: read.map(|r| r.0),
            });
        }
        out.raw.push((format!("Segment/Tags/{name}"), value));
    }
}
