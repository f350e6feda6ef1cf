//! Passkeys (W3C WebAuthn, level 3): asked for with user verification, so that one is two factors in one; without attestation, because whose
//! maker it is is nobody's business; discoverable, so that nobody types a name, and nobody learns whether there is such an account.
//!
//! A passkey belongs to the host of `public_url`. Browsers want a name for that, and https (or localhost): at a bare address there are none.

use serde_json::Value;
use subtle::ConstantTimeEq as _;
use url::Url;
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Uuid,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::app::App;
use crate::attest;
use crate::db::{self, factors::NewPasskey};
use crate::domain::actor::{Actor, Person, Proof};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{Id, MINUTE_US, Sha256, shown};
use crate::error::{Error, Result};

const REGISTER: &str = "passkey-new";
const LOGIN: &str = "passkey";
const CEREMONY_US: i64 = 5 * MINUTE_US;
const NAME_CHARS_MAX: usize = 60;
/// One on the phone, one on the key ring, one in the drawer.
const PASSKEYS_MAX: usize = 20;

/// What the browser is asked, and the ticket with which its answer comes back.
pub struct Asked {
    pub ticket: String,
    pub options: Value,
}

/// Who a passkey proved to be.
pub struct PasskeyLogin {
    pub account: Id,
    pub proof: Proof,
}

/// The relying party, where browsers allow one here.
pub struct Passkeys(Webauthn);

fn refused(why: impl std::fmt::Display) -> Error {
    tracing::info!(%why, "a passkey was refused");
    Error::Invalid { field: "passkey", why: "it was not accepted".into() }
}

impl Passkeys {
    pub fn new(public_url: &str) -> Option<Self> {
        let url = Url::parse(public_url).ok()?;
        let host = url.domain()?.to_owned();
        if url.scheme() != "https" && host != "localhost" {
            return None;
        }
        WebauthnBuilder::new(&host, &url).ok()?.rp_name("Témoin").build().ok().map(Self)
    }

    /// Begins to give somebody a passkey.
    pub async fn begin_new(&self, app: &App, person: &Person) -> Result<Asked> {
        let mut tx = app.db.begin().await?;
        let known = db::factors::passkeys_of(&mut tx, person.id).await?;
        if known.len() >= PASSKEYS_MAX {
            return Err(Error::Invalid { field: "passkey", why: format!("at most {PASSKEYS_MAX}") });
        }
        let known: Vec<CredentialID> = known.iter().filter_map(|p| Some(read(app, p.account, &p.body).ok()?.cred_id().clone())).collect();
        let id = Uuid::from_slice(&person.id.blob()).map_err(Error::internal)?;
        let (options, state) = self.0.start_passkey_registration(id, &person.name, &person.name, Some(known)).map_err(Error::internal)?;
        let mut options = serde_json::to_value(options).map_err(Error::internal)?;
        // It has to be found without a name.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = "required".into();
        options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = true.into();
        let (ticket, token) = app.new_secret();
        let state = serde_json::to_string(&state).map_err(Error::internal)?;
        db::factors::begin(&mut tx, token, REGISTER, Some(person.id), &state, app.now().plus(CEREMONY_US)).await?;
        tx.commit().await?;
        Ok(Asked { ticket, options })
    }

    pub async fn finish_new(
        &self,
        app: &App,
        person: &Person,
        ticket: &str,
        answer: &RegisterPublicKeyCredential,
        name: &str,
    ) -> Result<()> {
        let now = app.now();
        let mut tx = app.db.begin().await?;
        let begun = db::factors::take(&mut tx, Sha256::of(ticket.as_bytes()), REGISTER, now).await?;
        let begun = begun.filter(|b| b.account == Some(person.id)).ok_or_else(|| refused("nothing was begun, or it took too long"))?;
        let state: PasskeyRegistration = serde_json::from_str(&begun.body).map_err(Error::internal)?;
        let passkey = self.0.finish_passkey_registration(answer, &state).map_err(refused)?;
        let body = written(app, person.id, &passkey)?;
        let name = shown(name.trim(), NAME_CHARS_MAX);
        let new = NewPasskey { id: app.new_id(), account: person.id, credential: passkey.cred_id().as_ref(), body, name: &name };
        db::factors::add_passkey(&mut tx, new, now).await?;
        attest::append(app, &mut tx, changed(person, true)).await?;
        tx.commit().await
    }

    /// Begins a sign-in, of whoever it may be.
    pub async fn begin_login(&self, app: &App) -> Result<Asked> {
        let (options, state) = self.0.start_discoverable_authentication().map_err(Error::internal)?;
        let mut options = serde_json::to_value(options).map_err(Error::internal)?;
        // Asked for by a button, and not in a field's list of names.
        if let Some(map) = options.as_object_mut() {
            map.remove("mediation");
        }
        let (ticket, token) = app.new_secret();
        let state = serde_json::to_string(&state).map_err(Error::internal)?;
        let mut tx = app.db.begin().await?;
        db::factors::begin(&mut tx, token, LOGIN, None, &state, app.now().plus(CEREMONY_US)).await?;
        tx.commit().await?;
        Ok(Asked { ticket, options })
    }

    /// Who the answer proves. `only`: nobody else will do.
    pub async fn finish_login(&self, app: &App, ticket: &str, answer: &PublicKeyCredential, only: Option<Id>) -> Result<PasskeyLogin> {
        let now = app.now();
        let mut tx = app.db.begin().await?;
        let begun = db::factors::take(&mut tx, Sha256::of(ticket.as_bytes()), LOGIN, now).await?;
        let begun = begun.ok_or_else(|| refused("nothing was begun, or it took too long"))?;
        let state: DiscoverableAuthentication = serde_json::from_str(&begun.body).map_err(Error::internal)?;
        let known =
            db::factors::passkey_by_credential(&mut tx, answer.get_credential_id()).await?.ok_or_else(|| refused("nobody has it"))?;
        let account = db::accounts::by_id(&mut tx, known.account).await?.ok_or_else(|| refused("its account is disabled"))?;
        if only.is_some_and(|only| only != account.id) {
            return Err(refused("it is another person's"));
        }
        let mut passkey = read(app, known.account, &known.body)?;
        let proved = self.0.finish_discoverable_authentication_v2(answer, state, &passkey).map_err(refused)?;
        if !proved.user_verified() {
            return Err(refused("its owner was not verified"));
        }
        passkey.update_credential(&proved);
        db::factors::passkey_used(&mut tx, known.id, written(app, known.account, &passkey)?, now).await?;
        tx.commit().await?;
        Ok(PasskeyLogin { account: account.id, proof: Proof::Passkey })
    }

    pub async fn remove(app: &App, person: &Person, passkey: Id) -> Result<()> {
        let mut tx = app.db.begin().await?;
        if !db::factors::remove_passkey(&mut tx, person.id, passkey).await? {
            return Err(Error::NotFound);
        }
        attest::append(app, &mut tx, changed(person, false)).await?;
        tx.commit().await
    }
}

/// A passkey as the database has it, behind a keyed digest that ties it to its account: whoever can write to the database alone plants none.
fn written(app: &App, account: Id, passkey: &Passkey) -> Result<String> {
    let body = serde_json::to_string(passkey).map_err(Error::internal)?;
    Ok(format!("{} {body}", tied(app, account, &body)))
}

fn tied(app: &App, account: Id, body: &str) -> String {
    Sha256::from_bytes(app.mac(format!("passkey|{account}|{body}").as_bytes())).to_string()
}

fn read(app: &App, account: Id, text: &str) -> Result<Passkey> {
    let (mac, body) = text.split_once(' ').unwrap_or_default();
    if !bool::from(tied(app, account, body).as_bytes().ct_eq(mac.as_bytes())) {
        return Err(refused("it was not written here"));
    }
    serde_json::from_str(body).map_err(|e| Error::Internal(format!("a passkey cannot be read: {e}")))
}

fn changed(person: &Person, given: bool) -> Draft {
    Draft::new(EventType::FactorChanged, Actor::from(person))
        .about(SubjectKind::Account, person.id)
        .fact("factor", "passkey")
        .fact("given", given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_browsers_allow_them() {
        for (url, allowed) in [
            ("https://temoin.example", true),
            ("https://temoin.example:8443", true),
            ("http://localhost:8080", true),
            ("http://temoin.example", false),
            ("http://127.0.0.1:8080", false),
            ("https://192.0.2.1", false),
            ("nonsense", false),
        ] {
            assert_eq!(Passkeys::new(url).is_some(), allowed, "{url}");
        }
    }
}
