//! Deciding: questions to the rules, permits and refusals out of their answers.

use std::collections::BTreeSet;

use exchange::{
    AgreementId, DataClass, ExchangeId, Identity, Instant, Party,
    envelope::{Draft, Route},
};
use serde_json::Value;

use crate::catalogue::{self, ExchangeType};

use super::{
    Permit, Policies,
    explain::Explanation,
    question::{Actor, Submission},
    record::{DecisionRecord, Named, Question},
    withhold,
};

/// A draft that may be accepted, with everything that follows from the decision.
#[derive(Debug)]
pub struct Admitted {
    draft: Draft,
    permit: Permit,
    obligations: Vec<String>,
    record: DecisionRecord,
}

impl Admitted {
    /// What has to be done with it.
    pub fn obligations(&self) -> &[String] {
        &self.obligations
    }

    /// The one place where it is taken apart: draft, permit, obligation codes, record.
    pub fn into_parts(self) -> (Draft, Permit, Vec<String>, DecisionRecord) {
        (self.draft, self.permit, self.obligations, self.record)
    }
}

/// A refusal. Both arms refuse; a gateway that cannot decide refuses.
#[derive(Debug)]
pub enum Denial {
    /// The rules say no.
    Forbidden {
        /// Why; empty when existence itself is withheld.
        explanations: Vec<Explanation>,
        /// Answer as if the thing did not exist (invariant 15).
        hidden: bool,
        /// A danger type was stopped: somebody has to be told now.
        alarm: bool,
        /// For the log.
        record: Box<DecisionRecord>,
    },
    /// A rule failed or the question did not fit the schema.
    Undecidable {
        /// For the log.
        record: Box<DecisionRecord>,
    },
}

impl Policies {
    /// Whether `draft` may be accepted. The permit is about `ask.exchange` and the draft it comes with.
    ///
    /// # Errors
    /// [`Denial`], with the record of the decision for the log.
    #[tracing::instrument(level = "debug", skip_all, name = "decide")]
    pub fn admit(&self, draft: Draft, ask: &Submission<'_>) -> Result<Admitted, Denial> {
        let record = self.submit(&draft.route, &classes(&draft, ask.exchange_type), ask);
        if record.undecided() {
            return Err(Denial::Undecidable { record: Box::new(record) });
        }
        if !record.permitted {
            let explanations = self.explanations(&record.questions, &record.facts);
            return Err(Denial::Forbidden { explanations, hidden: false, alarm: ask.exchange_type.danger, record: Box::new(record) });
        }
        let mut obligations = record.obligations.clone();
        if withhold::unsorted(&draft) && !self.holds_everything(&draft, ask) {
            obligations.push(SEND_SORTED.to_owned());
        }
        Ok(Admitted { draft, permit: Permit { exchange: ask.exchange }, obligations, record })
    }

    /// Whether the unit that receives a document may hold every class of its type: if not, nobody there reads what nobody has
    /// sorted ([`Release::filter`](super::Release::filter)). It permits nothing: it is asked to know who has to act.
    fn holds_everything(&self, draft: &Draft, ask: &Submission<'_>) -> bool {
        let facts = ask.facts(&draft.route, &classes(draft, ask.exchange_type));
        let ends = (draft.route.sender.institution.as_str(), draft.route.recipient.institution.as_str());
        let Ok(mut asking) = self.ask(ask.now, "submit", &facts, ends, None) else { return false };
        let of_type = catalogue::classes_of(&ask.exchange_type.fields);
        of_type.into_iter().all(|class| asking.receive("DataClass", class.as_str()).permitted)
    }

    /// Whether a draft that goes to one unit may also go to another one: `ask` is about the other. A record and no permit:
    /// the exchange is kept once, by the permit of its recipient.
    pub fn also(&self, draft: &Draft, recipient: &Party, ask: &Submission<'_>) -> DecisionRecord {
        let route = Route { recipient: recipient.clone(), ..draft.route.clone() };
        self.submit(&route, &classes(draft, ask.exchange_type), ask)
    }

    pub(super) fn submit(&self, route: &Route, classes: &BTreeSet<DataClass>, ask: &Submission<'_>) -> DecisionRecord {
        let facts = ask.facts(route, classes);
        let (from, to) = (route.sender.institution.as_str(), route.recipient.institution.as_str());
        let (_, agreement) = ask.agreement.towards(route, classes);
        let asked = self.ask(ask.now, "submit", &facts, (from, to), agreement).map(|mut asking| {
            let exchange = ask.exchange.to_string();
            let resource = ("Exchange", exchange.as_str());
            match ask.actor {
                Actor::Professional(who) => asking.question("submit", ("Professional", &who.id.to_string()), resource),
                Actor::System | Actor::InstitutionAlone => asking.question("submit", ("Institution", from), resource),
            };
            asking.into_asked()
        });
        let mut record = self.record(ask.exchange, ask.now, facts, (from, to), agreement, asked.unwrap_or_default());
        record.named = Some(Named { sender: route.sender.clone(), recipient: route.recipient.clone(), agreement: route.agreement.clone() });
        record.form.clone_from(&route.form);
        record
    }

    /// The record of a deposit that something other than the rules refused: what they would have said of it, for the log.
    pub fn refused_before(&self, draft: &Draft, ask: &Submission<'_>) -> DecisionRecord {
        let record = self.submit(&draft.route, &classes(draft, ask.exchange_type), ask);
        DecisionRecord { permitted: false, obligations: Vec::new(), ..record }
    }

    /// Why a record refuses beside this one rule; nothing when no other rule refuses.
    pub fn beyond(&self, record: &DecisionRecord, rule: &str) -> Option<Vec<Explanation>> {
        let explanations = self.explanations(&record.questions, &record.facts);
        let other = !record.undecided() && explanations.iter().any(|one| one.rule != rule);
        other.then_some(explanations)
    }

    pub(super) fn record(
        &self,
        exchange: ExchangeId,
        at: Instant,
        facts: Value,
        (from, to): (&str, &str),
        agreement: Option<&AgreementId>,
        questions: Vec<Question>,
    ) -> DecisionRecord {
        let (mut rules, mut obligations) = (BTreeSet::new(), BTreeSet::new());
        for question in &questions {
            for note in question.policies.iter().filter_map(|id| self.note(id)) {
                rules.extend(note.explanation.rule.split_whitespace().map(str::to_owned));
                if question.permitted {
                    obligations.extend(note.obligations.iter().cloned());
                }
            }
            // A field of which no rule speaks follows its class: that is not a refusal by default.
            if question.policies.is_empty() && question.resource.0 != "Field" {
                rules.insert("R01".to_owned());
            }
        }
        let permitted = questions.first().is_some_and(|question| question.permitted);
        DecisionRecord {
            exchange,
            policy_set: self.hash().to_owned(),
            at,
            facts,
            from: from.to_owned(),
            to: to.to_owned(),
            agreement: agreement.cloned(),
            named: None,
            form: None,
            questions,
            rules: rules.into_iter().collect(),
            obligations: obligations.into_iter().collect(),
            permitted,
            withheld: Vec::new(),
        }
    }

    /// The note of a rule, or of the template it was linked from.
    pub(super) fn note(&self, id: &str) -> Option<&super::load::Note> {
        self.notes.get(id)
    }
}

/// The classes present in a draft. What does not conform is kept in the most protected class of the type.
fn classes(draft: &Draft, exchange_type: &ExchangeType) -> BTreeSet<DataClass> {
    let mut classes: BTreeSet<DataClass> = draft.body.iter().filter(|(_, leaves)| !leaves.is_empty()).map(|(class, _)| *class).collect();
    if !draft.subjects.is_empty() {
        classes.insert(DataClass::Identite);
    }
    if draft.subjects.iter().any(Identity::has_contact) {
        classes.insert(DataClass::Contact);
    }
    if !draft.non_conforme.is_empty() {
        classes.insert(exchange_type.most_protected_class());
    }
    classes
}

/// The obligation of a sender whose recipient cannot read what it sent unsorted.
pub const SEND_SORTED: &str = "renvoyer-conforme";
