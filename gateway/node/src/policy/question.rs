//! Questions: the facts a decision rests on, gathered from catalogue, directory and route.
//!
//! Only kinds, codes, classes and yes/no reach a rule: never an identity, never a word of the content.

mod facts;

use std::collections::BTreeSet;

use exchange::{AgreementId, DataClass, ExchangeId, Instant, InstitutionId, Kind, Party, envelope::Route};

pub(super) use self::facts::{ASKED_FOR, nothing};
use crate::{
    catalogue::{ExchangeType, KindRule},
    directory::Professional,
};

/// One end of an exchange as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The kind of the unit, else of the institution.
    pub kind: &'a Kind,
    /// What the catalogue says of this kind.
    pub rule: &'a KindRule,
}

/// In whose name something is sent.
#[derive(Debug, Clone, Copy)]
pub enum Actor<'a> {
    /// A named professional, as the directory knows them.
    Professional(&'a Professional),
    /// A machine of the institution.
    System,
    /// A danger type without a valid professional token (invariant 3).
    InstitutionAlone,
}

/// What the register says of the agreement that the route names, on this day.
///
/// The caller answers for what the register knows: dates, suspension, type, and that both units signed. This room
/// checks once what depends on the document: both institutions are parties, the purpose is one of the agreement's,
/// and every class of the document is covered. An agreement that does not cover them is out of scope.
#[derive(Debug, Clone, Copy)]
pub enum AgreementState<'a> {
    /// The route names none.
    NotNamed,
    /// In force, and it covers this type and binds both units.
    InForce {
        /// Which one.
        id: &'a AgreementId,
        /// Who signed it.
        parties: &'a [Party],
        /// Codes of CL-purpose it covers.
        purposes: &'a BTreeSet<String>,
        /// Data classes it covers.
        classes: &'a BTreeSet<DataClass>,
        /// Codes of CL-question it opens.
        questions: &'a BTreeSet<String>,
    },
    /// In force, but not for this type or these units.
    OutOfScope,
    /// Suspended, ended, not begun, or unknown.
    NotInForce,
}

/// May this be sent?
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The exchange to be.
    pub exchange: ExchangeId,
    /// Its type.
    pub exchange_type: &'a ExchangeType,
    /// Sending side.
    pub sender: Side<'a>,
    /// Receiving side.
    pub recipient: Side<'a>,
    /// Who sends.
    pub actor: Actor<'a>,
    /// State of the agreement named by the route.
    pub agreement: AgreementState<'a>,
    /// The sender said why sharing is necessary.
    pub necessity_stated: bool,
    /// Where the children live, seen from the institution that receives.
    pub residence: Residence,
    /// Condition words of destinations that hold now, such as `immediate-hors-horaires`.
    pub holds: &'a BTreeSet<String>,
    /// When.
    pub now: Instant,
}

/// Where the children of an exchange live, seen from the institution that receives it: who is competent (R83).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residence {
    /// In its département.
    Here,
    /// In another one.
    Elsewhere,
    /// Nobody says.
    Unknown,
}

/// How a reader comes to a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening<'a> {
    /// In the ordinary way.
    Ordinary,
    /// Break-glass.
    BreakGlass {
        /// A reason was written.
        reason: bool,
        /// The access was opened and is not over.
        in_time: bool,
        /// The classes it was asked for, and no others.
        classes: &'a BTreeSet<DataClass>,
    },
}

/// May this person read this, and which parts?
#[derive(Debug, Clone)]
pub struct Reading<'a> {
    /// The exchange.
    pub exchange: ExchangeId,
    /// Its type.
    pub exchange_type: &'a ExchangeType,
    /// Its route.
    pub route: &'a Route,
    /// Sending side.
    pub sender: Side<'a>,
    /// Receiving side.
    pub recipient: Side<'a>,
    /// Who reads.
    pub reader: &'a Professional,
    /// An habilitation for the recipient unit is in date.
    pub habilitated: bool,
    /// The reader is in charge of the case, or the exchange is new and belongs to the unit as a whole.
    pub case_link: bool,
    /// Ordinary or break-glass.
    pub opening: Opening<'a>,
    /// State, today, of the agreement under which it came.
    pub agreement: AgreementState<'a>,
    /// Classes present.
    pub classes: BTreeSet<DataClass>,
    /// Catalogue paths present.
    pub paths: BTreeSet<String>,
    /// When.
    pub now: Instant,
}

impl<'a> AgreementState<'a> {
    /// The word the rules use when no document depends on it: whether both institutions signed.
    pub(super) fn binding(&self, ends: (&InstitutionId, &InstitutionId)) -> &'static str {
        match self {
            Self::NotNamed => "aucune",
            Self::InForce { parties, .. } => {
                let signed = |institution: &InstitutionId| parties.iter().any(|party| party.institution == *institution);
                if signed(ends.0) && signed(ends.1) { "en-vigueur" } else { "hors-perimetre" }
            }
            Self::OutOfScope => "hors-perimetre",
            Self::NotInForce => "pas-en-vigueur",
        }
    }

    /// The word the rules use, and the agreement when it carries this document.
    pub(super) fn towards(&self, route: &Route, document: &BTreeSet<DataClass>) -> (&'static str, Option<&'a AgreementId>) {
        self.between((&route.sender.institution, &route.recipient.institution), &route.purpose, document)
    }

    /// The same of what a record holds of its route.
    pub(super) fn between(
        &self,
        (from, to): (&InstitutionId, &InstitutionId),
        purpose: &str,
        document: &BTreeSet<DataClass>,
    ) -> (&'static str, Option<&'a AgreementId>) {
        match *self {
            Self::NotNamed => ("aucune", None),
            Self::InForce { id, parties, purposes, classes, .. } => {
                let signed = |institution: &InstitutionId| parties.iter().any(|party| party.institution == *institution);
                if signed(from) && signed(to) && purposes.contains(purpose) && document.is_subset(classes) {
                    ("en-vigueur", Some(id))
                } else {
                    ("hors-perimetre", None)
                }
            }
            Self::OutOfScope => ("hors-perimetre", None),
            Self::NotInForce => ("pas-en-vigueur", None),
        }
    }

    /// Whether the agreement opens every question that the document asks. Without one, other rules say what is needed.
    pub(super) fn opens(&self, said: &BTreeSet<String>) -> bool {
        match self {
            Self::InForce { questions, .. } => {
                said.iter().filter_map(|one| one.strip_prefix(QUESTION)).all(|question| questions.contains(question))
            }
            Self::NotNamed | Self::OutOfScope | Self::NotInForce => true,
        }
    }
}

/// How the facts of a document name a question that it asks.
const QUESTION: &str = "questions[].code=";
