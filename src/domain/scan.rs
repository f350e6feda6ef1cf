//! What a virus scanner said of some bytes. "Clean" means wholly read and nothing known found in it; bytes that it did not read are not
//! clean.

use super::value::Utc;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanState {
    Clean,
    Infected,
    /// Larger than the scanner takes.
    TooLarge,
}

impl ScanState {
    pub const fn as_str(self) -> &'static str {
        match self {
            ScanState::Clean => "clean",
            ScanState::Infected => "infected",
            ScanState::TooLarge => "too_large",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [ScanState::Clean, ScanState::Infected, ScanState::TooLarge].into_iter().find(|s| s.as_str() == text)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Scan {
    pub state: ScanState,
    /// The name of what was found.
    pub signature: String,
    /// The scanner and its database.
    pub engine: String,
    pub at: Utc,
}

/// A clamd answer to a stream (`clamd(8)`): `stream: OK`, `stream: NAME FOUND`, or that its limit was exceeded. `None`: neither, so that
/// it is asked again later.
pub fn read_answer(answer: &str) -> Option<(ScanState, String)> {
    let answer = answer.trim_matches(['\0', '\n', ' ']);
    if answer == "stream: OK" {
        return Some((ScanState::Clean, String::new()));
    }
    if answer.contains("size limit exceeded") || answer.contains("Heuristics.Limits.Exceeded") {
        return Some((ScanState::TooLarge, String::new()));
    }
    let name = answer.strip_prefix("stream: ")?.strip_suffix(" FOUND")?;
    Some((ScanState::Infected, super::value::shown(name, 200)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        assert_eq!(read_answer("stream: OK\0"), Some((ScanState::Clean, String::new())));
        assert_eq!(read_answer("stream: Eicar-Test FOUND\n"), Some((ScanState::Infected, "Eicar-Test".into())));
        assert_eq!(read_answer("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND").unwrap().0, ScanState::TooLarge);
        assert_eq!(read_answer("INSTREAM size limit exceeded. ERROR").unwrap().0, ScanState::TooLarge);
        for other in ["", "stream: ERROR", "OK", "stream: FOUND"] {
            assert_eq!(read_answer(other), None, "{other}");
        }
    }
}
