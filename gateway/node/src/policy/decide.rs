//! Deciding: questions to the rules, permits and refusals out of their answers.
//!
//! Whatever goes wrong while asking (a rule that fails, a request outside the schema) ends as a refusal.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision as Verdict, Entities, Entity, PolicyId, Request, SlotId};
use exchange::{
    AgreementId, DataClass, ExchangeId, Instant,
    envelope::{Draft, Route},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Permit, Policies,
    explain::Explanation,
    load::slice_name,
    question::{Actor, AgreementState, Submission},
    record::{DecisionRecord, Question},
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
    /// The one place where it is taken apart: draft, permit, obligation codes, record.
    pub fn into_parts(self) -> (Draft, Permit, Vec<String>, DecisionRecord) {
        (self.draft, self.permit, self.obligations, self.record)
    }
}

/// The answer to "may I?", nothing sent.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// It may be sent.
    pub permitted: bool,
    /// Why not.
    pub explanations: Vec<Explanation>,
    /// What has to be done with it.
    pub obligations: Vec<String>,
    /// Classes that the recipient's service will not receive, with the reason.
    pub withheld: Vec<super::Withheld>,
    /// What is decided at delivery only, in French (« sous réserve »).
    pub reserved: Vec<String>,
    /// For the log.
    #[serde(skip)]
    pub record: DecisionRecord,
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

/// A question did not fit the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

/// One context, many questions.
pub(super) struct Asking<'p> {
    policies: &'p Policies,
    at: Instant,
    context: Context,
    pub(super) facts: Value,
    from: String,
    to: String,
    agreement: Option<AgreementId>,
    pub(super) asked: Vec<Question>,
}

impl Policies {
    pub(super) fn ask(
        &self,
        at: Instant,
        facts: Value,
        from: String,
        to: String,
        agreement: Option<AgreementId>,
    ) -> Result<Asking<'_>, Unfit> {
        let context = Context::from_json_value(facts.clone(), None).map_err(|_| Unfit)?;
        Ok(Asking { policies: self, at, context, facts, from, to, agreement, asked: Vec::new() })
    }

    /// Whether `draft` may be accepted. The permit is about `ask.exchange` and the draft it comes with.
    pub fn admit(&self, draft: Draft, ask: &Submission<'_>) -> Result<Admitted, Denial> {
        let mut classes: BTreeSet<DataClass> =
            draft.body.iter().filter(|(_, leaves)| !leaves.is_empty()).map(|(class, _)| *class).collect();
        if !draft.subjects.is_empty() {
            classes.insert(DataClass::Identite);
        }
        let (record, error) = self.submit(&draft.route, &classes, ask);
        if error {
            return Err(Denial::Undecidable { record: Box::new(record) });
        }
        if !record.permitted {
            let explanations = self.explanations(&record.questions, &record.facts);
            return Err(Denial::Forbidden { explanations, hidden: false, alarm: ask.exchange_type.danger, record: Box::new(record) });
        }
        Ok(Admitted { draft, permit: Permit { exchange: ask.exchange }, obligations: record.obligations.clone(), record })
    }

    /// The same without a draft: answers before anything is sent.
    pub fn may_submit(&self, route: &Route, classes: &BTreeSet<DataClass>, ask: &Submission<'_>) -> Decision {
        let (record, _) = self.submit(route, classes, ask);
        let explanations = if record.permitted { Vec::new() } else { self.explanations(&record.questions, &record.facts) };
        let mut withheld = Vec::new();
        if record.permitted
            && let Ok(mut asking) = self.ask(ask.now, record.facts.clone(), record.from.clone(), record.to.clone(), None)
        {
            for class in classes {
                withheld.extend(asking.receive("DataClass", class.as_str()).filter(|part| !part.hidden).map(|part| part.shown));
            }
        }
        let reserved = vec![
            "Sous réserve, à la remise, de l’habilitation de la personne qui ouvrira et de son lien avec le dossier.".to_owned(),
            "Sous réserve de ce que cette personne peut lire selon son secret professionnel.".to_owned(),
        ];
        Decision { permitted: record.permitted, explanations, obligations: record.obligations.clone(), withheld, reserved, record }
    }

    fn submit(&self, route: &Route, classes: &BTreeSet<DataClass>, ask: &Submission<'_>) -> (DecisionRecord, bool) {
        let facts = ask.facts(route, classes);
        let (from, to) = (route.sender.institution.to_string(), route.recipient.institution.to_string());
        let agreement = match ask.agreement {
            AgreementState::InForce { id, parties }
                if parties.contains(&route.sender.institution) && parties.contains(&route.recipient.institution) =>
            {
                Some(id.clone())
            }
            AgreementState::InForce { .. } | AgreementState::NotNamed | AgreementState::OutOfScope | AgreementState::NotInForce => None,
        };
        let Ok(mut asking) = self.ask(ask.now, facts.clone(), from.clone(), to.clone(), agreement.clone()) else {
            return (self.record(ask.exchange, ask.now, facts, (from, to), agreement, Vec::new()), true);
        };
        let exchange = ask.exchange.to_string();
        let answer = match ask.actor {
            Actor::Professional(who) => asking.question("submit", ("Professional", &who.id.to_string()), ("Exchange", &exchange)),
            Actor::System | Actor::InstitutionAlone => asking.question("submit", ("Institution", &from), ("Exchange", &exchange)),
        };
        let error = answer.error;
        let mut record = self.record(ask.exchange, ask.now, facts, (from, to), agreement, vec![answer]);
        if error {
            record.permitted = false;
        }
        (record, error)
    }

    pub(super) fn record(
        &self,
        exchange: ExchangeId,
        at: Instant,
        facts: Value,
        (from, to): (String, String),
        agreement: Option<AgreementId>,
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
            if question.policies.is_empty() {
                rules.insert("R01".to_owned());
            }
        }
        let permitted = questions.first().is_some_and(|question| question.permitted);
        DecisionRecord {
            exchange,
            policy_set: self.hash().to_owned(),
            at,
            facts,
            from,
            to,
            agreement,
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

    /// Why the refused questions were refused.
    pub(super) fn explanations(&self, questions: &[Question], facts: &Value) -> Vec<Explanation> {
        let mut found: Vec<Explanation> = Vec::new();
        for question in questions.iter().filter(|question| !question.permitted) {
            if question.policies.is_empty() {
                found.push(Explanation::of_default(facts));
            }
            found.extend(question.policies.iter().filter_map(|id| self.note(id)).map(|note| note.explanation.clone()));
        }
        found
    }
}

impl Asking<'_> {
    /// Asks, remembers, answers. An error is a refusal that says so.
    pub(super) fn question(&mut self, action: &str, principal: (&str, &str), resource: (&str, &str)) -> Question {
        let (permitted, error, policies) = match self.evaluate(action, principal, resource) {
            Ok((permitted, policies)) => (permitted, false, policies),
            Err(Unfit) => (false, true, Vec::new()),
        };
        let own = |(kind, id): (&str, &str)| (kind.to_owned(), id.to_owned());
        let question =
            Question { action: action.to_owned(), principal: own(principal), resource: own(resource), permitted, error, policies };
        self.asked.push(question.clone());
        question
    }

    fn evaluate(&self, action: &str, principal: (&str, &str), resource: (&str, &str)) -> Result<(bool, Vec<String>), Unfit> {
        let policies = self.policies;
        let uid = |kind: &str, id: &str| policies.uid(kind, id).ok_or(Unfit);
        let (who, what) = (uid(principal.0, principal.1)?, uid(resource.0, resource.1)?);
        let (from, to) = (uid("Institution", &self.from)?, uid("Institution", &self.to)?);
        let actor_in = if principal.0 == "Unit" { &to } else { &from };
        let request = Request::new(who.clone(), uid("Action", action)?, what.clone(), self.context.clone(), Some(&policies.schema))
            .map_err(|_| Unfit)?;
        let date = self.at.date();
        let set = policies.set_on(date).and_then(|slices| slices.get(&slice_name(action, resource.0, resource.1))).ok_or(Unfit)?;
        let mut entities = Vec::new();
        if principal.0 != "Institution" {
            entities.push(Entity::new_no_attrs(who, HashSet::from([actor_in.clone()])));
        }
        if resource.0 == "Exchange" {
            entities.push(Entity::new_no_attrs(what, HashSet::from([to.clone()])));
        }
        let entities = Entities::from_entities(entities, None).map_err(|_| Unfit)?;
        let linked;
        let mut link_of = None;
        let set = match (&policies.template, &self.agreement) {
            (Some(template), Some(agreement)) if action == "submit" && policies.in_force(AsRef::<str>::as_ref(template.id()), date) => {
                let mut with = set.clone();
                let (template_id, link_id) = (template.id().clone(), PolicyId::new(format!("convention/{agreement}")));
                with.add_template(template.clone()).map_err(|_| Unfit)?;
                let slots = HashMap::from([(SlotId::principal(), from.clone()), (SlotId::resource(), to.clone())]);
                with.link(template_id.clone(), link_id.clone(), slots).map_err(|_| Unfit)?;
                link_of = Some((link_id, template_id));
                linked = with;
                &linked
            }
            _ => set,
        };
        let response = Authorizer::new().is_authorized(&request, set, &entities);
        // Cedar skips a forbid that fails: an error of any rule is a refusal.
        if response.diagnostics().errors().next().is_some() {
            return Err(Unfit);
        }
        let mut ids: Vec<String> = response
            .diagnostics()
            .reason()
            .map(|id| match &link_of {
                Some((link, template)) if id == link => template.to_string(),
                _ => id.to_string(),
            })
            .collect();
        ids.sort();
        Ok((response.decision() == Verdict::Allow, ids))
    }

    pub(super) fn policies(&self) -> &Policies {
        self.policies
    }

    pub(super) fn into_asked(self) -> Vec<Question> {
        self.asked
    }
}
