//! Deciding again: the facts of a past decision put to other rules, and the reasons of a decision told.
//!
//! A replay asks the very questions of the record; this asks what those rules would ask, of the same facts. What the
//! catalogue and the register of agreements say is a fact of their set, so it is taken from the new one.

use std::collections::BTreeSet;

use exchange::{DataClass, Instant, Kind, TypeCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::{AgreementState, DecisionRecord, Explanation, Policies, Question, question::nothing};
use crate::catalogue::{AgreementNeed, Catalogue, ExchangeType};

/// Why a past decision cannot be taken again with other rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAgain {
    /// Its record holds no question: it was not decided by rules.
    #[error("no question was put to the rules")]
    NothingAsked,
    /// Its type does not exist that day in the other catalogue.
    #[error("the type does not exist")]
    NoSuchType,
}

/// Why a question was answered so: one rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Its id; nothing when it is the absence of any permission (R01).
    pub policy: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub explanation: Explanation,
}

impl Policies {
    /// The decision of a record taken again with these rules and this catalogue. `agreement` is what the register of the
    /// new set says of the agreement that was named; nothing: what it was worth then.
    ///
    /// # Errors
    /// [`NotAgain`].
    pub fn decide_again(
        &self,
        record: &DecisionRecord,
        catalogue: &Catalogue,
        agreement: Option<AgreementState<'_>>,
    ) -> Result<DecisionRecord, NotAgain> {
        let first = record.questions.first().ok_or(NotAgain::NothingAsked)?;
        let mut facts = record.facts.clone();
        let classes: BTreeSet<DataClass> = words(&facts, "classes").filter_map(|word| word.parse().ok()).collect();
        let code = text(&facts, "type").parse::<TypeCode>().ok();
        let exchange_type = code.and_then(|code| catalogue.exchange_type(&code, record.at));
        let submit = first.action == "submit";
        if submit {
            facts_of_type(&mut facts, exchange_type.ok_or(NotAgain::NoSuchType)?, catalogue, record.at);
        }
        facts_of_kinds(&mut facts, catalogue);
        let mut linked = record.agreement.as_ref();
        if let (true, Some(state), Some(named)) = (submit, agreement, &record.named) {
            let ends = (&named.sender.institution, &named.recipient.institution);
            let (word, id) = state.between(ends, text(&facts, "purpose"), &classes);
            set(&mut facts, "agreement", json!(word));
            linked = id;
        }
        self.supply(&first.action, &mut facts);
        let ends = (record.from.as_str(), record.to.as_str());
        let mut withheld = Vec::new();
        let questions = match self.ask(record.at, &first.action, &facts, ends, linked) {
            Err(_) => Vec::new(),
            Ok(mut asking) => {
                let principal = (first.principal.0.as_str(), first.principal.1.as_str());
                let permitted = asking.question(&first.action, principal, (&first.resource.0, &first.resource.1)).permitted;
                if permitted && matches!(first.action.as_str(), "open" | "break_glass") {
                    let declared = exchange_type.map(|one| one.fields.as_slice()).unwrap_or_default();
                    withheld = self.lost(&mut asking, principal.1, &classes, declared, &facts);
                }
                asking.into_asked()
            }
        };
        let mut again = self.record(record.exchange, record.at, facts, ends, linked, questions);
        again.named.clone_from(&record.named);
        again.withheld = withheld;
        again.permitted = again.permitted && !again.undecided();
        Ok(again)
    }

    /// Facts that these rules know and the record does not have: as if nothing had been said.
    fn supply(&self, action: &str, facts: &mut Value) {
        let neutral = nothing();
        for name in self.facts.get(action).into_iter().flatten() {
            // `secret.purpose`: what stands inside a record comes with the record, or alone where the record is there.
            let at = format!("/{}", name.replace('.', "/"));
            if facts.pointer(&at).is_none()
                && let Some(value) = neutral.pointer(&at)
            {
                match name.rsplit_once('.') {
                    None => set(facts, name, value.clone()),
                    Some((record, inside)) => {
                        if let Some(record) = facts.pointer_mut(&format!("/{}", record.replace('.', "/"))) {
                            set(record, inside, value.clone());
                        }
                    }
                }
            }
        }
    }

    /// Why a question of a decision made with these rules was answered so.
    pub fn reasons(&self, question: &Question, facts: &Value) -> Vec<Reason> {
        if question.error {
            return vec![Reason { policy: None, explanation: Explanation::of_failure() }];
        }
        if question.policies.is_empty() && !question.permitted {
            return vec![Reason { policy: None, explanation: Explanation::of_default(facts) }];
        }
        let noted = question.policies.iter().filter_map(|id| Some((id, self.note(id)?)));
        noted.map(|(id, note)| Reason { policy: Some(id.clone()), explanation: note.explanation.clone() }).collect()
    }
}

/// What the catalogue says of a type, as the questions of a deposit hold it.
fn facts_of_type(facts: &mut Value, exchange_type: &ExchangeType, catalogue: &Catalogue, at: Instant) {
    let kind = |name: &str| text(facts, name).parse::<Kind>().ok();
    let (from, to) = (kind("from_kind"), kind("to_kind"));
    let out_of_hours = text(facts, "urgency") == "immediate" && !catalogue.working_now(at);
    let open = |when: Option<&String>| when.is_none_or(|word| word == "immediate-hors-horaires" && out_of_hours);
    let need = match exchange_type.agreement {
        AgreementNeed::None => "none",
        AgreementNeed::Required => "required",
        AgreementNeed::ForChannel => "for-channel",
    };
    let purpose_ok = exchange_type.purpose.iter().any(|purpose| purpose == text(facts, "purpose"));
    for (name, fact) in [
        ("danger", json!(exchange_type.danger)),
        ("purpose_ok", json!(purpose_ok)),
        ("from_ok", json!(from.is_some_and(|kind| exchange_type.from.contains(&kind)))),
        ("to_ok", json!(to.is_some_and(|kind| exchange_type.to.iter().any(|one| one.kind == kind && open(one.when.as_ref()))))),
        ("human_send", json!(exchange_type.human.send)),
        ("agreement_need", json!(need)),
    ] {
        set(facts, name, fact);
    }
}

/// What the catalogue says of both ends. A kind that it does not know keeps what it was.
fn facts_of_kinds(facts: &mut Value, catalogue: &Catalogue) {
    for end in ["from", "to"] {
        let rule = text(facts, &format!("{end}_kind")).parse::<Kind>().ok().and_then(|kind| catalogue.kind(&kind));
        if let Some(rule) = rule {
            set(facts, &format!("{end}_secrecy"), json!(rule.secrecy.as_str()));
            set(facts, &format!("{end}_role"), json!(rule.role.as_str()));
        }
    }
}

fn text<'v>(facts: &'v Value, name: &str) -> &'v str {
    facts.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn words<'v>(facts: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    facts.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn set(facts: &mut Value, name: &str, fact: Value) {
    if let Value::Object(facts) = facts {
        facts.insert(name.to_owned(), fact);
    }
}
