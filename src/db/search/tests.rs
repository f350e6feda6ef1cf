use std::collections::HashMap;

use super::*;
use crate::db::{self, Db};
use crate::domain::appeal::{Appeal, Area};
use crate::domain::capture::{Effective, Grade, Place, Source};
use crate::domain::exhibit::{Kind, Quarantine, State};
use crate::domain::review::{RawFilter, TagBook, closeness};
use crate::domain::value::{MINUTE_US, Point, Sha256, Utc};

/// SplitMix64: the same numbers in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 29)
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
    fn between(&mut self, a: f64, b: f64) -> f64 {
        a + (b - a) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn id(&mut self) -> Id {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.next().to_be_bytes());
        Id::new(Utc::from_micros(1_784_000_000_000_000), random)
    }
    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.next()).unwrap() % list.len()]
    }
}

const START: i64 = 1_784_059_200_000_000;

fn exhibit(c: &mut Chance, appeal: &Appeal, submission: Id, sha256: Sha256, n: i64) -> Exhibit {
    let from = Utc::from_micros(START).plus(c.between(-300.0, 300.0) as i64 * MINUTE_US);
    let width = c.of(&[0, MINUTE_US, 60 * MINUTE_US, 1_440 * MINUTE_US]);
    // Near the antimeridian, where longitudes jump.
    let lon = c.between(179.0, 181.0);
    let point = Point::new(c.between(-18.0, -16.0), if lon > 180.0 { lon - 360.0 } else { lon }).unwrap();
    Exhibit {
        id: c.id(),
        appeal: appeal.id,
        agency: appeal.agency,
        submission,
        number: u64::try_from(n + 1).unwrap(),
        family: c.next() % 40 + 1,
        lead: c.one_in(3),
        sha256,
        size: 1,
        name: "x".into(),
        name_truncated: false,
        media_type: "image/jpeg".into(),
        kind: c.of(&Kind::ALL),
        state: c.of(&State::ALL),
        quarantine: c.one_in(5).then_some(Quarantine::Archive),
        restricted: false,
        received_at: Utc::from_micros(START + n),
        when: (!c.one_in(5)).then_some(Effective {
            from,
            to: from.plus(width),
            grade: c.of(&[Grade::A, Grade::B, Grade::C, Grade::D]),
            source: Source::ExifOriginal,
        }),
        place: (!c.one_in(3)).then_some(Place { point, radius_m: 5.0, bearing: None, source: Source::ExifGps }),
        has_thumbnail: false,
        notes: Vec::new(),
        examined: false,
        tags: u32::try_from(c.next() % 4).unwrap(),
        signs: u32::try_from(c.next() % 1024).unwrap(),
        sender: u64::try_from(n / 3 * 3 + 1).unwrap(),
        device: c.next() % 12,
        assignee: None,
        version: 0,
    }
}

fn filter(c: &mut Chance) -> Filter {
    let mut raw = RawFilter { order: Some(c.of(&["closeness", "time", "received"]).into()), ..RawFilter::default() };
    if c.one_in(2) {
        let from = Utc::from_micros(START).plus(c.between(-300.0, 200.0) as i64 * MINUTE_US);
        raw.from = Some(from.to_string());
        raw.to = c.one_in(2).then(|| from.plus(90 * MINUTE_US).to_string());
    } else {
        raw.time = c.one_in(4).then(|| "unknown".into());
    }
    match c.next() % 5 {
        0 => raw.bbox = Some(format!("{},-17.5,{},-16.5", c.between(179.0, 180.0), c.between(-180.0, -179.0))),
        1 => {
            raw.near = Some(format!("-17,{}", c.of(&[179.9, -179.9])));
            raw.radius_m = Some(c.between(100.0, 80_000.0).to_string());
        }
        2 => {
            let mut corner = || format!("{},{}", c.between(-18.0, -16.0), c.between(179.0, 180.0));
            raw.within = Some((0..8).map(|_| corner()).collect::<Vec<_>>().join(";"));
        }
        3 => raw.place = Some("unknown".into()),
        _ => {}
    }
    if c.one_in(3) {
        raw.state = Some(format!("{},{}", c.of(&State::ALL).as_str(), c.of(&State::ALL).as_str()));
    }
    if c.one_in(3) {
        raw.kind = Some(c.of(&Kind::ALL).as_str().into());
    }
    if c.one_in(4) {
        raw.grade = Some(c.of(&["A", "B,C", "D"]).into());
    }
    match c.next() % 6 {
        0 => raw.family = Some("best".into()),
        1 => raw.family = Some((c.next() % 40 + 1).to_string()),
        _ => {}
    }
    if c.one_in(4) {
        raw.tag = Some(c.of(&["second-look", "graphic", "graphic,second-look"]).into());
    }
    if c.one_in(4) {
        raw.sign = Some(c.of(&["own", "received,messenger,screen", "edited", "clock,place", "broken,generated,credentials"]).into());
    }
    match c.next() % 8 {
        0 => raw.submission = Some((c.next() % 140 * 3 + 1).to_string()),
        1 => raw.device = Some((c.next() % 12 + 1).to_string()),
        _ => {}
    }
    if c.one_in(6) {
        raw.assigned = Some("nobody".into());
    }
    Filter::read(&raw, &TagBook::default()).unwrap()
}

async fn the_database_answers_as_the_noun_says(db: Db) {
    let mut c = Chance(42);
    let now = Utc::from_micros(START);
    let mut tx = db.begin().await.unwrap();
    let agency = db::agencies::first(&mut tx, c.id(), "a", now).await.unwrap();
    let area = Area { centre: Point::new(-17.0, 180.0).unwrap(), radius_m: 1_000.0 };
    let appeal = Appeal { id: c.id(), agency, area, ..Appeal::sample(now, now.plus(30 * MINUTE_US), "UTC") };
    db::appeals::create(&mut tx, &appeal).await.unwrap();
    let submission = c.id();
    db::submissions::create(&mut tx, submission, appeal.id, Sha256::of(b"t"), Sha256::of(b"r"), None, now).await.unwrap();
    let sha256 = Sha256::of(b"content");
    db::contents::insert(&mut tx, agency, sha256, 1, "k", now).await.unwrap();
    let mut all = Vec::new();
    for n in 0..400 {
        let e = exhibit(&mut c, &appeal, submission, sha256, n);
        db::exhibits::insert(&mut tx, &e, closeness(&appeal, &e)).await.unwrap();
        db::exhibits::set_examined(&mut tx, &e, closeness(&appeal, &e), 0, now).await.unwrap();
        db::exhibits::set_tags(&mut tx, e.id, e.tags, now).await.unwrap();
        all.push(e);
    }
    tx.commit().await.unwrap();
    let mut tx = db.read().await.unwrap();
    let lines = db::lines::changed_since(&mut tx, appeal.id, Utc::from_micros(i64::MIN)).await.unwrap();
    drop(tx);
    let number: HashMap<Id, u64> = all.iter().map(|e| (e.id, e.number)).collect();
    let by_id: HashMap<Id, &Exhibit> = all.iter().map(|e| (e.id, e)).collect();
    let mut hits = 0;
    for _ in 0..300 {
        let f = filter(&mut c);
        let mut tx = db.read().await.unwrap();
        let rows = page(&mut tx, appeal.id, &f, None, 1_000).await.unwrap();
        let mut found: Vec<Id> = rows.iter().map(|(_, e)| e.id).collect();
        assert!(rows.is_sorted_by_key(|(key, e)| (*key, e.id)), "{f:?}");
        let mut expected: Vec<Id> = by_id.values().filter(|e| f.holds(e)).map(|e| e.id).collect();
        // Paging finds the same, in the same order.
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let some = page(&mut tx, appeal.id, &f, after.as_ref(), 37).await.unwrap();
            let Some((key, last)) = some.last().map(|(k, e)| (*k, e.id)) else { break };
            after = Some(Cursor::read(&Cursor::after(&f, key, last), &f).unwrap());
            paged.extend(some.into_iter().map(|(_, e)| e.id));
        }
        assert_eq!(paged, found, "{f:?}");
        hits += found.len();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{f:?}");
        // What is asked in memory finds the same, and counts it.
        let mut in_memory: Vec<u64> = found.iter().map(|id| number[id]).collect();
        in_memory.sort_unstable();
        assert_eq!(f.of_lines(&lines), in_memory, "{f:?}");
        let counts = f.counts(&lines);
        assert_eq!(counts.found, found.len() as u64);
        let whole = overview(&mut tx, appeal.id, &f).await.unwrap();
        assert_eq!(whole.found, found.len() as u64, "{f:?}");
        let sum = |counted: &[(_, u64)]| counted.iter().map(|c| c.1).sum::<u64>();
        let (timed, placed) = (found.iter().filter(|id| by_id[*id].when.is_some()), found.iter().filter(|id| by_id[*id].place.is_some()));
        assert_eq!(sum(&whole.histogram), timed.count() as u64, "{f:?}");
        assert_eq!(whole.clusters.iter().map(|c| c.1).sum::<u64>(), placed.count() as u64, "{f:?}");
        assert!(whole.states.iter().all(|(s, n)| counts.states[*s as usize] >= *n));
        if f.from.is_some() || f.to.is_some() {
            assert_eq!(whole.maybe_in_time, counts.time_unknown, "{f:?}");
        }
        if f.near.is_some() || f.bbox.is_some() || f.within.is_some() {
            assert_eq!(whole.maybe_in_place, counts.place_unknown, "{f:?}");
        }
    }
    assert!(hits > 3_000, "the filters find something: {hits}");
    db.close().await;
}

#[tokio::test]
async fn on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}", dir.path().join("t.db").display())).await.unwrap();
    the_database_answers_as_the_noun_says(db).await;
}

#[tokio::test]
async fn on_postgres() {
    let admin = std::env::var("TEMOIN_TEST_POSTGRES").expect("run the tests with infra/test.sh, which starts PostgreSQL");
    let name = format!("search_{}", std::process::id());
    let made = std::process::Command::new("psql").args([&admin, "-qc", &format!("CREATE DATABASE {name}")]).output().unwrap();
    assert!(made.status.success());
    let url = format!("{}/{name}", admin.rsplit_once('/').unwrap().0);
    the_database_answers_as_the_noun_says(Db::open(&url).await.unwrap()).await;
}
