//! Who acts, and what each may do. One table, [`may`], says it all; the extractors of `web` turn it
//! into types.

use serde::{Deserialize, Serialize};

use super::purpose::PurposeCode;
use super::value::Id;

/// The roles that an account can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Investigator,
    Supervisor,
    Auditor,
    Administrator,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Investigator, Role::Supervisor, Role::Auditor, Role::Administrator];

    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Investigator => "investigator",
            Role::Supervisor => "supervisor",
            Role::Auditor => "auditor",
            Role::Administrator => "administrator",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// What a person can do that not everybody may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// See an appeal's exhibits: lists, thumbnails, media, metadata, custody events.
    SeeExhibits,
    /// Decide on an exhibit.
    Decide,
    /// Ask that an exhibit be erased.
    RequestErasure,
    /// Make bundles that leave the building, and fetch them.
    Export,
    /// Put an exhibit under a hold and release it; agree to an erasure, or refuse it.
    Retain,
    /// See appeals and how they go, without any media.
    SeeAppeals,
    /// Read the custody log's entries and look up hashes.
    Audit,
    /// Create and disable accounts.
    ManageAccounts,
}

/// The whole table of rights. Auditors never see media, by any grant; administrators run the house
/// and do not look at evidence.
pub const fn may(role: Role, act: Act) -> bool {
    use Act::*;
    use Role::*;
    matches!(
        (role, act),
        (Investigator | Supervisor, SeeExhibits | Decide | SeeAppeals | RequestErasure | Export)
            | (Supervisor, Retain)
            | (Auditor, SeeAppeals | Audit)
            | (Administrator, SeeAppeals | ManageAccounts)
    )
}

/// How a person proved who they are; it goes into every custody event they cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    Password,
    ApiToken,
}

impl Proof {
    pub const fn as_str(self) -> &'static str {
        match self {
            Proof::Password => "password",
            Proof::ApiToken => "api-token",
        }
    }
}

/// A signed-in person.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: Id,
    pub agency: Id,
    pub name: String,
    pub role: Role,
    pub proof: Proof,
    /// Why they look at exhibits, once they have said so.
    pub purpose: Option<PurposeCode>,
}

impl Person {
    /// The same person, in an act that has a purpose of its own.
    pub fn with(&self, purpose: PurposeCode) -> Self {
        Self { purpose: Some(purpose), ..self.clone() }
    }
}

/// Who caused a custody event. Only random ids: the map from ids to people is another table.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Somebody who holds a submission's token or receipt; `ref` is the submission.
    Witness(Id),
    Person {
        id: Id,
        role: Role,
        proof: Proof,
        purpose: Option<PurposeCode>,
    },
    /// Someone at the operator's command line.
    Operator,
    /// The program itself.
    System,
    /// Nobody known: a failed login, a refused upload.
    Stranger,
}

impl From<&Person> for Actor {
    fn from(p: &Person) -> Self {
        Actor::Person { id: p.id, role: p.role, proof: p.proof, purpose: p.purpose }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auditors_and_administrators_never_see_media() {
        for role in [Role::Auditor, Role::Administrator] {
            assert!(!may(role, Act::SeeExhibits));
            assert!(!may(role, Act::Decide));
        }
        assert!(!may(Role::Investigator, Act::ManageAccounts));
        assert!(may(Role::Auditor, Act::Audit));
    }

    #[test]
    fn erasing_takes_a_supervisor() {
        assert!(Role::ALL.into_iter().all(|r| may(r, Act::Retain) == (r == Role::Supervisor)));
    }

    #[test]
    fn roles_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
