//! One custody event: a small envelope without personal data, and salted commitments to the rest.
//!
//! The envelope is RFC 8785 canonical JSON. It is made once, hashed, stored, and never serialised
//! again to be verified. What is personal or linkable, the media's own hash included, is committed
//! to as `SHA-256("evidence-commit/v1" ‖ 0x00 ‖ JCS([salt, path, value]))`; the openings live in a
//! table that can be erased without touching the log.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::actor::Actor;
use crate::domain::value::{Id, Sha256, Utc};

/// Hard limit of one entry: the bundle format's length prefix ends at 65,535, the design's at 16 KiB.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// Every kind of event, with the name that stands in the log for ever.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum EventType { $($(#[$doc])* $name),* }
        impl EventType {
            #[cfg(test)]
            pub const ALL: &'static [EventType] = &[$(EventType::$name),*];
            pub const fn as_str(self) -> &'static str {
                match self { $(EventType::$name => $text),* }
            }
        }
    };
}

event_types! {
    AppealCreated = "appeal.created",
    /// How it takes files in was changed.
    AppealChanged = "appeal.changed",
    AppealOpened = "appeal.opened",
    /// Somebody looked whether it is still needed.
    AppealReviewed = "appeal.reviewed",
    AppealClosed = "appeal.closed",
    /// A partner agency may see it, or decide too, until a day; and may no more.
    AppealShared = "appeal.shared",
    AppealUnshared = "appeal.unshared",
    /// A witness began to hand something over.
    SubmissionOpened = "submission.opened",
    /// The witness said where, when and how the files came to be.
    SubmissionStated = "submission.stated",
    /// A submission was quiet for a while: with so many files it stood.
    SubmissionClosed = "submission.closed",
    /// The witness's contact was read.
    IdentityUnmasked = "identity.unmasked",
    /// Somebody asks to read it, and another person agrees or does not.
    IdentityRequested = "identity.requested",
    IdentityApproved = "identity.approved",
    IdentityRefused = "identity.refused",
    /// A person asks about data of theirs; what is held was told; they were answered.
    SubjectRequestOpened = "subject_request.opened",
    SubjectRequestDisclosed = "subject_request.disclosed",
    SubjectRequestClosed = "subject_request.closed",
    /// Its witness asked that an exhibit be kept and not used; that is over.
    ExhibitRestricted = "exhibit.restricted",
    ExhibitUnrestricted = "exhibit.unrestricted",
    /// A file was refused; nothing of it was kept.
    UploadRejected = "upload.rejected",
    /// The witness gave a half-sent file up; nothing of it was kept.
    UploadTerminated = "upload.terminated",
    /// A half-sent file was thrown away when its time was over.
    UploadExpired = "upload.expired",
    ExhibitReceived = "exhibit.received",
    ExhibitExamined = "exhibit.examined",
    /// A picture was made of it, for eyes.
    DerivativeCreated = "derivative.created",
    /// The same had come before: the same bytes, or what shows the same.
    DuplicateLinked = "duplicate.linked",
    /// An investigator joined what the program had not.
    FamilyJoined = "family.joined",
    /// An investigator parted it from its family.
    FamilyParted = "family.parted",
    /// A virus scanner read it.
    ExhibitScanned = "exhibit.scanned",
    /// An investigator said more about time and place, or about its device's clock.
    ExhibitCorrected = "exhibit.corrected",
    /// The witness said more about time and place after it had come.
    ExhibitRestated = "exhibit.restated",
    /// An exhibit was opened, or one of its pictures was shown.
    ExhibitViewed = "exhibit.viewed",
    /// Which parts of a clip were before somebody's eyes, when they turned away.
    ExhibitViewEnded = "exhibit.view_ended",
    ExhibitDownloaded = "exhibit.downloaded",
    /// Put behind glass by a person.
    ExhibitQuarantined = "exhibit.quarantined",
    ExhibitReleased = "exhibit.released",
    ExhibitDecided = "exhibit.decided",
    /// Somebody took their last decision back: what was decided before holds again.
    DecisionUndone = "exhibit.decision_undone",
    /// A colleague put a word on it.
    ExhibitTagged = "exhibit.tagged",
    ExhibitUntagged = "exhibit.untagged",
    /// It is somebody's to review, or nobody's again.
    ExhibitAssigned = "exhibit.assigned",
    /// A note or a mark was put beside it.
    NoteAdded = "note.added",
    /// A note was corrected or taken away; its opening stays.
    NoteSuperseded = "note.superseded",
    /// The witness was asked to keep the original and bring it, or is no longer.
    OriginalRequested = "original.requested",
    OriginalRequestWithdrawn = "original.request_withdrawn",
    /// Some of what was found not relevant is to be decided again: with this seed.
    SampleDrawn = "sample.drawn",
    /// One of a sample was decided again, by somebody who did not know the first decision.
    SampleDecided = "sample.decided",
    /// Left the building in a bundle; closes the history that the bundle carries.
    ExhibitExported = "exhibit.exported",
    /// Nothing may erase it.
    HoldSet = "hold.set",
    HoldReleased = "hold.released",
    ErasureRequested = "erasure.requested",
    ErasureApproved = "erasure.approved",
    ErasureRefused = "erasure.refused",
    /// The tombstone: bytes and openings are gone.
    ErasureExecuted = "erasure.executed",
    /// What a restored backup had brought back was destroyed again.
    ErasureReplayed = "erasure.replayed",
    /// A bundle was made.
    /// A bundle of many exhibits was asked for; another person agreed, or did not.
    ExportRequested = "export.requested",
    ExportApproved = "export.approved",
    ExportRefused = "export.refused",
    ExportCreated = "export.created",
    /// A bundle was fetched.
    ExportDelivered = "export.delivered",
    /// Stored bytes are not what was received.
    FixityFailed = "fixity.failed",
    /// A page of thumbnails was shown; commits to the list of exhibits.
    GridViewed = "grid.viewed",
    AccessLogin = "access.login",
    AccessLoginFailed = "access.login_failed",
    AccessLogout = "access.logout",
    AccessDenied = "access.denied",
    /// Somebody looks at more in a minute than people do.
    AccessUnusual = "access.unusual",
    /// Somebody said why they look at exhibits in this session.
    AccessPurpose = "access.purpose",
    /// Somebody who is signed in proved once more who they are.
    AccessProved = "access.proved",
    AccountCreated = "account.created",
    AccountDisabled = "account.disabled",
    AccountEnabled = "account.enabled",
    /// A password, authenticator, passkey or name at an identity provider was given or taken away.
    FactorChanged = "account.factor_changed",
    SessionsEnded = "account.sessions_ended",
    RecoveryRequested = "account.recovery_requested",
    RecoveryApproved = "account.recovery_approved",
    RecoveryRefused = "account.recovery_refused",
    /// A lost account has a new password, and nothing else of what it had.
    AccountRecovered = "account.recovered",
    AccountVouched = "account.vouched",
    AccountRefused = "account.refused",
    TokenCreated = "account.token_created",
    TokenRevoked = "account.token_revoked",
    RoleChanged = "account.role_changed",
    AuditLookedUp = "audit.looked_up",
    AuditRun = "audit.run",
    /// An auditor looked at the record.
    AuditViewed = "audit.viewed",
    /// A witness took the proof of a file along, for the first time.
    ReceiptIssued = "receipt.issued",
    /// A witness wants none: what opened their page is forgotten.
    ReceiptDeclined = "receipt.declined",
    /// Somebody had a receipt checked here.
    ReceiptChecked = "receipt.checked",
    /// An agency was made, its vault has another key, or reading contacts takes another number of people.
    AgencyCreated = "agency.created",
    AgencyChanged = "agency.changed",
    /// The operator has brought what lies in folders under the current key.
    MediaSealed = "media.sealed",
    BackupMade = "backup.made",
    BackupRestored = "backup.restored",
    SystemStarted = "system.started",
    /// A node started with other settings than the last time.
    ConfigChanged = "config.changed",
    /// The clock of a node went otherwise than time does.
    ClockStepped = "clock.stepped",
    /// Somebody outside vouched for a checkpoint, or was asked to and did not.
    AnchorOk = "anchor.ok",
    AnchorFailed = "anchor.failed",
    /// The log got another key; the old one signs along for a while.
    KeyRotated = "key.rotated",
    /// The old key signs no more.
    KeyRetired = "key.retired",
    /// The log was closed under its old name, and goes on under another.
    EpochOpened = "log.epoch_opened",
    /// Published entries were put back into a database that was behind them.
    LogRecovered = "log.recovered",
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubjectKind {
    Exhibit,
    Submission,
    Appeal,
    Account,
    Agency,
}

impl SubjectKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            SubjectKind::Exhibit => "exhibit",
            SubjectKind::Submission => "submission",
            SubjectKind::Appeal => "appeal",
            SubjectKind::Account => "account",
            SubjectKind::Agency => "agency",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: Id,
}

/// Where and by what build an event was written.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub node: String,
    /// Version and digest of the running program.
    pub app: String,
    /// What is known of the clock: `ntp-ok` or `unknown`.
    pub clock: &'static str,
}

/// The salt and value behind one commitment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    pub path: String,
    /// Sixteen random bytes in base64.
    pub salt: String,
    pub value: Value,
}

/// `SHA-256("evidence-commit/v1" ‖ 0x00 ‖ JCS([salt, path, value]))`.
pub fn commitment(opening: &Opening) -> Sha256 {
    let mut bytes = b"evidence-commit/v1\0".to_vec();
    bytes.extend(canonical(&json!([opening.salt, opening.path, opening.value])));
    Sha256::of(&bytes)
}

/// RFC 8785 bytes. Our values are maps with string keys and integers, which always serialise.
fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// An event before the sequencer has given it its place.
#[derive(Clone, Debug)]
pub struct Draft {
    pub kind: EventType,
    pub actor: Actor,
    pub subjects: Vec<Subject>,
    facts: Map<String, Value>,
    private: Vec<(String, Value)>,
}

impl Draft {
    pub fn new(kind: EventType, actor: impl Into<Actor>) -> Self {
        Self { kind, actor: actor.into(), subjects: Vec::new(), facts: Map::new(), private: Vec::new() }
    }

    pub fn about(mut self, kind: SubjectKind, id: Id) -> Self {
        self.subjects.push(Subject { kind, id });
        self
    }

    /// A fact in clear. Never personal, never free text, never linkable to a person or a file.
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// A fact that only its commitment tells of.
    pub fn private(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.private.push((path.to_owned(), value.into()));
        self
    }

    /// The envelope as it waits in the outbox, and its openings. `salt` is called once for the entry
    /// and once for each private fact.
    pub fn seal(self, id: Id, at: Utc, stamp: &Stamp, mut salt: impl FnMut() -> [u8; 16]) -> (Vec<u8>, Vec<Opening>) {
        let openings: Vec<Opening> =
            self.private.into_iter().map(|(path, value)| Opening { path, salt: BASE64.encode(&salt()), value }).collect();
        let mut commitments: Vec<String> = openings.iter().map(|o| commitment(o).base64()).collect();
        commitments.sort_unstable();
        let subjects: Vec<Value> = self.subjects.iter().map(|s| json!({"k": s.kind.as_str(), "id": s.id.to_string()})).collect();
        let envelope = json!({
            "v": 1,
            "type": self.kind.as_str(),
            "id": id.to_string(),
            "t": at.to_string(),
            "clk": stamp.clock,
            "node": stamp.node,
            "app": stamp.app,
            "actor": actor_json(&self.actor),
            "subj": subjects,
            "f": self.facts,
            "d": commitments,
            "salt": BASE64.encode(&salt()),
        });
        (canonical(&envelope), openings)
    }
}

fn actor_json(actor: &Actor) -> Value {
    match actor {
        Actor::Witness(submission) => json!({"k": "witness", "ref": submission.to_string()}),
        Actor::Person { id, role, proof, purpose } => {
            let mut said = json!({"k": "user", "ref": id.to_string(), "role": role.as_str(), "auth": proof.as_str()});
            if let Some(purpose) = purpose {
                said["purpose"] = purpose.as_str().into();
            }
            said
        }
        Actor::Operator => json!({"k": "operator"}),
        Actor::System => json!({"k": "system"}),
        Actor::Stranger => json!({"k": "stranger"}),
    }
}

/// An envelope as it waits in the outbox, read once.
pub struct Waiting {
    envelope: Value,
    /// Kind and id of what it is about.
    pub subjects: Vec<(String, String)>,
}

impl Waiting {
    /// `None` when this is not an envelope: the outbox was tampered with.
    pub fn read(draft: &[u8]) -> Option<Self> {
        let envelope: Value = serde_json::from_slice(draft).ok()?;
        let subjects = subjects_in(&envelope)?;
        Some(Self { envelope, subjects })
    }

    /// Gives it its place: for each subject, its number in that subject's history and the leaf hash of the event before. Returns
    /// the entry's final bytes, to be hashed and kept as they are, or `None` when there are too many.
    ///
    /// `previous` answers, for a subject's kind and id, how many events it has and the leaf of the last.
    pub fn place(&mut self, mut previous: impl FnMut(&str, &str) -> (u64, Option<Sha256>)) -> Option<Vec<u8>> {
        let fields = self.envelope.get_mut("subj")?.as_array_mut()?;
        for (subject, (kind, id)) in fields.iter_mut().zip(&self.subjects) {
            let fields = subject.as_object_mut()?;
            let (count, leaf) = previous(kind, id);
            fields.insert("n".into(), count.into());
            if let Some(leaf) = leaf {
                fields.insert("p".into(), leaf.base64().into());
            }
        }
        let bytes = canonical(&self.envelope);
        (bytes.len() <= ENTRY_BYTES_MAX).then_some(bytes)
    }
}

/// Kinds and ids of what an envelope is about.
pub fn subjects_in(envelope: &Value) -> Option<Vec<(String, String)>> {
    let text = |s: &Value, key: &str| Some(s.get(key)?.as_str()?.to_owned());
    envelope.get("subj")?.as_array()?.iter().map(|s| Some((text(s, "k")?, text(s, "id")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp { node: "n1".into(), app: "0.1.0".into(), clock: "unknown" }
    }

    fn id(n: u8) -> Id {
        Id::new(Utc::from_micros(1_700_000_000_000_000), [n; 10])
    }

    #[test]
    fn golden_entry() {
        // These bytes are a promise to everyone who holds a receipt: they may never change.
        let (draft, openings) = Draft::new(EventType::ExhibitReceived, Actor::Witness(id(1)))
            .about(SubjectKind::Exhibit, id(2))
            .fact("media", "image/jpeg")
            .private("sha256", "00ff")
            .private("size", 42)
            .seal(id(3), Utc::from_micros(1_700_000_000_000_001), &stamp(), || [9; 16]);
        let entry = Waiting::read(&draft).unwrap().place(|_, _| (7, Some(Sha256::of(b"before")))).unwrap();
        assert_eq!(String::from_utf8(entry).unwrap(), include_str!("../../../tests/golden/custody-entry.json").trim_end());
        assert_eq!(openings.len(), 2);
        assert_eq!(openings[1].value, json!(42));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = EventType::ALL.iter().map(|t| t.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventType::ALL.len());
    }

    #[test]
    fn a_changed_opening_is_another_commitment() {
        let a = Opening { path: "sha256".into(), salt: BASE64.encode(&[1; 16]), value: json!("aa") };
        let mut b = a.clone();
        b.value = json!("ab");
        assert_ne!(commitment(&a), commitment(&b));
    }
}
