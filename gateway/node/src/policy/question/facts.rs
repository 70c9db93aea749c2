//! Facts: what a question says to the rules, word by word as the schema has them.
//!
//! Computed here from directory, catalogue and envelope, and from nothing that a token says.

use std::collections::BTreeSet;

use exchange::{
    DataClass, Instant, ProtectionRole, Secrecy,
    envelope::{Excluded, Route},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Actor, Opening, Reading, Residence, Side, Submission};
use crate::{
    catalogue::{AgreementNeed, Destination, ExchangeType},
    directory::{Professional, Role, day::day_in_france},
};

impl Submission<'_> {
    pub(in crate::policy) fn facts(&self, route: &Route, classes: &BTreeSet<DataClass>) -> Value {
        let to_ok = |to: &Destination| to.kind == *self.recipient.kind && to.when.as_ref().is_none_or(|word| self.holds.contains(word));
        let person = self.actor.person();
        Facts {
            kind: self.exchange_type,
            route,
            sender: self.sender,
            recipient: self.recipient,
            classes,
            now: self.now,
            actor: self.actor,
            follows: route.case.is_some() || route.in_reply_to.is_some(),
            necessary: self.necessity_stated,
            signed: person.is_some(),
            residence: self.residence,
            agreement: self.agreement.towards(route, classes).0,
            questions_ok: self.agreement.opens(&route.said),
            to_ok: self.exchange_type.to.iter().any(to_ok),
            reader: Reader::default(),
        }
        .gather()
    }
}

impl Reading<'_> {
    pub(in crate::policy) fn facts(&self) -> Value {
        let who = self.reader;
        let own = who.institution == self.route.recipient.institution;
        let excluded = self.route.exclus.iter().any(|entry| match entry {
            Excluded::Professional(id) => *id == who.id,
            Excluded::Institution { institution } => *institution == who.institution,
        });
        let emergency = match self.opening {
            Opening::Ordinary => Emergency::default(),
            Opening::BreakGlass { reason, in_time, classes } => Emergency {
                break_glass: true,
                written_reason: reason,
                emergency_in_time: in_time,
                emergency_classes: classes.iter().map(|class| json!({"__entity": {"type": "DataClass", "id": class.as_str()}})).collect(),
            },
        };
        Facts {
            kind: self.exchange_type,
            route: self.route,
            sender: self.sender,
            recipient: self.recipient,
            classes: &self.classes,
            now: self.now,
            actor: Actor::Professional(who),
            follows: self.case_link,
            necessary: self.case_link && self.habilitated,
            signed: true,
            residence: Residence::Unknown,
            agreement: self.agreement.towards(self.route, &self.classes).0,
            questions_ok: true,
            to_ok: self.exchange_type.to.iter().any(|to| to.kind == *self.recipient.kind),
            reader: Reader {
                in_unit: own && self.route.recipient.unit.as_ref().is_none_or(|unit| who.units.contains(unit)),
                in_institution: own,
                in_service: own && who.in_service(day_in_france(self.now)),
                habilitated: self.habilitated,
                case_link: self.case_link,
                reader_excluded: excluded,
                emergency,
            },
        }
        .gather()
    }
}

impl<'a> Actor<'a> {
    pub(in crate::policy) fn person(self) -> Option<&'a Professional> {
        match self {
            Self::Professional(who) => Some(who),
            Self::System | Self::InstitutionAlone => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Professional(_) => "professional",
            Self::System => "system",
            Self::InstitutionAlone => "institution-alone",
        }
    }
}

impl Residence {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Here => "ici",
            Self::Elsewhere => "ailleurs",
            Self::Unknown => "inconnue",
        }
    }
}

/// Every fact of the schema, about nothing: an exchange that no catalogue foresees.
pub(in crate::policy) fn nothing() -> Value {
    json!(Words { actor: "system", place_hidden: true, questions_ok: true, human_send: true, ..Words::default() })
}

/// The five conditions of shared secrecy (CASF L226-2-2).
#[derive(Default, Serialize)]
struct Secret {
    both_bound: bool,
    mission: bool,
    purpose: bool,
    necessary: bool,
    informed: bool,
}

/// The words of the schema, one for one.
#[derive(Default, Serialize)]
struct Words<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    danger: bool,
    urgency: &'a str,
    classes: Vec<&'a str>,
    purpose: &'a str,
    purpose_ok: bool,
    legal_basis: &'a [String],
    instant: i64,
    is_reply: bool,
    said: Vec<&'a str>,
    from_kind: &'a str,
    from_secrecy: &'a str,
    from_role: &'a str,
    from_ok: bool,
    to_kind: &'a str,
    to_secrecy: &'a str,
    to_role: &'a str,
    to_ok: bool,
    actor: &'a str,
    actor_secrecy: &'a str,
    actor_role: &'a str,
    actor_profession: &'a str,
    actor_functions: &'a [Role],
    human_send: bool,
    secret: Secret,
    parents: &'a str,
    child: &'a str,
    has_case: bool,
    person: &'a str,
    ages: BTreeSet<&'a str>,
    residence: &'a str,
    place_hidden: bool,
    reserve_magistrat: bool,
    file: &'a str,
    agreement_need: &'a str,
    agreement: &'a str,
    questions_ok: bool,
    recipient_excluded: bool,
    #[serde(flatten)]
    reader: Reader,
}

#[derive(Default, Serialize)]
struct Reader {
    in_unit: bool,
    in_institution: bool,
    in_service: bool,
    habilitated: bool,
    case_link: bool,
    reader_excluded: bool,
    #[serde(flatten)]
    emergency: Emergency,
}

#[derive(Default, Serialize)]
struct Emergency {
    break_glass: bool,
    written_reason: bool,
    emergency_in_time: bool,
    emergency_classes: Vec<Value>,
}

struct Facts<'a> {
    kind: &'a ExchangeType,
    route: &'a Route,
    sender: Side<'a>,
    recipient: Side<'a>,
    classes: &'a BTreeSet<DataClass>,
    now: Instant,
    actor: Actor<'a>,
    /// Both services follow the child: a case, or an answer; for a reader, being in charge.
    follows: bool,
    necessary: bool,
    /// A named professional answers for what the document says.
    signed: bool,
    residence: Residence,
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
        let person = self.actor.person();
        let today = day_in_france(self.now);
        let ages: BTreeSet<&str> = self.route.children.iter().map(|child| child.band(today).as_str()).collect();
        let purpose_ok = self.kind.purpose.contains(&self.route.purpose);
        json!(Words {
            kind: self.kind.code.as_str(),
            danger: self.kind.danger,
            urgency: self.route.urgency.as_str(),
            classes: self.classes.iter().map(|class| class.as_str()).collect(),
            purpose: &self.route.purpose,
            purpose_ok,
            legal_basis: &self.route.legal_basis,
            instant: self.now.unix_ms(),
            is_reply: self.route.in_reply_to.is_some(),
            said: self.route.said.iter().map(String::as_str).collect(),
            from_kind: self.sender.kind.as_str(),
            from_secrecy: self.sender.rule.secrecy.as_str(),
            from_role: self.sender.rule.role.as_str(),
            from_ok: self.kind.from.contains(self.sender.kind),
            to_kind: self.recipient.kind.as_str(),
            to_secrecy: self.recipient.rule.secrecy.as_str(),
            to_role: self.recipient.rule.role.as_str(),
            to_ok: self.to_ok,
            actor: self.actor.as_str(),
            actor_secrecy: person.map_or(Secrecy::Aucun, |who| who.secrecy).as_str(),
            actor_role: person.map_or(ProtectionRole::None, |who| who.protection).as_str(),
            actor_profession: person.map_or("", |who| who.profession.as_str()),
            actor_functions: person.map_or(&[], |who| &who.roles),
            human_send: self.kind.human.send,
            secret: self.secret(purpose_ok, &ages),
            parents: self.route.parents_informed.as_deref().unwrap_or(UNSAID),
            child: self.route.child_informed.as_deref().unwrap_or(UNSAID),
            has_case: self.route.case.is_some(),
            person: self.route.person_agreed.as_deref().unwrap_or(UNSAID),
            ages,
            residence: self.residence.as_str(),
            place_hidden: !self.route.said.contains(PLACE_IS_OPEN),
            reserve_magistrat: self.route.said.contains(RESERVED),
            file: self.file(),
            agreement_need: need,
            agreement: self.agreement,
            questions_ok: self.questions_ok,
            recipient_excluded,
            reader: self.reader,
        })
    }

    /// The five facts. The status of a person is the directory's, that of a service the catalogue's.
    fn secret(&self, purpose_ok: bool, ages: &BTreeSet<&str>) -> Secret {
        let person = self.actor.person();
        let bound = person.is_some_and(|who| who.secrecy != Secrecy::Aucun);
        let takes_part = person.is_some_and(|who| who.protection != ProtectionRole::None);
        let authored = self.route.parents_reason && (self.route.parents_author || self.signed);
        let informed = match self.route.parents_informed.as_deref() {
            // From eighteen on, nobody is told or agrees in that person's place.
            _ if !ages.is_empty() && ages.iter().all(|band| *band == "majeur") => self.route.person_agreed.as_deref() == Some("donne"),
            Some("faite") => true,
            // An exception without a reason or without an author is none.
            Some("non-faite-interet-enfant") => authored,
            Some(_) | None => false,
        };
        Secret {
            both_bound: bound && self.recipient.rule.secrecy != Secrecy::Aucun,
            mission: takes_part && self.recipient.rule.role != ProtectionRole::None && self.follows,
            purpose: purpose_ok && SHARING.contains(&self.route.purpose.as_str()),
            necessary: self.necessary,
            informed,
        }
    }

    /// Where the file stands, as far as the exchange says: what nobody says is not known.
    fn file(&self) -> &'static str {
        if self.route.said.contains(AT_COURT) {
            "justice"
        } else if self.route.said.contains(AT_OFFICE) {
            "administratif"
        } else {
            "inconnu"
        }
    }
}

const UNSAID: &str = "non-renseigne";

const PLACE_IS_OPEN: &str = "anonymat_lieu=false";
const RESERVED: &str = "reserve_magistrat.active=true";
const AT_COURT: &str = "dossier=justice";
const AT_OFFICE: &str = "dossier=administratif";
/// What documents may say that is asked for here and not in a rule, and the contrary of it.
pub(in crate::policy) const ASKED_FOR: [&str; 6] =
    [PLACE_IS_OPEN, "anonymat_lieu=true", RESERVED, "reserve_magistrat.active=false", AT_COURT, AT_OFFICE];

/// The three purposes of CASF L226-2-2: evaluate a situation, decide and implement protection.
const SHARING: &[&str] = &["evaluate", "decide", "implement"];
