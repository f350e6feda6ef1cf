//! Who acts, and what each may do. One table, [`may`], says it all; the extractors of `web` turn it
//! into types.

use serde::{Deserialize, Serialize};

use super::purpose::PurposeCode;
use super::value::{Id, Utc};

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
    /// Read how a witness can be reached.
    OpenIdentity,
    /// Agree, or not, that a colleague reads it.
    JudgeIdentity,
    /// Let another agency see an appeal, and end that.
    Share,
    /// Agree, or not, that a lost account gets a new way in.
    JudgeRecovery,
}

impl Act {
    #[cfg(test)]
    pub const ALL: [Act; 12] = [
        Act::SeeExhibits,
        Act::Decide,
        Act::RequestErasure,
        Act::Export,
        Act::Retain,
        Act::SeeAppeals,
        Act::Audit,
        Act::ManageAccounts,
        Act::OpenIdentity,
        Act::JudgeIdentity,
        Act::Share,
        Act::JudgeRecovery,
    ];

    /// Nobody does it without having said why.
    pub const fn needs_purpose(self) -> bool {
        matches!(self, Act::SeeExhibits | Act::Decide | Act::Export | Act::OpenIdentity)
    }

    /// What a stolen session must not be enough for: who does it has proved who they are a moment ago.
    pub const fn needs_proof(self) -> bool {
        matches!(
            self,
            Act::Export | Act::Retain | Act::ManageAccounts | Act::OpenIdentity | Act::JudgeIdentity | Act::Share | Act::JudgeRecovery
        )
    }
}

/// The whole table of rights in one's own agency. Auditors never see media, by any grant; administrators run the house
/// and do not look at evidence.
pub const fn may(role: Role, act: Act) -> bool {
    use Act::*;
    use Role::*;
    matches!(
        (role, act),
        (Investigator | Supervisor, SeeExhibits | Decide | SeeAppeals | RequestErasure | Export | OpenIdentity)
            | (Supervisor, Retain | JudgeIdentity | Share | JudgeRecovery)
            | (Auditor, SeeAppeals | Audit)
            | (Administrator, SeeAppeals | ManageAccounts | JudgeRecovery)
    )
}

/// How much of an appeal another agency was let in to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// See its exhibits.
    Look,
    /// And decide on them.
    Decide,
}

impl Level {
    pub const ALL: [Level; 2] = [Level::Look, Level::Decide];

    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Look => "look",
            Level::Decide => "decide",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == text)
    }
}

/// How somebody comes to an appeal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It is their agency's.
    Own,
    /// Its agency shares it with theirs.
    Shared(Level),
}

/// The same table for an appeal of another agency that is shared: who may not do it at home may not do it here, and nothing leaves,
/// is erased, or is known of a witness but through the agency whose appeal it is.
pub const fn may_at(role: Role, act: Act, reach: Reach) -> bool {
    let shared = match reach {
        Reach::Own => return may(role, act),
        Reach::Shared(Level::Look) => matches!(act, Act::SeeExhibits | Act::SeeAppeals),
        Reach::Shared(Level::Decide) => matches!(act, Act::SeeExhibits | Act::SeeAppeals | Act::Decide),
    };
    shared && may(role, act)
}

/// What an API token may be used for: some of what its owner may. Nothing that asks for a person is in it: no token reads who a witness is,
/// agrees to anything, shares an appeal or makes accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scopes(u8);

impl Scopes {
    /// Each with its name at the command line. A bit is never given to another one.
    const NAMED: [(&'static str, &'static [Act]); 5] = [
        ("look", &[Act::SeeExhibits, Act::SeeAppeals]),
        ("decide", &[Act::Decide]),
        ("export", &[Act::Export]),
        ("audit", &[Act::Audit, Act::SeeAppeals]),
        ("erasure", &[Act::RequestErasure]),
    ];
    pub const ALL: Scopes = Scopes(31);

    pub fn bits(self) -> i64 {
        self.0.into()
    }

    pub fn from_bits(bits: i64) -> Self {
        Self(u8::try_from(bits & 31).unwrap_or(0))
    }

    /// `look`, `decide`, `export`, `audit`, `erasure`.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let bit = |name: &str| Self::NAMED.iter().position(|(known, _)| *known == name);
        names.into_iter().try_fold(Self(0), |sum, name| Some(Self(sum.0 | 1 << bit(name)?)))
    }

    pub fn names(self) -> Vec<&'static str> {
        Self::NAMED.iter().enumerate().filter(|(n, _)| self.0 & 1 << n != 0).map(|(_, (name, _))| *name).collect()
    }

    pub fn allow(self, act: Act) -> bool {
        Self::NAMED.iter().enumerate().any(|(n, (_, acts))| self.0 & 1 << n != 0 && acts.contains(&act))
    }
}

/// How a person proved who they are; it goes into every custody event they cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    Password,
    /// And the code of an authenticator (RFC 6238).
    PasswordAndCode,
    /// WebAuthn, with user verification: two factors in one.
    Passkey,
    /// The agency's identity provider; `strong`: it vouches for a second factor.
    Sso {
        strong: bool,
    },
    ApiToken,
}

impl Proof {
    pub const fn as_str(self) -> &'static str {
        match self {
            Proof::Password => "password",
            Proof::PasswordAndCode => "password+code",
            Proof::Passkey => "passkey",
            Proof::Sso { strong: false } => "sso",
            Proof::Sso { strong: true } => "sso+factor",
            Proof::ApiToken => "api-token",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Proof::Password,
            Proof::PasswordAndCode,
            Proof::Passkey,
            Proof::Sso { strong: false },
            Proof::Sso { strong: true },
            Proof::ApiToken,
        ]
        .into_iter()
        .find(|p| p.as_str() == text)
    }

    /// Whether two factors were shown.
    pub const fn is_strong(self) -> bool {
        matches!(self, Proof::PasswordAndCode | Proof::Passkey | Proof::Sso { strong: true })
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
    /// When they last proved who they are; a token's owner is not there to.
    pub proved_at: Option<Utc>,
    /// What they may be here for: everything, but for a token.
    pub scopes: Option<Scopes>,
    /// Whether they have more to prove themselves with than a password.
    pub has_factor: bool,
    /// Whether somebody else chose their password.
    pub given: bool,
}

impl Person {
    /// Whether they may do this in their own agency, as they are here.
    pub fn may(&self, act: Act) -> bool {
        may(self.role, act) && self.scopes.is_none_or(|scopes| scopes.allow(act))
    }

    /// The same for an appeal that they come to in this way.
    pub fn may_at(&self, act: Act, reach: Reach) -> bool {
        may_at(self.role, act, reach) && self.scopes.is_none_or(|scopes| scopes.allow(act))
    }

    /// Whether they have proved who they are within this time.
    pub fn proved_within(&self, now: Utc, micros: i64) -> bool {
        self.proved_at.is_some_and(|at| now.micros() - at.micros() <= micros)
    }
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
    fn a_partner_sees_what_was_shared_and_takes_nothing_away() {
        for role in Role::ALL {
            for act in Act::ALL {
                let (look, decide) = (may_at(role, act, Reach::Shared(Level::Look)), may_at(role, act, Reach::Shared(Level::Decide)));
                assert_eq!(may_at(role, act, Reach::Own), may(role, act));
                assert!(!look || decide, "who may decide may look");
                assert!(!decide || may(role, act), "nothing that is not theirs at home");
                assert_eq!(look, may(role, act) && matches!(act, Act::SeeExhibits | Act::SeeAppeals));
                assert_eq!(decide, look || may(role, act) && act == Act::Decide);
            }
        }
    }

    #[test]
    fn tokens_do_nothing_that_asks_for_a_person() {
        for act in Act::ALL {
            let asks = act.needs_proof() && act != Act::Export;
            assert_eq!(Scopes::ALL.allow(act), !asks, "{act:?}");
        }
        let some = Scopes::parse(["look", "decide"]).unwrap();
        assert!(some.allow(Act::SeeExhibits) && some.allow(Act::Decide) && !some.allow(Act::Export));
        assert_eq!(some.names(), ["look", "decide"]);
        assert_eq!(Scopes::from_bits(some.bits()), some);
        assert!(Scopes::parse(["look", "everything"]).is_none());
        assert!(!Scopes::parse([]).unwrap().allow(Act::SeeAppeals));
    }

    #[test]
    fn proofs_read_back() {
        for proof in ["password", "password+code", "passkey", "sso", "sso+factor", "api-token"] {
            assert_eq!(Proof::parse(proof).unwrap().as_str(), proof);
        }
        assert_eq!(Proof::parse("smile"), None);
    }

    #[test]
    fn roles_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
