//! `temoin serve --demo`: an appeal in a fictional town, one account per role, and some three hundred
//! generated pictures and a few clips, handed over through the very same intake as a witness's.

mod clip;
mod exif;
mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use futures_util::stream;
use indicatif::{ProgressBar, ProgressStyle};

use self::exif::{Gps, Metadata};
use self::scene::{Scene, Shot};
use crate::accounts;
use crate::agencies;
use crate::app::{App, random};
use crate::db;
use crate::domain::actor::{Actor, Role};
use crate::domain::appeal::{Appeal, AppealState, Area, Budgets, IntakeRules, Text};
use crate::domain::submission::{Answer, Statement};
use crate::domain::upload::FileClaims;
use crate::domain::value::{DAY_US, HOUR_US, Id, MINUTE_US, Point, SECOND_US, Utc};
use crate::error::{Error, Result};
use crate::intake;
use crate::review::{self, NewAppeal};

pub const CODE: &str = "DEMO-26";
const ZONE: &str = "Europe/Paris";
const PHOTOS: u32 = 300;
const CLIPS: u32 = 4;
const DEVICES: u32 = 40;
/// The first of those that were sent again and again.
const REPEATED: u32 = 20;

/// What [`feed`] hands over.
pub struct Feed {
    appeal: Appeal,
    /// How many an earlier start has handed over. (What somebody else sent since counts as if it were one of the set.)
    fed: u32,
}

/// Makes accounts and the appeal, and prints how to get in; or goes on where an earlier start was interrupted. `None` when nothing is left to do.
pub async fn prepare(app: &Arc<App>) -> Result<Option<Feed>> {
    let mut tx = app.db.read().await?;
    let before = db::appeals::by_code(&mut tx, CODE).await?;
    drop(tx);
    let base = &app.config.public_url;
    if let Some(appeal) = before {
        say!("The demonstration is there already: {base}/a/{CODE}");
        say!("Its passwords were printed by the first start; for another one, delete {}", app.config.data.display());
        let fed = u32::try_from(appeal.files_received).unwrap_or(u32::MAX);
        if fed >= PHOTOS + CLIPS || appeal.state != AppealState::Open {
            return Ok(None);
        }
        say!("It was interrupted after {fed} files, and goes on.");
        return Ok(Some(Feed { appeal, fed }));
    }
    say!("DEMO DATA. A fictional town; nothing in it is real.");
    say!("  witness        {base}/a/{CODE}");
    for role in Role::ALL {
        let password = BASE32_NOPAD.encode(&random::<10>());
        let hash = accounts::hash_password(app, role.as_str(), password.clone()).await?;
        let mut tx = app.db.begin().await?;
        let agency = accounts::home(app, &mut tx).await?;
        accounts::create(app, &mut tx, Actor::Operator, agency, role.as_str(), role, hash).await?;
        tx.commit().await?;
        say!("  {:<14} {base}/login   name {:<14} password {password}", role.as_str(), role.as_str());
    }
    let mut tx = app.db.read().await?;
    let all = db::agencies::list(&mut tx).await?;
    drop(tx);
    if let Some(agency) = all.first() {
        let said = [
            ("contact", "1 quai du Phare, Port-Clair"),
            ("officer", "dpo@police.example"),
            ("authority", "Autorité des données, Port-Clair"),
            ("assistance", "01 99 00 12 34"),
            ("genuine", "police.example"),
        ];
        agencies::say(app, &agency.name, &said.map(|(field, text)| (field, text.to_owned()))).await?;
    }
    // Yesterday evening, on the hour.
    let from = Utc::from_micros((app.now().micros() - DAY_US) / HOUR_US * HOUR_US);
    let texts = BTreeMap::from([
        (
            "fr".to_owned(),
            Text {
                title: "Incendie place du Phare, Port-Clair".into(),
                what: "Un incendie s'est déclaré place du Phare. Nous cherchons une camionnette blanche vue avant et après.".into(),
                place: "Place du Phare, Port-Clair (ville imaginaire)".into(),
            },
        ),
        (
            "en".to_owned(),
            Text {
                title: "Fire on Lighthouse Square, Port-Clair".into(),
                what: "A fire broke out on Lighthouse Square. We are looking for a white van seen before and after.".into(),
                place: "Lighthouse Square, Port-Clair (a fictional town)".into(),
            },
        ),
    ]);
    let centre = Point::new(47.2, -5.3).ok_or_else(|| Error::internal("no such place"))?;
    let new = NewAppeal {
        agency: None,
        code: CODE.into(),
        texts,
        default_language: "fr".into(),
        emergency_number: "112".into(),
        from,
        to: from.plus(30 * MINUTE_US),
        zone: ZONE.into(),
        area: Area { centre, radius_m: 300.0 },
        budgets: Budgets::default(),
        intake: IntakeRules::default(),
        demo: true,
    };
    let appeal = review::create_appeal(app, Actor::Operator, new).await?;
    review::set_appeal_state(app, Actor::Operator, &appeal, AppealState::Open).await?;
    Ok(Some(Feed { appeal: Appeal { state: AppealState::Open, ..appeal }, fed: 0 }))
}

/// Hands the set over, file by file. Ends early, with a word in the log, if something fails.
pub async fn feed(app: Arc<App>, feed: Feed) {
    let bar = ProgressBar::new(u64::from(PHOTOS + CLIPS))
        .with_style(ProgressStyle::with_template("  demo files {bar:30} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(u64::from(feed.fed));
    match feed_all(&app, &feed.appeal, feed.fed, &bar).await {
        Ok(()) => {
            bar.finish_and_clear();
            say!("  {} files are in the queue.", PHOTOS + CLIPS);
        }
        Err(e) => tracing::error!(cause = %e, "the demonstration could not be fed whole"),
    }
}

async fn feed_all(app: &Arc<App>, appeal: &Appeal, fed: u32, bar: &ProgressBar) -> Result<()> {
    let mut submissions: BTreeMap<u32, Id> = BTreeMap::new();
    for n in fed..PHOTOS {
        let plan = Plan::of(n, appeal);
        let submission = of_device(app, appeal, &mut submissions, plan.device).await?;
        // The same picture of the evening, forwarded again and again.
        let make = if plan.oddity == Oddity::Repeated { Plan::of(REPEATED, appeal) } else { plan.clone() };
        let bytes = tokio::task::spawn_blocking(move || make.photo()).await.map_err(Error::internal)??;
        hand_over(app, appeal, submission, bytes, &plan.name()).await?;
        bar.inc(1);
    }
    for n in fed.saturating_sub(PHOTOS)..CLIPS {
        let plan = Plan::of(n * 17 + 3, appeal);
        let submission = of_device(app, appeal, &mut submissions, plan.device).await?;
        let name = format!("MOV_{n:04}.mov");
        let (at, place) = (plan.at, plan.place);
        let bytes = tokio::task::spawn_blocking(move || clip::movie(&plan.shot, at, place)).await.map_err(Error::internal)??;
        hand_over(app, appeal, submission, bytes, &name).await?;
        bar.inc(1);
    }
    Ok(())
}

async fn of_device(app: &App, appeal: &Appeal, known: &mut BTreeMap<u32, Id>, device: u32) -> Result<Id> {
    if let Some(id) = known.get(&device) {
        return Ok(*id);
    }
    let opened = intake::open(app, appeal, intake::Origin::Demo).await?;
    let statement = Statement {
        own: if device.is_multiple_of(5) { Answer::No } else { Answer::Yes },
        edited: if device.is_multiple_of(11) { Answer::Yes } else { Answer::No },
        at_place: if device.is_multiple_of(3) { Answer::Yes } else { Answer::Unknown },
        from: device.is_multiple_of(4).then_some(appeal.from),
        to: device.is_multiple_of(4).then_some(appeal.to),
        ..Statement::default()
    };
    intake::state(app, opened.id, &statement, None).await?;
    known.insert(device, opened.id);
    Ok(opened.id)
}

async fn hand_over(app: &App, appeal: &Appeal, submission: Id, bytes: Vec<u8>, name: &str) -> Result<()> {
    let mut tx = app.db.read().await?;
    let submission = db::submissions::by_id(&mut tx, submission).await?;
    drop(tx);
    let room = intake::room(app, appeal, &submission, intake::Coming::default()).await?;
    let length = bytes.len() as u64;
    let body = stream::iter([Ok::<_, Error>(bytes::Bytes::from(bytes))]);
    let received = intake::receive(app, submission.id, room, Some(length), None, body).await?;
    let claims = FileClaims { name: name.as_bytes().to_vec(), ..FileClaims::default() };
    intake::accept(app, appeal, &submission, received, claims, None).await?;
    Ok(())
}

/// What makes a picture of the set unlike the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Oddity {
    /// Place and offset, as a phone's own file has them.
    Whole,
    /// Place fields emptied, as Android hands them to web pages.
    PlaceRemoved,
    /// No metadata at all, as messengers leave them.
    Messenger,
    /// The picture before, compressed again a little smaller.
    NearDuplicate,
    /// A patch painted over, and the editor's name.
    Edited,
    /// A camera whose clock was never set.
    WrongClock,
    /// Byte for byte what others sent, too.
    Repeated,
}

#[derive(Clone)]
struct Plan {
    n: u32,
    device: u32,
    oddity: Oddity,
    at: Utc,
    place: Point,
    shot: Shot,
}

impl Plan {
    fn of(n: u32, appeal: &Appeal) -> Self {
        let oddity = match n {
            n if n % 75 == 40 => Oddity::Edited,
            n if n % 60 == 30 => Oddity::WrongClock,
            n if n % 50 == REPEATED => Oddity::Repeated,
            n if n % 10 == 9 => Oddity::NearDuplicate,
            n => match n % 5 {
                0 | 1 => Oddity::PlaceRemoved,
                2 | 3 => Oddity::Whole,
                _ => Oddity::Messenger,
            },
        };
        // A near-duplicate shows what the one before showed; every repeated file is the same.
        let seen = match oddity {
            Oddity::NearDuplicate => n - 1,
            Oddity::Repeated => REPEATED,
            _ => n,
        };
        let mut chance = scene::Chance::new(u64::from(seen) + 1);
        let minutes = chance.around(15.0, 45.0);
        let (north, east) = (chance.around(0.0, 250.0), chance.around(0.0, 250.0));
        let centre = appeal.area.centre;
        let place = Point::new(centre.lat + north / 111_195.0, centre.lon + east / 75_500.0).unwrap_or(centre);
        #[allow(clippy::cast_possible_truncation)]
        let at = appeal.from.plus((minutes * 60.0) as i64 * SECOND_US);
        let bearing = (east.atan2(north).to_degrees() + 540.0) % 360.0;
        let shot = Shot { seed: u64::from(seen), bearing, smoke: (minutes / 60.0).clamp(0.0, 1.0) };
        Self { n, device: (seen * 7 + if oddity == Oddity::Repeated { n } else { 0 }) % DEVICES, oddity, at, place, shot }
    }

    fn name(&self) -> String {
        match self.oddity {
            Oddity::Messenger => format!("received_{:08}.jpg", self.n * 7_919),
            Oddity::PlaceRemoved => format!("{}.jpg", 1_000_000_000 + self.n),
            _ => format!("IMG_{:04}.jpg", self.n),
        }
    }

    fn photo(&self) -> Result<Vec<u8>> {
        let mut picture = Scene::draw(&self.shot);
        let quality = match self.oddity {
            Oddity::NearDuplicate => 62,
            Oddity::Messenger => 70,
            _ => 85,
        };
        match self.oddity {
            Oddity::NearDuplicate => picture.shrink(),
            Oddity::Edited => picture.paint_over(),
            _ => {}
        }
        let jpeg = picture.jpeg(quality)?;
        if self.oddity == Oddity::Messenger {
            return Ok(jpeg);
        }
        let wrong = if self.oddity == Oddity::WrongClock { -20 * 365 * DAY_US } else { 0 };
        let metadata = Metadata {
            make: "Lumen",
            model: if self.device.is_multiple_of(2) { "A4" } else { "P7" },
            software: if self.oddity == Oddity::Edited { "PhotoPainter 3.1" } else { "12.0" },
            local: self.at.plus(wrong).in_zone(ZONE),
            offset: (self.oddity == Oddity::Whole).then_some(zone_offset(self.at)),
            gps: match self.oddity {
                Oddity::Whole => Gps::At { point: self.place, utc: self.at, bearing: self.shot.bearing },
                Oddity::PlaceRemoved => Gps::Emptied,
                _ => Gps::Absent,
            },
        };
        Ok(exif::with_metadata(&jpeg, &metadata))
    }
}

/// `+02:00`, as the town's clocks had it.
fn zone_offset(at: Utc) -> String {
    let zone = jiff::tz::TimeZone::get(ZONE).unwrap_or(jiff::tz::TimeZone::UTC);
    at.timestamp().to_zoned(zone).strftime("%:z").to_string()
}
