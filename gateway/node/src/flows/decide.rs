//! "May I?": the decision and its explanation before anything is sent.
//!
//! Decided from facts the asker supplies or may read alone; never from what the gateway keeps, so that no question can
//! tell whether a file exists (invariant 15). What depends on others is said to be decided at delivery.

use std::collections::BTreeSet;

use exchange::{AgreementId, DataClass, ExchangeId, Party, TypeCode, Urgency, envelope::Route};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, Rooms, acting_unit};
use crate::{
    agreements::InForce,
    catalogue::AgreementNeed,
    log::Event,
    policy::{Actor, AgreementState, Denial, End, Reading, Submission},
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
    /// Code of CL-info-enfant.
    #[serde(default)]
    pub child_informed: Option<String>,
    /// Urgency.
    #[serde(default)]
    pub urgency: Option<Urgency>,
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
/// The asker is not a known professional; the type or party is unknown.
pub async fn ask(rooms: &Rooms, caller: &Caller, question: Question) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Who asks, about what?
    let professional = caller.professional(&law)?;
    let own = acting_unit(professional, question.unit.as_ref())?;
    let own_kind = law.directory.party(&own).ok_or(Refusal::UnknownProfessional)?.kind.clone();
    let exchange_type = law.catalogue.exchange_type(&question.kind, now).ok_or(Refusal::UnknownType)?;
    let other_kind = law.directory.party(&question.party).ok_or(Refusal::UnknownRecipient)?.kind.clone();
    let classes = question.classes.clone().unwrap_or_else(|| exchange_type.fields.iter().map(|field| field.class).collect());
    let agreement = match (&exchange_type.agreement, &question.agreement) {
        (AgreementNeed::None | AgreementNeed::ForChannel, _) => AgreementState::NotNeeded,
        (AgreementNeed::Required, Some(id)) => match law.agreements.in_force(id, now) {
            InForce::InForce(found) => AgreementState::InForce(found.id.clone()),
            _ => return Err(Refusal::Agreement("non en vigueur")),
        },
        (AgreementNeed::Required, None) => return Err(Refusal::Agreement("aucun protocole indiqué")),
    };
    let (sender, recipient) = match question.action {
        Action::Submit => (own.clone(), question.party.clone()),
        Action::Open => (question.party.clone(), own.clone()),
    };
    let route = Route {
        kind: exchange_type.code.clone(),
        sender,
        recipient,
        exclus: Vec::new(),
        purpose: question.purpose.or_else(|| exchange_type.purpose.first().cloned()).unwrap_or_default(),
        legal_basis: exchange_type.legal_basis.clone(),
        agreement: question.agreement,
        urgency: question.urgency.unwrap_or(Urgency::Ordinary),
        in_reply_to: None,
        case: None,
        parents_informed: question.parents_informed,
        child_informed: question.child_informed,
    };
    // 2. Decide, as acceptance or opening would, about an exchange that does not exist.
    let hypothetical = ExchangeId::new();
    let answer = match question.action {
        Action::Submit => {
            let decision = law.policies.may_submit(
                &route,
                &Submission {
                    exchange: hypothetical,
                    exchange_type,
                    sender: End { party: &route.sender, kind: &own_kind },
                    recipient: End { party: &route.recipient, kind: &other_kind },
                    actor: Actor::Professional(professional),
                    classes: &classes,
                    agreement,
                    now,
                },
            );
            serde_json::to_value(decision).map_err(|_| Refusal::Internal("decision"))?
        }
        Action::Open => {
            let unit = own.unit.as_ref();
            match law.policies.release(&Reading {
                exchange: hypothetical,
                exchange_type,
                route: &route,
                sender: End { party: &route.sender, kind: &other_kind },
                recipient: End { party: &route.recipient, kind: &own_kind },
                reader: professional,
                member: true,
                habilitated: unit.is_some_and(|unit| professional.habilitated(unit, now.date())),
                classes: classes.clone(),
                now,
            }) {
                Ok(release) => json!({"verdict": "permit", "withheld": release.withheld(), "reserve": RESERVE}),
                Err(Denial::Forbidden { explanations, .. }) => json!({"verdict": "refusal", "explanations": explanations}),
                Err(Denial::Undecidable { .. }) => return Err(Refusal::Undecidable),
            }
        }
    };
    // 3. Questions are logged: a probing of the rules leaves a trace.
    let entry = rooms.entry(
        rooms
            .state(&law, Event::DecisionMade, None, now)
            .commit("professional", &professional.id)
            .commit("type", &exchange_type.code)
            .commit("answer", &answer),
    )?;
    rooms.store.write(AppendEntries(vec![entry])).await?;
    Ok(answer)
}

const RESERVE: &str = "Sous réserve de ce qui dépend d’autres que vous (lien avec la situation, personnes écartées) : décidé à la remise.";
