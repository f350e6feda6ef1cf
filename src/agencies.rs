//! Agencies on one deployment: making them, their vaults, and what they share with one another. Everything here is an event.

use crate::access;
use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, shares::NewShare};
use crate::domain::actor::{Act, Actor, Level, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::notice::Notice;
use crate::domain::value::{DAY_US, Id, shown};
use crate::error::{Error, Result};
use crate::vault::{VaultKey, is_recipient, seal};

/// Makes an agency whose contacts are sealed to this vault.
pub async fn create(app: &App, name: &str, vault: &str, two_persons: bool) -> Result<Id> {
    let name = shown(name.trim(), 100);
    if name.is_empty() {
        return Err(Error::Invalid { field: "name", why: "empty".into() });
    }
    if !is_recipient(vault) {
        return Err(Error::Invalid { field: "vault", why: "not an age recipient (age1…)".into() });
    }
    let mut tx = app.db.begin().await?;
    if db::agencies::by_name(&mut tx, &name).await?.is_some() {
        return Err(Error::Conflict);
    }
    let id = db::agencies::named(&mut tx, app.new_id(), &name, app.now()).await?;
    db::agencies::set_vault(&mut tx, id, vault).await?;
    db::agencies::set_two_persons(&mut tx, id, two_persons).await?;
    let draft = Draft::new(EventType::AgencyCreated, Actor::Operator).about(SubjectKind::Agency, id);
    attest::append(app, &mut tx, draft.fact("vault", vault).fact("two_persons", two_persons).private("name", name)).await?;
    tx.commit().await?;
    Ok(id)
}

/// Gives an agency another vault, for contacts that come from now on; or says how many people reading one takes.
pub async fn change(app: &App, name: &str, vault: Option<&str>, two_persons: Option<bool>) -> Result<()> {
    if vault.is_some_and(|v| !is_recipient(v)) {
        return Err(Error::Invalid { field: "vault", why: "not an age recipient (age1…)".into() });
    }
    let mut tx = app.db.begin().await?;
    let agency = db::agencies::by_name(&mut tx, name).await?.ok_or(Error::NotFound)?;
    let mut draft = Draft::new(EventType::AgencyChanged, Actor::Operator).about(SubjectKind::Agency, agency.id);
    if let Some(vault) = vault {
        db::agencies::set_vault(&mut tx, agency.id, vault).await?;
        draft = draft.fact("vault", vault);
    }
    if let Some(needed) = two_persons {
        db::agencies::set_two_persons(&mut tx, agency.id, needed).await?;
        draft = draft.fact("two_persons", needed);
    }
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// What an agency says about itself at the foot of its pages, each field by its name; what is not named stays, what is empty is not said.
pub async fn say(app: &App, name: &str, said: &[(&'static str, String)]) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let agency = db::agencies::by_name(&mut tx, name).await?.ok_or(Error::NotFound)?;
    let mut notice = db::agencies::notice(&mut tx, agency.id).await?;
    for (name, text) in said {
        let field = notice.field(name).ok_or(Error::Invalid { field: name, why: "no such field".into() })?;
        *field = shown(text.trim(), Notice::LENGTH_MAX);
    }
    db::agencies::set_notice(&mut tx, agency.id, &notice).await?;
    let fields: Vec<&str> = said.iter().map(|(name, _)| *name).collect();
    let draft = Draft::new(EventType::AgencyChanged, Actor::Operator).about(SubjectKind::Agency, agency.id).fact("notice", fields);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// The vault that an agency's contacts are sealed to. One that has none yet gets what is configured, or the key that lies here. Alone on its
/// machine the program makes one; where several nodes share a database, none of them may have a disk that lasts, and it says what to do.
pub async fn vault_of(app: &App, tx: &mut Tx, agency: Id) -> Result<String> {
    if let Some(vault) = db::agencies::by_id(tx, agency).await?.vault {
        return Ok(vault);
    }
    db::agencies::lock(tx, agency).await?;
    if let Some(vault) = db::agencies::by_id(tx, agency).await?.vault {
        return Ok(vault);
    }
    let configured = &app.config.vault;
    let vault = match VaultKey::read(&configured.key_file)? {
        _ if !configured.recipient.is_empty() => configured.recipient.clone(),
        Some(key) => key.recipient(),
        None if app.db.is_shared() => {
            return Err(Error::Internal(
                "there is no vault for witnesses' contacts: `temoin vault make-key FILE` makes a key (keep the file, away from here) and prints what to set as vault.recipient".into(),
            ));
        }
        None => VaultKey::make(&configured.key_file)?.recipient(),
    };
    if !is_recipient(&vault) {
        return Err(Error::Internal("vault.recipient is not an age recipient (age1…)".into()));
    }
    db::agencies::set_vault(tx, agency, &vault).await?;
    let draft = Draft::new(EventType::AgencyChanged, Actor::System).about(SubjectKind::Agency, agency).fact("vault", vault.clone());
    attest::append(app, tx, draft).await?;
    Ok(vault)
}

const AT_ONCE: i64 = 200;

/// Called at each start: every agency has a vault, and contacts that stand in the clear, from before there was one, are sealed. (Copies of the
/// database that were made before still have them.) Returns how many.
pub async fn seal_what_is_clear(app: &App) -> Result<u64> {
    let mut tx = app.db.begin().await?;
    db::agencies::first(&mut tx, app.new_id(), &app.config.agency, app.now()).await?;
    for agency in db::agencies::list(&mut tx).await? {
        vault_of(app, &mut tx, agency.id).await?;
    }
    tx.commit().await?;
    let mut sealed = 0;
    loop {
        let mut tx = app.db.begin().await?;
        let clear = db::identities::in_the_clear(&mut tx, AT_ONCE).await?;
        if clear.is_empty() {
            break;
        }
        for (submission, agency, statement) in clear {
            let mut said: serde_json::Value = serde_json::from_str(&statement).map_err(Error::internal)?;
            let contact = said.as_object_mut().and_then(|map| map.remove("contact"));
            if let Some(contact) = contact.as_ref().and_then(|c| c.as_str()).filter(|c| !c.is_empty()) {
                let vault = vault_of(app, &mut tx, agency).await?;
                db::identities::seal(&mut tx, submission, &seal(&vault, contact)?, &vault, app.now()).await?;
                sealed += 1;
            }
            db::identities::set_statement_text(&mut tx, submission, &said.to_string()).await?;
        }
        tx.commit().await?;
    }
    Ok(sealed)
}

/// Days that a share may last; it can be made again.
const SHARE_DAYS_MAX: i64 = 366;

/// Lets another agency see an appeal, or decide on its exhibits too, for so many days.
pub async fn share(app: &App, person: &Person, appeal: &Appeal, with: &str, level: Level, days: i64) -> Result<()> {
    if !(1..=SHARE_DAYS_MAX).contains(&days) {
        return Err(Error::Invalid { field: "days", why: format!("1 to {SHARE_DAYS_MAX}") });
    }
    let now = app.now();
    let mut tx = app.db.begin().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::Share).await?;
    let partner = db::agencies::by_name(&mut tx, with.trim()).await?.filter(|a| a.id != person.agency);
    let partner = partner.ok_or(Error::Invalid { field: "with", why: "no agency of this name".into() })?;
    let expires_at = now.plus(days * DAY_US);
    let new = NewShare { id: app.new_id(), appeal: appeal.id, with: partner.id, level, by: Some(person.id), expires_at };
    db::shares::add(&mut tx, &new, now).await?;
    let draft = Draft::new(EventType::AppealShared, Actor::from(person))
        .about(SubjectKind::Appeal, appeal.id)
        .about(SubjectKind::Agency, partner.id)
        .fact("share", new.id.to_string())
        .fact("level", level.as_str())
        .fact("until", expires_at.to_string());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Ends a share, from the partner's next request on.
pub async fn unshare(app: &App, person: &Person, appeal: &Appeal, share: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::Share).await?;
    if !db::shares::end(&mut tx, appeal.id, share, app.now()).await? {
        return Err(Error::Conflict);
    }
    let draft =
        Draft::new(EventType::AppealUnshared, Actor::from(person)).about(SubjectKind::Appeal, appeal.id).fact("share", share.to_string());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
