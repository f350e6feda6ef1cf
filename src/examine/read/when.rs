//! Dates as files write them.

/// `YYYY:MM:DD HH:MM:SS` (also with `-`, `/`, `.` or `T`) to `YYYY-MM-DDTHH:MM:SS[.fraction]`, if it is a real date; and the minutes east
/// that some programs write behind it, as they write the fraction.
pub fn exif_date(raw: &str, fraction: &str) -> Option<(String, Option<i32>)> {
    let (date, rest) = raw.trim().split_once([' ', 'T'])?;
    let date = date.replace([':', '/', '.'], "-");
    let rest = rest.trim();
    let (time, zone) = rest.split_at(rest.find(['Z', '+', '-']).unwrap_or(rest.len()));
    let (time, own) = time.trim().split_once('.').unwrap_or((time.trim(), ""));
    let fraction = if fraction.is_empty() { own } else { fraction };
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    // A zone that cannot be read leaves a time that may mean another.
    let minutes = if zone.is_empty() { None } else { Some(minutes_east(zone)?) };
    Some((civil(&format!("{date}T{time}{fraction}"))?, minutes))
}

/// A civil date and time, written in one way; of its fraction every digit as it stood.
fn civil(local: &str) -> Option<String> {
    let whole = local.parse::<jiff::civil::DateTime>().ok()?.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let fraction: String = local.split_once('.').map(|(_, f)| f.chars().take_while(char::is_ascii_digit).collect()).unwrap_or_default();
    Some(if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") })
}

/// ISO 8601 as XMP, QuickTime and Matroska write it: a date, perhaps a time with a fraction, perhaps an offset. Returns the wall
/// clock (without seconds where it has none), minutes east of UTC, and whether there was only a date.
pub fn iso(text: &str) -> Option<(String, Option<i32>, bool)> {
    let text = text.trim().trim_end_matches('\0');
    let Some((date, rest)) = text.split_once(['T', ' ']) else {
        return civil(&format!("{}T00:00:00", text.replace([':', '/'], "-"))).map(|local| (local, None, true));
    };
    let split = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(split);
    let minutes_only = time.matches(':').count() == 1;
    let seconds = if minutes_only { ":00" } else { "" };
    let mut local = civil(&format!("{}T{}{seconds}", date.replace([':', '/'], "-"), time.trim()))?;
    // What was not said is not written: `2026-07-14T22:10`.
    if minutes_only {
        local.truncate("2026-07-14T22:10".len());
    }
    Some((local, minutes_east(zone), false))
}

/// `+02:00`, `+0200`, `+02` or `Z` in minutes.
pub fn minutes_east(text: &str) -> Option<i32> {
    let text = text.trim().trim_end_matches('\0');
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() == 4 => rest.split_at_checked(2)?,
        None => (rest, "00"),
    };
    let two = |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<i32>().ok())?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        assert_eq!(minutes_east("+02:00"), Some(120));
        assert_eq!(minutes_east("-0330"), Some(-210));
        assert_eq!(minutes_east("Z"), Some(0));
        for wrong in ["", "02:00", "+2", "+99:00", "+é", "+1é:00"] {
            assert_eq!(minutes_east(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates() {
        let read = |raw, fraction| exif_date(raw, fraction).map(|(local, zone)| (local, zone.unwrap_or(-1)));
        assert_eq!(read("2026:07:14 22:10:03", "12"), Some(("2026-07-14T22:10:03.12".into(), -1)));
        assert_eq!(read("2026:07:14 22:10:03.250", "250"), Some(("2026-07-14T22:10:03.250".into(), -1)));
        assert_eq!(read("2026:07:14 22:10:03+02:00", ""), Some(("2026-07-14T22:10:03".into(), 120)));
        assert_eq!(read("2026-07-14T22:10:03Z", ""), Some(("2026-07-14T22:10:03".into(), 0)));
        assert_eq!(read("20260714 221003", ""), Some(("2026-07-14T22:10:03".into(), -1)));
        for wrong in ["2026:07:14 22:10:03+99:00", "0000:00:00 00:00:00", "    :  :     :  :  ", "2026:02:30 10:00:00", ""] {
            assert_eq!(exif_date(wrong, ""), None, "{wrong}");
        }
        assert_eq!(iso("2026-07-14T22:10:03+0200"), Some(("2026-07-14T22:10:03".into(), Some(120), false)));
        assert_eq!(iso("2026-07-14T22:10"), Some(("2026-07-14T22:10".into(), None, false)));
        assert_eq!(iso("2026-07-14"), Some(("2026-07-14T00:00:00".into(), None, true)));
        assert_eq!(iso("nonsense"), None);
    }
}
