//! `temoin appeal new|open|close|list`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::accounts;
use crate::app::App;
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::{self as noun, AppealState, Area, Budgets, IntakeRules, Text, normal_code};
use crate::domain::exhibit::{Kind, kept_name};
use crate::domain::retention::Periods;
use crate::domain::value::{Point, Utc};
use crate::error::{Error, Result};
use crate::retain;
use crate::review::{self, NewAppeal};

#[derive(Subcommand)]
pub enum Appeal {
    /// Write an appeal; it stays a draft until it is opened
    New(Box<New>),
    /// Open an appeal to the public
    Open { code: String },
    /// Close an appeal for good
    Close { code: String },
    /// Flood mode: browsers work for their place, and small files go before large ones
    Flood {
        code: String,
        #[arg(value_enum)]
        state: OnOff,
    },
    /// List files that were begun and not finished
    HalfSent {
        #[arg(long)]
        json: bool,
    },
    /// Say for how long its exhibits are kept, in days from the receipt of each; what is not said has no end
    Periods {
        code: String,
        /// Found relevant
        #[arg(long)]
        kept_days: Option<u32>,
        /// Not decided
        #[arg(long)]
        undecided_days: Option<u32>,
        /// Found not relevant
        #[arg(long)]
        declined_days: Option<u32>,
        /// Until somebody looks whether the appeal is still needed
        #[arg(long)]
        review_days: Option<u32>,
    },
    /// Show what is over its time: a dry run. It goes when a supervisor asks and two others agree (/retention)
    Due {
        #[arg(long)]
        json: bool,
    },
    /// List the appeals
    List {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

#[derive(clap::Args)]
pub struct New {
    /// Short code for posters and radio: letters, digits, hyphens
    code: String,
    #[arg(long)]
    title: String,
    /// What happened
    #[arg(long)]
    what: String,
    /// Where, in words
    #[arg(long)]
    place: String,
    /// The incident's time window, RFC 3339
    #[arg(long)]
    from: String,
    #[arg(long)]
    to: String,
    /// Centre of the area in degrees: LAT,LON
    #[arg(long, allow_hyphen_values = true)]
    near: String,
    #[arg(long, default_value_t = 500.0)]
    radius_m: f64,
    /// IANA time zone of the incident
    #[arg(long, default_value = "Europe/Paris")]
    zone: String,
    /// Language of the texts
    #[arg(long, default_value = "fr")]
    language: String,
    /// Number to call in danger
    #[arg(long, default_value = "112")]
    emergency: String,
    #[arg(long)]
    file_bytes_max: Option<u64>,
    #[arg(long)]
    submission_bytes_max: Option<u64>,
    #[arg(long)]
    submission_files_max: Option<u64>,
    #[arg(long)]
    appeal_bytes_max: Option<u64>,
    /// Hours that half-sent files can still be finished
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    half_sent_hours: u32,
    /// Take only these kinds, as far as senders declare them: photo, video, audio, document. Without: everything
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Whose appeal it is, by the agency's name. Without: the first agency's
    #[arg(long)]
    agency: Option<String>,
    /// Open it at once
    #[arg(long)]
    open: bool,
}

pub async fn appeal(flags: &Flags, command: Appeal) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    match command {
        Appeal::New(new) => create(&app, *new).await?,
        Appeal::Open { code } => set_state(&app, &code, AppealState::Open).await?,
        Appeal::Close { code } => set_state(&app, &code, AppealState::Closed).await?,
        Appeal::Flood { code, state } => set_flood(&app, &code, state == OnOff::On).await?,
        Appeal::HalfSent { json } => half_sent(&app, json).await?,
        Appeal::Periods { code, kept_days, undecided_days, declined_days, review_days } => {
            let periods = Periods { kept_days, undecided_days, declined_days, review_days };
            set_periods(&app, &code, &periods).await?;
        }
        Appeal::Due { json } => due(&app, json).await?,
        Appeal::List { json } => list(&app, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn invalid<T>(field: &'static str, why: &str) -> Result<T> {
    Err(Error::Invalid { field, why: why.to_owned() })
}

async fn create(app: &App, new: New) -> Result<()> {
    let Some(code) = normal_code(&new.code) else { return invalid("code", "3 to 32 letters, digits and hyphens") };
    let time = |field, text: &str| text.parse::<Utc>().or_else(|()| invalid(field, "not an RFC 3339 time with an offset"));
    let (from, to) = (time("from", &new.from)?, time("to", &new.to)?);
    if from > to {
        return invalid("to", "the window ends before it starts");
    }
    if jiff::tz::TimeZone::get(&new.zone).is_err() {
        return invalid("zone", "no such time zone");
    }
    let centre = new.near.split_once(',').and_then(|(lat, lon)| Point::new(lat.trim().parse().ok()?, lon.trim().parse().ok()?));
    let Some(centre) = centre else { return invalid("near", "two numbers on the Earth: LAT,LON") };
    if !(new.radius_m > 0.0 && new.radius_m <= 100_000.0) {
        return invalid("radius_m", "metres, more than 0 and up to 100000");
    }
    let kinds: Option<Vec<Kind>> = new.only.iter().map(|k| Kind::parse(k)).collect();
    let Some(kinds) = kinds else { return invalid("only", "photo, video, audio, document, other") };
    for (field, text) in [("title", &new.title), ("what", &new.what), ("place", &new.place)] {
        if text.trim().is_empty() {
            return invalid(field, "witnesses read it: some words");
        }
    }
    for (field, most) in [
        ("file_bytes_max", new.file_bytes_max),
        ("submission_bytes_max", new.submission_bytes_max),
        ("submission_files_max", new.submission_files_max),
        ("appeal_bytes_max", new.appeal_bytes_max),
    ] {
        if most == Some(0) {
            return invalid(field, "nothing could be sent");
        }
    }
    let d = Budgets::default();
    let text = Text { title: new.title, what: new.what, place: new.place };
    let made = review::create_appeal(
        app,
        Actor::Operator,
        NewAppeal {
            agency: new.agency,
            code,
            texts: BTreeMap::from([(new.language.clone(), text)]),
            default_language: new.language,
            emergency_number: new.emergency,
            from,
            to,
            zone: new.zone,
            area: Area { centre, radius_m: new.radius_m },
            budgets: Budgets {
                file_bytes_max: new.file_bytes_max.unwrap_or(d.file_bytes_max),
                submission_bytes_max: new.submission_bytes_max.unwrap_or(d.submission_bytes_max),
                submission_files_max: new.submission_files_max.unwrap_or(d.submission_files_max),
                appeal_bytes_max: new.appeal_bytes_max.unwrap_or(d.appeal_bytes_max),
            },
            intake: IntakeRules { half_sent_hours: new.half_sent_hours, kinds, flood: false },
            demo: false,
        },
    )
    .await?;
    if new.open {
        review::set_appeal_state(app, Actor::Operator, &made, AppealState::Open).await?;
    }
    say!("{}/a/{}", app.config.public_url, made.code);
    Ok(())
}

async fn set_state(app: &App, code: &str, state: AppealState) -> Result<()> {
    let code = normal_code(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let found: noun::Appeal = db::appeals::by_code(&mut tx, &code).await?.ok_or(Error::NotFound)?;
    drop(tx);
    review::set_appeal_state(app, Actor::Operator, &found, state).await?;
    say!("{code} is now {}", state.as_str());
    Ok(())
}

async fn set_flood(app: &App, code: &str, flood: bool) -> Result<()> {
    let code = normal_code(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let found: noun::Appeal = db::appeals::by_code(&mut tx, &code).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let rules = IntakeRules { flood, ..found.intake.clone() };
    review::set_appeal_intake(app, Actor::Operator, &found, &rules).await?;
    say!("{code}: flood mode is {}", if flood { "on" } else { "off" });
    Ok(())
}

async fn set_periods(app: &App, code: &str, periods: &Periods) -> Result<()> {
    let code = normal_code(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let found: noun::Appeal = db::appeals::by_code(&mut tx, &code).await?.ok_or(Error::NotFound)?;
    drop(tx);
    retain::set_periods(app, None, &found, periods).await?;
    say!("{code}: periods are set");
    Ok(())
}

async fn due(app: &App, json: bool) -> Result<()> {
    let mut tx = app.db.read().await?;
    let mut appeals = Vec::new();
    for agency in db::agencies::list(&mut tx).await? {
        appeals.extend(db::appeals::list(&mut tx, agency.id).await?);
    }
    drop(tx);
    for appeal in appeals {
        let standing = retain::standing(app, &appeal, None).await?;
        for d in standing.due {
            if json {
                let line = json!({"appeal": appeal.code, "category": d.category.as_str(), "days": d.days, "due": d.free, "bound": d.bound, "soon": d.soon, "oldest": d.oldest, "review": standing.review});
                say!("{line}");
            } else {
                let days = d.days.map_or_else(|| "no end".to_owned(), |n| format!("{n} days"));
                say!(
                    "{:<20} {:<10} {days:>10}  {} due, {} held or asked for, {} within 30 days",
                    appeal.code,
                    d.category.as_str(),
                    d.free,
                    d.bound,
                    d.soon
                );
            }
        }
    }
    Ok(())
}

async fn half_sent(app: &App, json: bool) -> Result<()> {
    const SHOWN_MAX: i64 = 1_000;
    let mut tx = app.db.begin().await?;
    accounts::home(app, &mut tx).await?;
    let mut uploads = Vec::new();
    for agency in db::agencies::list(&mut tx).await? {
        uploads.extend(db::uploads::half_sent(&mut tx, agency.id, SHOWN_MAX).await?);
    }
    tx.commit().await?;
    for u in uploads {
        let (name, expires) = (kept_name(&u.name).0, Utc::from_micros(u.expires_at));
        let touched = Utc::from_micros(u.touched_at);
        if json {
            let line = json!({"appeal": u.code, "name": name, "offset": u.durable_offset, "length": u.length, "touched_at": touched, "expires_at": expires});
            say!("{line}");
        } else {
            let length = u.length.map_or_else(|| "?".to_owned(), |n| n.to_string());
            say!("{:<20} {:>14} of {length:<14} last {touched}, until {expires}  {name}", u.code, u.durable_offset);
        }
    }
    Ok(())
}

async fn list(app: &App, json: bool) -> Result<()> {
    let mut tx = app.db.begin().await?;
    accounts::home(app, &mut tx).await?;
    let mut appeals = Vec::new();
    for agency in db::agencies::list(&mut tx).await? {
        appeals.extend(db::appeals::list(&mut tx, agency.id).await?);
    }
    tx.commit().await?;
    for a in appeals {
        if json {
            say!(
                "{}",
                json!({"code": a.code, "agency": a.agency_name, "state": a.state.as_str(), "files": a.files_received, "bytes": a.bytes_received, "title": a.text(&a.default_language).title})
            );
        } else {
            say!("{:<20} {:<7} {:>8} files  {}", a.code, a.state.as_str(), a.files_received, a.text(&a.default_language).title);
        }
    }
    Ok(())
}
