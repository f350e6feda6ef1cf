//! AVI, AVCHD's transport streams, and sound: WAV (EBU Tech 3285), MP3 (ID3v2), Ogg and FLAC (Vorbis comments).

use std::io::{Read, Seek, SeekFrom};

use super::chunks::riff;
use super::sps;
use super::when::{exif_date, iso};
use crate::domain::capture::{Source, Stream, TimeFound};
use crate::domain::value::shown;
use crate::examine::Outcome;

const CHUNKS_MAX: usize = 100_000;
const CHUNK_BYTES_MAX: u64 = 1 << 20;
const HEAD_BYTES: u64 = 4 << 20;

fn text(bytes: &[u8]) -> String {
    shown(String::from_utf8_lossy(bytes).trim_matches(['\0', ' ', '\n', '\r']), 400)
}

fn time(source: Source, raw: &str, path: &str, read: Option<(String, Option<i32>, bool)>, out: &mut Outcome) {
    out.found.times.push(TimeFound {
        source,
        raw: raw.to_owned(),
        path: path.to_owned(),
        offset_min: read.as_ref().and_then(|r| r.1),
        date_only: read.as_ref().is_some_and(|r| r.2),
        local: read.map(|r| r.0),
    });
}

/// A RIFF file's top chunks, each read as far as it is small.
pub fn riff_file(file: &mut (impl Read + Seek), out: &mut Outcome) {
    if walk(file, out).is_err() {
        out.notes.push("unreadable".into());
    }
}

fn walk(file: &mut (impl Read + Seek), out: &mut Outcome) -> std::io::Result<()> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut at = 12;
    for _ in 0..CHUNKS_MAX {
        if at + 8 > size {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        if matches!(&head[..4], b"LIST" | b"data") && at.saturating_add(8 + length) > size {
            out.notes.push("cut-off".into());
        }
        let mut body = Vec::new();
        if &head[..4] == b"data" {
            // Sound: as long as its bytes take at the rate that was told before.
            if let Some(rate) = out.raw.iter().find(|(n, _)| n == "WAV:bytes_per_second").and_then(|(_, v)| v.parse::<u64>().ok()) {
                out.found.duration_us = i64::try_from(length.min(size) * 1_000_000 / rate.max(1)).ok();
            }
        } else {
            file.by_ref().take(length.min(CHUNK_BYTES_MAX)).read_to_end(&mut body)?;
        }
        match (&head[..4], body.get(..4)) {
            (b"LIST", Some(b"hdrl" | b"INFO")) => list(&body[4..], 0, out),
            (name, _) => chunk(name.try_into().unwrap_or(*b"    "), &body, out),
        }
        at = at.saturating_add(8 + length + length % 2);
    }
    Ok(())
}

fn list(body: &[u8], depth: u8, out: &mut Outcome) {
    for (name, body) in riff(body) {
        match (name, body.get(..4)) {
            (b"LIST", Some(_)) if depth < 4 => list(&body[4..], depth + 1, out),
            _ => chunk(*name, body, out),
        }
    }
}

fn chunk(name: [u8; 4], body: &[u8], out: &mut Outcome) {
    let u32_at = |at: usize| body.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    match &name {
        b"avih" => {
            if let (Some(per_frame), Some(frames)) = (u32_at(0), u32_at(16)) {
                out.found.duration_us = i64::from(per_frame).checked_mul(i64::from(frames));
            }
            (out.found.shape.width, out.found.shape.height) = (u32_at(32), u32_at(36));
        }
        b"strh" => {
            let kind = match body.get(..4) {
                Some(b"vids") => "video",
                Some(b"auds") => "audio",
                _ => return,
            };
            out.found.streams.push(Stream { kind: kind.into(), codec: text(body.get(4..8).unwrap_or_default()) });
        }
        b"fmt " => {
            out.raw.extend(u32_at(8).map(|rate| ("WAV:bytes_per_second".into(), rate.to_string())));
            // (mmreg.h; others by their number.)
            let codec = match u32_at(0).map(|v| v & 0xffff) {
                Some(1 | 3 | 0xfffe) => "pcm".to_owned(),
                Some(2 | 0x11) => "adpcm".to_owned(),
                Some(6) => "alaw".to_owned(),
                Some(7) => "mulaw".to_owned(),
                Some(0x55) => "mp3".to_owned(),
                other => format!("0x{:04x}", other.unwrap_or(0)),
            };
            out.found.streams.push(Stream { kind: "audio".into(), codec });
        }
        b"IDIT" | b"ICRD" => {
            let value = text(body);
            let read = c_date(&value).map(|local| (local, None, false)).or_else(|| iso(&value.replacen("/ ", " ", 1)));
            time(Source::RecordedText, &value, &format!("RIFF/{}", text(&name)), read, out);
        }
        b"bext" => {
            let (date, clock) = (text(body.get(320..330).unwrap_or_default()), text(body.get(330..338).unwrap_or_default()));
            if !date.is_empty() {
                let raw = format!("{date} {clock}");
                let read = exif_date(&raw.replace('-', ":"), "").map(|(local, _)| (local, None, false));
                time(Source::RecordedText, &raw, "RIFF/bext", read, out);
            }
        }
        b"ISFT" => {
            out.found.device.software.get_or_insert_with(|| text(body));
            super::making::encoder(&text(body), "RIFF/ISFT", out);
        }
        _ => return,
    }
    if name[0] == b'I' {
        out.raw.push((format!("RIFF:{}", text(&name)), text(body)));
    }
}

/// `Mon Mar 10 15:04:43 2003`, as C writes it.
fn c_date(text: &str) -> Option<String> {
    let parsed = jiff::civil::DateTime::strptime("%a %b %e %H:%M:%S %Y", text).ok()?;
    Some(parsed.to_string())
}

/// The recorder's clock in the first pictures of an AVCHD stream: H.264 user data `MDPM` (as exiftool reads it).
pub fn transport_stream(file: &mut (impl Read + Seek), out: &mut Outcome) {
    let mut head = Vec::new();
    if file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).is_err() {
        return out.notes.push("unreadable".into());
    }
    duration(file, &head, out);
    // Between the packets' headers and the codec's emulation bytes the entries would be read askew.
    let head = without_packets(&head);
    if let Some(size) = head.windows(4).position(|w| w[..3] == [0, 0, 1] && w[3] & 0x1f == 7).and_then(|at| sps::size(&head[at + 4..])) {
        (out.found.shape.width, out.found.shape.height) = (Some(size.0), Some(size.1));
        out.found.streams.push(Stream { kind: "video".into(), codec: "h264".into() });
    }
    let Some(at) = head.windows(4).position(|w| w == b"MDPM") else { return };
    let entries = head.get(at + 5..).unwrap_or_default().chunks_exact(5);
    let value = |tag: u8| entries.clone().take(64).find(|e| e[0] == tag).map(|e| [e[1], e[2], e[3], e[4]]);
    // (Tags as exiftool's H264 module names them: make, and a model in three parts.)
    if let Some([high, low, ..]) = value(0xe0) {
        let make = match u16::from_be_bytes([high, low]) {
            0x0103 => Some("Panasonic"),
            0x0108 => Some("Sony"),
            0x1011 => Some("Canon"),
            0x1104 => Some("JVC"),
            _ => None,
        };
        out.found.device.make = out.found.device.make.take().or(make.map(str::to_owned));
    }
    let model: Vec<u8> =
        [0xe4, 0xe5, 0xe6].into_iter().filter_map(value).flatten().take_while(|b| b.is_ascii_graphic() || *b == b' ').collect();
    if !model.is_empty() {
        out.found.device.model.get_or_insert_with(|| text(&model));
    }
    let (Some([zone, y0, y1, month]), Some([day, hour, minute, second])) = (value(0x18), value(0x19)) else { return };
    let raw = format!("{y0:02x}{y1:02x}:{month:02x}:{day:02x} {hour:02x}:{minute:02x}:{second:02x}");
    let sign = if zone & 0x20 == 0 { 1 } else { -1 };
    let offset = sign * (i32::from(zone >> 1 & 0x0f) * 60 + if zone & 1 == 1 { 30 } else { 0 });
    // With summer time on, recorders differ in what the offset means: then it means nothing here.
    let read = exif_date(&raw, "").map(|(local, _)| (local, (zone & 0x40 == 0).then_some(offset), false));
    time(Source::RecordedText, &raw, "H.264/MDPM", read, out);
}

/// How long a transport stream is: from the first picture's moment to the last's (ISO/IEC 13818-1 §2.4.3.7: 90,000 a second, 33 bits).
fn duration(file: &mut (impl Read + Seek), head: &[u8], out: &mut Outcome) {
    let mut tail = Vec::new();
    let size = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let packet = if head.first() == Some(&0x47) { 188 } else { 192 };
    // From a packet's beginning on.
    let from = size.saturating_sub(HEAD_BYTES) / packet * packet;
    if file.seek(SeekFrom::Start(from)).is_err() || file.by_ref().take(HEAD_BYTES + packet).read_to_end(&mut tail).is_err() {
        return;
    }
    let bounds = |bytes: &[u8]| {
        let skip = usize::from(packet == 192) * 4;
        let moments = bytes.chunks_exact(packet as usize).filter_map(|p| moment(&p[skip..]));
        moments.fold(None, |b: Option<(u64, u64)>, m| Some(b.map_or((m, m), |(a, z)| (a.min(m), z.max(m)))))
    };
    let (Some((first, _)), Some((_, last))) = (bounds(head), bounds(&tail)) else { return };
    // (Half a day and more is a clock that began again.)
    out.found.duration_us =
        last.checked_sub(first).filter(|d| (1..90_000 * 43_200).contains(d)).and_then(|d| i64::try_from(d * 100 / 9).ok());
}

/// The moment of the picture that begins in a packet.
fn moment(packet: &[u8]) -> Option<u64> {
    let begins = packet.first() == Some(&0x47) && packet.get(1)? & 0x40 != 0;
    let start = match packet.get(3)? >> 4 & 3 {
        1 => 4,
        3 => 5 + usize::from(*packet.get(4)?),
        _ => return None,
    };
    let pes = packet.get(start..).filter(|p| begins && p.starts_with(&[0, 0, 1]) && p.get(3).is_some_and(|id| id & 0xf0 == 0xe0))?;
    let stamp: [u8; 5] = pes.get(9..14)?.try_into().ok().filter(|_| pes[7] & 0x80 != 0)?;
    let [a, b, c, d, e] = stamp.map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

/// The payload of a transport stream's packets (188 bytes, or 192 with a time stamp), without the codec's emulation bytes.
fn without_packets(stream: &[u8]) -> Vec<u8> {
    let (size, skip) = if stream.first() == Some(&0x47) { (188, 0) } else { (192, 4) };
    let mut out = Vec::with_capacity(stream.len());
    for packet in stream.chunks_exact(size).map(|p| &p[skip..]) {
        // An adaptation field stands before the payload; a packet that begins a frame has a header of its own, which does no harm here.
        let start = match packet[3] >> 4 & 3 {
            1 => 4,
            3 => 5 + usize::from(packet[4]),
            _ => continue,
        };
        out.extend_from_slice(packet.get(start..).unwrap_or_default());
    }
    let mut zeros = 0;
    out.retain(|b| {
        let emulation = zeros >= 2 && *b == 3;
        zeros = if *b == 0 { zeros + 1 } else { 0 };
        !emulation
    });
    out
}

/// Tags in front of MP3 sound.
pub fn id3(file: &mut (impl Read + Seek), out: &mut Outcome) {
    let mut head = Vec::new();
    if file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).is_err() {
        return out.notes.push("unreadable".into());
    }
    out.found.streams.push(Stream { kind: "audio".into(), codec: "mp3".into() });
    let (Some(b"ID3"), Some(version)) = (head.get(..3), head.get(3)) else { return };
    let mut at = 10;
    while let Some(frame) = head.get(at..at + 10) {
        let size = [frame[4], frame[5], frame[6], frame[7]];
        let size =
            if *version >= 4 { size.iter().fold(0, |v, b| v << 7 | usize::from(b & 0x7f)) } else { u32::from_be_bytes(size) as usize };
        let Some(body) = head.get(at + 10..at + 10 + size).filter(|_| size > 0 && frame[0].is_ascii_uppercase()) else { return };
        if frame[0] == b'T' {
            let value = match body[0] {
                1 | 2 => String::from_utf16_lossy(&body[1..].chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect::<Vec<_>>()),
                _ => String::from_utf8_lossy(&body[1..]).into_owned(),
            };
            let value = shown(value.trim_matches(['\0', '\u{feff}']), 400);
            if matches!(&frame[..4], b"TDRC" | b"TDOR") {
                time(Source::RecordedText, &value, &format!("ID3/{}", text(&frame[..4])), iso(&value), out);
            }
            out.raw.push((format!("ID3:{}", text(&frame[..4])), value));
        }
        at += 10 + size;
    }
}

/// Vorbis comments of Ogg and FLAC: names and values.
pub fn vorbis(file: &mut (impl Read + Seek), out: &mut Outcome) {
    let mut head = Vec::new();
    if file.by_ref().take(1 << 20).read_to_end(&mut head).is_err() {
        return out.notes.push("unreadable".into());
    }
    let opus = head.windows(8).take(64 << 10).any(|w| w == b"OpusHead");
    out.found.streams.push(Stream {
        kind: "audio".into(),
        codec: if opus {
            "opus"
        } else if head.starts_with(b"fLaC") {
            "fLaC"
        } else {
            "vorbis"
        }
        .into(),
    });
    for name in ["DATE=", "CREATION_TIME=", "ENCODER="] {
        let found = head.windows(name.len()).position(|w| w.eq_ignore_ascii_case(name.as_bytes()));
        let Some(at) = found.filter(|at| *at >= 4) else { continue };
        // Each comment stands behind its length.
        let length = u32::from_le_bytes([head[at - 4], head[at - 3], head[at - 2], head[at - 1]]) as usize;
        let Some(value) = head.get(at + name.len()..at.saturating_add(length)) else { continue };
        let (name, value) = (name.trim_end_matches('='), text(value));
        match name {
            "ENCODER" => super::making::encoder(&value, "Vorbis/ENCODER", out),
            _ => time(Source::RecordedText, &value, &format!("Vorbis/{name}"), iso(&value), out),
        }
        out.raw.push((format!("Vorbis:{name}"), value));
    }
}
