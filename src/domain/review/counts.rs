//! The filter asked in memory, of all lines of an appeal at once: who belongs to the answer, and how many of each kind there would be if one
//! question less were asked. It finds what `db/search` finds; a test asks both.

use super::columns::Line;
use super::filter::{Assigned, Filter};
use super::signs::Sign;
use super::{E7, closeness::seconds_down, closeness::seconds_up};
use crate::domain::capture::Grade;
use crate::domain::exhibit::{Kind, State};

/// The questions that have facets; each is a bit of what a line misses.
const STATE: u16 = 1;
const KIND: u16 = 2;
const GRADE: u16 = 4;
const TAG: u16 = 8;
const TIME: u16 = 16;
const PLACE: u16 = 32;
const SIGN: u16 = 64;
const REST: u16 = 128;

/// How many exhibits there are of each: of what all other questions leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That all questions hold.
    pub found: u64,
    pub states: [u64; State::ALL.len()],
    pub kinds: [u64; Kind::ALL.len()],
    pub grades: [u64; Grade::ALL.len()],
    /// By bit.
    pub tags: [u64; 32],
    pub signs: [u64; Sign::ALL.len()],
    pub time_unknown: u64,
    pub place_unknown: u64,
}

impl Filter {
    /// Which questions a line does not answer; none when it belongs to the answer.
    fn misses(&self, l: &Line) -> u16 {
        let mut missed = 0;
        let mut ask = |holds: bool, bit: u16| missed |= if holds { 0 } else { bit };
        let timed = self.from.is_some() || self.to.is_some();
        ask(
            match l.time {
                None => !timed,
                Some((from, to, _, _)) => {
                    // (Whole seconds, as the index has them: the filter's own are whole.)
                    !self.time_unknown
                        && self.from.is_none_or(|f| seconds_down(to) >= seconds_down(f))
                        && self.to.is_none_or(|t| seconds_up(from) <= seconds_down(t))
                }
            },
            TIME,
        );
        ask(
            match l.place {
                None => self.bbox.is_none() && self.near.is_none() && self.within.is_none(),
                Some(p) => {
                    let at = E7 { lat: p.lat_e7, lon: p.lon_e7 };
                    !self.place_unknown
                        && self.bbox.is_none_or(|b| b.holds(at))
                        && self.near.is_none_or(|c| c.holds(at))
                        && self.within.as_ref().is_none_or(|w| w.holds(at))
                }
            },
            PLACE,
        );
        ask((self.states.is_empty() || self.states.contains(&l.state)) && (!self.quarantined || l.quarantined), STATE);
        ask(self.kinds.is_empty() || self.kinds.contains(&l.kind), KIND);
        ask(self.grades.is_empty() || l.time.is_some_and(|t| self.grades.contains(&t.2)), GRADE);
        ask(self.tags == 0 || l.tags & self.tags != 0, TAG);
        ask(self.signs == 0 || l.signs & self.signs != 0, SIGN);
        ask(
            self.assigned.is_none_or(|a| a == l.assignee.map_or(Assigned::Nobody, Assigned::To))
                && (!self.best_only || l.lead)
                && self.family.is_none_or(|f| f == l.family)
                && self.sender.is_none_or(|n| n == l.sender)
                && self.device.is_none_or(|n| n == l.device),
            REST,
        );
        missed
    }

    /// Numbers of the lines that belong to the answer.
    #[cfg(test)]
    pub fn of_lines(&self, lines: &[Line]) -> Vec<u64> {
        lines.iter().filter(|l| self.misses(l) == 0).map(|l| l.number).collect()
    }

    pub fn counts(&self, lines: &[Line]) -> Counts {
        let mut out = Counts::default();
        for l in lines {
            let missed = self.misses(l);
            // Two questions missed: no facet counts it.
            if missed != 0 && !missed.is_power_of_two() {
                continue;
            }
            out.found += u64::from(missed == 0);
            let left_by = |bit: u16| missed & !bit == 0;
            if left_by(STATE) {
                out.states[l.state as usize] += 1;
            }
            if left_by(KIND) {
                out.kinds[l.kind as usize] += 1;
            }
            if let Some((_, _, grade, _)) = l.time.filter(|_| left_by(GRADE)) {
                out.grades[grade as usize] += 1;
            }
            if left_by(TAG) && l.tags != 0 {
                for (bit, count) in out.tags.iter_mut().enumerate() {
                    *count += u64::from(l.tags >> bit & 1);
                }
            }
            if left_by(SIGN) && l.signs != 0 {
                for (bit, count) in out.signs.iter_mut().enumerate() {
                    *count += u64::from(l.signs >> bit & 1);
                }
            }
            out.time_unknown += u64::from(left_by(TIME) && l.time.is_none());
            out.place_unknown += u64::from(left_by(PLACE) && l.place.is_none());
        }
        out
    }
}

/// Takes changed and new lines in; both are in the order of their numbers.
pub fn merge(lines: &mut Vec<Line>, changed: Vec<Line>) {
    for line in changed {
        match lines.binary_search_by_key(&line.number, |l| l.number) {
            Ok(at) => lines[at] = line,
            Err(at) => lines.insert(at, line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::{RawFilter, TagBook};
    use crate::domain::value::Utc;

    fn line(number: u64, kind: Kind, state: State, tags: u32) -> Line {
        Line {
            number,
            family: number,
            lead: true,
            has_thumbnail: false,
            quarantined: false,
            kind,
            state,
            time: None,
            place: None,
            received_at: Utc::from_micros(0),
            tags,
            signs: tags << 2,
            sender: 1,
            device: 0,
            assignee: None,
            version: 0,
        }
    }

    #[test]
    fn a_facet_counts_what_the_other_questions_leave() {
        let lines = [
            line(1, Kind::Photo, State::Ready, 0),
            line(2, Kind::Photo, State::Relevant, 1),
            line(3, Kind::Video, State::Ready, 0),
            line(4, Kind::Video, State::Relevant, 3),
        ];
        let raw = RawFilter { kind: Some("photo".into()), state: Some("ready".into()), ..RawFilter::default() };
        let counts = Filter::read(&raw, &TagBook::default()).unwrap().counts(&lines);
        assert_eq!(counts.found, 1);
        assert_eq!(counts.states[State::Ready as usize..=State::Relevant as usize], [1, 1], "of photos");
        assert_eq!((counts.kinds[Kind::Photo as usize], counts.kinds[Kind::Video as usize]), (1, 1), "of those that are ready");
        assert_eq!((counts.time_unknown, counts.tags[0]), (1, 0));
        let raw = RawFilter { sign: Some("messenger,screen".into()), kind: Some("video".into()), ..RawFilter::default() };
        let counts = Filter::read(&raw, &TagBook::default()).unwrap().counts(&lines);
        assert_eq!((counts.found, counts.signs[Sign::Messenger as usize], counts.signs[Sign::Screen as usize]), (1, 1, 1));
        let all = Filter::default().counts(&lines);
        assert_eq!((all.found, all.tags[0], all.tags[1]), (4, 2, 1));
    }

    #[test]
    fn lines_are_taken_in_where_they_belong() {
        let mut lines = vec![line(1, Kind::Photo, State::Ready, 0), line(3, Kind::Photo, State::Ready, 0)];
        merge(&mut lines, vec![line(2, Kind::Video, State::Ready, 0), line(3, Kind::Audio, State::Ready, 0)]);
        assert_eq!(lines.iter().map(|l| (l.number, l.kind)).collect::<Vec<_>>(), [(1, Kind::Photo), (2, Kind::Video), (3, Kind::Audio)]);
    }
}
