//! The investigator's pages.

pub mod appeals;
pub mod board;
pub mod bulk;
pub mod compare;
pub mod correct;
pub mod decide;
pub mod exhibit;
pub mod exports;
pub mod facts;
pub mod family;
pub mod queue;
pub mod remark;
pub mod sample;
pub mod workspace;

use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use crate::domain::exhibit::{Kind, State};

pub fn state_words(t: &FluentLanguageLoader, state: State) -> String {
    match state {
        State::Received => fl!(t, "state-received"),
        State::Ready => fl!(t, "state-ready"),
        State::Relevant => fl!(t, "state-relevant"),
        State::NotRelevant => fl!(t, "state-not-relevant"),
        State::Undecided => fl!(t, "state-undecided"),
    }
}

pub fn kind_words(t: &FluentLanguageLoader, kind: Kind) -> String {
    match kind {
        Kind::Photo => fl!(t, "kind-photo"),
        Kind::Video => fl!(t, "kind-video"),
        Kind::Audio => fl!(t, "kind-audio"),
        Kind::Document => fl!(t, "kind-document"),
        Kind::Other => fl!(t, "kind-other"),
    }
}
