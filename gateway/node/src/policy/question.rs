//! Questions: the facts a decision rests on, gathered from catalogue, directory and route.
//!
//! Only kinds, codes, classes and yes/no reach a rule: never an identity, never a word of the content.

use std::collections::BTreeSet;

use exchange::{
    AgreementId, DataClass, ExchangeId, Instant, InstitutionId, Kind, Party, ProtectionRole, Secrecy,
    envelope::{Excluded, Route},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    catalogue::{AgreementNeed, Destination, ExchangeType, KindRule},
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
    /// Condition words of destinations that hold now, such as `immediate-hors-horaires`.
    pub holds: &'a BTreeSet<String>,
    /// When.
    pub now: Instant,
}

/// How a reader comes to a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// In the ordinary way.
    Ordinary,
    /// Break-glass.
    BreakGlass {
        /// A reason was written.
        reason: bool,
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
    pub opening: Opening,
    /// Classes present.
    pub classes: BTreeSet<DataClass>,
    /// Catalogue paths present.
    pub paths: BTreeSet<String>,
    /// When.
    pub now: Instant,
}

impl<'a> AgreementState<'a> {
    /// The word the rules use, and the agreement when it carries this document.
    pub(super) fn towards(&self, route: &Route, document: &BTreeSet<DataClass>) -> (&'static str, Option<&'a AgreementId>) {
        match *self {
            Self::NotNamed => ("aucune", None),
            Self::InForce { id, parties, purposes, classes, .. } => {
                let signed = |institution: &InstitutionId| parties.iter().any(|party| party.institution == *institution);
                let both = signed(&route.sender.institution) && signed(&route.recipient.institution);
                if both && purposes.contains(&route.purpose) && document.is_subset(classes) {
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
    fn opens(&self, said: &BTreeSet<String>) -> bool {
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

impl Submission<'_> {
    pub(super) fn facts(&self, route: &Route, classes: &BTreeSet<DataClass>) -> Value {
        let to_ok = |to: &Destination| to.kind == *self.recipient.kind && to.when.as_ref().is_none_or(|word| self.holds.contains(word));
        Facts {
            kind: self.exchange_type,
            route,
            sender: self.sender,
            recipient: self.recipient,
            classes,
            now: self.now,
            actor: self.actor,
            necessity: self.necessity_stated,
            agreement: self.agreement.towards(route, classes).0,
            questions_ok: self.agreement.opens(&route.said),
            to_ok: self.exchange_type.to.iter().any(to_ok),
            reader: Reader::default(),
        }
        .gather()
    }
}

impl Reading<'_> {
    pub(super) fn facts(&self) -> Value {
        let who = self.reader;
        let own = who.institution == self.route.recipient.institution;
        let excluded = self.route.exclus.iter().any(|entry| match entry {
            Excluded::Professional(id) => *id == who.id,
            Excluded::Institution { institution } => *institution == who.institution,
        });
        let (broken, reason) = match self.opening {
            Opening::Ordinary => (false, false),
            Opening::BreakGlass { reason } => (true, reason),
        };
        Facts {
            kind: self.exchange_type,
            route: self.route,
            sender: self.sender,
            recipient: self.recipient,
            classes: &self.classes,
            now: self.now,
            actor: Actor::Professional(who),
            necessity: true,
            agreement: "aucune",
            questions_ok: true,
            to_ok: self.exchange_type.to.iter().any(|to| to.kind == *self.recipient.kind),
            reader: Reader {
                in_unit: own && self.route.recipient.unit.as_ref().is_none_or(|unit| who.units.contains(unit)),
                in_institution: own,
                habilitated: self.habilitated,
                case_link: self.case_link,
                reader_excluded: excluded,
                break_glass: broken,
                written_reason: reason,
            },
        }
        .gather()
    }
}

/// Every fact of the schema, about nothing: an exchange that no catalogue foresees.
pub(super) fn nothing() -> Value {
    json!({
        "type": "sonde", "danger": false, "urgency": "ordinary", "classes": [], "purpose": "sonde", "purpose_ok": false,
        "legal_basis": [], "instant": 0, "is_reply": false,
        "from_kind": "sonde", "from_secrecy": "aucun", "from_role": "none", "from_ok": false,
        "to_kind": "sonde", "to_secrecy": "aucun", "to_role": "none", "to_ok": false,
        "actor": "system", "actor_secrecy": "aucun", "actor_role": "none", "actor_profession": "", "actor_functions": [],
        "human_send": true, "parents": "non-renseigne", "child": "non-renseigne", "necessity": false, "has_case": false,
        "agreement_need": "none", "agreement": "aucune", "said": [], "questions_ok": true,
        "in_unit": false, "in_institution": false, "habilitated": false, "case_link": false, "reader_excluded": false,
        "recipient_excluded": false, "break_glass": false, "written_reason": false,
    })
}

#[derive(Default, Serialize)]
struct Reader {
    in_unit: bool,
    in_institution: bool,
    habilitated: bool,
    case_link: bool,
    reader_excluded: bool,
    break_glass: bool,
    written_reason: bool,
}

struct Facts<'a> {
    kind: &'a ExchangeType,
    route: &'a Route,
    sender: Side<'a>,
    recipient: Side<'a>,
    classes: &'a BTreeSet<DataClass>,
    now: Instant,
    actor: Actor<'a>,
    necessity: bool,
    agreement: &'static str,
    questions_ok: bool,
    to_ok: bool,
    reader: Reader,
}

impl Facts<'_> {
    fn gather(self) -> Value {
        let sealed_from = &self.route.recipient.institution;
        let recipient_excluded = self.route.exclus.iter().any(|entry| match entry {
            Excluded::Professional(_) => false,
            Excluded::Institution { institution } => institution == sealed_from,
        });
        let need = match self.kind.agreement {
            AgreementNeed::None => "none",
            AgreementNeed::Required => "required",
            AgreementNeed::ForChannel => "for-channel",
        };
        let (actor, person) = match self.actor {
            Actor::Professional(who) => ("professional", Some(who)),
            Actor::System => ("system", None),
            Actor::InstitutionAlone => ("institution-alone", None),
        };
        let mut facts = json!({
            "type": self.kind.code.as_str(),
            "danger": self.kind.danger,
            "urgency": self.route.urgency.as_str(),
            "classes": self.classes.iter().map(|class| class.as_str()).collect::<Vec<_>>(),
            "purpose": self.route.purpose,
            "purpose_ok": self.kind.purpose.contains(&self.route.purpose),
            "legal_basis": self.route.legal_basis,
            "instant": self.now.unix_ms(),
            "is_reply": self.route.in_reply_to.is_some(),
            "from_kind": self.sender.kind.as_str(),
            "from_secrecy": self.sender.rule.secrecy.as_str(),
            "from_role": self.sender.rule.role.as_str(),
            "from_ok": self.kind.from.contains(self.sender.kind),
            "to_kind": self.recipient.kind.as_str(),
            "to_secrecy": self.recipient.rule.secrecy.as_str(),
            "to_role": self.recipient.rule.role.as_str(),
            "to_ok": self.to_ok,
            "actor": actor,
            "actor_secrecy": person.map_or(Secrecy::Aucun, |who| who.secrecy).as_str(),
            "actor_role": person.map_or(ProtectionRole::None, |who| who.protection).as_str(),
            "actor_profession": person.map_or("", |who| who.profession.as_str()),
            "actor_functions": person.map_or(&[][..], |who| &who.roles),
            "human_send": self.kind.human.send,
            "parents": self.route.parents_informed.as_deref().unwrap_or("non-renseigne"),
            "child": self.route.child_informed.as_deref().unwrap_or("non-renseigne"),
            "necessity": self.necessity,
            "has_case": self.route.case.is_some(),
            "agreement_need": need,
            "agreement": self.agreement,
            "said": self.route.said,
            "questions_ok": self.questions_ok,
            "recipient_excluded": recipient_excluded,
        });
        if let (Value::Object(all), Value::Object(reader)) = (&mut facts, json!(self.reader)) {
            all.extend(reader);
        }
        facts
    }
}
