//! The canonical envelope once it has been read against the catalogue, and the words of its route.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Date;

use crate::{
    AgreementId, ChildAge, DataClass, ExchangeId, Identity, Instant, InstitutionId, Party, ProfessionalId, TypeCode,
    document::{Leaves, Pointer},
};

/// How fast an exchange must be read (code list CL-urgency).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Danger grave et immédiat: on-call route, read deadline, deputy, telephone.
    Immediate,
    /// Same working day.
    Priority,
    /// Ordinary.
    Ordinary,
    /// Batch.
    Batch,
}

impl Urgency {
    /// The word of the code list.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Priority => "priority",
            Self::Ordinary => "ordinary",
            Self::Batch => "batch",
        }
    }
}

/// How much of the identity travels with an exchange type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosure {
    /// The persons are named.
    Nominative,
    /// The recipient cannot name the child from the message alone.
    Pseudonymous,
    /// No data subject.
    Anonymous,
}

/// Somebody from whom the exchange is sealed: for them it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Excluded {
    /// One professional (a relative, somebody accused in the file).
    Professional(ProfessionalId),
    /// A whole institution.
    Institution {
        /// Directory id.
        institution: InstitutionId,
    },
}

/// Where an exchange comes from and goes to, and on what ground. Names professionals' opaque ids, never a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Exchange type.
    #[serde(rename = "type")]
    pub kind: TypeCode,
    /// Sending party.
    pub sender: Party,
    /// Receiving party.
    pub recipient: Party,
    /// From whom the exchange is sealed.
    #[serde(default)]
    pub exclus: Vec<Excluded>,
    /// Code of CL-purpose.
    pub purpose: String,
    /// Articles.
    pub legal_basis: Vec<String>,
    /// Agreement under which it flows.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// Urgency.
    pub urgency: Urgency,
    /// The exchange this one answers.
    #[serde(default)]
    pub in_reply_to: Option<ExchangeId>,
    /// The exchange of the same sender that this one corrects.
    #[serde(default)]
    pub rectifies: Option<ExchangeId>,
    /// Pseudonym of the case in this domain.
    #[serde(default)]
    pub case: Option<String>,
    /// Code of CL-info-parents (`faite`, `non-faite-interet-enfant`, …).
    #[serde(default)]
    pub parents_informed: Option<String>,
    /// The sender wrote why the parents are not informed: an exception without a reason is none (CASF L226-2-2).
    #[serde(default)]
    pub parents_reason: bool,
    /// The document names who decided that. Otherwise whoever signs the exchange did.
    #[serde(default)]
    pub parents_author: bool,
    /// Code of CL-info-enfant.
    #[serde(default)]
    pub child_informed: Option<String>,
    /// The form of the type it was read with: `reponse`, or a profile; nothing for the type itself.
    #[serde(default)]
    pub form: Option<String>,
    /// What the codes of the document say, for the rules: `fondement=L221-3-prestation-ase`. Only of fields that the
    /// catalogue marks as facts: codes and yes/no, never a word of anybody.
    #[serde(default)]
    pub said: BTreeSet<String>,
    /// Code of CL-accord-personne: whether the person concerned agreed (CSP L1110-4, R1110-2).
    #[serde(default)]
    pub person_agreed: Option<String>,
    /// The children it is about. Kept under the key of the exchange, and asked only for their band of a day.
    #[serde(default)]
    pub children: Vec<ChildAge>,
}

/// One thing that did not conform and was kept sealed (danger types only).
#[derive(Clone, PartialEq)]
pub struct NonConforming {
    /// Where it stood in what the sender wrote. Ends at the last place the catalogue knows: a key that the sender
    /// invented may itself name somebody, and is part of `value`.
    pub pointer: Pointer,
    /// Why it does not conform: a code of [`FieldFault::code`].
    pub code: &'static str,
    /// What stood there.
    pub value: Value,
}

/// What is wrong with one field. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    /// RFC 6901 pointer into the envelope.
    pub pointer: String,
    /// Stable code: `unknown-field`, `bad-code`, `bad-date`, `bad-type`, `missing`, `nir`, `computed`, `too-many`…
    pub code: &'static str,
    /// One French sentence that says what to do.
    pub detail: String,
}

/// A document that was read against the catalogue. Nothing has been decided yet.
#[derive(Clone)]
pub struct Draft {
    /// Route, checked against the catalogue and completed from it.
    pub route: Route,
    /// Persons: class `identite` and `contact` of `subjects[]`.
    pub subjects: Vec<Identity>,
    /// Everything else, by class; pointers are those of the envelope (`/payload/faits/0/texte`).
    pub body: BTreeMap<DataClass, Leaves>,
    /// Pointers of expected fields that are empty: never a reason to refuse.
    pub missing: Vec<String>,
    /// The sender wrote why sharing is strictly necessary (CASF L226-2-2).
    pub necessity_stated: bool,
    /// What a danger type brought that does not conform: kept sealed in the most protected class.
    pub non_conforme: Vec<NonConforming>,
    /// Attachments' descriptions count as fields; their digests are listed here in order.
    pub attachments: Vec<String>,
    /// When the sender says the event itself took place, if the type has such a field (a clock starts from it).
    pub occurred: Option<Instant>,
    /// Clocks whose last day the document names: (name of the clock, last day).
    pub limits: Vec<(String, Date)>,
    /// What the sender states for the law and not for the recipient (why sharing is necessary): sealed apart, never handed over.
    pub kept_back: Leaves,
    /// RFC 8785 bytes of the envelope as it came: what the digest, the receipt and the idempotency check are about.
    pub canonical: Vec<u8>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({})", self.route.kind)
    }
}
