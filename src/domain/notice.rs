//! What an agency says about itself at the foot of its pages: who answers for what is done with people's data (Directive (EU) 2016/680,
//! article 13), and who helps those whom the pages do not serve (Directive (EU) 2016/2102, article 7).

use serde::{Deserialize, Serialize};

/// Each an address, a number or a name, as people write it; empty: not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notice {
    /// Where people ask about data of theirs.
    pub contact: String,
    /// The data protection officer.
    pub officer: String,
    /// The authority that people complain to.
    pub authority: String,
    /// Who helps those who cannot use the page.
    pub assistance: String,
    /// Where people find out whether a page is the agency's: its own site, a number.
    pub genuine: String,
}

impl Notice {
    /// Characters of one field.
    pub const LENGTH_MAX: usize = 300;

    pub const FIELDS: [&'static str; 5] = ["contact", "officer", "authority", "assistance", "genuine"];

    pub fn field(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "contact" => Some(&mut self.contact),
            "officer" => Some(&mut self.officer),
            "authority" => Some(&mut self.authority),
            "assistance" => Some(&mut self.assistance),
            "genuine" => Some(&mut self.genuine),
            _ => None,
        }
    }
}
