//! When and where a file says it was taken: claims, each with its source and doubt, and the rule that
//! picks the effective one.
//!
//! Claims are only ever added. Nothing is invented: an unknown time stays unknown and is never the
//! time of receipt. "Removed by the phone", "zero" and "impossible" are different facts from silence.

mod claim;
mod found;
mod name;
mod rule;
mod source;

pub use claim::{Frame, PlaceClaim, TimeClaim, in_zone, place_claims, time_claims, told_claims};
pub use found::{Device, Found, PlaceFound, PlaceStatus, Shape, Stream, TimeFound};
pub use name::{messenger, of_a_screen, time_in_name};
pub use rule::{Effective, Place, RULE_VERSION, WITHDRAWN, claims_digest, effective_place, effective_time, stands, stands_as};
pub use source::{Grade, Source};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::{HOUR_US, SECOND_US, Utc};

    fn at(text: &str) -> Utc {
        text.parse().unwrap()
    }

    fn frame() -> Frame<'static> {
        Frame { zone: "Europe/Paris", zone_there: None, received_at: at("2026-07-15T00:00:00Z"), reader: "test" }
    }

    fn time(source: Source, local: &str, offset_min: Option<i32>) -> TimeFound {
        TimeFound { source, raw: local.into(), path: "x".into(), local: Some(local.into()), offset_min, date_only: false }
    }

    #[test]
    fn an_offset_in_the_file_beats_the_appeals_zone() {
        let found = Found { times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", Some(120))], ..Found::default() };
        let e = effective_time(&time_claims(&found, &frame())).unwrap();
        assert_eq!((e.grade, e.from.plus(SECOND_US)), (Grade::A, at("2026-07-14T20:10:00Z")));
    }

    #[test]
    fn no_zone_takes_the_appeals_with_doubt() {
        let found = Found { times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", None)], ..Found::default() };
        let e = effective_time(&time_claims(&found, &frame())).unwrap();
        assert_eq!(e.grade, Grade::C);
        assert_eq!((e.from, e.to), (at("2026-07-14T19:10:00Z"), at("2026-07-14T21:10:00Z")));
    }

    #[test]
    fn what_a_program_wrote_is_never_better_than_the_camera() {
        // IPTC's +0000 beside a camera in Paris, which names no zone: the camera's clock stands, and its doubt.
        let camera = time(Source::ExifOriginal, "2026-07-14T22:10:00", None);
        let found = |more: TimeFound| Found { times: vec![more, camera.clone()], ..Found::default() };
        let frame = Frame { zone_there: Some("Europe/Paris"), ..frame() };
        let claims = time_claims(&found(time(Source::IptcCreated, "2026-07-14T22:10:00", Some(0))), &frame);
        assert_eq!(
            (claims[0].grade, claims[0].from, claims[0].to),
            (Grade::B, Some(at("2026-07-14T20:08:00Z")), Some(at("2026-07-14T22:12:00Z")))
        );
        let e = effective_time(&claims).unwrap();
        assert_eq!((e.source, e.grade), (Source::ExifOriginal, Grade::B));
        // Another wall clock is some time of the file's life, an hour about.
        let claims = time_claims(&found(time(Source::XmpCreated, "2026-07-14T23:31:00", Some(120))), &frame);
        assert_eq!((claims[0].grade, claims[0].from), (Grade::C, Some(at("2026-07-14T20:31:00Z"))));
        assert_eq!(effective_time(&claims).unwrap().source, Source::ExifOriginal);
    }

    #[test]
    fn a_clock_that_is_written_twice_has_one_offset() {
        let [original, digitized] =
            [(Source::ExifOriginal, Some(60)), (Source::ExifDigitized, None)].map(|(s, o)| time(s, "2026-11-28T20:09:56", o));
        let found = Found { times: vec![original, digitized], ..Found::default() };
        // (The place's own zone is another: who travels may not have set it.)
        let claims = time_claims(&found, &Frame { zone_there: Some("UTC"), received_at: at("2026-11-29T00:00:00Z"), ..frame() });
        assert_eq!((claims[1].grade, claims[1].from), (Grade::A, claims[0].from));
    }

    #[test]
    fn a_time_without_seconds_is_all_of_its_minute() {
        let found = Found { times: vec![time(Source::RecordedText, "2026-07-14T22:10", Some(120))], ..Found::default() };
        let claims = time_claims(&found, &frame());
        assert_eq!((claims[0].from, claims[0].to), (Some(at("2026-07-14T20:09:59Z")), Some(at("2026-07-14T20:11:00Z"))));
    }

    #[test]
    fn two_clocks_give_the_zone_or_disagree() {
        let gps = time(Source::ExifGps, "2026-07-14T20:10:30", None);
        let camera = |local: &str| Found { times: vec![time(Source::ExifOriginal, local, None), gps.clone()], ..Found::default() };
        let claims = time_claims(&camera("2026-07-14T22:10:00"), &frame());
        assert_eq!((claims[0].grade, claims[0].zone_from.as_str()), (Grade::B, "gps"));
        let claims = time_claims(&camera("2026-07-14T22:17:30"), &frame());
        assert_eq!(claims[0].grade, Grade::C, "seven minutes off is no zone");
        assert_eq!((claims[1].grade, claims[1].zone_from.as_str()), (Grade::B, "disputed"));
        assert_eq!((claims[1].from, claims[1].to), (Some(at("2026-07-14T20:10:29Z")), Some(at("2026-07-14T20:17:30Z"))));
        // An old fix does not become the time of a picture whose own clock says its zone.
        let old = Found {
            times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", Some(120)), time(Source::ExifGps, "2026-07-14T17:00:00", None)],
            ..Found::default()
        };
        let claims = time_claims(&old, &frame());
        assert_eq!((claims[0].grade, claims[1].grade, claims[1].to), (Grade::A, Grade::B, Some(at("2026-07-14T20:10:00Z"))));
        // A clock that was never set casts no doubt on the satellites.
        let unset = camera("1980-01-01T00:00:00");
        assert_eq!(time_claims(&unset, &frame())[1].grade, Grade::A);
    }

    #[test]
    fn a_header_clock_of_an_unknown_writer_reaches_over_both_readings() {
        let header = |offset| Found { times: vec![time(Source::ContainerHeader, "2026-07-14T22:10:00", offset)], ..Found::default() };
        let claims = time_claims(&header(Some(0)), &frame());
        assert_eq!((claims[0].from, claims[0].zone_from.as_str()), (Some(at("2026-07-14T22:09:00Z")), "utc"));
        let claims = time_claims(&header(None), &frame());
        assert_eq!((claims[0].from, claims[0].to), (Some(at("2026-07-14T20:09:00Z")), Some(at("2026-07-14T22:11:00Z"))));
        assert_eq!((claims[0].grade, claims[0].zone_from.as_str()), (Grade::C, "utc_or_local"));
    }

    #[test]
    fn an_hour_that_happens_twice_widens() {
        let (a, b) = in_zone("2026-10-25T02:30:00", "Europe/Paris").unwrap();
        assert_eq!(b.micros() - a.micros(), HOUR_US);
    }

    #[test]
    fn clocks_never_set_and_future_ones_are_kept_but_not_used() {
        for (local, why) in [("1970-01-01T00:00:00", "clock-not-set"), ("2038-01-01T00:00:00", "in-the-future")] {
            let found = Found { times: vec![time(Source::ExifOriginal, local, None)], ..Found::default() };
            let claims = time_claims(&found, &frame());
            assert_eq!(claims[0].problem.as_deref(), Some(why));
            assert_eq!(effective_time(&claims), None);
        }
    }

    #[test]
    fn names_that_hold_a_time() {
        for (name, offset) in [
            ("IMG_20260714_221003.jpg", None),
            ("2026-07-14 22.10.03.mp4", None),
            ("PXL_20260714_221003123.MP.jpg", Some(0)),
            ("FB_IMG_1784067003000.jpg", Some(0)),
        ] {
            let found = time_in_name(name).unwrap();
            assert_eq!((found.local.as_deref(), found.offset_min), (Some("2026-07-14T22:10:03"), offset), "{name}");
        }
        assert_eq!(messenger("photo_2026-07-14_22-10-03.jpg"), Some("Telegram"));
        assert_eq!(messenger("IMG-20260714-WA12345.jpg"), Some("WhatsApp"));
        for name in ["Photo_2026-07-14_Marseille.jpg", "Screenshot_20260714_com.whatsapp.png", "P-WAGON1.jpg"] {
            assert_eq!(messenger(name), None, "{name}");
        }
        let sent = time_in_name("IMG-20260714-WA0007.jpg").unwrap();
        assert!(sent.date_only);
        let claims = time_claims(&Found { times: vec![sent], ..Found::default() }, &frame());
        assert_eq!((claims[0].from, claims[0].grade), (Some(at("2026-07-13T21:00:00Z")), Grade::D));
        for name in [
            "received_2010123123595900.jpeg",
            "20260714221003771234.jpg",
            "IMG_1234.jpg",
            "99999999999999999.jpg",
            "IMG_20261314_221003.jpg",
            "",
        ] {
            assert_eq!(time_in_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_files_own_place_lends_its_zone() {
        let found = Found { times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", None)], ..Found::default() };
        let claims = time_claims(&found, &Frame { zone_there: Some("America/New_York"), ..frame() });
        assert_eq!((claims[0].grade, claims[0].zone_from.as_str()), (Grade::B, "place"));
        assert_eq!(claims[0].from, Some(at("2026-07-15T02:08:00Z")));
    }

    #[test]
    fn what_an_investigator_states_comes_first_until_it_is_withdrawn() {
        let found = Found { times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", Some(120))], ..Found::default() };
        let mut claims = time_claims(&found, &frame());
        let stated = TimeClaim { source: Source::InvestigatorStatement, path: "investigator".into(), grade: Grade::D, ..claims[0].clone() };
        claims.push(stated.clone());
        assert_eq!(effective_time(&claims).unwrap().source, Source::InvestigatorStatement);
        claims.push(TimeClaim { from: None, to: None, problem: Some(WITHDRAWN.into()), ..stated.clone() });
        assert_eq!(effective_time(&claims).unwrap().source, Source::ExifOriginal);
        claims.push(stated);
        assert_eq!(effective_time(&claims).unwrap().source, Source::InvestigatorStatement, "and stated again");
    }

    #[test]
    fn a_removed_place_is_a_claim_without_a_point() {
        let found = Found { places: vec![PlaceFound::of(Source::ExifGps, PlaceStatus::RemovedByPhone)], ..Found::default() };
        let claims = place_claims(&found, "test");
        assert_eq!(claims[0].status, PlaceStatus::RemovedByPhone);
        assert_eq!(effective_place(&claims), None);
    }
}
