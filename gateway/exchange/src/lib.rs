//! The words every room of Passerelle shares: identifiers, instants, parties, data classes,
//! envelopes and identities, and the one canonical form of JSON.
//!
//! Nothing here does input or output, holds a key, waits, or decides. What is here can be read by an
//! adapter, a rule, the store and a test alike, and means the same to each.

pub mod age;
pub mod canonical;
pub mod class;
pub mod document;
pub mod envelope;
pub mod id;
pub mod identity;
pub mod instant;
pub mod party;

pub use age::{AgeBand, ChildAge};
pub use class::DataClass;
pub use document::Pointer;
pub use envelope::{Disclosure, Urgency};
pub use id::{AgreementId, AttachmentId, ClockId, DeliveryId, ExchangeId, FollowUpId, GrantId, LinkageId, ProposalId, TypeCode};
pub use identity::Identity;
pub use instant::Instant;
pub use party::{InstitutionId, Kind, Party, ProfessionalId, ProtectionRole, Secrecy, UnitId};
