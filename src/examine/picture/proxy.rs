//! Proxies: a copy in a form that browsers play, of what they do not. The original is untouched; the proxy is called one.

use std::process::Stdio;

use super::clip::{demuxer, ffmpeg};
use crate::domain::capture::Found;
use crate::error::{Error, Result};

/// Longest edge and quality of a clip's proxy.
const PROXY_PX: u32 = 1_280;
const PROXY_CRF: &str = "26";

/// Whether a browser needs a proxy, for a clip or a sound. Codecs are called by their containers' names.
pub fn needs_proxy(media_type: &str, found: &Found) -> bool {
    const PICTURES: [&str; 9] = ["avc1", "avc3", "H264", "vp08", "vp09", "av01", "V_VP8", "V_VP9", "V_AV1"];
    const SOUNDS: [&str; 9] = ["mp4a", "Opus", "opus", "fLaC", "vorbis", "A_OPUS", "A_VORBIS", "mp3", ".mp3"];
    match media_type {
        "video/mp4" | "video/quicktime" | "video/3gpp" | "video/webm" => found.streams.iter().any(|s| match s.kind.as_str() {
            "video" => !PICTURES.contains(&s.codec.as_str()),
            "audio" => !SOUNDS.contains(&s.codec.as_str()),
            _ => false,
        }),
        "audio/mp4" | "audio/mpeg" | "audio/ogg" | "audio/wav" | "audio/flac" => {
            found.streams.iter().any(|s| !SOUNDS.contains(&s.codec.as_str()) && s.codec != "pcm")
        }
        _ => media_type.starts_with("video/") || media_type.starts_with("audio/"),
    }
}

/// The steps and parameters of a proxy.
pub fn proxy_how(sound: bool) -> String {
    if sound {
        "AAC 128 kbit/s".into()
    } else {
        format!("H.264 (libx264 veryfast, CRF {PROXY_CRF}), at most {PROXY_PX} px, AAC 128 kbit/s")
    }
}

/// Writes the proxy of what is on standard input to standard output: H.264 and AAC in MP4, in pieces, so that nothing need seek.
pub fn convert(media_type: &str) -> Result<()> {
    let sound = media_type.starts_with("audio/");
    let reader = if sound { super::sound::demuxer(media_type) } else { demuxer(media_type) };
    let reader = reader.ok_or_else(|| Error::Internal("no reader for this type".into()))?;
    let scale = format!("scale='if(gt(iw,ih),min({PROXY_PX},iw),-2)':'if(gt(iw,ih),-2,min({PROXY_PX},ih))',format=yuv420p");
    let mut after = vec!["-map", "0:a:0?", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-map_metadata", "-1", "-sn", "-dn"];
    if sound {
        after.push("-vn");
    } else {
        after.extend(["-map", "0:v:0", "-c:v", "libx264", "-threads", "2", "-preset", "veryfast", "-crf", PROXY_CRF, "-vf", &scale]);
    }
    after.extend(["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1"]);
    let done = ffmpeg(reader, &[], &after).stdout(Stdio::inherit()).stderr(Stdio::null()).status()?;
    if done.success() { Ok(()) } else { Err(Error::Internal("ffmpeg made no proxy".into())) }
}
