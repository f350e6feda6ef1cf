//! One error: the refusals that a person or a program can meet, each with a stable code, and
//! `Internal` for what is our fault. `web/respond.rs` alone turns it into problem+json or a page.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone)]
pub enum Error {
    /// No such thing, or none that this person may know of.
    NotFound,
    /// It is another agency's: to whoever asks the same as `NotFound`, to the record an attempt.
    Elsewhere,
    /// The appeal takes nothing more.
    AppealClosed,
    /// The request is not what the address expects.
    Malformed(String),
    /// A field is missing or makes no sense.
    Invalid {
        field: &'static str,
        why: String,
    },
    /// A query parameter makes no sense.
    InvalidFilter {
        field: &'static str,
        why: &'static str,
    },
    BadCursor,
    BadHost,
    /// Sign in first, or the token is wrong.
    Unauthorized,
    Forbidden,
    /// It is shared with their agency, and this is not part of it: to whoever asks the same as `Forbidden`, to the record an attempt.
    NotShared,
    /// Say first why.
    PurposeMissing,
    /// Prove first, once more, who you are.
    ProofNeeded,
    /// Add a second factor first.
    FactorMissing,
    /// The identity provider's word did not hold, or is about nobody here.
    SsoFailed,
    CrossOrigin,
    MethodNotAllowed,
    /// One file is larger than the appeal takes.
    TooLarge {
        bytes_max: u64,
    },
    /// A budget of the submission or the appeal is spent.
    QuotaExceeded {
        what: &'static str,
    },
    DigestMismatch,
    /// One request's bytes are not what its own checksum says; they were dropped.
    ChecksumMismatch,
    /// The client goes on from another place than we hold.
    OffsetMismatch {
        expected: u64,
        provided: u64,
    },
    /// The length differs from what was said before.
    LengthMismatch,
    /// More bytes than the length that was said.
    BeyondLength,
    /// A finished upload takes nothing more.
    AlreadyComplete,
    /// Expired, given up, or lost: begin again.
    UploadGone,
    /// The bytes' wrapping is not what this address expects.
    UnsupportedMedia,
    /// The appeal asks for other kinds of files.
    KindRefused,
    /// A protocol version that we do not speak.
    UnsupportedVersion,
    /// Nothing came for too long.
    TooSlow,
    /// The connection broke before the end.
    Interrupted,
    /// Somebody else was faster.
    Conflict,
    /// A colleague has this content before them.
    Leased,
    /// It was here, and was erased as the rules ask.
    Erased,
    /// Somebody else has this name, or one that looks like it.
    NameTaken,
    /// A form or a JSON body is longer than this address takes.
    BodyTooLong,
    /// It is under a hold.
    Held,
    /// Another person has to agree.
    AnotherPerson,
    TooMany {
        retry_after_s: u64,
    },
    /// More is under way than we can take at once.
    Busy {
        retry_after_s: u64,
    },
    /// In a flood: the work that was asked for was not done, or is too old.
    WorkMissing,
    /// The database or the store is away, or the record cannot be written: nothing was done.
    TryLater,
    NoSpace,
    RangeNotSatisfiable {
        size: u64,
    },
    /// Not anybody's fault but ours. The cause goes to the log, never to the client.
    Internal(String),
}

impl Error {
    /// HTTP status and stable code. The code is the last part of the problem's `type`.
    pub const fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Error::NotFound | Error::Elsewhere => (404, "not-found"),
            Error::AppealClosed => (410, "appeal-closed"),
            Error::Malformed(_) => (400, "malformed"),
            Error::Invalid { .. } => (422, "invalid-body"),
            Error::InvalidFilter { .. } => (422, "invalid-filter"),
            Error::BadCursor => (400, "bad-cursor"),
            Error::BadHost => (400, "bad-host"),
            Error::Unauthorized => (401, "unauthorized"),
            Error::Forbidden | Error::NotShared => (403, "forbidden"),
            Error::PurposeMissing => (422, "reason-required"),
            Error::ProofNeeded => (403, "proof-needed"),
            Error::FactorMissing => (403, "factor-missing"),
            Error::SsoFailed => (401, "sso-failed"),
            Error::CrossOrigin => (403, "cross-origin"),
            Error::MethodNotAllowed => (405, "method-not-allowed"),
            Error::TooLarge { .. } => (413, "too-large"),
            Error::QuotaExceeded { .. } => (413, "quota-exceeded"),
            Error::BodyTooLong => (413, "body-too-long"),
            Error::DigestMismatch => (422, "digest-mismatch"),
            // The status that tus 1.0 gives it.
            Error::ChecksumMismatch => (460, "checksum-mismatch"),
            Error::OffsetMismatch { .. } => (409, "offset-mismatch"),
            Error::LengthMismatch => (400, "length-mismatch"),
            Error::BeyondLength => (413, "beyond-length"),
            Error::AlreadyComplete => (409, "already-complete"),
            Error::UploadGone => (410, "upload-gone"),
            Error::UnsupportedMedia => (415, "unsupported-media"),
            Error::KindRefused => (415, "kind-refused"),
            Error::UnsupportedVersion => (412, "unsupported-version"),
            Error::TooSlow => (408, "too-slow"),
            Error::Interrupted => (400, "interrupted"),
            Error::Conflict => (409, "conflict"),
            Error::NameTaken => (409, "name-taken"),
            Error::Leased => (409, "leased"),
            Error::Erased => (410, "erased"),
            Error::Held => (409, "held"),
            Error::AnotherPerson => (409, "another-person"),
            Error::TooMany { .. } => (429, "too-many-requests"),
            Error::Busy { .. } => (503, "busy"),
            Error::WorkMissing => (403, "work-missing"),
            Error::TryLater => (503, "try-later"),
            Error::NoSpace => (507, "no-space"),
            Error::RangeNotSatisfiable { .. } => (416, "range-not-satisfiable"),
            Error::Internal(_) => (500, "internal"),
        }
    }

    pub fn internal(cause: impl fmt::Display) -> Self {
        Error::Internal(cause.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, code) = self.status_and_code();
        match self {
            Error::Malformed(why) => write!(f, "{code}: {why}"),
            Error::Invalid { field, why } => write!(f, "{code}: {field}: {why}"),
            Error::InvalidFilter { field, why } => write!(f, "{code}: {field}: {why}"),
            Error::Internal(cause) => write!(f, "{code}: {cause}"),
            _ => f.write_str(code),
        }
    }
}

impl std::error::Error for Error {}

const EIO: i32 = 5;

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::NoSpace,
            // A disk that turned read-only, or is failing: not for this request to mend, and not its fault.
            std::io::ErrorKind::ReadOnlyFilesystem => {
                tracing::error!(cause = %e, "the disk cannot be written to");
                Error::TryLater
            }
            _ if e.raw_os_error() == Some(EIO) => {
                tracing::error!(cause = %e, "the disk fails");
                Error::TryLater
            }
            _ => Error::internal(e),
        }
    }
}
