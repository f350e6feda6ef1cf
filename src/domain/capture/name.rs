//! Times that file names imply, and what names tell of where a file has been.

use super::{Source, TimeFound};

/// Date and time in a name such as `IMG_20260714_221003.jpg`, `2026-07-14 22.10.03.mp4` or `PXL_20260714_201003123.jpg` (whose clock
/// is UTC), the day in `IMG-20260714-WA0001.jpg`, the milliseconds in `FB_IMG_1784059803000.jpg`.
pub fn time_in_name(name: &str) -> Option<TimeFound> {
    // Facebook's numbers look like dates and are none.
    if name.to_lowercase().starts_with("received_") {
        return None;
    }
    moment(name).or_else(|| millis(name)).or_else(|| day(name))
}

fn found(raw: &str, local: String, offset_min: Option<i32>, date_only: bool) -> TimeFound {
    TimeFound { source: Source::FileName, raw: raw.to_owned(), path: "name".into(), local: Some(local), offset_min, date_only }
}

/// Stretches of so many digits, with nothing but separators between them: the stretch, and its digits.
fn stretches<'a>(name: &'a str, count: usize, separators: &'static [char]) -> impl Iterator<Item = (&'a str, &'a str, String)> {
    let digits: Vec<(usize, char)> = name.char_indices().filter(|(_, c)| c.is_ascii_digit()).collect();
    let windows: Vec<(usize, usize)> = digits.windows(count).filter_map(|w| Some((w.first()?.0, w.last()?.0))).collect();
    windows.into_iter().filter_map(move |(first, last)| {
        let span = &name[first..=last];
        let alone = !name[..first].chars().next_back().is_some_and(|c| c.is_ascii_digit());
        let plain = span.chars().all(|c| c.is_ascii_digit() || separators.contains(&c));
        (alone && plain && span.len() <= count + 5).then(|| (&name[..first], span, span.chars().filter(char::is_ascii_digit).collect()))
    })
}

fn moment(name: &str) -> Option<TimeFound> {
    stretches(name, 14, &['-', '_', '.', ' ', 'T']).find_map(|(before, span, d)| {
        let local = format!("{}-{}-{}T{}:{}:{}", &d[..4], &d[4..6], &d[6..8], &d[8..10], &d[10..12], &d[12..14]);
        // Behind it at most milliseconds: a longer number is a number.
        let more = name[before.len() + span.len()..].chars().take_while(char::is_ascii_digit).count();
        let real = matches!(more, 0 | 3) && local.parse::<jiff::civil::DateTime>().is_ok() && ("1990".."2100").contains(&&d[..4]);
        // Pixel phones name their files in UTC.
        real.then(|| found(span, local, before.ends_with("PXL_").then_some(0), false))
    })
}

/// Thirteen digits alone: milliseconds since 1970, as some programs name what they save.
fn millis(name: &str) -> Option<TimeFound> {
    stretches(name, 13, &[]).find_map(|(_, span, d)| {
        let after = name.split(span).nth(1).and_then(|rest| rest.chars().next());
        let ms: i64 = d.parse().ok()?;
        let plausible = (1_000_000_000_000..4_000_000_000_000).contains(&ms) && !after.is_some_and(|c| c.is_ascii_digit());
        let at = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        plausible.then(|| found(span, at.strftime("%Y-%m-%dT%H:%M:%S").to_string(), Some(0), false))
    })
}

/// A day alone, where a name says that a messenger gave it.
fn day(name: &str) -> Option<TimeFound> {
    messenger(name)?;
    stretches(name, 8, &['-']).find_map(|(_, span, d)| {
        let local = format!("{}-{}-{}T00:00:00", &d[..4], &d[4..6], &d[6..8]);
        (local.parse::<jiff::civil::DateTime>().is_ok() && ("1990".."2100").contains(&&d[..4])).then(|| found(span, local, None, true))
    })
}

/// Which messenger or network gave a file this name, if one did.
pub fn messenger(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    // A picture of a messenger's screen is named after it, too.
    if of_a_screen(name) {
        return None;
    }
    // `-WA0007`, and so on beyond four digits.
    let whatsapp = lower.split("-wa").skip(1).any(|rest| rest.chars().take_while(char::is_ascii_digit).count() >= 4);
    // `photo_2026-07-14_22-10-03.jpg`, `photo_5213456@14-07-2026_22-10-03.jpg`.
    let telegram = lower.strip_prefix("photo_").or_else(|| lower.strip_prefix("video_")).is_some_and(|rest| {
        let date = rest.split_once('@').map_or(rest, |(_, date)| date);
        let shape: String = date.chars().take(19).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        matches!(shape.as_str(), "0000-00-00_00-00-00" | "00-00-0000_00-00-00")
    });
    [
        (whatsapp || lower.contains("whatsapp"), "WhatsApp"),
        (lower.starts_with("signal-"), "Signal"),
        (telegram || lower.contains("telegram"), "Telegram"),
        (lower.starts_with("fb_img") || lower.starts_with("received_"), "Facebook"),
        (lower.starts_with("snapchat-"), "Snapchat"),
        (lower.starts_with("line_"), "LINE"),
        (lower.starts_with("mmexport") || lower.starts_with("wx_camera"), "WeChat"),
        (lower.starts_with("threema"), "Threema"),
    ]
    .into_iter()
    .find_map(|(is, name)| is.then_some(name))
}

/// Whether a name is what devices call pictures of their own screen.
pub fn of_a_screen(name: &str) -> bool {
    let lower = name.to_lowercase();
    [
        "screenshot",
        "screen shot",
        "screen_recording",
        "screenrecord",
        "screen recording",
        "capture d\u{2019}écran",
        "capture d'écran",
        "bildschirmfoto",
    ]
    .iter()
    .any(|w| lower.contains(w))
        || lower.starts_with("rpreplay")
}
