//! Questions: the facts a decision rests on, gathered from catalogue, directory and route.
//!
//! Only kinds, codes, classes and yes/no reach a rule: never an identity, never a word of the content.

use std::collections::BTreeSet;

use exchange::{
    AgreementId, DataClass, ExchangeId, Instant, InstitutionId, Kind, ProtectionRole, Secrecy,
    envelope::{Excluded, Route},
};
use serde_json::{Value, json};

use crate::{
    catalogue::{AgreementNeed, ExchangeType, KindRule},
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

/// What the register says of the agreement that the route names, for this type, these parties and this day.
#[derive(Debug, Clone, Copy)]
pub enum AgreementState<'a> {
    /// The route names none.
    NotNamed,
    /// In force, and it covers type, purpose and classes; with its parties.
    InForce {
        /// Which one.
        id: &'a AgreementId,
        /// Who signed it.
        parties: &'a BTreeSet<InstitutionId>,
    },
    /// In force, but not for this.
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

impl Submission<'_> {
    pub(super) fn facts(&self, route: &Route, classes: &BTreeSet<DataClass>) -> Value {
        let (actor, secrecy, role) = match self.actor {
            Actor::Professional(who) => ("professional", who.secrecy, who.protection),
            Actor::System => ("system", Secrecy::Aucun, ProtectionRole::None),
            Actor::InstitutionAlone => ("institution-alone", Secrecy::Aucun, ProtectionRole::None),
        };
        let agreement = match self.agreement {
            AgreementState::NotNamed => "aucune",
            AgreementState::InForce { parties, .. } => {
                if parties.contains(&route.sender.institution) && parties.contains(&route.recipient.institution) {
                    "en-vigueur"
                } else {
                    "hors-perimetre"
                }
            }
            AgreementState::OutOfScope => "hors-perimetre",
            AgreementState::NotInForce => "pas-en-vigueur",
        };
        Facts {
            kind: self.exchange_type,
            route,
            sender: self.sender,
            recipient: self.recipient,
            classes,
            now: self.now,
            actor,
            secrecy,
            role,
            necessity: self.necessity_stated,
            agreement,
            to_ok: self
                .exchange_type
                .to
                .iter()
                .any(|to| to.kind == *self.recipient.kind && to.when.as_ref().is_none_or(|word| self.holds.contains(word))),
            reader: json!({
                "in_unit": false, "in_institution": false, "habilitated": false, "case_link": false,
                "reader_excluded": false, "break_glass": false, "written_reason": false,
            }),
        }
        .gather()
    }
}

impl Reading<'_> {
    pub(super) fn facts(&self) -> Value {
        let who = self.reader;
        let own = who.institution == self.route.recipient.institution;
        let in_unit = own && self.route.recipient.unit.as_ref().is_none_or(|unit| who.units.contains(unit));
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
            actor: "professional",
            secrecy: who.secrecy,
            role: who.protection,
            necessity: true,
            agreement: "aucune",
            to_ok: self.exchange_type.to.iter().any(|to| to.kind == *self.recipient.kind),
            reader: json!({
                "in_unit": in_unit, "in_institution": own, "habilitated": self.habilitated, "case_link": self.case_link,
                "reader_excluded": excluded, "break_glass": broken, "written_reason": reason,
            }),
        }
        .gather()
    }
}

struct Facts<'a> {
    kind: &'a ExchangeType,
    route: &'a Route,
    sender: Side<'a>,
    recipient: Side<'a>,
    classes: &'a BTreeSet<DataClass>,
    now: Instant,
    actor: &'static str,
    secrecy: Secrecy,
    role: ProtectionRole,
    necessity: bool,
    agreement: &'static str,
    to_ok: bool,
    reader: Value,
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
            "actor": self.actor,
            "actor_secrecy": self.secrecy.as_str(),
            "actor_role": self.role.as_str(),
            "human_send": self.kind.human.send,
            "parents": self.route.parents_informed.as_deref().unwrap_or("non-renseigne"),
            "child": self.route.child_informed.as_deref().unwrap_or("non-renseigne"),
            "necessity": self.necessity,
            "has_case": self.route.case.is_some(),
            "agreement_need": need,
            "agreement": self.agreement,
            "recipient_excluded": recipient_excluded,
        });
        if let (Value::Object(all), Value::Object(reader)) = (&mut facts, self.reader) {
            all.extend(reader);
        }
        facts
    }
}
