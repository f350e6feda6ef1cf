//! Names of accounts: they say in approvals, notes and bundles who somebody was, so that no two may look alike.

/// Characters of a name.
const CHARS_MAX: usize = 100;

/// The alphabets whose letters are drawn alike.
fn alphabet(c: char) -> Option<u8> {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(0),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(1),
        '\u{400}'..='\u{52f}' => Some(2),
        other if other.is_alphabetic() => Some(3),
        _ => None,
    }
}

/// Why this is no name for an account: letters of one alphabet, digits, and what stands within names.
pub fn fit(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.chars().count() > CHARS_MAX {
        return Err("1 to 100 characters");
    }
    if name.contains("  ") || !name.chars().all(|c| c.is_alphanumeric() || " .-_'\u{2019}@+".contains(c)) {
        return Err("letters, digits, single spaces and . - _ ' @ + only");
    }
    let mut alphabets = name.chars().filter_map(alphabet);
    let first = alphabets.next();
    if alphabets.all(|a| Some(a) == first) { Ok(()) } else { Err("letters of more than one alphabet") }
}

/// What two names that look alike share: letters of other alphabets that are drawn as Latin ones are those.
pub fn folded(name: &str) -> String {
    let latin = |c| match c {
        '\u{2019}' => '\'',
        'а' | 'α' => 'a',
        'в' | 'β' => 'b',
        'с' => 'c',
        'е' | 'ε' => 'e',
        'н' | 'η' => 'h',
        'і' | 'ι' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' => 'v',
        'х' | 'χ' => 'x',
        'у' => 'y',
        'ζ' => 'z',
        other => other,
    };
    name.to_lowercase().chars().map(latin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_eye() {
        for name in ["ines", "Inès O’Brien", "Lt. D'Artagnan-2", "инес", "Ἰνής", "山田 太郎", "ines@police.example"] {
            assert_eq!(fit(name), Ok(()), "{name}");
        }
        for name in ["", "ines\u{200b}", "\u{456}nes", "a  b", "a\u{202e}b", "a\nb", &"a".repeat(101), "\u{251}lice", "\u{ff49}nes"] {
            assert!(fit(name).is_err(), "{name:?}");
        }
        assert_eq!(folded("Inès O’Brien"), folded("inès o'brien"));
        assert_eq!(folded("СОСО"), folded("coco"));
    }
}
