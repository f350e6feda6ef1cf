//! Things that count once: each is remembered until it would not count any more.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::domain::value::Utc;

#[derive(Default)]
pub struct Spent {
    until: Mutex<HashMap<String, Utc>>,
}

/// Entries before the outdated ones are looked for.
const CROWD: usize = 10_000;

impl Spent {
    /// Whether this is the first time.
    pub fn spend(&self, what: &str, until: Utc, now: Utc) -> bool {
        let Ok(mut seen) = self.until.lock() else { return false };
        if seen.len() > CROWD {
            seen.retain(|_, until| *until > now);
        }
        seen.insert(what.to_owned(), until).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once() {
        let spent = Spent::default();
        let at = Utc::from_micros;
        assert!(spent.spend("a", at(10), at(0)));
        assert!(!spent.spend("a", at(10), at(5)));
        assert!(spent.spend("b", at(10), at(5)));
    }
}
