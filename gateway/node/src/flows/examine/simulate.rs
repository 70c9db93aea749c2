//! Simulating: another policy set put to the decisions that were made, to see what it would open and close.
//!
//! Names nobody: entries of the log by their place, types, kinds, rules.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Instant, TypeCode};
use serde::Serialize;
use serde_json::Value;

use super::Logged;
use crate::{
    flows::Law,
    log::Event,
    policy::{AgreementState, DecisionRecord, NotAgain},
};

/// What another set would have decided, over many decisions.
#[derive(Debug, Default, Serialize)]
pub struct Simulation {
    /// How many of each.
    pub counts: Counts,
    /// By the id of the rule that decides differently: how many it would open and close.
    pub rules: BTreeMap<String, (u64, u64)>,
    /// Each decision that would change.
    pub changes: Vec<Change>,
}

/// Decisions by what would become of them.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Asked again.
    pub decided: u64,
    /// The same in every respect.
    pub same: u64,
    /// Refused then, permitted now.
    pub opened: u64,
    /// Permitted then, refused now.
    pub closed: u64,
    /// Other obligations.
    pub obligations: u64,
    /// Other parts withheld.
    pub withheld: u64,
    /// Decided without rules: they cannot be asked again.
    pub without_rules: u64,
}

/// One decision that would change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// Place of its entry in the log.
    pub entry: Option<u64>,
    /// When.
    pub at: Instant,
    /// What happened.
    pub event: Event,
    /// Exchange type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Kinds of both ends.
    pub from_kind: String,
    /// Kind of the recipient.
    pub to_kind: String,
    /// Permitted then.
    pub then: bool,
    /// Permitted now.
    pub now: bool,
    /// Rules (R05) that decided then, and would now.
    pub rules: (Vec<String>, Vec<String>),
    /// Obligations that would come and go.
    pub obligations: (Vec<String>, Vec<String>),
    /// Parts that would be withheld in addition, and no more.
    pub withheld: (Vec<String>, Vec<String>),
}

/// Puts one decision to another law.
pub fn simulate(law: &Law, one: &Logged, into: &mut Simulation) {
    let Some(record) = &one.record else {
        into.counts.without_rules += 1;
        return;
    };
    // A question ("may I?") has no result of its own but what the rules said.
    let then = if one.result == "question" { record.permitted } else { one.result == "permit" };
    let again = match decide(law, record) {
        Ok(again) => again,
        Err(NotAgain::NothingAsked) => {
            into.counts.without_rules += 1;
            return;
        }
        // A type that is not there is refused before any rule is asked.
        Err(NotAgain::NoSuchType) => DecisionRecord { permitted: false, obligations: Vec::new(), questions: Vec::new(), ..record.clone() },
    };
    into.counts.decided += 1;
    let old = if then { record.obligations.as_slice() } else { &[] };
    let new = if again.permitted { again.obligations.as_slice() } else { &[] };
    let (obligations, withheld) = (differences(old, new), differences(&record.withheld, &again.withheld));
    let both = then && again.permitted;
    let other = |change: &(Vec<String>, Vec<String>)| both && !(change.0.is_empty() && change.1.is_empty());
    let (duties, parts) = (other(&obligations), other(&withheld));
    match (then, again.permitted) {
        (false, true) => into.counts.opened += 1,
        (true, false) => into.counts.closed += 1,
        _ if !duties && !parts => {
            into.counts.same += 1;
            return;
        }
        _ => {}
    }
    into.counts.obligations += u64::from(duties);
    into.counts.withheld += u64::from(parts);
    for rule in decisive(record, &again, then) {
        let count = into.rules.entry(rule).or_default();
        if again.permitted { count.0 += 1 } else { count.1 += 1 }
    }
    let of = |name: &str| record.facts.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    into.changes.push(Change {
        entry: one.entry,
        at: one.at,
        event: one.event,
        kind: of("type"),
        from_kind: of("from_kind"),
        to_kind: of("to_kind"),
        then,
        now: again.permitted,
        rules: (record.rules.clone(), again.rules),
        obligations: if both { obligations } else { Default::default() },
        withheld: if both { withheld } else { Default::default() },
    });
}

fn decide(law: &Law, record: &DecisionRecord) -> Result<DecisionRecord, NotAgain> {
    let Some(named) = &record.named else { return law.policies.decide_again(record, &law.catalogue, None) };
    let code = record.facts.get("type").and_then(Value::as_str).and_then(|code| code.parse::<TypeCode>().ok());
    let exchange_type = code.and_then(|code| law.catalogue.exchange_type(&code, record.at)).ok_or(NotAgain::NoSuchType)?;
    let ends = (&named.sender, &named.recipient);
    match law.agreement_between(exchange_type, ends, named.agreement.as_ref(), record.at) {
        Ok(state) => law.policies.decide_again(record, &law.catalogue, Some(state)),
        // The register refuses before the rules are asked.
        Err(_) => {
            let state = if named.agreement.is_some() { AgreementState::NotInForce } else { AgreementState::NotNamed };
            let again = law.policies.decide_again(record, &law.catalogue, Some(state))?;
            Ok(DecisionRecord { permitted: false, obligations: Vec::new(), ..again })
        }
    }
}

/// The rules that make the difference: those that now decide and did not, and those that decided and do not.
fn decisive(record: &DecisionRecord, again: &DecisionRecord, then: bool) -> BTreeSet<String> {
    // Of what was or is refused as a whole, only the first question counts; else the parts do.
    let whole = then != again.permitted;
    let ids = |of: &DecisionRecord| -> BTreeSet<String> {
        let counted = if whole { 1 } else { of.questions.len() };
        of.questions.iter().take(counted).flat_map(|question| question.policies.iter().cloned()).collect()
    };
    ids(record).symmetric_difference(&ids(again)).cloned().collect()
}

/// What stands in the new list only, then what stood in the old one only.
fn differences(old: &[String], new: &[String]) -> (Vec<String>, Vec<String>) {
    let only = |these: &[String], those: &[String]| these.iter().filter(|one| !those.contains(one)).cloned().collect();
    (only(new, old), only(old, new))
}
