//! Passwords: what is accepted as one, how it is kept, and how one is checked without telling a stranger whether there is such an account.
//!
//! Argon2id with the crate's recommended parameters (19 MiB, 2 passes). Length and guessability decide (NIST SP 800-63B: no rules about
//! characters, no forced changes): zxcvbn knows leaked and common ones, names, keyboards and dates; what stands in the person's own name or
//! the agency's is known to it, too.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use zxcvbn::{Score, zxcvbn};

use crate::app::App;
use crate::error::{Error, Result};

/// Characters of a password; the longest bounds the work of a stranger's login.
pub const PASSWORD_CHARS_MIN: usize = 15;
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Judges and hashes a new password, two at a time, off the async threads. One that is guessed soon is refused.
pub async fn hash_password(app: &App, name: &str, password: String) -> Result<String> {
    let chars = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Err(Error::Invalid { field: "password", why: format!("{PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters") });
    }
    let known = [name.to_owned(), app.config.agency.clone(), "temoin".to_owned(), "police".to_owned()];
    let _turn = app.hashing.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || {
        if is_guessed_soon(&password, &known.each_ref().map(String::as_str)) {
            let why = "too easy to guess: a few words that nobody else would put together are best".into();
            return Err(Error::Invalid { field: "password", why });
        }
        Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string()).map_err(Error::internal)
    })
    .await
    .map_err(Error::internal)?
}

/// Whether a password is right. An unknown name costs the same time as a known one.
pub async fn password_is(app: &App, password: String, hash: Option<String>) -> Result<bool> {
    if password.chars().count() > PASSWORD_CHARS_MAX {
        return Ok(false);
    }
    let known = hash.is_some();
    // Of a password that nobody knows, with the parameters of real ones.
    let hash = hash
        .unwrap_or_else(|| "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$V3Cu2bkjdY0V1zvCrBNhkSZYtCdVp0zv0sCmQWfNRBs".to_owned());
    let _turn = app.hashing.acquire().await.map_err(Error::internal)?;
    let right = tokio::task::spawn_blocking(move || {
        argon2::password_hash::phc::PasswordHash::new(&hash)
            .is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
    })
    .await
    .map_err(Error::internal)?;
    Ok(right && known)
}

/// Judged by its first characters: what follows makes it no easier, and judging would take long.
const JUDGED_CHARS: usize = 100;

fn is_guessed_soon(password: &str, known: &[&str]) -> bool {
    let judged: String = password.chars().take(JUDGED_CHARS).collect();
    zxcvbn(&judged, known).score() < Score::Three
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_soon_is_no_password() {
        for weak in
            ["passwordpassword", "aaaaaaaaaaaaaaaaaaaa", "qwertyuiopasdfgh", "123456789012345", "ines.moreau.ines", "1234567890qwertyuiop"]
        {
            assert!(is_guessed_soon(weak, &["ines.moreau", "Police"]), "{weak}");
        }
        for strong in ["correct horse battery", "le zèbre mange douze lampes", "Xk9#vLq2!mZr8$wT"] {
            assert!(!is_guessed_soon(strong, &["ines", "Police"]), "{strong}");
        }
    }
}
