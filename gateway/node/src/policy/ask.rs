//! Asking: one question at a time to the rules of the day, each remembered with its answer.
//!
//! Whatever goes wrong while asking (a rule that fails, a request outside the schema) is a refusal that says so.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision as Verdict, Entities, Entity, PolicyId, Request, RestrictedExpression, SlotId};
use exchange::{AgreementId, Instant};
use serde_json::Value;

use super::{Policies, load::slice_name, question, record::Question};
use crate::directory::day::day_in_france;

/// A question did not fit the schema, or a rule failed: nothing can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rules cannot be asked")]
pub struct Unfit;

/// One context, many questions.
pub(super) struct Asking<'p> {
    policies: &'p Policies,
    authorizer: Authorizer,
    at: Instant,
    context: Context,
    from: String,
    to: String,
    to_kind: String,
    agreement: Option<AgreementId>,
    asked: Vec<Question>,
}

impl Policies {
    pub(super) fn ask(
        &self,
        at: Instant,
        action: &str,
        facts: &Value,
        (from, to): (&str, &str),
        agreement: Option<&AgreementId>,
    ) -> Result<Asking<'_>, Unfit> {
        // Submitting, opening, receiving and disclosing have the same facts: held to the schema here, once, and not again
        // for each question. A set is asked with the facts of its own schema, whatever a later program knows beside.
        let unknown = self.unknown.get(action).ok_or(Unfit)?;
        let action = self.uid("Action", action).ok_or(Unfit)?;
        let facts = without(facts.clone(), unknown);
        let pairs = facts.as_object().ok_or(Unfit)?.iter().map(|(name, fact)| Ok((name.clone(), self.expression(fact)?)));
        let context = Context::from_pairs(pairs.collect::<Result<Vec<_>, Unfit>>()?).map_err(|_| Unfit)?;
        context.validate(&self.schema, &action).map_err(|_| Unfit)?;
        let to_kind = facts.get("to_kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Asking {
            policies: self,
            authorizer: Authorizer::new(),
            at,
            context,
            from: from.to_owned(),
            to: to.to_owned(),
            to_kind,
            agreement: agreement.cloned(),
            asked: Vec::new(),
        })
    }

    /// A fact as Cedar takes it. What Cedar itself does with JSON is several times as long, and was a sixth of a decision.
    fn expression(&self, fact: &Value) -> Result<RestrictedExpression, Unfit> {
        Ok(match fact {
            Value::Bool(truth) => RestrictedExpression::new_bool(*truth),
            Value::Number(number) => RestrictedExpression::new_long(number.as_i64().ok_or(Unfit)?),
            Value::String(text) => RestrictedExpression::new_string(text.clone()),
            Value::Array(all) => RestrictedExpression::new_set(all.iter().map(|one| self.expression(one)).collect::<Result<Vec<_>, _>>()?),
            Value::Object(record) => match record.get("__entity") {
                Some(entity) => {
                    let word = |name| entity.get(name).and_then(Value::as_str).ok_or(Unfit);
                    RestrictedExpression::new_entity_uid(self.uid(word("type")?, word("id")?).ok_or(Unfit)?)
                }
                None => {
                    let fields = record.iter().map(|(name, fact)| Ok((name.clone(), self.expression(fact)?)));
                    RestrictedExpression::new_record(fields.collect::<Result<Vec<_>, Unfit>>()?).map_err(|_| Unfit)?
                }
            },
            Value::Null => return Err(Unfit),
        })
    }

    /// A real decision, for the readiness probe: an exchange that nothing foresees, asked of the newest rules.
    ///
    /// # Errors
    /// [`Unfit`] when the rules cannot be asked, or permit what nothing foresees (R01).
    pub fn probe(&self) -> Result<(), Unfit> {
        let mut asking = self.ask(self.newest(), "submit", &question::nothing(), ("sonde", "sonde"), None)?;
        let sent = asking.question("submit", ("Institution", "sonde"), ("Exchange", "sonde"));
        let opened = asking.question("open", ("Professional", "sonde"), ("Exchange", "sonde"));
        let refused = [sent, opened].iter().all(|answer| !answer.permitted && !answer.error);
        if refused { Ok(()) } else { Err(Unfit) }
    }
}

/// Takes away what this program knows and the set was written without. What neither knows stays, and does not fit.
fn without(mut facts: Value, unknown: &BTreeSet<String>) -> Value {
    for name in unknown {
        let (record, inside) = match name.rsplit_once('.') {
            Some((record, inside)) => (facts.pointer_mut(&format!("/{}", record.replace('.', "/"))), inside),
            None => (Some(&mut facts), name.as_str()),
        };
        if let Some(record) = record.and_then(Value::as_object_mut) {
            record.remove(inside);
        }
    }
    facts
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
        let request = Request::new(who.clone(), uid("Action", action)?, what.clone(), self.context.clone(), None).map_err(|_| Unfit)?;
        let date = day_in_france(self.at);
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
        let response = self.authorizer.is_authorized(&request, set, &entities);
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

    /// Whether the recipient's unit may hold a part (`DataClass` or `Field`).
    pub(super) fn receive(&mut self, kind: &str, id: &str) -> Question {
        let unit = self.to_kind.clone();
        self.question("receive", ("Unit", &unit), (kind, id))
    }

    pub(super) fn into_asked(self) -> Vec<Question> {
        self.asked
    }
}
