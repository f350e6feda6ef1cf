//! An authenticator's codes (RFC 6238: SHA-1, six digits, thirty seconds, one step of grace to either side), as every such app understands
//! them. A code works once. The secret lies in the database only wrapped with a key that is derived from the log's and is not in it.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::BASE32_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use totp_rs::{Algorithm, Builder, Secret};

use crate::app::{App, random};
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::{Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{Id, MINUTE_US, Sha256};
use crate::error::{Error, Result};

const SECRET_BYTES: usize = 20;
const NONCE_BYTES: usize = 12;
const CEREMONY: &str = "totp";
const CEREMONY_US: i64 = 15 * MINUTE_US;
/// What a label does not carry as it is; the colon parts who gave the secret from whose it is.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// A secret that is offered, and not the account's before a code of it was shown.
pub struct Offer {
    /// With which the code comes back.
    pub ticket: String,
    /// For typing.
    pub secret: String,
    /// For scanning: the address that authenticators understand, as a picture (SVG).
    pub picture: String,
    /// It was offered before, and the code was not one of it.
    pub again: bool,
}

/// Offers an authenticator's secret.
pub async fn begin_totp(app: &App, person: &Person) -> Result<Offer> {
    let secret: [u8; SECRET_BYTES] = random();
    let mut tx = app.db.begin().await?;
    let offer = offer(app, &mut tx, person, &secret, false).await?;
    tx.commit().await?;
    Ok(offer)
}

async fn offer(app: &App, tx: &mut Tx, person: &Person, secret: &[u8], again: bool) -> Result<Offer> {
    let text = BASE32_NOPAD.encode(secret);
    let (ticket, token) = app.new_secret();
    let wrapped = BASE32_NOPAD.encode(&wrap(app, person.id, secret)?);
    db::factors::begin(tx, token, CEREMONY, Some(person.id), &wrapped, app.now().plus(CEREMONY_US)).await?;
    let label = format!("Témoin:{}", person.name);
    let (label, issuer) = (utf8_percent_encode(&label, LABEL), utf8_percent_encode("Témoin", LABEL));
    let url = format!("otpauth://totp/{label}?secret={text}&issuer={issuer}");
    let code = qrcode::QrCode::new(url.as_bytes()).map_err(Error::internal)?;
    let picture = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(220, 220).build();
    Ok(Offer { ticket, secret: text, picture, again })
}

/// The secret is the account's once a code of it is shown. When the code is wrong the same secret is offered again (an authenticator
/// has it by now); when it took too long, another one.
pub async fn confirm_totp(app: &App, person: &Person, ticket: &str, code: &str) -> Result<Option<Offer>> {
    let mut tx = app.db.begin().await?;
    let offered = db::factors::take(&mut tx, Sha256::of(ticket.as_bytes()), CEREMONY, app.now()).await?;
    let Some(offered) = offered.filter(|o| o.account == Some(person.id)) else {
        drop(tx);
        return begin_totp(app, person).await.map(Some);
    };
    let wrapped = BASE32_NOPAD.decode(offered.body.as_bytes()).map_err(Error::internal)?;
    let secret = open_secret(app, person.id, &wrapped)?;
    let Some(step) = code_is(app, &secret, code) else {
        let again = offer(app, &mut tx, person, &secret, true).await?;
        tx.commit().await?;
        return Ok(Some(again));
    };
    db::factors::set_totp(&mut tx, person.id, Some(wrapped)).await?;
    db::factors::use_step(&mut tx, person.id, step).await?;
    attest::append(app, &mut tx, changed(person, true)).await?;
    tx.commit().await?;
    Ok(None)
}

/// Takes an account's authenticator away, by its owner.
pub async fn remove_totp(app: &App, person: &Person) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::factors::set_totp(&mut tx, person.id, None).await?;
    attest::append(app, &mut tx, changed(person, false)).await?;
    tx.commit().await
}

fn changed(person: &Person, given: bool) -> Draft {
    Draft::new(EventType::FactorChanged, Actor::from(person))
        .about(SubjectKind::Account, person.id)
        .fact("factor", "totp")
        .fact("given", given)
}

/// The step whose code this is.
pub(super) fn code_is(app: &App, secret: &[u8], code: &str) -> Option<u64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    step_of(secret, &digits, u64::try_from(app.now().micros() / 1_000_000).ok()?)
}

fn step_of(secret: &[u8], code: &str, seconds: u64) -> Option<u64> {
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(Secret::from(secret.to_vec()));
    totp.build().ok()?.check(code, seconds)
}

fn cipher(app: &App) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&app.mac(b"temoin totp/v1").into())
}

fn wrap(app: &App, account: Id, secret: &[u8]) -> Result<Vec<u8>> {
    let nonce: [u8; NONCE_BYTES] = random();
    let payload = Payload { msg: secret, aad: &account.blob() };
    let sealed = cipher(app).encrypt(&Nonce::from(nonce), payload).map_err(|_| Error::Internal("a secret could not be wrapped".into()))?;
    Ok([nonce.to_vec(), sealed].concat())
}

/// The secret of this account, and of no other: a row that was copied to another account opens nothing.
pub(super) fn open_secret(app: &App, account: Id, wrapped: &[u8]) -> Result<Vec<u8>> {
    let damaged = || Error::Internal("an authenticator's secret cannot be read: is this the log's own key?".into());
    let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
    let payload = Payload { msg: sealed, aad: &account.blob() };
    cipher(app).decrypt(&Nonce::from(*nonce), payload).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six of its eight digits.
        let secret = b"12345678901234567890";
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            assert_eq!(step_of(secret, code, seconds), Some(seconds / 30), "{seconds}");
        }
        assert_eq!(step_of(secret, "287082", 59 + 30), Some(1), "one step late");
        assert_eq!(step_of(secret, "287082", 59 + 90), None);
        for wrong in ["", "28708", "2870820", "28708x", "000000"] {
            assert_eq!(step_of(secret, wrong, 59), None, "{wrong}");
        }
    }
}
