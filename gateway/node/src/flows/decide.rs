//! "May I?": the decision and its explanation before anything is sent.
//!
//! Decided from facts the asker supplies or may read alone; never from what the gateway keeps, so that no question can
//! tell whether a file exists (invariant 15). What depends on others is said to be decided at delivery.

use std::collections::BTreeSet;

use exchange::{
    AgreementId, DataClass, ExchangeId, Instant, Party, TypeCode, Urgency,
    envelope::{FieldFault, Route},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, Law, Rooms, acting_unit};
use crate::{
    catalogue::{AgreementNeed, ExchangeType},
    directory::day::day_in_france,
    log::Event,
    policy::{Actor, AgreementState, Opening, Reading, Residence, Side, Submission},
    refusal::Refusal,
    store::audit::AppendEntries,
};

/// What somebody wants to know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// `submit` or `open`.
    pub action: Action,
    /// Exchange type.
    #[serde(rename = "type")]
    pub kind: TypeCode,
    /// For `submit`: to whom. For `open`: from whom.
    pub party: Party,
    /// The asker's own unit, when the asker has several.
    #[serde(default)]
    pub unit: Option<exchange::UnitId>,
    /// What the document would hold; absent: every class of the type.
    #[serde(default)]
    pub classes: Option<BTreeSet<DataClass>>,
    /// Purpose; absent: the type's first.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Agreement invoked.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// Code of CL-info-parents.
    #[serde(default)]
    pub parents_informed: Option<String>,
    /// The reason for not informing them is written, by the asker.
    #[serde(default)]
    pub parents_reason: bool,
    /// Code of CL-info-enfant.
    #[serde(default)]
    pub child_informed: Option<String>,
    /// Code of CL-accord-personne.
    #[serde(default)]
    pub person_agreed: Option<String>,
    /// Facts that fields of the type would say: `fondement=L221-3-prestation-ase`.
    #[serde(default)]
    pub said: BTreeSet<String>,
    /// It belongs to a case that both services follow.
    #[serde(default)]
    pub case: bool,
    /// Profile of the type, for example `conseil-technique`.
    #[serde(default)]
    pub form: Option<String>,
    /// Urgency.
    #[serde(default)]
    pub urgency: Option<Urgency>,
    /// Why sharing is strictly necessary.
    #[serde(default)]
    pub necessity: Option<String>,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Sending.
    Submit,
    /// Reading.
    Open,
}

/// Answers a question; the question itself is logged.
///
/// # Errors
/// The asker is not a known professional; the type or party is unknown; a code is none of its list.
#[tracing::instrument(level = "debug", skip_all, name = "may_i")]
pub async fn ask(rooms: &Rooms, caller: &Caller, question: Question) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Who asks, about what?
    let professional = caller.professional(&law)?;
    let own = acting_unit(professional, question.unit.as_ref())?;
    let exchange_type = law.catalogue.exchange_type(&question.kind, now).ok_or(Refusal::UnknownType)?.form(question.form.as_deref());
    let action = question.action;
    let classes = question.classes.clone().unwrap_or_else(|| exchange_type.fields.iter().map(|field| field.class).collect());
    let necessity_stated = question.necessity.as_ref().is_some_and(|why| !why.trim().is_empty());
    known_codes(&law, &question)?;
    let route = route(exchange_type, question, own);
    // 2. Decide, as acceptance or opening would, about an exchange that does not exist.
    let decision = match action {
        Action::Submit => {
            let holds = law.conditions(&route, now);
            law.policies.may_submit(
                &route,
                &classes,
                &Submission {
                    exchange: ExchangeId::new(),
                    exchange_type,
                    sender: side(&law, &route.sender)?,
                    recipient: side(&law, &route.recipient)?,
                    actor: Actor::Professional(professional),
                    agreement: agreement(&law, exchange_type, &route, now)?,
                    necessity_stated,
                    residence: Residence::Unknown,
                    holds: &holds,
                    now,
                },
            )
        }
        Action::Open => {
            let unit = route.recipient.unit.as_ref();
            law.policies.may_open(&Reading {
                exchange: ExchangeId::new(),
                exchange_type,
                route: &route,
                sender: side(&law, &route.sender)?,
                recipient: side(&law, &route.recipient)?,
                reader: professional,
                habilitated: unit.is_some_and(|unit| professional.habilitated(unit, day_in_france(now))),
                case_link: true,
                opening: Opening::Ordinary,
                agreement: law.agreement(exchange_type, &route, now).unwrap_or_else(|_| none_serves(&route)),
                paths: exchange_type.fields.iter().filter(|f| classes.contains(&f.class)).map(|f| f.path.clone()).collect(),
                classes,
                now,
            })
        }
    };
    let answer = serde_json::to_value(&decision).map_err(|_| Refusal::Internal("decision"))?;
    // 3. Questions are logged: a probing of the rules leaves a trace.
    let entry = rooms.entry(
        rooms
            .state(&law, Event::DecisionMade, None, now)
            .commit("professional", &professional.id)
            .commit("type", &exchange_type.code)
            .commit("decision", &json!({"result": "question", "record": decision.record})),
    )?;
    rooms.store.write(AppendEntries(vec![entry])).await?;
    if decision.record.undecided() { Err(Refusal::Undecidable) } else { Ok(answer) }
}

/// The agreement of the question. Where one is needed and none serves, the law is asked all the same and says so with
/// everything else that it has to say.
fn agreement<'l>(law: &'l Law, exchange_type: &ExchangeType, route: &Route, now: Instant) -> Result<AgreementState<'l>, Refusal> {
    match law.agreement(exchange_type, route, now) {
        Err(Refusal::Agreement(_)) if exchange_type.agreement == AgreementNeed::Required => Ok(AgreementState::NotInForce),
        other => other,
    }
}

/// Why no agreement lets somebody read: none was named, or the one that was does not serve.
fn none_serves(route: &Route) -> AgreementState<'static> {
    if route.agreement.is_some() { AgreementState::NotInForce } else { AgreementState::NotNamed }
}

/// A code that no list knows would be decided as if nothing had been said.
fn known_codes(law: &Law, question: &Question) -> Result<(), Refusal> {
    let told = [
        ("parents_informed", "CL-info-parents", &question.parents_informed),
        ("child_informed", "CL-info-enfant", &question.child_informed),
        ("person_agreed", "CL-accord-personne", &question.person_agreed),
        ("purpose", "CL-purpose", &question.purpose),
    ];
    let wrong = |(name, list, code): (&str, &str, &Option<String>)| {
        let code = code.as_ref()?;
        let known = law.catalogue.codes.get(list)?;
        (!known.contains(code)).then(|| FieldFault {
            pointer: format!("/{name}"),
            code: "bad-code",
            detail: format!("Écrivez l’un de ces codes : {}.", known.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        })
    };
    let faults: Vec<FieldFault> = told.into_iter().filter_map(wrong).collect();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::NotConforming(faults)) }
}

/// The route of the exchange that is asked about: from the asker for `submit`, to the asker for `open`.
fn route(exchange_type: &ExchangeType, question: Question, own: Party) -> Route {
    let (sender, recipient) = match question.action {
        Action::Submit => (own, question.party),
        Action::Open => (question.party, own),
    };
    Route {
        kind: exchange_type.code.clone(),
        sender,
        recipient,
        exclus: Vec::new(),
        purpose: question.purpose.or_else(|| exchange_type.purpose.first().cloned()).unwrap_or_default(),
        legal_basis: exchange_type.legal_basis.clone(),
        agreement: question.agreement,
        urgency: question.urgency.or_else(|| exchange_type.urgency.last().copied()).unwrap_or(Urgency::Ordinary),
        in_reply_to: None,
        rectifies: None,
        case: question.case.then(|| "question".to_owned()),
        parents_informed: question.parents_informed,
        parents_reason: question.parents_reason,
        parents_author: false,
        child_informed: question.child_informed,
        form: question.form,
        said: question.said,
        person_agreed: question.person_agreed,
        children: Vec::new(),
    }
}

fn side<'l>(law: &'l Law, party: &Party) -> Result<Side<'l>, Refusal> {
    let known = law.directory.party(party).ok_or(Refusal::UnknownRecipient)?;
    law.side(known.kind)
}
