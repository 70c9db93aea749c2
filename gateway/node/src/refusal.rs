//! Why something was refused: one value that every flow gives, and one [`Face`] that the wire shows.
//!
//! A refusal says what is wrong, under which rule, and what would cure it; never a name, never whether
//! something exists that the asker may not know of (invariant 15).

mod attachment;
mod face;
mod task;

use std::time::Duration;

use adapters::reading::Refused;
use exchange::{ExchangeId, Instant, canonical, envelope::FieldFault};

pub use attachment::AttachmentFault;
pub use face::Face;
pub use task::TaskFault;

use crate::{policy::Explanation, store::StoreError, token::TokenRefusal};

/// Why a request changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not a document that we read.
    #[error("unreadable: {0}")]
    Unreadable(#[from] canonical::Unreadable),
    /// The bytes are not understood in the partner's own format, or name another sender than the certificate.
    #[error("native: {0}")]
    Native(#[from] Refused),
    /// The request itself is malformed (a path, a query, a header).
    #[error("malformed `{0}`")]
    Malformed(&'static str),
    /// Fields do not conform to the catalogue.
    #[error("{} fields do not conform", .0.len())]
    NotConforming(Vec<FieldFault>),
    /// No such exchange type today.
    #[error("unknown type")]
    UnknownType,
    /// No such recipient.
    #[error("unknown recipient")]
    UnknownRecipient,
    /// The certificate is another institution's than the sender.
    #[error("sender is not the institution of the certificate")]
    SenderMismatch,
    /// The certificate does not let its holder do this now.
    #[error("certificate: {0}")]
    Certificate(CertificateFault),
    /// A named professional is needed and no token came.
    #[error("token missing")]
    TokenMissing,
    /// The professional token is not good.
    #[error("token: {0}")]
    Token(#[from] TokenFault),
    /// The token is good, but the directory does not know this professional, or not in this part.
    #[error("professional unknown to the directory")]
    UnknownProfessional,
    /// The professional is known and does not have the part that this needs.
    #[error("role missing")]
    RoleMissing(&'static str),
    /// The law or the agreements say no.
    #[error("denied by {}", .0.first().map_or("default", |e| e.rule.as_str()))]
    Denied(Vec<Explanation>),
    /// The decision could not be made: refused.
    #[error("undecidable")]
    Undecidable,
    /// An agreement is needed and the one named does not serve today.
    #[error("agreement: {0}")]
    Agreement(&'static str),
    /// What is said of a task, or asked for in an emergency, does not suffice.
    #[error("task: {0}")]
    Task(#[from] TaskFault),
    /// The request needs an idempotency key.
    #[error("idempotency key missing")]
    KeyMissing,
    /// The idempotency key is malformed.
    #[error("idempotency key malformed")]
    KeyMalformed,
    /// The key already stands for another body.
    #[error("idempotency key used for another body")]
    KeyReused,
    /// The key stands for an exchange whose content was erased.
    #[error("erased")]
    Erased {
        /// The exchange.
        id: ExchangeId,
        /// When.
        at: Instant,
    },
    /// The digest of the body is not the one announced.
    #[error("digest mismatch")]
    DigestMismatch,
    /// The body is too large.
    #[error("too large")]
    TooLarge,
    /// Attachments were not taken, or one is not handed out so.
    #[error("attachment: {0}")]
    Attachment(AttachmentFault),
    /// Another media type is needed.
    #[error("media type")]
    MediaType,
    /// No answer of ours is of a media type that the caller takes.
    #[error("not acceptable")]
    NotAcceptable,
    /// The exchange type is not deposited in this format.
    #[error("format closed for the type")]
    FormatClosed,
    /// Too many requests.
    #[error("too many requests")]
    TooMany {
        /// When to come back.
        retry_after: Duration,
    },
    /// More requests are in progress than can be served well, and this one is not about danger.
    #[error("overloaded")]
    Overloaded,
    /// Its sender withdrew it.
    #[error("withdrawn")]
    Withdrawn {
        /// When.
        at: Instant,
    },
    /// It does not exist, or is not for the asker: the same answer.
    #[error("not found")]
    NotFound,
    /// The delivery was acknowledged before.
    #[error("already acknowledged")]
    AlreadyAcknowledged,
    /// A policy set is not proposed or approved.
    #[error("policy set: {0}")]
    PolicySet(PolicyFault),
    /// It was time-limited or for one use, and that is over.
    #[error("over: {0}")]
    Over(&'static str),
    /// We cannot now; the same request may be repeated.
    #[error("unavailable: {0}")]
    Unavailable(#[from] StoreError),
    /// The record of a release could not be signed in time: nothing was released.
    #[error("record not signed")]
    Unsigned,
    /// Something of ours failed.
    #[error("internal: {0}")]
    Internal(&'static str),
}

/// Why a token that came is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The header is not a bearer token.
    #[error("malformed header")]
    Malformed,
    /// The token itself.
    #[error("{0}")]
    Refused(#[from] TokenRefusal),
    /// Its institution ended it.
    #[error("revoked")]
    Revoked,
}

/// What is wrong with a certificate whose handshake was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Does not name exactly one institution.
    #[error("names no single institution")]
    NoInstitution,
    /// The directory does not know the institution (or not today).
    #[error("unknown institution")]
    UnknownInstitution,
    /// The directory does not let this authority vouch for this institution.
    #[error("wrong authority")]
    WrongAuthority,
    /// Revoked.
    #[error("revoked")]
    Revoked,
    /// Expired.
    #[error("expired")]
    Expired,
    /// The revocation state is not known.
    #[error("revocation state unknown")]
    StaleRevocation,
    /// The SIREN in the certificate is not that of the directory.
    #[error("another SIREN")]
    Siren,
    /// The authority is not trusted any more.
    #[error("unknown authority")]
    UnknownAuthority,
}

/// Why a policy set is not proposed, approved or put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Its files have mistakes: file, line, what is wrong.
    #[error("{} mistakes", .0.len())]
    Mistakes(Vec<String>),
    /// No such set was ever proposed, or several are meant.
    #[error("unknown")]
    Unknown,
    /// It is the set in force.
    #[error("in force already")]
    InForceAlready,
    /// It waits for approvals already.
    #[error("waits already")]
    Waiting,
    /// Nothing waits under this hash.
    #[error("nothing waits")]
    NothingWaits,
    /// The author approves.
    #[error("own proposal")]
    OwnProposal,
    /// The same person approves twice.
    #[error("approved before")]
    ApprovedBefore,
    /// Two approved: it waits for its instant.
    #[error("approved by two")]
    ApprovedByTwo,
    /// The other approval was given in the same function.
    #[error("same function")]
    SameFunction,
    /// Another set took force since it was compared.
    #[error("another set is in force")]
    Moved,
}

/// Whose fault it is; it decides whether repeating can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: repeating the same changes nothing.
    Caller,
    /// Ours: the same request may be repeated.
    Ours,
}
