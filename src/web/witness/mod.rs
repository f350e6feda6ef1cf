//! The witness's pages: they work without JavaScript, without an account, on a phone.

pub mod appeal;
pub mod receipt;
pub mod send;

use crate::web::language::Language;

/// Bytes as people read them, in powers of ten.
#[allow(clippy::cast_precision_loss)]
pub fn size_words(bytes: u64, language: Language) -> String {
    let units = match language {
        Language::Fr => ["o", "ko", "Mo", "Go"],
        Language::En => ["B", "kB", "MB", "GB"],
    };
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit < 3 {
        value /= 1000.0;
        unit += 1;
    }
    let text = if unit == 0 { format!("{bytes}") } else { format!("{value:.1}") };
    let text = if language == Language::Fr { text.replace('.', ",") } else { text };
    format!("{text}\u{a0}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size_words(999, Language::En), "999\u{a0}B");
        assert_eq!(size_words(3_210_000, Language::Fr), "3,2\u{a0}Mo");
    }
}
